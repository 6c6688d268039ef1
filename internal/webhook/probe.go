package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// FirstToken returns the token that the platform gets: the first line of a setting.
func FirstToken(setting []byte) string {
	token, _, _ := strings.Cut(strings.TrimSpace(string(setting)), "\n")
	return strings.TrimSpace(token)
}

// Handshake performs the handshake of the platform with a webhook.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func Handshake(ctx context.Context, transport http.RoundTripper, to Address) error {
	secret := rand.Text()
	status, body, err := post(ctx, transport, to.URL, map[string]string{"clientToken": to.Token, "secret": secret}, http.Header{rbm.WebhookTypeHeader: {"verification"}})
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("the function rejects the client token (HTTP %d)", status)
	case status != http.StatusOK || string(bytes.TrimSpace(body)) != secret:
		return fmt.Errorf("expected HTTP 200 with the secret of the handshake, got HTTP %d with other content; is this the address of the function?", status)
	}
	return nil
}

// PostEvent sends an event, as JSON, to a webhook with the signature of the platform. It
// returns the status and the body of the response.
func PostEvent(ctx context.Context, transport http.RoundTripper, to Address, event []byte) (status int, body []byte, err error) {
	envelope := map[string]any{
		"message": map[string]any{
			"attributes": map[string]string{"product": "RBM"}, "data": event, // base64, as encoding/json writes bytes
			"messageId": rand.Text(), "publishTime": time.Now().UTC(),
		},
		"subscription": "projects/rcshook/subscriptions/trigger",
	}
	return post(ctx, transport, to.URL, envelope, http.Header{
		rbm.SignatureHeader: {rbm.SignData(to.Token, event)}, rbm.WebhookTypeHeader: {"message_callback"},
	})
}

// maxResponse limits the body of a response, in bytes.
const maxResponse = 64 << 10

func post(ctx context.Context, transport http.RoundTripper, address string, value any, header http.Header) (int, []byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, whose query may be secret
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxResponse))
	return res.StatusCode, body, err
}
