package source_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// vendorsFolder is where the libraries of testdata/vendors are installed:
//
//	cp -r internal/source/testdata/vendors /tmp/vendors
//	npm ci --prefix /tmp/vendors --ignore-scripts
//	RCSHOOKTEST_VENDORS=/tmp/vendors go test -run TestVendors ./internal/source
const vendorsFolder = "RCSHOOKTEST_VENDORS"

type vendorRequest struct {
	Preset  string            `json:"preset"`
	Secret  string            `json:"secret"`
	URL     string            `json:"url,omitempty"`
	Query   string            `json:"query,omitempty"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// We accept the signatures of the vendors' own libraries, unless the request was changed,
// and these libraries accept our signatures.
func TestVendors(t *testing.T) {
	folder := os.Getenv(vendorsFolder)
	if folder == "" {
		t.Skipf("set %s to a folder with the vendors' libraries, see vendors_test.go", vendorsFolder)
	}
	script, err := os.ReadFile("testdata/vendors/vendors.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "vendors.mjs"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	presets := []string{"stripe", "github", "standard-webhooks", "svix", "slack", "shopify", "twilio", "hubspot", "easypost", "linear", "telegram", "bigcommerce", "gocardless", "paddle", "razorpay", "webflow", "clerk", "discord", "notion", "supabase"}
	var ours []vendorRequest
	for _, preset := range presets {
		ours = append(ours, ownRequest(t, preset))
	}
	messages := snsMessages(t)
	for _, v := range messages {
		presets = append(presets, v.Preset)
	}
	signed, verified := runVendors(t, folder, append(ours, messages...))
	for _, preset := range presets {
		if verified[preset] != true {
			t.Errorf("%s: the vendor's library rejects our signature: %v", preset, verified[preset])
		}
	}
	var seen []string
	for _, v := range signed {
		seen = append(seen, v.Preset)
		t.Run(v.Preset, v.check)
	}
	slices.Sort(seen)
	if want := []string{"bigcommerce", "clerk", "github", "hubspot", "notion", "shopify", "standard-webhooks", "stripe", "supabase", "svix", "twilio"}; !slices.Equal(slices.Compact(seen), want) {
		t.Errorf("the vendors signed for %v, want %v", seen, want)
	}
}

// ownRequest returns the sample of a preset, signed by us.
func ownRequest(t *testing.T, preset string) vendorRequest {
	t.Helper()
	v := vendorRequest{Preset: preset, Secret: "whsec_" + strings.Repeat("YWJj", 8), Headers: make(map[string]string)}
	if preset == "twilio" || preset == "hubspot" {
		v.URL = "https://example.com/hooks/own"
	}
	key := []byte(v.Secret)
	if preset == "discord" { // whose library reads a public key in hex only
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		v.Secret, key = hex.EncodeToString(public), []byte(base64.StdEncoding.EncodeToString(private))
	}
	s := v.open(t, v.Secret)
	r := s.Sample("0001")
	if err := s.Sign(r, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name := range r.Header {
		v.Headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	v.Body = string(r.Body)
	return v
}

// snsMessages returns messages of the stand-in for Amazon SNS, with its certificate.
func snsMessages(t *testing.T) (all []vendorRequest) {
	t.Helper()
	a := newAmazon(t)
	for preset, changes := range map[string]map[string]any{
		"sns":              nil,
		"sns version 1":    {"SignatureVersion": "1", "Subject": nil, "Message": "Größe\n👟"},
		"sns confirmation": {"Type": "SubscriptionConfirmation", "Subject": nil, "Token": "t", "SubscribeURL": snsConfirm},
	} {
		r := snsRequest(t, a.message(t, changes))
		all = append(all, vendorRequest{Preset: preset, Secret: string(a.certificate), Headers: map[string]string{}, Body: string(r.Body)})
	}
	return all
}

func runVendors(t *testing.T, folder string, ours []vendorRequest) ([]vendorRequest, map[string]any) {
	t.Helper()
	input, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "vendors.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = folder, bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("vendors.mjs: %v", err)
	}
	var result struct {
		Signed   []vendorRequest `json:"signed"`
		Verified map[string]any  `json:"verified"`
	}
	if err := json.Unmarshal(output, &result); err != nil {
		t.Fatalf("vendors.mjs: %v\n%s", err, output)
	}
	return result.Signed, result.Verified
}

func (v vendorRequest) open(t *testing.T, secret string) *source.Source {
	t.Helper()
	return open(t, config.Source{Preset: v.Preset, Secrets: []config.Secret{config.Secret(secret)}, URL: v.URL, Map: config.Program{Text: "empty"}}, nil)
}

func (v vendorRequest) request() *source.Request {
	r := &source.Request{Method: http.MethodPost, Query: v.Query, Header: make(http.Header), Body: []byte(v.Body)}
	for name, value := range v.Headers {
		r.Header.Set(name, value)
	}
	return r
}

func (v vendorRequest) check(t *testing.T) {
	s := v.open(t, v.Secret)
	verify := func(r *source.Request) error { return source.Verify(t.Context(), s, r, time.Now()) }
	if err := verify(v.request()); err != nil {
		t.Fatalf("the signature of the vendor is rejected: %v", err)
	}
	if err := source.Verify(t.Context(), v.open(t, "whsec_"+strings.Repeat("eHl6", 8)), v.request(), time.Now()); !errors.Is(err, source.ErrSignature) {
		t.Errorf("another secret: %v, want ErrSignature", err)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		if name == "content-type" {
			continue
		}
		r := v.request()
		if r.Header.Del(name); verify(r) == nil {
			t.Errorf("without the header %s: accepted", name)
		}
		value := []byte(v.Headers[name])
		for i := range value {
			changed := slices.Clone(value)
			changed[i] ^= 1
			r := v.request()
			if r.Header.Set(name, string(changed)); verify(r) == nil {
				t.Errorf("byte %d of the header %s flipped: accepted", i, name)
			}
		}
	}
	for i := range v.Body {
		r := v.request()
		if r.Body[i] ^= 1; verify(r) == nil {
			t.Errorf("byte %d of the body flipped: accepted", i)
		}
		r = v.request()
		if r.Body = r.Body[:i]; verify(r) == nil {
			t.Errorf("body cut after %d bytes: accepted", i)
		}
	}
	if stamps(v.Preset) {
		if err := source.Verify(t.Context(), s, v.request(), time.Now().Add(time.Hour)); !errors.Is(err, source.ErrStale) {
			t.Errorf("an hour later: %v, want ErrStale", err)
		}
	}
}
