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

	"github.com/rcshook/rcshook/internal/payload"
)

// start makes a campaign of a table and a message.
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
	unused, err := c.Bind()
	return c, unused, err
}

// TestLetters shows what comes of a row: the payload, or its faults.
func TestLetters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table, message string
		set                  func(*Campaign)
		want                 []string
	}{
		{
			"a placeholder, in any spelling", "Phone,First Name\n+12025550101,Ada", `{"text": "Hi {{first_name}}, {{ FIRST NAME }}"}`, nil,
			[]string{`{"text":"Hi Ada, Ada","Phone":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"a cell is neither JSON nor a template", "to,name\n+12025550101,\"\"\"}\\u0041{{name}}\n.\"", `{"text": "Hi {{name}}"}`, nil,
			[]string{`{"text":"Hi \"}\\u0041{{name}}\n.","to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"otherwise", "to,name,no\n+12025550101,,1", `{"text": "Hi {{name|you there}}{{name|}} {{no|2}}"}`, nil,
			[]string{`{"text":"Hi you there 1","to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"blank", "to,name,no\n+12025550101,,1", `{"text": "Hi {{name}}"}`, nil,
			[]string{`: {{name}} is blank here: fill in the cell, or write {{name|...}} with what stands there otherwise`},
		},
		{
			"deep in the message", "to,a\n+12025550101,7", `{"text": "x", "chips": ["A {{a}}", {"label": "B", "url": "https://example.com/{{a}}", "webview": true}], "ttl": 60}`, nil,
			[]string{`{"text":"x","chips":["A 7",{"label":"B","url":"https://example.com/7","webview":true}],"ttl":60,"to":"+12025550101","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"fields of a card, flat", "to,card1_title,Card 1 Image\n+12025550101,A,https://example.com/1.jpg\n+12025550102,B,", `{"chips": "Stop"}`, nil,
			[]string{
				`{"chips":"Stop","to":"+12025550101","card1_title":"A","Card 1 Image":"https://example.com/1.jpg","idempotency_key":"sale/+12025550101"}`,
				`{"chips":"Stop","to":"+12025550102","card1_title":"B","idempotency_key":"sale/+12025550102"}`,
			},
		},
		{
			"a cell stands in the place of the same field", "to,msg\n+12025550101,Own\n+12025550102,", `{"body": "All"}`, nil,
			[]string{
				`{"to":"+12025550101","msg":"Own","idempotency_key":"sale/+12025550101"}`,
				`{"body":"All","to":"+12025550102","idempotency_key":"sale/+12025550102"}`,
			},
		},
		{
			"a placeholder makes a variable of a field", "n,title\n+12025550101,Dr", `{"to": "{{n}}", "text": "Dear {{title}}"}`, nil,
			[]string{`{"to":"+12025550101","text":"Dear Dr","idempotency_key":"sale/+12025550101"}`},
		},
		{
			"a column of keys", "to,id\n+12025550101,a\n+12025550102,\n+12025550103,a", `{"text": "x"}`, func(c *Campaign) { c.KeyColumn = "ID" },
			[]string{
				`{"text":"x","to":"+12025550101","idempotency_key":"sale/a"}`,
				`: no key in column id`,
				`: the same id as in an earlier row: row 4 as in row 2`,
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
				`: the same number as in an earlier row: row 3 as in row 2`,
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
			"a country of the message", "to\n030 1234567", `{"text": "x", "country": "AT"}`, func(c *Campaign) { c.Country = "DE" },
			[]string{`{"text":"x","country":"AT","to":"030 1234567","idempotency_key":"sale/+43301234567"}`},
		},
		{
			"all faults of a row", "to,msg\n+12025550101;+12025550102," + strings.Repeat("x", 3073) + "\n,x\n12,x,x", `{}`, nil,
			[]string{
				`/to: 2 numbers, and a row is for one; /msg: the text is too long: expected at most 3072 characters, got 3073`,
				`/to: missing: expected a phone number such as +12025550123`,
				`: more cells than columns: a cell with a "," in it must stand in quotes`,
			},
		},
		{
			"not UTF-8", "to,name\n+12025550101,Zo\xeb", `{"text": "{{name}}"}`, nil,
			[]string{`: it is not UTF-8: save the sheet as "CSV UTF-8"`},
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
				if _, err := c.Bind(); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for l, err := range c.letters(t.Context(), new(Pass)) {
				if err != nil {
					t.Fatal(err)
				}
				var faults []string
				for _, f := range l.Faults {
					faults = append(faults, f.Pointer+": "+f.Detail)
				}
				if faults == nil {
					faults = []string{string(l.Body)}
				}
				got = append(got, strings.Join(faults, "; "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("letters (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBind shows what is wrong with a message and columns, whatever the rows are.
func TestBind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table, message string
		want                 Faults
	}{
		{"unknown placeholders", "to,name", `{"text": "{{nam}} {{id|x}}"}`, Faults{
			"there is no column for {{nam}}; the columns are: to, name", "there is no column for {{id}}; the columns are: to, name",
		}},
		{"nobody", "name", `{"text": "{{name}}"}`, Faults{`nothing says who gets the message: name a column to, or write "to": "{{column}}" in the message`}},
		{"two of a name", "to,First Name,first_name", `{"text": "x"}`, Faults{`the columns "First Name" and "first_name" have the same name`}},
		{"what a campaign decides", "to,Idempotency Key", `{"text": "x", "message_id": "1", "validate": true}`, Faults{
			"idempotency_key is made of the campaign and the key of the row: choose the column of the key with -key-column",
			"message_id is made from the campaign and the key of the row",
			"dry_run is asked for with -dry-run",
		}},
		{"placeholders that are none", "to", `{"text": "{{", "title": "{{}}", "alt": "{{a|{b}}"}`, Faults{
			"a {{ is not the beginning of a placeholder such as {{name}} or {{name|there}}",
			"a {{ is not the beginning of a placeholder such as {{name}} or {{name|there}}",
			"a {{ is not the beginning of a placeholder such as {{name}} or {{name|there}}",
		}},
		{"JSON in a text", "to,a", `{"text": "x", "buttons": "[\"{{a}}\"]", "card": " {\"title\": {{a}}}"}`, Faults{
			"{{a}} stands in a text that holds JSON, where a cell could change its meaning: write the JSON without quotes around it",
			"{{a}} stands in a text that holds JSON, where a cell could change its meaning: write the JSON without quotes around it",
		}},
		{"broken", "to", `{"text": "x"`, Faults{"the message cannot be read: unexpected end of the JSON at line 1, column 13"}},
		{"a list", "to", `[{"text": "x"}]`, Faults{"the message must be one JSON object"}},
		{"good", "to,a", `{"text": "[{{a}}] {\"x\"}"}`, nil},
	} {
		_, _, err := start(t, tt.table, tt.message)
		got := Faults(nil)
		if err != nil && !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	_, unused, err := start(t, "to,notes,,Name", `{"text": "{{name}}"}`)
	if diff := cmp.Diff([]string{"notes"}, unused); diff != "" || err != nil {
		t.Errorf("unused columns (-want +got): %v\n%s", err, diff)
	}
	c, _, err := start(t, "to", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyColumn = "id"
	if _, err := c.Bind(); err == nil || err.Error() != `there is no column "id" for the keys; the columns are: to` {
		t.Errorf("a key column that is not there: %v", err)
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
	s, err := c.Check(t.Context(), func(key string) bool { return key == "+12025550199" }, func(int64, int64) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	s.Sum = ""
	want := &Summary{
		Rows: 24, Good: 5, Done: 1, Faulty: 19,
		Faults: []Kind{
			{"/text", "the text is too long: expected at most 3072 characters, got 3073", 17, []int{5, 6, 7, 8, 9}},
			{"", "the same number as in an earlier row: row 22 as in row 2", 2, []int{22, 23}},
		},
		Warnings: []Kind{{"/text", "the text is near its limit: 3070 of 3072 characters", 3, []int{2, 3, 4}}},
		Bytes:    s.Bytes, Largest: s.Largest,
		Billing: map[string]int{"rich": 4}, Segments: 3*20 + 1, Abroad: 1,
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if s.Bytes < 3*3070 || s.Largest < 3072 || s.Largest > 4000 {
		t.Errorf("%d bytes, the largest %d", s.Bytes, s.Largest)
	}
}

// TestKinds bounds what is kept of faults that nobody has seen before.
func TestKinds(t *testing.T) {
	t.Parallel()
	var all tally
	for i := range 10 * maxKinds {
		all.add(payload.Error{Pointer: fmt.Sprint("/", i), Detail: "odd"}, i)
	}
	kinds := all.sorted()
	if last := kinds[0]; len(kinds) != maxKinds+1 || last.Count != 9*maxKinds || last.Detail != "other faults" {
		t.Errorf("%d kinds, the first %+v", len(kinds), last)
	}
}

// FuzzTemplate sees that no cell can change anything but its own place.
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
		if _, err := c.Bind(); err != nil {
			return
		}
		w := writer{Campaign: &c}
		render := func(cell string) map[string]int {
			body, faults := w.render(Row{Cells: []string{"+12025550101", cell}}, "")
			if len(faults) > 0 {
				return nil
			}
			shape, err := shapeOf(body)
			if err != nil {
				t.Fatalf("%v in\n%s\nof\n%s", err, body, message)
			}
			return shape
		}
		if got, want := render(cell), render("x"); got != nil && cell != "" && !cmp.Equal(got, want) {
			t.Fatalf("the cell %q changes the message (-want +got):\n%s", cell, cmp.Diff(want, got))
		}
	})
}

// shapeOf counts the tokens of JSON by their kind and names.
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
