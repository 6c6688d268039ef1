package source_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

const (
	snsTopic   = "arn:aws:sns:us-east-1:123456789012:alerts"
	snsHost    = "https://sns.us-east-1.amazonaws.com"
	snsPEM     = snsHost + "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	snsConfirm = snsHost + "/?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=2336412f37fb687f5d51e6e2425e"
)

// amazon stands in for Amazon SNS: it signs messages, serves the certificate, and confirms
// subscriptions.
type amazon struct {
	key         *rsa.PrivateKey
	certificate []byte // PEM

	mu       sync.Mutex
	requests []string
	respond  http.HandlerFunc // in place of the own responses; may be nil
}

func newAmazon(t testing.TB) *amazon {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &amazon{key: key, certificate: certify(t, key.Public(), key, now.AddDate(1, 0, 0))}
}

// certify returns a certificate for a key, which another key signs. It is valid for two years.
func certify(t testing.TB, public, issuer any, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: until.AddDate(-2, 0, 0), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r.URL.String())
	switch {
	case a.respond != nil:
		a.respond(w, r)
	case strings.HasSuffix(r.URL.Path, ".pem"):
		w.Write(a.certificate)
	}
}

// seen returns the requests since the last call.
func (a *amazon) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.requests = nil }()
	return a.requests
}

// sign signs a message as SNS does: name, line feed, value and line feed of each field that
// is present, in the order of the names.
func (a *amazon) sign(t testing.TB, m map[string]any) {
	t.Helper()
	fields := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		fields = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	content := ""
	for _, name := range fields {
		if value, ok := m[name].(string); ok {
			content += name + "\n" + value + "\n"
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(content))
	digest := sum[:]
	if m["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(content))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(nil, a.key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
}

// message returns a signed message; changes are made before it is signed.
func (a *amazon) message(t testing.TB, changes map[string]any) map[string]any {
	t.Helper()
	m := map[string]any{
		"Type": "Notification", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": snsTopic, "Subject": "Alarm",
		"Message": `{"phone":"+12025550123","text":"Queue is full"}`, "Timestamp": "2026-12-01T08:59:58.123Z",
		"SignatureVersion": "2", "SigningCertURL": snsPEM, "UnsubscribeURL": snsHost + "/?Action=Unsubscribe",
	}
	for name, value := range changes {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	a.sign(t, m)
	return m
}

func snsRequest(t testing.TB, m map[string]any) *source.Request {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"text/plain; charset=UTF-8"}}, Body: body}
}

func openSNS(t testing.TB, a *amazon) *source.Source {
	t.Helper()
	return open(t, config.Source{Preset: "sns", Topics: []string{snsTopic}, Map: config.Program{Text: "{to: (.data.phone? // $headers.none), text: \"\\(.)\"}"}}, a)
}

