package source_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/rcshook/rcshook/internal/source"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	keys := source.ParseKeys([]byte("old-key\r\n  new-key\n\nthird\rcorrect horse battery, staple\n"))
	for _, test := range []struct {
		name   string
		header http.Header
		want   error
	}{
		{"bearer", header("Authorization", "Bearer new-key"), nil},
		{"bearer in lower case, with spaces", header("Authorization", "bearer  old-key "), nil},
		{"X-API-Key", header("X-API-Key", "third"), nil},
		{"X-API-Key beside an ID token", header("X-API-Key", "third", "Authorization", "Bearer id-token"), nil},
		{"password of Basic", header("Authorization", "Basic YW55Om5ldy1rZXk="), nil}, // any:new-key
		{"key with a comma and spaces", header("X-API-Key", "correct horse battery, staple"), nil},
		{"bearer with a comma and spaces", header("Authorization", "Bearer correct horse battery, staple"), nil},
		{"a word of a key", header("X-API-Key", "horse"), source.ErrWrongKey},
		{"a key up to its comma", header("X-API-Key", "correct horse battery"), source.ErrWrongKey},
		{"no header", header(), source.ErrNoKey},
		{"empty bearer", header("Authorization", "Bearer "), source.ErrNoKey},
		{"bare key", header("Authorization", "new-key"), source.ErrBareKey},
		{"bare scheme", header("Authorization", "Bearer"), source.ErrNoKey},
		{"invalid Basic", header("Authorization", "Basic !"), source.ErrNoKey},
		{"user of Basic", header("Authorization", "Basic bmV3LWtleTo="), source.ErrKeyAsUser}, // new-key:
		{"wrong key", header("Authorization", "Bearer newkey"), source.ErrWrongKey},
		{"prefix of a key", header("X-API-Key", "new"), source.ErrWrongKey},
		{"two keys in one", header("X-API-Key", "old-key\nnew-key"), source.ErrWrongKey},
		{"bearer twice", header("Authorization", "Bearer Bearer new-key"), source.ErrTwice},
		{"quoted key", header("Authorization", "Bearer “new-key”"), source.ErrQuoted},
		{"quote within a key", header("X-API-Key", `new"key`), source.ErrWrongKey},
		{"key in upper case", header("X-API-Key", "NEW-KEY"), source.ErrWrongKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := keys.Verify(test.header)
			if err != test.want { // identical, not only wrapped
				t.Errorf("Verify(%v) = %v, want %v", test.header, err, test.want)
			}
			if err != nil && !errors.Is(err, source.ErrUnauthorized) {
				t.Errorf("Verify(%v) = %v, which is not an ErrUnauthorized", test.header, err)
			}
		})
	}
}

func TestKeys_empty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", " , \r\n"} {
		keys := source.ParseKeys([]byte(text))
		if !keys.Empty() {
			t.Errorf("ParseKeys(%q) is not empty", text)
		}
		for _, presented := range []string{"", " ", "\n"} {
			if err := keys.Verify(header("X-API-Key", presented)); !errors.Is(err, source.ErrUnauthorized) {
				t.Errorf("Verify with %q = %v, want ErrUnauthorized", presented, err)
			}
		}
	}
}

func TestKeys_Warnings(t *testing.T) {
	t.Parallel()
	keys := source.ParseKeys([]byte("s3cret\ncorrect horse battery staple\nGrößeGrößeGröße1\nfirst-of-the-keys,second-of-the-keys\n"))
	want := []string{
		"API key 1 is easy to guess: expected at least 16 random characters, got 6",
		"API key 4 contains a comma, which is part of the key; write several keys on separate lines",
	}
	if got := keys.Warnings(); keys.Len() != 4 || !slices.Equal(got, want) {
		t.Errorf("Warnings of %d keys = %q, want %q", keys.Len(), got, want)
	}
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}
