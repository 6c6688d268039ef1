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

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/rbm"
)

// FirstToken returns the token that the platform gets: the first line of a setting.
func FirstToken(setting []byte) string {
	token, _, _ := strings.Cut(strings.TrimSpace(string(setting)), "\n")
	return strings.TrimSpace(token)
}

// ErrToken means that a webhook does not accept the client token.
var ErrToken = errors.New("the function does not accept the client token")

// Response is the response of a webhook. Code is empty if it is not that of a function.
type Response struct {
	Status  int       `json:"-"`
	Body    []byte    `json:"-"`
	Code    code.Code `json:"code"`
	Message string    `json:"message"`
	Agent   string    `json:"agent"`
}

// Handshake performs the handshake of the platform with a webhook. The error may be
// [ErrToken].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func Handshake(ctx context.Context, transport http.RoundTripper, to Address) error {
	secret := rand.Text()
	r, err := post(ctx, transport, to.URL, map[string]string{"clientToken": to.Token, "secret": secret}, http.Header{rbm.WebhookTypeHeader: {"verification"}})
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusOK && string(bytes.TrimSpace(r.Body)) == secret:
		return nil
	case r.Code == code.BadSignature, r.Code != "" && r.Status >= 500, r.Code == "" && r.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", ErrToken, strings.TrimSpace(fmt.Sprintf("HTTP %d %s", r.Status, r.Code)))
	case r.Code != "":
		return fmt.Errorf("HTTP %d %s: %s", r.Status, r.Code, r.Message)
	case r.Status == http.StatusForbidden:
		return errors.New("HTTP 403: the service requires an ID token, which the platform does not send; allow requests without one: " +
			"gcloud run services add-iam-policy-binding SERVICE --project=PROJECT --region=REGION --member=allUsers --role=roles/run.invoker")
	default:
		return fmt.Errorf("expected HTTP 200 with the secret of the handshake, got HTTP %d with other content; is this the address of the function?", r.Status)
	}
}

// PostEvent sends an event, as JSON, to a webhook with the signature of the platform.
func PostEvent(ctx context.Context, transport http.RoundTripper, to Address, event []byte) (Response, error) {
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

// Limits of one request.
const (
	timeout     = 30 * time.Second
	maxResponse = 64 << 10 // bytes
)

func post(ctx context.Context, transport http.RoundTripper, address string, value any, header http.Header) (Response, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Response{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		if err = e.Err; e.Timeout() { // without the address, whose query may be secret
			err = errors.New("timeout")
		}
	}
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close()
	response := Response{Status: res.StatusCode}
	response.Body, err = io.ReadAll(io.LimitReader(res.Body, maxResponse))
	_ = json.Unmarshal(response.Body, &response) // the response of another server has other fields
	return response, err
}
