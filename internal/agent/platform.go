package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/api/googleapi"
)

// Platform carries requests to services of Google that the function calls as the
// account it runs as: it adds the access token of that account. After an answer of
// 401 the next request gets a new one.
type Platform struct{ d *Directory }

// Platform returns the way to those services.
func (d *Directory) Platform() *Platform { return &Platform{d} }

// RoundTrip implements [http.RoundTripper].
func (p *Platform) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := p.d.platform.get(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token.value)
	if token.quotaProject != "" {
		r.Header.Set("X-Goog-User-Project", token.quotaProject)
	}
	res, err := p.d.transport.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		p.d.platform.reset() // it may have been revoked
	}
	return res, err
}

// Ready waits for the token, so that its troubles can be told from those of the
// service. The error is a [*SecretError] without a resource.
func (p *Platform) Ready(ctx context.Context) error {
	if _, err := p.d.platform.get(ctx); err != nil {
		return platformError("", err)
	}
	return nil
}

// Refusal is what a service of Google says when it does not do as it is asked.
type Refusal struct {
	Status  string // such as NOT_FOUND; "" for an answer that is not of Google's making
	Message string
	Details string // the reasons in the details, with blanks between
	Err     error  // all of that for the log
}

// ReadRefusal reads an error answer. The library's own status is not to be trusted:
// it is derived from the HTTP status.
//
// Google docs: https://docs.cloud.google.com/apis/design/errors
func ReadRefusal(answer *googleapi.Error) Refusal {
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(answer.Body), &body) != nil || body.Error.Status == "" {
		return Refusal{Err: fmt.Errorf("HTTP %d without an error of Google's", answer.Code)}
	}
	r := Refusal{Status: body.Error.Status, Message: body.Error.Message}
	for _, d := range body.Error.Details {
		r.Details += " " + d.Reason
	}
	r.Err = fmt.Errorf("HTTP %d %s: %s", answer.Code, r.Status, shorten(r.Message))
	return r
}

// shorten keeps the beginning of a message that somebody else has written.
func shorten(message string) string {
	message = strings.ToValidUTF8(message, "")
	if runes := []rune(message); len(runes) > 300 {
		return string(runes[:300]) + "..."
	}
	return message
}

// TransportError keeps of a failed exchange what is sure to be no part of an
// answer.
func TransportError(err error) error {
	if exchange := (*url.Error)(nil); errors.As(err, &exchange) {
		return fmt.Errorf("%s: %v", exchange.Op, exchange.Err)
	}
	return errors.New("the answer is not what it should be")
}
