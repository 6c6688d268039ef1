package payload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
)

// multipartForm returns a form with the boundary X. Each part is its header and its content,
// separated by an empty line.
func multipartForm(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("--X\r\nContent-Disposition: form-data; " + strings.ReplaceAll(part, "\n", "\r\n") + "\r\n")
	}
	return b.String() + "--X--\r\n"
}

func TestParseBody(t *testing.T) {
	t.Parallel()
	const multipart = "multipart/form-data; boundary=X"
	const utf16 = "\xff\xfe{\x00}\x00"
	for _, test := range []struct{ name, contentType, body, want string }{
		{"JSON", asJSON, `{"a": 1}`, `JSON {"a": 1}`},
		{"JSON in UTF-16", asJSON, utf16, "JSON {}"},
		{"JSON in UTF-16 without a byte order mark", asJSON, utf16[2:], "JSON {}"},
		{"JSON in big-endian UTF-16", asJSON, "\xfe\xff\x00{\x00}", "JSON {}"},
		{"JSON in Latin-1", asJSON + "; charset=iso-8859-1", "{\"a\": \"Gr\xfc\xdfe\"}", `JSON {"a": "Grüße"}`},
		{"JSON in UTF-8 that is called Latin-1", asJSON + "; charset=latin1", `{"a": "Grüße"}`, `JSON {"a": "Grüße"}`},
		{"JSON in windows-1251", asJSON + "; charset=windows-1251", "{\"a\": \"\xcf\xf0\xe8\"}", `JSON {"a": "При"}`},
		{"JSON that Shift_JIS would change", "text/plain; charset=shift_jis", `{"a": "ぃ\",\"b"}`, `text {"a": "ぃ\",\"b"}`},
		{
			"JSON file that Shift_JIS would change", multipart + "; charset=shift_jis",
			multipartForm("name=e; filename=e\nContent-Type: application/json\n\n{\"a\": \"ぃ\\\",\\\"b\"}"), `JSON {"a": "ぃ\",\"b"}`,
		},
		{"text in Latin-1", "text/plain; charset=iso-8859-1", "Gr\xfc\xdfe", `text Grüße`},
		{"form", asForm, "a=1&b=x+y&a=%26;c", `form a="1" b="x y" a="&;c"`},
		{"form with empty pairs", asForm, "&a&&=b&", `form a="" ="b"`},
		{"form in Latin-1", asForm + "; charset=ISO-8859-1", "a=Gr%FC%DFe&%fc=1", `form a="Grüße" ü="1"`},
		{"form in windows-1252, raw", asForm + "; windows-1252", "a=5 \x80", `form a="5 €"`},
		{"form in UTF-8 that is called Latin-1", asForm + "; charset=iso-8859-1", "a=Gr%C3%BC%C3%9Fe", `form a="Grüße"`},
		{"form in Shift_JIS", asForm + "; charset=Shift_JIS", "a=%83%5C%5C%26", `form a="ソ\\&"`},
		{"form in GBK that could be UTF-8", asForm + "; charset=gbk", "a=%CD%A8", `form a="通"`},
		{"form of ASCII in an unknown charset", asForm + "; charset=x-mine", "a=1", `form a="1"`},
		{
			"multipart", multipart, multipartForm("name=a\n\n1", "name=\"b\"\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe"),
			`form a="1" b="Grüße"`,
		},
		{
			"multipart with transfer encodings", multipart,
			multipartForm("name=a\nContent-Transfer-Encoding: base64\n\nR3LDvM\nOfZQ==", "name=b\nContent-Transfer-Encoding: Quoted-Printable\n\nGr=C3=BC=C3=9Fe", "name=c\nContent-Transfer-Encoding: 8bit\n\nü"),
			`form a="Grüße" b="Grüße" c="ü"`,
		},
		{
			"multipart in a charset", multipart + "; charset=iso-8859-1", multipartForm("name=a\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe"),
			`form a="Grüße"`,
		},
		{"upload", multipart, multipartForm("name=a; filename=x.png\nContent-Type: image/png\n\n\xff", "name=b\n\n1"), `form a=file b="1"`},
		{"JSON file", multipart, multipartForm("name=event; filename=event.json\nContent-Type: application/json\n\n{\"a\": 1}"), `JSON {"a": 1}`},
		{"JSON file as curl sends it", multipart, multipartForm("name=event; filename=event.json\nContent-Type: application/octet-stream\n\n[1]"), `JSON [1]`},
		{"JSON file without a type", multipart, multipartForm("name=event; filename=event.JSON\n\n[1]"), `JSON [1]`},
		{"text file with a name of JSON", multipart, multipartForm("name=event; filename=event.json\nContent-Type: text/plain\n\n[1]"), `form event=file`},
		{"JSON file in base64", multipart, multipartForm("name=e; filename=e\nContent-Type: application/json; utf-8\nContent-Transfer-Encoding: base64\n\nW10="), `JSON []`},
		{"JSON file in UTF-16", multipart, multipartForm("name=e; filename=e\nContent-Type: application/json\n\n" + utf16), `JSON {}`},
		{
			"JSON file beside fields", multipart, multipartForm("name=to\n\n1", "name=cards; filename=c.json\nContent-Type: application/json\n\n[1]"),
			`form to="1" cards="[1]"`,
		},
		{"JSON in a field", multipart, multipartForm("name=event\nContent-Type: application/json\n\n{}"), `form event="{}"`},
		{"empty", asForm, " \n", "text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, err := payload.ParseBody(test.contentType, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(b); got != test.want {
				t.Errorf("ParseBody(%q, %q) = %s, want %s", test.contentType, test.body, got, test.want)
			}
		})
	}
	for _, test := range []struct{ contentType, body, want string }{
		{asJSON, "\xff\xfe{\x00}", "it is damaged text in UTF-16; send UTF-8"},
		{multipart, multipartForm("name=a\nContent-Transfer-Encoding: base64\n\n?"), "invalid multipart form: a field is not in base64, which its Content-Transfer-Encoding names"},
		{multipart, multipartForm("name=a\nContent-Transfer-Encoding: x-uuencode\n\nx"), "invalid multipart form: unknown Content-Transfer-Encoding of a field"},
		{multipart, multipartForm("name=a\n\n\xff"), "form field 1 is not valid UTF-8; send UTF-8, or name its charset in the Content-Type"},
	} {
		_, err := payload.ParseBody(test.contentType, []byte(test.body))
		if e, ok := errors.AsType[*payload.BodyError](err); !ok || e.Detail != test.want {
			t.Errorf("ParseBody(%q, %q): %v, want %q", test.contentType, test.body, err, test.want)
		}
	}
}

