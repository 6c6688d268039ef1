package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"github.com/rcshook/rcshook/internal/doctor"
)

// TestTextFiles checks that commands read their files in UTF-16 and with a byte order mark.
func TestTextFiles(t *testing.T) {
	utf16 := func(order unicode.Endianness) func(string) string {
		return func(text string) string {
			encoded, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
			if err != nil {
				t.Fatal(err)
			}
			return encoded
		}
	}
	for name, encode := range map[string]func(string) string{
		"a byte order mark":    func(text string) string { return "\uFEFF" + text },
		"UTF-16":               utf16(unicode.LittleEndian),
		"UTF-16, other endian": utf16(unicode.BigEndian),
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var out bytes.Buffer
			write(t, "rcshook.yaml", encode("sources:\n  shop: {preset: bearer, secret: x, traffic: transaction, cases: own, map: '{to: .phone, text: \"Zoë\"}'}\n"))
			if err := os.Mkdir("own", 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, "own/json.json", encode(`{"phone": "+12025550123"}`))
			write(t, "own/http.http", encode("Content-Type: application/json\r\n\r\n{\"phone\": \"+12025550123\"}"))
			want := encode(`[{"to": ["+12025550123"], "message": {"contentMessage": {"text": "Zoë"}, "messageTrafficType": "TRANSACTION"}}]`)
			write(t, "own/json.want.json", want)
			write(t, "own/http.want.json", want)
			write(t, "r.csv", encode("to\n+12025550123\n"))
			write(t, "m.json", encode(`{"text": "Zoë"}`))
			for command, want := range map[string]string{
				"check":                               "ok   shop/http\nok   shop/json\n",
				"bulk r.csv -message m.json -dry-run": "r.csv: 1 row, 1 valid, 0 invalid\n",
			} {
				out.Reset()
				if code := run(t.Context(), strings.Fields(command), stdio{nil, &out, &out}); code != 0 || !strings.HasPrefix(out.String(), want) {
					t.Errorf("%s: exit code %d, output:\n%s", command, code, &out)
				}
			}
			o, err := parseSendFlags([]string{"m.json"}, nil)
			if err != nil || string(o.message.json()) != `{"text": "Zoë"}` {
				t.Errorf("send: %v, %s", err, o.message.json())
			}
			environ, _, err := doctor.ParseEnviron([]byte(encode("RCSHOOK_REGION=us")))
			if err != nil || len(environ) != 1 || environ[0] != "RCSHOOK_REGION=us" {
				t.Errorf("doctor: %q, %v", environ, err)
			}
		})
	}
}

// TestOutput checks that no control character of a file or a server reaches the terminal.
func TestOutput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë 👩‍💻\tשלום\u200f\n":     "Zoë 👩‍💻\tשלום\u200f\n",
		"\x1b]0;title\x07\x1b[2J":   `\u001b]0;title\u0007\u001b[2J`,
		"a\rb\x00\x7f\u009b31m":     `a\u000db\u0000\u007f\u009b31m`,
		"Gr\xf6\x9b1m\ufffd":        `Gr\xf6\x9b1m` + "\ufffd",
		"\u202egnp.exe\u2066\u2069": `\u202egnp.exe\u2066\u2069`,
	} {
		var out bytes.Buffer
		if n, err := (output{&out}).Write([]byte(text)); n != len(text) || err != nil || out.String() != want {
			t.Errorf("%q is written as %q (%d, %v), want %q", text, out.String(), n, err, want)
		}
	}
	dir := t.TempDir()
	write(t, dir+"/r.csv", "to,\x1b[31mred,Gr\u009bn\n+12025550123,,\n")
	write(t, dir+"/m.json", `{"text": "x"}`)
	var out bytes.Buffer
	run(t.Context(), []string{"bulk", dir + "/r.csv", "-message", dir + "/m.json", "-dry-run"}, stdio{nil, &out, &out})
	if strings.ContainsAny(out.String(), "\x1b\u009b") || !strings.Contains(out.String(), "red") {
		t.Errorf("the output is %q", &out)
	}
}