func TestSNS(t *testing.T) {
	t.Parallel()
	a, stranger := newAmazon(t), newAmazon(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const (
		notSNS   = "the body is not a message of Amazon SNS; turn off raw message delivery, which is not signed"
		address  = "the SigningCertURL is not an address of Amazon SNS in the region of the topic"
		mismatch = "the signature does not match the message"
		format   = "the message or its signature is not in the format of Amazon SNS"
		invalid  = "the certificate of the message is not valid at this time"
		cannot   = "cannot get the certificate or the confirmation from Amazon SNS"
	)
	type changes = map[string]any
	for _, test := range []struct {
		name          string
		before, after changes // of the message, before and after it is signed
		respond       http.HandlerFunc
		kind          error
		want          string
	}{
		{name: "version 2"},
		{name: "version 1", before: changes{"SignatureVersion": "1"}},
		{name: "without a subject", before: changes{"Subject": nil}},
		{name: "null subject", before: changes{"Subject": nil}, after: changes{"Subject": nil}},
		{name: "several lines", before: changes{"Message": "a\nb\n"}},
		{name: "unsigned fields", after: changes{"UnsubscribeURL": "https://example.com/", "MessageAttributes": changes{"a": 1}}},
		{name: "old, but a retry", before: changes{"Timestamp": "2026-12-01T07:00:01.000Z"}},

		{name: "another subject", after: changes{"Subject": "x"}, kind: source.ErrSignature, want: mismatch},
		{name: "removed subject", after: changes{"Subject": nil}, kind: source.ErrSignature, want: mismatch},
		{name: "subject as a number", after: changes{"Subject": 1}, kind: source.ErrUnauthorized, want: "the field Subject of the message is not a text"},
		{name: "another version", after: changes{"SignatureVersion": "1"}, kind: source.ErrSignature, want: mismatch},
		{name: "unknown version", after: changes{"SignatureVersion": "3"}, kind: source.ErrSignature, want: "unknown SignatureVersion: expected 1 or 2"},
		{name: "another type", after: changes{"Type": "UnsubscribeConfirmation", "Token": "t", "SubscribeURL": snsConfirm}, kind: source.ErrSignature, want: mismatch},
		{name: "unknown type", after: changes{"Type": "Other"}, kind: source.ErrUnauthorized, want: notSNS},
		{name: "no signature", after: changes{"Signature": ""}, kind: source.ErrUnauthorized, want: notSNS},
		{name: "signature that is not base64", after: changes{"Signature": "?"}, kind: source.ErrSignature, want: format},
		{name: "no ID", before: changes{"MessageId": nil}, kind: source.ErrSignature, want: format},
		{name: "lines in the ID", before: changes{"MessageId": "a\nSubject\nb"}, kind: source.ErrSignature, want: format},
		{name: "another topic", before: changes{"TopicArn": snsTopic + "2"}, kind: source.ErrUnauthorized, want: "the message is from another topic than that of this source"},
		{name: "too old", before: changes{"Timestamp": "2026-12-01T06:59:59.000Z"}, kind: source.ErrStale, want: "the signature is 2h0m1s old: expected at most 2h0m0s"},
		{name: "not a time", before: changes{"Timestamp": "now"}, kind: source.ErrSignature, want: "the timestamp is not a time in the format of RFC 3339, such as 2026-12-01T09:00:00Z"},

		{name: "another region", after: changes{"SigningCertURL": strings.Replace(snsPEM, "us-east-1", "eu-west-1", 1)}, kind: source.ErrSignature, want: address},
		{name: "a bucket", after: changes{"SigningCertURL": strings.Replace(snsPEM, "us-east-1", "s3-us-west-2", 1)}, kind: source.ErrSignature, want: address},
		{name: "another domain", after: changes{"SigningCertURL": strings.Replace(snsPEM, ".com/", ".com.example.com/", 1)}, kind: source.ErrSignature, want: address},
		{name: "the domain of China", after: changes{"SigningCertURL": strings.Replace(snsPEM, ".com/", ".com.cn/", 1)}, kind: source.ErrSignature, want: address},
		{name: "a user", after: changes{"SigningCertURL": strings.Replace(snsPEM, "://", "://a@", 1)}, kind: source.ErrSignature, want: address},
		{name: "a port", after: changes{"SigningCertURL": strings.Replace(snsPEM, ".com/", ".com:8443/", 1)}, kind: source.ErrSignature, want: address},
		{name: "the host as a user", after: changes{"SigningCertURL": "https://sns.us-east-1.amazonaws.com@example.com/a.pem"}, kind: source.ErrSignature, want: address},
		{name: "HTTP", after: changes{"SigningCertURL": strings.Replace(snsPEM, "https", "http", 1)}, kind: source.ErrSignature, want: address},
		{name: "another file", after: changes{"SigningCertURL": snsHost + "/a.pem"}, kind: source.ErrSignature, want: address},
		{name: "a folder", after: changes{"SigningCertURL": strings.Replace(snsPEM, ".com/", ".com/x/", 1)}, kind: source.ErrSignature, want: address},
		{name: "a query", after: changes{"SigningCertURL": snsPEM + "?x=.pem"}, kind: source.ErrSignature, want: address},
		{name: "another name", after: changes{"SigningCertURL": strings.Replace(snsPEM, "0123", "012Z", 1)}, kind: source.ErrSignature, want: address},
		{name: "no PEM", after: changes{"SigningCertURL": snsHost + "/?x=.pem"}, kind: source.ErrSignature, want: address},
		{name: "no address", after: changes{"SigningCertURL": nil}, kind: source.ErrSignature, want: address},

		{name: "certificate of a stranger", respond: serveBytes(stranger.certificate), kind: source.ErrSignature, want: mismatch},
		{name: "expired certificate", respond: serveBytes(certify(t, a.key.Public(), a.key, now.Add(-time.Second))), kind: source.ErrSignature, want: invalid},
		{name: "certificate of the future", respond: serveBytes(certify(t, a.key.Public(), a.key, now.AddDate(2, 0, 0).Add(time.Second))), kind: source.ErrSignature, want: invalid},
		{name: "elliptic certificate", respond: serveBytes(certify(t, curve.Public(), curve, now.AddDate(1, 0, 0))), kind: source.ErrSignature, want: invalid},
		{name: "no certificate", respond: serveBytes([]byte("<html>")), kind: source.ErrAmazon, want: cannot + ": the response is not a certificate"},
		{name: "broken certificate", respond: serveBytes([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), kind: source.ErrAmazon, want: cannot + ": the response is not a certificate"},
		{name: "another kind of PEM", respond: serveBytes(bytes.ReplaceAll(a.certificate, []byte("CERTIFICATE"), []byte("X"))), kind: source.ErrAmazon, want: cannot + ": the response is not a certificate"},
		{name: "large file", respond: serveBytes(append(bytes.Repeat([]byte("\n"), 64<<10), a.certificate...)), kind: source.ErrAmazon, want: cannot + ": the response is not a certificate"},
		{name: "redirect", respond: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, snsPEM, http.StatusFound)
		}, kind: source.ErrAmazon, want: cannot + ": HTTP 302"},
		{name: "unavailable", respond: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "", http.StatusServiceUnavailable)
		}, kind: source.ErrAmazon, want: cannot + ": HTTP 503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			served := &amazon{key: a.key, certificate: a.certificate, respond: test.respond}
			m := a.message(t, test.before)
			for name, value := range test.after {
				m[name] = value
			}
			err := source.Verify(t.Context(), openSNS(t, served), snsRequest(t, m), now)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want || !errors.Is(err, test.kind) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if requests := served.seen(); len(requests) > 1 || len(requests) == 1 && requests[0] != snsPEM {
				t.Errorf("requests %q, want at most one for the certificate", requests)
			}
		})
	}
}

