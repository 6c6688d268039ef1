package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/payload"
)

// start returns a campaign with a table and a message.
func start(t testing.TB, table, message string) (*Campaign, []string, error) {
	t.Helper()
	c := &Campaign{Name: "sale", Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }}
	var err error
	if c.Table, err = OpenTable(file(t, "r.csv", table)); err != nil {
		t.Fatal(err)
	}
	if c.Message, err = ParseTemplate([]byte(message)); err != nil {
		return nil, nil, err
	}
	unused, err := c.MatchColumns()
	return c, unused, err
}

// TestMessages checks the payload of each row, or its errors.
func TestMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table, message string
		set                  func(*Campaign)
		want                 []string
	}{
		{
			"placeholders in several spellings", "Phone,First Name\n+12025550101,Ada", `{"text": "Hi {{first_name}}, {{ FIRST NAME }}"}`, nil,
			[]string{`{"text":"Hi Ada, Ada","Phone":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"a cell with JSON and a placeholder", "to,name\n+12025550101,\"\"\"}\\u0041{{name}}\n.\"", `{"text": "Hi {{name}}"}`, nil,
			[]string{`{"text":"Hi \"}\\u0041{{name}}\n.","to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"defaults", "to,name,no\n+12025550101,,1", `{"text": "Hi {{name|you there}}{{name|}} {{no|2}}"}`, nil,
			[]string{`{"text":"Hi you there 1","to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"empty cell", "to,name,no\n+12025550101,,1", `{"text": "Hi {{name}}"}`, nil,
			[]string{`: {{name}} is empty: fill in the cell, or write {{name|...}} with a default`},
		},
		{
			"nested in the message", "to,a\n+12025550101,7", `{"text": "x", "chips": ["A {{a}}", {"label": "B", "url": "https://example.com/{{a}}", "webview": true}], "ttl": 60}`, nil,
			[]string{`{"text":"x","chips":["A 7",{"label":"B","url":"https://example.com/7","webview":true}],"ttl":60,"to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"flat fields of a card", "to,card1_title,Card 1 Image\n+12025550101,A,https://example.com/1.jpg\n+12025550102,B,", `{"chips": "Stop"}`, nil,
			[]string{
				`{"chips":"Stop","to":"+12025550101","card1_title":"A","Card 1 Image":"https://example.com/1.jpg","idempotency_key":"sale/+12025550101"}`,
				`{"chips":"Stop","to":"+12025550102","card1_title":"B","idempotency_key":"sale/+12025550102"}`,
			},
		},
		{
			"a cell replaces the field", "to,msg\n+12025550101,Own\n+12025550102,", `{"body": "All"}`, nil,
			[]string{
				`{"to":"+12025550101","msg":"Own","idempotency_key":"sale/+12025550101"}`,
				`{"body":"All","to":"+12025550102","idempotency_key":"sale/+12025550102"}`,
			},
		},
		{
			"a column of a placeholder is not a field", "n,title\n+12025550101,Dr", `{"to": "{{n}}", "text": "Dear {{title}}"}`, nil,
			[]string{`{"to":"+12025550101","text":"Dear Dr","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"a key column", "to,id\n+12025550101,a\n+12025550102,\n+12025550103,a", `{"text": "x"}`, func(c *Campaign) { c.KeyColumn = "ID" },
			[]string{
				`{"text":"x","to":"+12025550101","idempotency_key":"sale/a"}`,
				`: no key in column id`,
				`: the id is the same as in row 2`,
			},
		},
		{
			"a long key", "to,id\n+12025550101," + strings.Repeat("k", 300), `{"text": "x"}`, func(c *Campaign) { c.KeyColumn = "id" },
			[]string{`/idempotency_key: expected at most 256 characters, got 305`},
		},
		{
			"the same number in two spellings", "to\n+12025550101\n+1 (202) 555-0101", `{"text": "x"}`, nil,
			[]string{
				`{"text":"x","to":"+12025550101","idempotency_key":"sale/+12025550101"}`,
				`: the number is the same as in row 2`,
			},
		},
		{
			"a country", "to,country\n030 1234567,\n030 1234568,AT", `{"text": "x"}`, func(c *Campaign) { c.Country = "DE" },
			[]string{
				`{"text":"x","to":"030 1234567","country":"DE","idempotency_key":"sale/+49301234567"}`,
				`{"text":"x","to":"030 1234568","country":"AT","idempotency_key":"sale/+43301234568"}`,
			},
		},
		{
			"numbers that a spreadsheet changed", "to\n'+12025550110\n491701234567.0\n1.20246E+10\n15123456789\n#N/A\n-2025550123", `{"text": "x"}`, func(c *Campaign) { c.Country = "DE" },
			[]string{
				`{"text":"x","to":"+12025550110","country":"DE","idempotency_key":"sale/+12025550110"}`,
				`{"text":"x","to":"491701234567.0","country":"DE","idempotency_key":"sale/+491701234567"}`,
				`/to: not a phone number: scientific notation has lost its last digits; format the column as text and enter the number again`,
				`/to: ambiguous: these digits are a number of one country with their country code, and of another country without it; write the number with + and the country code`,
				`/to: not a phone number: an error of a spreadsheet; fix the formula, or widen the column`,
				`/to: not a phone number but a negative one, as a spreadsheet calculates from hyphens; format the column as text and enter the number again`,
			},
		},
		{
			"a country of the message", "to\n030 1234567", `{"text": "x", "country": "AT"}`, func(c *Campaign) { c.Country = "DE" },
			[]string{`{"text":"x","country":"AT","to":"030 1234567","idempotency_key":"sale/+43301234567"}`},
		},
		{
			"all errors of a row", "to,msg\n+12025550101;+12025550102," + strings.Repeat("x", 3073) + "\n,x\n12,x,x", `{}`, nil,
			[]string{
				`/to: expected one number per row, got 2; /msg: the text is too long: expected at most 3072 characters, got 3073`,
				`/to: missing: expected a phone number such as +12025550123`,
				`: more cells than columns: put a cell that contains "," in quotes`,
			},
		},
		{
			"premium numbers", "to\n+19005550123\n+449098790123", `{"text": "x", "chips": [{"label": "Call", "tel": "+19005550123"}]}`, nil,
			[]string{
				"/to: premium-rate or shared-cost number, which no mobile phone has; send to a mobile number, or set RCSHOOK_ALLOW_PREMIUM_NUMBERS=true",
				"/to: premium-rate or shared-cost number, which no mobile phone has; send to a mobile number, or set RCSHOOK_ALLOW_PREMIUM_NUMBERS=true",
			},
		},
		{
			"premium numbers are allowed", "to\n+19005550123", `{"text": "x"}`, func(c *Campaign) { c.AllowPremiumNumbers = true },
			[]string{`{"text":"x","to":"+19005550123","idempotency_key":"sale/+19005550123"}`},
		},
		{
			"not UTF-8", "to,name\n+12025550101,Zo\xeb", `{"text": "{{name}}"}`, nil,
			[]string{`: not UTF-8; save the sheet as "CSV UTF-8"`},
		},
		{
			"a message in UTF-16", "to\n+12025550101", "\xff\xfe{\x00\"\x00t\x00e\x00x\x00t\x00\"\x00:\x00\"\x00a\x00\"\x00}\x00", nil,
			[]string{`{"text":"a","to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"a BOM and other JSON", "to\n+12025550101", "\xef\xbb\xbf{\"raw\": {\"contentMessage\": {\"text\": \"x\", \"suggestions\": []}}, \"otp\": false, \"card\": {}, \"ttl\": null}\n", nil,
			[]string{`{"raw":{"contentMessage":{"text":"x","suggestions":[]}},"otp":false,"card":{},"ttl":null,"to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := start(t, tt.table, tt.message)
			if err != nil {
				t.Fatal(err)
			}
			if tt.set != nil {
				tt.set(c)
				if _, err := c.MatchColumns(); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for m, err := range c.messages(t.Context(), new(Pass), nil) {
				if err != nil {
					t.Fatal(err)
				}
				var errs []string
				for _, e := range m.Errors {
					errs = append(errs, e.Pointer+": "+e.Detail)
				}
				if errs == nil {
					errs = []string{string(m.Body)}
				}
				got = append(got, strings.Join(errs, "; "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMatchColumns checks the errors of messages and columns.
func TestMatchColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table, message string
		want                 Errors
	}{
		{"unknown placeholders", "to,name", `{"text": "{{nam}} {{id|x}}"}`, Errors{
			"missing column for {{nam}}; the columns are: to, name", "missing column for {{id}}; the columns are: to, name",
		}},
		{"no recipients", "name", `{"text": "{{name}}"}`, Errors{`missing recipients: add a column named "to", or write "to": "{{column}}" in the message; the columns are: name`}},
		{"duplicate columns", "to,First Name,first_name", `{"text": "{{first name}} {{first name}}"}`, Errors{`duplicate columns "First Name" and "first_name"`}},
		{"reserved fields", "to,Idempotency Key", `{"text": "x", "message_id": "1", "validate": true}`, Errors{
			"idempotency_key is derived from the campaign name and the row's key; choose the key column with -key-column",
			"message_id is derived from the campaign name and the row's key",
			"dry_run is set with -dry-run",
		}},
		{"invalid placeholders", "to", `{"text": "{{", "title": "{{}}", "alt": "{{a|{b}}"}`, Errors{
			"{{ does not start a placeholder such as {{name}} or {{name|there}}",
			"{{ does not start a placeholder such as {{name}} or {{name|there}}",
			"{{ does not start a placeholder such as {{name}} or {{name|there}}",
		}},
		{"JSON in a text", "to,a", `{"text": "x", "buttons": "[\"{{a}}\"]", "card": " {\"title\": {{a}}}"}`, Errors{
			"{{a}} is in a text that contains JSON, which a cell could change: write the JSON without quotes around it",
			"{{a}} is in a text that contains JSON, which a cell could change: write the JSON without quotes around it",
		}},
		{"invalid JSON", "to", `{"text": "x"`, Errors{"invalid message: unexpected end of the JSON at line 1, column 13"}},
		{"a list", "to", `[{"text": "x"}]`, Errors{"the message must be one JSON object"}},
		{"valid", "to,a", `{"text": "[{{a}}] {\"x\"}"}`, nil},
	} {
		_, _, err := start(t, tt.table, tt.message)
		got := Errors(nil)
		if err != nil && !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	_, unused, err := start(t, "to,notes,,Name,Notes", `{"text": "{{na\u200bme}}"}`)
	if diff := cmp.Diff([]string{"notes", "Notes"}, unused); diff != "" || err != nil {
		t.Errorf("unused columns (-want +got): %v\n%s", err, diff)
	}
	c, _, err := start(t, "to", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyColumn = "id"
	if _, err := c.MatchColumns(); err == nil || err.Error() != `missing key column "id"; the columns are: to` {
		t.Errorf("a missing key column: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("to,text,url\n")
	for i := range 20 {
		fmt.Fprintf(&b, "+12025550%d,%s,https://example.com/\n", 110+i, strings.Repeat("x", 3070+i))
	}
	b.WriteString("+12025550110,twice,\n+12025550111,twice,\n+442079460000,abroad,https://example.com/\n+12025550199,short,\n")
	c, _, err := start(t, b.String(), `{"chips": ["A|https://example.com/{{url|}}"]}`)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	s, err := c.Check(t.Context(), newTestSet(t, "+12025550199"), func(int64, int64) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	s.TableHash = ""
	want := &Summary{
		Rows: 24, Valid: 5, Done: 1, Invalid: 19,
		Errors: []Issue{
			{"/text", "the text is too long: expected at most 3072 characters, got 3073", 17, []int{5, 6, 7, 8, 9}},
			{"", "the number is the same as in row 2", 2, []int{22, 23}},
		},
		Warnings: []Issue{{"/text", "the text is near its limit: 3070 of 3072 characters", 3, []int{2, 3, 4}}},
		Bytes:    s.Bytes, Largest: s.Largest,
		Billing: map[string]int{"rich": 4}, Segments: 3*20 + 1, NonUS: 1,
	}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreUnexported(Summary{})); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if s.Bytes < 3*3070 || s.Largest < 3072 || s.Largest > 4000 {
		t.Errorf("%d bytes, the largest %d", s.Bytes, s.Largest)
	}
}

// TestCheck_fallback checks that the text for the fallback counts as SMS, if the message has
// fields for it.
func TestCheck_fallback(t *testing.T) {
	t.Parallel()
	const long = "This text of 70 characters or more, with an é or a ж, is several segments as an SMS."
	for _, test := range []struct {
		table, message string
		want           int
	}{
		{"to\n+12025550110\n", `{"text": "` + long + `"}`, 0},
		{"to\n+12025550110\n+12025550111\n", `{"text": "` + long + `", "fallback_after": "2m"}`, 4},
		{"to,Fallback Text\n+12025550110,short\n+12025550111,\n+1202555,short\n", `{"text": "` + long + `"}`, 3},
		{"to,code\n+12025550110,719204\n", `{"text": "` + long + `", "fallback_text": "{{code}}"}`, 1},
	} {
		c, unused, err := start(t, test.table, test.message)
		if err != nil || len(unused) > 0 {
			t.Fatal(unused, err)
		}
		s, err := c.Check(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.SMSSegments != test.want {
			t.Errorf("%s with %s: got %d segments, want %d", test.table, test.message, s.SMSSegments, test.want)
		}
	}
}

// TestIssueGroups checks the maximum number of issues.
func TestIssueGroups(t *testing.T) {
	t.Parallel()
	const maxIssues = 200
	all := issueGroups{}
	for i := range 10 * maxIssues {
		all.add(payload.Error{Pointer: fmt.Sprint("/", i), Detail: "odd"}, i)
	}
	list := all.sorted()
	if last := list[0]; len(list) != maxIssues+1 || last.Count != 9*maxIssues || last.Detail != "other errors" {
		t.Errorf("%d issues, the first %+v", len(list), last)
	}
}

// FuzzTemplate checks that a cell changes only its own text.
func FuzzTemplate(f *testing.F) {
	for _, m := range []string{`{"text": "Hi {{name|there}}", "to": "{{to}}"}`, `{"cards": [{"title": "{{name}}"}], "raw": {}}`, `{"a":{"b":[]},"{{x}}":1}`, `{"text":"{{name}}{{name}}","text":"x"}`} {
		f.Add([]byte(m), "Ada \"}{{name}}")
	}
	f.Fuzz(func(t *testing.T, message []byte, cell string) {
		m, err := ParseTemplate(message)
		if err != nil {
			return
		}
		c := Campaign{Name: "c", Message: m, Table: &Table{Columns: []string{"to", "name"}, comma: ','}}
		if _, err := c.MatchColumns(); err != nil {
			return
		}
		r := renderer{Campaign: &c}
		render := func(cell string) map[string]int {
			m := new(Message)
			if r.render(m, Row{Cells: []string{"+12025550101", cell}}); len(m.Errors) > 0 {
				return nil
			}
			shape, err := shapeOf(m.Body)
			if err != nil {
				t.Fatalf("%v in\n%s\nof\n%s", err, m.Body, message)
			}
			return shape
		}
		if got, want := render(cell), render("x"); got != nil && cell != "" && !cmp.Equal(got, want) {
			t.Fatalf("the cell %q changes the message (-want +got):\n%s", cell, cmp.Diff(want, got))
		}
	})
}

// shapeOf counts the tokens of JSON by kind and name.
func shapeOf(body []byte) (map[string]int, error) {
	shape := map[string]int{}
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	for {
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return shape, nil
		}
		if err != nil {
			return nil, err
		}
		shape[string(dec.StackPointer().Parent())+" "+token.Kind().String()]++
	}
}
