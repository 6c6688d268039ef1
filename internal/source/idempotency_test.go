package source_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", payload.MaxIdempotencyKey)
	for _, test := range []struct {
		name    string
		header  http.Header
		want    string
		wantErr string
	}{
		{"none", header(), "", ""},
		{"empty", header("Idempotency-Key", " "), "", ""},
		{"empty before the header of standard webhooks", header("Idempotency-Key", " ", "webhook-id", "b"), "b", ""},
		{"unquoted", header("Idempotency-Key", "order-1042"), "order-1042", ""},
		{"quoted", header("Idempotency-Key", `"order-1042"`), "order-1042", ""},
		{"quoted with escapes", header("Idempotency-Key", `"a\"b\\c"`), `a"b\c`, ""},
		{"quoted with parameters", header("Idempotency-Key", `"k";v=1`), "k", ""},
		{"standard webhooks", header("webhook-id", "msg_1"), "msg_1", ""},
		{"the first of both", header("Idempotency-Key", "a", "webhook-id", "b"), "a", ""},
		{"maximum length", header("Idempotency-Key", long), long, ""},
		{
			"too long", header("Idempotency-Key", long+"x"), "",
			"invalid idempotency key: header Idempotency-Key: expected at most 256 characters, got 257",
		},
		{
			"no closing quote", header("Idempotency-Key", `"abc`), "",
			"invalid idempotency key: header Idempotency-Key: expected one quoted string",
		},
		{
			"escape at the end", header("Idempotency-Key", `"abc\`), "",
			"invalid idempotency key: header Idempotency-Key: expected one quoted string",
		},
		{
			"text after the closing quote", header("Idempotency-Key", `"a" b`), "",
			"invalid idempotency key: header Idempotency-Key: expected one quoted string",
		},
		{
			"duplicate",
			http.Header{"Idempotency-Key": {"a", "b"}},
			"",
			"invalid idempotency key: duplicate header Idempotency-Key: expected one, got 2",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := source.IdempotencyKey(test.header)
			if got != test.want {
				t.Errorf("IdempotencyKey(%v) = %q, want %q", test.header, got, test.want)
			}
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("IdempotencyKey(%v): %v", test.header, err)
			case test.wantErr != "" && (err == nil || err.Error() != test.wantErr):
				t.Errorf("IdempotencyKey(%v) error\n got %v\nwant %s", test.header, err, test.wantErr)
			case test.wantErr != "" && !errors.Is(err, source.ErrIdempotencyKey):
				t.Errorf("IdempotencyKey(%v) = %v, want ErrIdempotencyKey", test.header, err)
			}
		})
	}
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "a", `"a"`, `"a\"b"`, `"a`, `"a";x`, `"\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := http.Header{"Idempotency-Key": {value}}
		key, err := source.IdempotencyKey(h)
		if err != nil {
			return
		}
		unquoted, err := source.IdempotencyKey(http.Header{"Idempotency-Key": {`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`}})
		if err != nil || unquoted != key {
			t.Errorf("key %q of %q, quoted, reads as %q, %v", key, value, unquoted, err)
		}
	})
}