// serveBytes returns a handler that responds with data.
func serveBytes(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }
}

// TestSNS_raw checks that other bodies than messages of SNS are rejected without a request.
func TestSNS_raw(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	s := openSNS(t, a)
	for _, body := range []string{"", "{", "[]", "null", "hello", `{"phone":"+12025550123"}`, "a=1", `{"type":"Notification","signature":"AA=="}`} {
		r := &source.Request{Method: http.MethodPost, Header: http.Header{"X-Amz-Sns-Rawdelivery": {"true"}}, Body: []byte(body)}
		if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, source.ErrUnauthorized) {
			t.Errorf("%q: %v, want ErrUnauthorized", body, err)
		}
	}
	if requests := a.seen(); len(requests) > 0 {
		t.Errorf("requests %q, want none", requests)
	}
}

// TestSNS_changed changes every byte of a message. A change is rejected, or the event that
// the mapping sees is the same. The certificate is fetched once.
func TestSNS_changed(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	a := newAmazon(t)
	s := openSNS(t, a)
	receive := func(r *source.Request) *source.Received {
		received, err := s.Receive(t.Context(), r, now)
		if err != nil {
			return nil
		}
		return received
	}
	signed := snsRequest(t, a.message(t, map[string]any{"Message": "a\nMessageId\nb\nSubject\nc"}))
	want := receive(signed)
	if want == nil || len(want.Messages) != 1 || want.Messages[0].Key != "hook\nit\n165545c9-2a5c-472c-8df2-7ff2be2b3b1b" {
		t.Fatalf("unchanged: %+v", want)
	}
	accepted := 0
	try := func(body []byte) {
		if !bytes.Contains(body, []byte(snsPEM)) {
			return // the stand-in serves the certificate at any address
		}
		r := &source.Request{Method: http.MethodPost, Header: signed.Header, Body: body}
		if got := receive(r); got != nil {
			accepted++
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", body, diff)
			}
		}
	}
	for i := range signed.Body {
		for _, bit := range []byte{1, 32} {
			changed := bytes.Clone(signed.Body)
			changed[i] ^= bit
			try(changed)
		}
		if i%5 == 0 {
			for _, extra := range []string{" ", `\n`, "0", `","Message":"x`} {
				try(slices.Concat(signed.Body[:i], []byte(extra), signed.Body[i:]))
			}
		}
	}
	if accepted == 0 {
		t.Error("no change is accepted, not even of the unsigned UnsubscribeURL")
	}
	// Lines of the message in place of other fields.
	m := a.message(t, map[string]any{"Message": "a\nMessageId\nb\nSubject\nc"})
	m["Message"], m["MessageId"], m["Subject"] = "a", "b\nSubject\nc\nMessageId\n165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Alarm"
	if got := receive(snsRequest(t, m)); got != nil {
		t.Errorf("lines of the message in other fields: %+v, want an error", got)
	}
	requests := slices.DeleteFunc(a.seen(), func(r string) bool { return r != snsPEM })
	if len(requests) != 1 {
		t.Errorf("the certificate was fetched %d times, want once", len(requests))
	}
}

