package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/source"
)

// uncovered returns the presets whose senders sign fields of the body and not the body.
func uncovered() []string {
	return slices.DeleteFunc(source.Presets(), func(name string) bool { return !signs(name) || covers(name) })
}

// TestPresets_uncovered changes every byte of requests whose signature does not cover the
// body. A change is rejected, or leaves the event ID as it is, so that a message that was
// sent is not sent again. No change sends a message to another number.
func TestPresets_uncovered(t *testing.T) {
	t.Parallel()
	if want := []string{"adyen", "ecwid", "mailgun"}; !slices.Equal(uncovered(), want) {
		t.Errorf("presets %v, want %v", uncovered(), want)
	}
	for _, name := range uncovered() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sign := rehearsal(t, name)
			signed := func() *source.Request {
				r := s.Sample("0001")
				sign(r, now)
				return r
			}
			original, err := s.Receive(t.Context(), signed(), now)
			if err != nil || len(original.Messages) != 1 {
				t.Fatalf("Receive: %+v, %v", original, err)
			}
			other, signOther := rehearsal(t, name)
			r := other.Sample("0001")
			if signOther(r, now); !errors.Is(source.Verify(t.Context(), s, r, now), source.ErrSignature) {
				t.Error("signed with another secret: want ErrSignature")
			}
			if err := source.Verify(t.Context(), s, s.Sample("0001"), now); !errors.Is(err, source.ErrUnauthorized) {
				t.Errorf("unsigned: %v, want ErrUnauthorized", err)
			}
			accepted := 0
			try := func(what string, change func(*source.Request)) {
				r := signed()
				change(r)
				received, err := s.Receive(t.Context(), r, now)
				if err != nil {
					return
				}
				accepted++
				for _, m := range received.Messages {
					if m.Key != original.Messages[0].Key {
						t.Errorf("%s: another key: %q", what, r.Body)
					}
				}
			}
			body := signed().Body
			for i := range body {
				try("a flipped bit", func(r *source.Request) { r.Body[i] ^= 1 })
				try("another case", func(r *source.Request) { r.Body[i] ^= 32 })
				try("a shorter body", func(r *source.Request) { r.Body = r.Body[:i] })
				if i%4 > 0 {
					continue
				}
				for _, extra := range []string{" ", "\n", `\n`, "0", ":", "."} {
					try("a longer body", func(r *source.Request) { r.Body = slices.Concat(body[:i], []byte(extra), body[i:]) })
				}
			}
			if accepted == 0 {
				t.Error("no change is accepted, so the signature covers the body")
			}

			c := s.Config
			for to, want := range map[string]string{
				"+12025550123":                    "",
				"+12025550177":                    "/to: not one of the recipients of this source; remove to, or list the number in recipients of rcshook.yaml",
				`["+12025550123","+12025550177"]`: "/to/1: not one of the recipients of this source; remove to, or list the number in recipients of rcshook.yaml",
			} {
				if !strings.HasPrefix(to, "[") {
					to = `"` + to + `"`
				}
				in := prepare.Input{ContentType: "application/json", Body: []byte(`{"text":"a","to":` + to + `}`)}
				_, err := prepare.Message(in, new(config.Config), c, now)
				got := ""
				if e, ok := errors.AsType[*prepare.DestinationError](err); ok && len(e.Errors) == 1 {
					got = e.Errors[0].Pointer + ": " + e.Errors[0].Detail
				} else if err != nil {
					got = explain(err)
				}
				if got != want {
					t.Errorf("to %s: %q, want %q", to, got, want)
				}
			}
		})
	}
}

