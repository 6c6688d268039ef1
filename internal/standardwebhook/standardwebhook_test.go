package standardwebhook_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

const tolerance = 5 * time.Minute

func TestSign(t *testing.T) {
	t.Parallel()
	public, private := standardwebhook.NewKeys()
	secret := standardwebhook.NewSecret()
	now, body := time.Now(), []byte(`{"to":"x"}`)
	for _, test := range []struct {
		name             string
		receiver, sender []byte
	}{
		{"v1", secret, secret},
		{"v1 without the prefix", secret, secret[len("whsec_"):]},
		{"v1a", public, private},
		{"with a version, as Supabase writes it", slices.Concat([]byte("v1,"), secret), secret},
		{"one of several", slices.Concat([]byte("v1,whsec_b3RoZXI=|v1,"), secret, []byte("|v1a,"), public), private},
		{"signed with several", secret, slices.Concat([]byte("v1a,"), private, []byte(" | v1,"), secret)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Webhook-Id": {"msg_1"}}
			if err := standardwebhook.Sign(h, body, test.sender, now); err != nil {
				t.Fatal(err)
			}
			if id := h.Get("Webhook-Id"); id != "msg_1" {
				t.Errorf("Sign replaces the ID by %q", id)
			}
			verify := func(h http.Header, body []byte, now time.Time) error {
				return standardwebhook.Verify(h, body, [][]byte{[]byte("whsec_b3RoZXI="), test.receiver}, now, tolerance)
			}
			if err := verify(h, body, now.Add(tolerance-time.Second)); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if err := verify(h, append(body, ' '), now); !errors.Is(err, standardwebhook.ErrSignature) {
				t.Errorf("with another body: %v, want ErrSignature", err)
			}
			for _, skew := range []time.Duration{tolerance + time.Second, -tolerance - time.Second} {
				if err := verify(h, body, now.Add(skew)); !errors.Is(err, standardwebhook.ErrStale) {
					t.Errorf("%s later: %v, want ErrStale", skew, err)
				}
			}
			for name := range h {
				changed := h.Clone()
				changed.Set(name, h.Get(name)+"0")
				if err := verify(changed, body, now); !errors.Is(err, standardwebhook.ErrSignature) {
					t.Errorf("with another %s: %v, want ErrSignature", name, err)
				}
				changed.Del(name)
				if err := verify(changed, body, now); !errors.Is(err, standardwebhook.ErrUnauthorized) {
					t.Errorf("without %s: %v, want ErrUnauthorized", name, err)
				}
				changed[name] = []string{h.Get(name), h.Get(name)}
				if err := verify(changed, body, now); !errors.Is(err, standardwebhook.ErrUnauthorized) {
					t.Errorf("with a duplicate %s: %v, want ErrUnauthorized", name, err)
				}
			}
		})
	}
}

