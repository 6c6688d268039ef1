package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// accessToken is a token and, for people's own credentials, the project that pays.
type accessToken struct {
	value        string
	quotaProject string
}

const (
	// tokenLead is how long before its end a token is replaced in the
	// background. Cloud Run keeps an idle instance for about a quarter of an
	// hour, so whoever has a token at all is asked for it in this time.
	tokenLead = 20 * time.Minute

	// tokenMargin is what a token must be good for at least: it travels, and is
	// sent again.
	tokenMargin = 30 * time.Second
)

// unsaidLife is how long a token is taken to live if the server does not say.
const unsaidLife = 5 * time.Minute

// leaseOf says how long a token is kept.
func (d *Directory) leaseOf(token *oauth2.Token) (lease, error) {
	if token.AccessToken == "" {
		return lease{}, fmt.Errorf("%w: the answer holds no token", ErrTokenUnavailable)
	}
	life := unsaidLife
	if !token.Expiry.IsZero() {
		// The library counts from the clock of the system, we from our own.
		life = time.Until(token.Expiry)
	}
	now := d.now()
	end := now.Add(life)
	return lease{
		since:   now,
		refresh: end.Add(-min(tokenLead, life/2)),
		end:     end.Add(-min(tokenMargin, life/4)),
	}, nil
}

// refusal is the token endpoint's definite no.
type refusal struct {
	code   string // such as invalid_grant
	status int
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the token endpoint says HTTP %d %s", r.status, r.code)
}

var refusalCode = regexp.MustCompile(`^[a-z_]{3,40}$`)

// tokenError tells a refusal from trouble that may pass. Nothing of an answer but
// its error code is kept.
func tokenError(ctx context.Context, err error) error {
	if no := (*refusal)(nil); errors.As(err, &no) {
		return no
	}
	if errors.As(err, new(*bugError)) {
		return err
	}
	answer := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &answer) || answer.Response == nil {
		return fmt.Errorf("%w: %w", ErrTokenUnavailable, exchangeError(ctx, err))
	}
	status := answer.Response.StatusCode
	if status/100 != 4 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return fmt.Errorf("%w: HTTP %d", ErrTokenUnavailable, status)
	}
	var body struct {
		Error string `json:"error"`
	}
	// The library fills in its ErrorCode in other flows only.
	if json.Unmarshal(answer.Body, &body) != nil || !refusalCode.MatchString(body.Error) {
		body.Error = "token_refused"
	}
	return &refusal{body.Error, status}
}

// exchangeError is a failed exchange without what may have been answered. The
// library has turned the cause into text.
func exchangeError(ctx context.Context, err error) error {
	switch text := err.Error(); {
	case ctx.Err() != nil:
		return errors.New("no answer in time")
	case strings.Contains(text, "connection refused"):
		return errors.New("connection refused")
	case strings.Contains(text, "no such host"):
		return errors.New("no such host")
	default:
		return errors.New("no usable answer")
	}
}

// boundClient returns a client whose requests end with ctx: the OAuth library has
// neither a deadline nor a context of its own.
func (d *Directory) boundClient(ctx context.Context) *http.Client {
	return &http.Client{
		Transport: &boundTransport{ctx, d.transport},
		// The assertion is good for a token, so it goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type boundTransport struct {
	ctx  context.Context
	base http.RoundTripper
}

func (t *boundTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(t.ctx)
	// Asking twice does no harm. A header without a value tells net/http so, and
	// is not sent: the request may be repeated on a new connection when the old
	// one has died unnoticed.
	r.Header["Idempotency-Key"] = nil
	return t.base.RoundTrip(r)
}