// TestSNS_certificates checks that 16 certificates are cached, and no more.
func TestSNS_certificates(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	s := openSNS(t, a)
	verify := func(i int) {
		r := snsRequest(t, a.message(t, map[string]any{"SigningCertURL": fmt.Sprintf("%s/SimpleNotificationService-%032x.pem", snsHost, i)}))
		if err := source.Verify(t.Context(), s, r, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 32 {
		verify(i % 16)
	}
	if n := len(a.seen()); n != 16 {
		t.Errorf("%d fetches of 16 certificates, want 16", n)
	}
	verify(16)
	verify(0)
	if n := len(a.seen()); n != 2 {
		t.Errorf("%d fetches after a certificate more, want 2", n)
	}
}

// TestSNS_confirm checks that a verified confirmation of the own topic, and nothing else,
// makes a request to the host of SNS.
func TestSNS_confirm(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	confirmation := map[string]any{
		"Type": "SubscriptionConfirmation", "Subject": nil, "UnsubscribeURL": nil, "Message": "You have chosen to subscribe.",
		"Token": "2336412f37fb687f5d51e6e2425e", "SubscribeURL": snsConfirm,
	}
	with := func(name string, value any) map[string]any {
		m := map[string]any{}
		for name, value := range confirmation {
			m[name] = value
		}
		m[name] = value
		return m
	}
	const wrong = "the SubscribeURL does not confirm a subscription to the topic"
	for _, test := range []struct {
		name    string
		message map[string]any
		after   map[string]any
		respond http.HandlerFunc
		want    string
		get     string
	}{
		{name: "confirmed", message: confirmation, get: snsConfirm},
		{name: "end of a subscription", message: with("Type", "UnsubscribeConfirmation")},
		{name: "notification with an address", message: map[string]any{}, after: map[string]any{"SubscribeURL": snsConfirm, "Token": "t"}},
		{name: "forged", message: confirmation, after: map[string]any{"SubscribeURL": snsConfirm + "0"}, want: "the signature does not match the message"},
		{name: "another topic", message: with("TopicArn", snsTopic+"2"), want: "the message is from another topic than that of this source"},
		{name: "address for another topic", message: with("SubscribeURL", strings.Replace(snsConfirm, ":alerts", ":other", 1)), want: wrong},
		{name: "another action", message: with("SubscribeURL", strings.Replace(snsConfirm, "Confirm", "X", 1)), want: wrong},
		{name: "another host", message: with("SubscribeURL", strings.Replace(snsConfirm, "sns.", "sqs.", 1)), want: wrong},
		{name: "metadata server", message: with("SubscribeURL", "http://169.254.169.254/?Action=ConfirmSubscription&TopicArn="+snsTopic), want: wrong},
		{name: "no address", message: with("SubscribeURL", "%"), want: wrong},
		{
			name: "redirect", message: confirmation, get: snsConfirm,
			respond: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://example.com/", http.StatusFound)
			},
			want: "cannot get the certificate or the confirmation from Amazon SNS: HTTP 302",
		},
		{
			name: "expired token", message: confirmation, get: snsConfirm,
			respond: func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "InvalidParameter: Invalid token", http.StatusBadRequest)
			},
			want: "cannot get the certificate or the confirmation from Amazon SNS: HTTP 400",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			served := &amazon{key: a.key, certificate: a.certificate}
			if test.respond != nil {
				served.respond = func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, ".pem") {
						w.Write(a.certificate)
						return
					}
					test.respond(w, r)
				}
			}
			s := open(t, config.Source{Preset: "sns", Topics: []string{snsTopic}, Map: config.Program{Text: "empty"}}, served)
			m := a.message(t, test.message)
			for name, value := range test.after {
				m[name] = value
			}
			received, err := s.Receive(t.Context(), snsRequest(t, m), now)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want || len(received.Messages) > 0 || received.Reply != nil {
				t.Errorf("got %+v, %q, want no messages and %q", received, got, test.want)
			}
			confirmed := slices.DeleteFunc(served.seen(), func(r string) bool { return r == snsPEM })
			if strings.Join(confirmed, " ") != test.get {
				t.Errorf("requests %q, want %q", confirmed, test.get)
			}
		})
	}
}