// describe returns the kind and the content of a body.
func describe(b *payload.Body) string {
	switch {
	case b.IsJSON:
		return "JSON " + string(b.Text)
	case !b.IsForm:
		return strings.TrimSpace("text " + string(b.Text))
	}
	text := "form"
	for _, f := range b.Fields {
		if f.IsFile {
			text += fmt.Sprintf(" %s=file", f.Name)
		} else {
			text += fmt.Sprintf(" %s=%q", f.Name, f.Value)
		}
	}
	return text
}

// The fields of forms are valid UTF-8 in any charset, and reading a body twice gives the
// same.
func FuzzParseBody(f *testing.F) {
	const multipart = "multipart/form-data; boundary=X"
	for _, contentType := range []string{
		"", asJSON, asJSON + "; utf-8", asJSON + ", " + asJSON, asForm, asForm + "; charset=shift_jis", asForm + "; charset=iso-2022-jp", multipart, multipart + "; charset=gbk",
	} {
		f.Add(contentType, `{"a": 1}`)
		f.Add(contentType, "a=1;2&b=%FC&c")
		f.Add(contentType, "\xff\xfe{\x00}\x00")
		f.Add(contentType, multipartForm("name=a\nContent-Transfer-Encoding: base64\n\nYQ==", "name=b; filename=b.json\nContent-Type: application/json\n\n{}"))
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		b, err := payload.ParseBody(contentType, []byte(body))
		if err != nil {
			return
		}
		for _, field := range b.Fields {
			if !utf8.ValidString(field.Name) || !utf8.ValidString(field.Value) || field.IsFile && field.Value != "" {
				t.Errorf("ParseBody(%q, %q) has the field %+v", contentType, body, field)
			}
		}
		if again, err := payload.ParseBody(contentType, []byte(body)); err != nil || describe(again) != describe(b) {
			t.Errorf("ParseBody(%q, %q) = %v, then %v, %v", contentType, body, b, again, err)
		}
	})
}