// The official library accepts our signatures and we accept its signatures.
func TestSign_official(t *testing.T) {
	t.Parallel()
	secret := standardwebhook.NewSecret()
	library, err := official.NewWebhook(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	now, body, h := time.Now(), []byte("{}"), http.Header{}
	if err := standardwebhook.Sign(h, body, secret, now); err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(body, h); err != nil {
		t.Errorf("the official library rejects %v: %v", h, err)
	}
	signature, err := library.Sign("msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	h = http.Header{"Svix-Id": {"msg_1"}, "Svix-Timestamp": h["Webhook-Timestamp"], "Svix-Signature": {"v1,AAAA v2,x " + signature}}
	if err := standardwebhook.Verify(h, body, [][]byte{secret}, now, tolerance); err != nil {
		t.Errorf("the signature of the official library is rejected: %v", err)
	}
}

// Supabase joins its signatures by a comma and a space.
func TestVerify_supabase(t *testing.T) {
	t.Parallel()
	first, second, now, body := standardwebhook.NewSecret(), standardwebhook.NewSecret(), time.Now(), []byte("{}")
	h := http.Header{"Webhook-Id": {"msg_1"}}
	if err := standardwebhook.Sign(h, body, slices.Concat([]byte("v1,"), first, []byte("|v1,"), second), now); err != nil {
		t.Fatal(err)
	}
	h.Set("Webhook-Signature", strings.ReplaceAll(h.Get("Webhook-Signature"), " ", ", "))
	for _, secret := range [][]byte{first, second} {
		if err := standardwebhook.Verify(h, body, [][]byte{secret}, now, tolerance); err != nil {
			t.Errorf("Verify with one of two secrets: %v", err)
		}
	}
	if err := standardwebhook.Verify(h, body, [][]byte{standardwebhook.NewSecret()}, now, tolerance); !errors.Is(err, standardwebhook.ErrSignature) {
		t.Errorf("Verify with another secret: %v, want ErrSignature", err)
	}
}

// TestVerify_manySignatures checks that a header with any number of signatures costs no more
// than a few of them.
func TestVerify_manySignatures(t *testing.T) {
	t.Parallel()
	now, secret, body, h := time.Now(), standardwebhook.NewSecret(), []byte("{}"), http.Header{}
	if err := standardwebhook.Sign(h, body, secret, now); err != nil {
		t.Fatal(err)
	}
	signature := h.Get("Webhook-Signature")
	for wrong, want := range map[int]error{standardwebhook.MaxSignatures - 1: nil, standardwebhook.MaxSignatures: standardwebhook.ErrSignature} {
		h.Set("Webhook-Signature", strings.Repeat("v1,AAAA ", wrong)+signature)
		if err := standardwebhook.Verify(h, body, [][]byte{secret}, now, tolerance); !errors.Is(err, want) {
			t.Errorf("after %d other signatures: %v, want %v", wrong, err, want)
		}
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	public, _ := standardwebhook.NewKeys()
	const publicDER = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
	for _, valid := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "YQ", "YQ==", string(public), "v1,whsec_YQ==", "v1,whsec_YQ|v1,whsec_Yg", "v1a," + string(public) + " | v1,whsec_Yg", "whpk_" + publicDER} {
		if err := standardwebhook.CheckSecret([]byte(valid)); err != nil {
			t.Errorf("CheckSecret(%q): %v", valid, err)
		}
	}
	for _, invalid := range []string{"", "whsec_", "whsec_%", "whpk_", "whpk_YQ==", "a b", "v1,", "v2,whsec_YQ", "v1,whsec_YQ|", "v1,whsec_YQ|v1,whsec_%", publicDER, "v1," + publicDER} {
		if standardwebhook.CheckSecret([]byte(invalid)) == nil {
			t.Errorf("CheckSecret(%q) accepts it", invalid)
		}
	}
}

// TestVerify_dots moves the border between the ID, the timestamp and the body: the dots of
// the body could otherwise become those of the signed content.
func TestVerify_dots(t *testing.T) {
	t.Parallel()
	now, secret := time.Unix(1795719338, 0), standardwebhook.NewSecret()
	const before, after = `{"note":"x`, `to=%2B12025550166&alt="}`
	h := http.Header{"Webhook-Id": {"m9"}}
	if err := standardwebhook.Sign(h, []byte(before+".1795719338."+after), secret, now); err != nil {
		t.Fatal(err)
	}
	h.Set("Webhook-Id", "m9.1795719338."+before)
	if err := standardwebhook.Verify(h, []byte(after), [][]byte{secret}, now, tolerance); !errors.Is(err, standardwebhook.ErrSignature) {
		t.Errorf("with a part of the body in the ID: %v, want ErrSignature", err)
	}
	if got := standardwebhook.Unproven(http.Header{"Svix-Signature": {"x"}}); !slices.Contains(got, "Webhook-Id") || slices.Contains(got, "Svix-Id") {
		t.Errorf("Unproven with the headers of Svix = %q, want Webhook-Id and not Svix-Id", got)
	}
}
