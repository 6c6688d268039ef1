package source_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/source"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", source.MaxIdempotencyKey)
	for _, test := range []struct {
		name    string
		header  http.Header
		want    string
		wantErr string
	}{
		{"none", header(), "", ""},
		{"empty", header("Idempotency-Key", " "), "", ""},
		{"bare", header("Idempotency-Key", "order-1042"), "order-1042", ""},
		{"quoted", header("Idempotency-Key", `"order-1042"`), "order-1042", ""},
		{"quoted with escapes", header("Idempotency-Key", `"a\"b\\c"`), `a"b\c`, ""},
		{"quoted with parameters", header("Idempotency-Key", `"k";v=1`), "k", ""},
		{"standard webhooks", header("webhook-id", "msg_1"), "msg_1", ""},
		{"the first of both", header("Idempotency-Key", "a", "webhook-id", "b"), "a", ""},
		{"as long as it may be", header("Idempotency-Key", long), long, ""},
		{
			"too long", header("Idempotency-Key", long+"x"), "",
			"not one idempotency key: the header Idempotency-Key has 257 characters, at most 256 are allowed",
		},
		{
			"open quotation", header("Idempotency-Key", `"abc`), "",
			"not one idempotency key: the header Idempotency-Key has a quotation mark without its partner",
		},
		{
			"escape at the end", header("Idempotency-Key", `"abc\`), "",
			"not one idempotency key: the header Idempotency-Key has a quotation mark without its partner",
		},
		{
			"more after the quotation", header("Idempotency-Key", `"a" b`), "",
			"not one idempotency key: the header Idempotency-Key has a quotation mark without its partner",
		},
		{
			"twice",
			http.Header{"Idempotency-Key": {"a", "b"}},
			"",
			"not one idempotency key: the header Idempotency-Key is there 2 times",
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
		again, err := source.IdempotencyKey(http.Header{"Idempotency-Key": {`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`}})
		if err != nil || again != key {
			t.Errorf("key %q of %q, quoted, reads as %q, %v", key, value, again, err)
		}
	})
}
