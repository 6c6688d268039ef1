package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// platformScope is what Secret Manager asks for.
const platformScope = "https://www.googleapis.com/auth/cloud-platform"

// platformToken fetches the token with which we read secrets.
func (d *Directory) platformToken(ctx context.Context) (accessToken, lease, error) {
	return d.applicationDefault(ctx, platformScope)
}

// defaultToken fetches a token of an account without credentials of its own.
func (d *Directory) defaultToken(ctx context.Context) (string, lease, error) {
	token, of, err := d.applicationDefault(ctx, scope)
	if no := (*refusal)(nil); errors.As(err, &no) {
		err = &SecretError{Kind: Invalid, Reason: no.code, Action: adviseDefault(no.code), Err: no}
	}
	return token.value, of, err
}

// platformError is the error of a secret that cannot be read for want of a token.
func platformError(resource string, err error) error {
	no := (*refusal)(nil)
	switch {
	case errors.As(err, &no):
		return &SecretError{Kind: Denied, Reason: no.code, Resource: resource, Action: adviseDefault(no.code), Err: no}
	case errors.As(err, new(*waitError)):
		return &SecretError{Kind: Unavailable, Reason: "adc_unavailable", Resource: resource, Action: adviseDefault("adc_unavailable"), Err: errors.New("no answer in time")}
	default:
		return &SecretError{Kind: Unavailable, Reason: "adc_unavailable", Resource: resource, Action: adviseDefault("adc_unavailable"), Err: err}
	}
}

// applicationDefault fetches a token of Application Default Credentials. They are
// looked for each time, so that a replaced file is noticed. The error is a
// *refusal or ErrTokenUnavailable.
func (d *Directory) applicationDefault(ctx context.Context, scope string) (accessToken, lease, error) {
	type fetched struct {
		token accessToken
		lease lease
	}
	f, err := again(ctx, func(ctx context.Context) (f fetched, err error) {
		f.token, f.lease, err = d.findAndFetch(ctx, scope)
		return f, err
	})
	return f.token, f.lease, err
}

func (d *Directory) findAndFetch(ctx context.Context, scope string) (accessToken, lease, error) {
	client := context.WithValue(ctx, oauth2.HTTPClient, d.boundClient(ctx))
	// The library asks the metadata server without a context.
	credentials, err := await(ctx, func() (*google.Credentials, error) {
		return google.FindDefaultCredentials(client, scope)
	})
	if err != nil {
		return accessToken{}, lease{}, findError(ctx, err)
	}
	token, err := await(ctx, metadataErrors{credentials.TokenSource}.Token)
	if err != nil {
		return accessToken{}, lease{}, tokenError(ctx, err)
	}
	of, err := d.leaseOf(token)
	return accessToken{token.AccessToken, quotaProject(credentials.JSON)}, of, err
}

// findError tells missing credentials from broken ones.
func findError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: no answer in time", ErrTokenUnavailable)
	case os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") == "" && strings.Contains(err.Error(), "could not find default credentials"):
		return &refusal{code: "no_adc"}
	default:
		return &refusal{code: "bad_adc"}
	}
}

// metadataErrors reads the errors of the metadata server.
type metadataErrors struct{ oauth2.TokenSource }

func (s metadataErrors) Token() (*oauth2.Token, error) {
	token, err := s.TokenSource.Token()
	answer := (*metadata.Error)(nil)
	switch {
	case errors.As(err, new(metadata.NotDefinedError)):
		return nil, &refusal{"no_adc", http.StatusNotFound} // a machine without a service account
	case errors.As(err, &answer) && answer.Code == http.StatusForbidden:
		return nil, &refusal{"token_refused", answer.Code}
	}
	return token, err
}

// quotaProject is the project that pays for calls with people's own credentials.
func quotaProject(file []byte) string {
	if project := os.Getenv("GOOGLE_CLOUD_QUOTA_PROJECT"); project != "" {
		return project
	}
	var fields struct {
		QuotaProject string `json:"quota_project_id"`
	}
	_ = json.Unmarshal(file, &fields) // no file, no project
	return fields.QuotaProject
}

var errAbandoned = errors.New("abandoned")

// await runs f, which knows no context, and leaves it to itself when ctx ends.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := guard(f)
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, errAbandoned
	}
}

// tokenKept is told that a token could not be replaced in time.
func (d *Directory) tokenKept(err error, of lease) lease {
	d.log.LogAttrs(context.Background(), slog.LevelWarn, "access token not renewed, the last one stays in use", slog.Any("cause", err))
	return of
}