// TestSNS_slowFetch checks that a certificate that does not arrive stops neither messages whose
// certificate is cached nor those of other addresses, that messages share a fetch, and that
// strangers cannot cause any number of fetches.
func TestSNS_slowFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAmazon(t)
		var fetches atomic.Int32
		s := open(t, config.Source{Preset: "sns", Topics: []string{snsTopic}, Map: config.Program{Text: "empty"}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.String() == snsPEM {
				_, _ = w.Write(a.certificate)
				return
			}
			fetches.Add(1)
			<-r.Context().Done()
		}))
		genuine := snsRequest(t, a.message(t, nil))
		if err := source.Verify(t.Context(), s, genuine, now); err != nil {
			t.Fatal(err)
		}
		forged := func(i int) *source.Request {
			return snsRequest(t, a.message(t, map[string]any{"SigningCertURL": fmt.Sprintf("%s/SimpleNotificationService-%032x.pem", snsHost, i)}))
		}
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				if err := source.Verify(t.Context(), s, forged(i%8), now); !errors.Is(err, source.ErrAmazon) {
					t.Errorf("%v, want ErrAmazon", err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if err := source.Verify(t.Context(), s, genuine, now); err != nil || time.Since(start) > 0 {
			t.Errorf("during the fetches: %v after %s, want nil at once", err, time.Since(start))
		}
		if n := fetches.Load(); n != 4 {
			t.Errorf("%d fetches, want 4", n)
		}
		group.Wait() // until the timeout
	})
}

// TestSNS_events checks the event that a mapping gets.
func TestSNS_events(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	for message, want := range map[string]string{
		`{"id":9007199254740993}`: `{"data":{"id":9007199254740993},"id":"165545c9-2a5c-472c-8df2-7ff2be2b3b1b","subject":"Alarm","time":"2026-12-01T08:59:58.123Z","topic":"` + snsTopic + `"}`,
		"Queue is full":           `{"data":"Queue is full","id":"165545c9-2a5c-472c-8df2-7ff2be2b3b1b","subject":"Alarm","time":"2026-12-01T08:59:58.123Z","topic":"` + snsTopic + `"}`,
		"2026":                    `{"data":"2026","id":"165545c9-2a5c-472c-8df2-7ff2be2b3b1b","subject":"Alarm","time":"2026-12-01T08:59:58.123Z","topic":"` + snsTopic + `"}`,
	} {
		s := open(t, config.Source{Preset: "sns", Topics: []string{snsTopic}, Map: config.Program{Text: "."}}, a)
		received, err := s.Receive(t.Context(), snsRequest(t, a.message(t, map[string]any{"Message": message})), now)
		if err != nil || len(received.Messages) != 1 || string(received.Messages[0].Body) != want {
			t.Errorf("%s: %+v, %v, want %s", message, received, err, want)
		}
	}
}

// FuzzSNS checks bodies of strangers: they are rejected, and make no request but one for a
// certificate at Amazon.
func FuzzSNS(f *testing.F) {
	a := newAmazon(f)
	for _, changes := range []map[string]any{nil, {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": snsConfirm}, {"SigningCertURL": "https://sns.us-east-1.amazonaws.com@a/.pem"}, {"Timestamp": ""}} {
		m := a.message(f, changes)
		m["Signature"] = "AAAA"
		f.Add("text/plain", string(snsRequest(f, m).Body))
	}
	f.Add("application/x-www-form-urlencoded", "Type=Notification&Signature=AAAA")
	s := openSNS(f, a)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
		_, err := s.Receive(t.Context(), r, now)
		if !errors.Is(err, source.ErrUnauthorized) && !errors.Is(err, source.ErrSignature) && !errors.Is(err, source.ErrAmazon) {
			t.Errorf("%q: %v", body, err)
		}
		for _, request := range a.seen() {
			if !strings.HasPrefix(request, snsHost+"/") || !strings.Contains(request, ".pem") {
				t.Errorf("%q makes a request to %s", body, request)
			}
		}
	})
}