// TestVerify_items checks that every item of a batch is signed, and that an item in another
// place is not accepted.
func TestVerify_items(t *testing.T) {
	t.Parallel()
	s, sign := rehearsal(t, "adyen")
	r := s.Sample("0001")
	sign(r, now)
	var body struct {
		NotificationItems []json.RawMessage `json:"notificationItems"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	item := string(body.NotificationItems[0])
	inner := strings.TrimSuffix(strings.TrimPrefix(item, `{"NotificationRequestItem":`), "}")
	for batch, want := range map[string]error{
		`[` + item + `]`:              nil,
		`[` + item + `,` + item + `]`: nil,
		item:                          nil, // an object in place of a list of one
		`[{"NotificationRequestItem":[` + inner + `,` + inner + `]}]`:           nil, // the map fails
		`[` + item + `,{"NotificationRequestItem":{"eventCode":"CHARGEBACK"}}]`: source.ErrUnauthorized,
		`[` + item + `,{"notificationrequestitem":` + inner + `}]`:              source.ErrUnauthorized,
		`[` + item + `,null]`:                                  source.ErrUnauthorized,
		`[` + item + `,[` + item + `]]`:                        source.ErrUnauthorized,
		`{"0":` + item + `}`:                                   source.ErrUnauthorized,
		`[` + strings.Replace(item, `"1990"`, `1991`, 1) + `]`: nil,
		`[` + strings.Replace(item, "1990", "1991", 1) + `]`:   source.ErrSignature,
	} {
		r := &source.Request{Method: http.MethodPost, Header: r.Header, Body: []byte(`{"notificationItems":` + batch + `}`)}
		if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", batch, err, want)
		}
	}
}

// TestReceive_items checks that the events of a batch are the items that are verified: a signed
// item does not let another one through.
func TestReceive_items(t *testing.T) {
	t.Parallel()
	s, sign := rehearsal(t, "adyen")
	r := s.Sample("0001")
	sign(r, now)
	original, err := s.Receive(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	item, _ := strings.CutPrefix(string(r.Body), `{"live":"false","notificationItems":[{`)
	item, ok := strings.CutSuffix(item, `}]}`)
	if !ok {
		t.Fatalf("the body is %s", r.Body)
	}
	const forged = `{"NotificationRequestItem":{"eventCode":"CHARGEBACK","merchantReference":"forged","amount":{"value":1,"currency":"EUR"}}}`
	for _, items := range []string{`{` + item + `,"x":` + forged + `}`, `{"a":` + forged + `,` + item + `}`, `[{` + item + `,"x":` + forged + `}]`} {
		r.Body = []byte(`{"notificationItems":` + items + `}`)
		received, err := s.Receive(t.Context(), r, now)
		if err != nil || len(received.Messages) != 1 || string(received.Messages[0].Body) != string(original.Messages[0].Body) {
			t.Errorf("%s: %v, %v, want the message of the signed item", items, received, err)
		}
	}
}

// FuzzVerify_fields checks bodies of strangers, and changed bodies of senders, with the
// presets whose signature is in the body.
func FuzzVerify_fields(f *testing.F) {
	type signer struct {
		source *source.Source
		signed *source.Request
		key    string
	}
	var all []signer
	for _, name := range uncovered() {
		s, sign := rehearsal(f, name)
		r := s.Sample("0001")
		sign(r, now)
		received, err := s.Receive(f.Context(), r, now)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, signer{s, r, received.Messages[0].Key})
		f.Add(uint8(len(all)-1), "application/json", string(r.Body), uint16(9), "0")
		f.Add(uint8(len(all)-1), "application/x-www-form-urlencoded", "signature=a&eventId=1", uint16(40), `\u0031`)
	}
	f.Add(uint8(0), "application/json", `{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"AA=="},"amount":[],"success":false}}]}`, uint16(0), "[]")
	f.Fuzz(func(t *testing.T, which uint8, contentType, body string, at uint16, extra string) {
		s := all[int(which)%len(all)]
		forged := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
		err := source.Verify(t.Context(), s.source, forged, now)
		own := body == string(s.signed.Body)
		if !own && !errors.Is(err, source.ErrUnauthorized) && !errors.Is(err, source.ErrSignature) && !errors.Is(err, source.ErrStale) {
			t.Errorf("%q: %v", body, err)
		}
		i := int(at) % len(s.signed.Body)
		changed := &source.Request{Method: http.MethodPost, Header: s.signed.Header, Body: slices.Concat(bytes.Clone(s.signed.Body[:i]), []byte(extra), s.signed.Body[i:])}
		received, err := s.source.Receive(t.Context(), changed, now)
		if err != nil {
			return
		}
		for _, m := range received.Messages {
			if m.Key != s.key {
				t.Errorf("%q has the key %q, want %q", changed.Body, m.Key, s.key)
			}
		}
	})
}
