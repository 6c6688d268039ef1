//go:build !playground

package platform

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	oauth2google "golang.org/x/oauth2/google"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/google"
)

// scope is required by Secret Manager and Cloud Tasks.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// The variable with the path of a credentials file.
const credentialsVariable = "GOOGLE_APPLICATION_CREDENTIALS"

// DefaultToken fetches a token with Application Default Credentials. It looks for the
// credentials each time, so that it notices a replaced file. The error is that of
// [Client.FetchToken].
func (c *Client) DefaultToken(ctx context.Context, scope string) (Token, google.Lease, error) {
	return c.FetchToken(ctx, func(ctx context.Context) (oauth2.TokenSource, error) {
		find := oauth2google.FindDefaultCredentials
		if content, safe := c.credentials(); content != nil {
			find = func(ctx context.Context, scopes ...string) (*oauth2google.Credentials, error) {
				var file struct{ Type oauth2google.CredentialsType }
				if err := json.Unmarshal(content, &file); err != nil {
					return nil, err
				}
				if safe && file.Type != oauth2google.ServiceAccount && file.Type != oauth2google.AuthorizedUser {
					return nil, errors.New("other types of credentials can call any URL")
				}
				return oauth2google.CredentialsFromJSONWithType(ctx, content, file.Type, scopes...)
			}
		}
		credentials, err := find(ctx, scope)
		if err != nil {
			return nil, &google.TokenError{Code: missingOrBroken()}
		}
		return defaultSource{credentials.TokenSource, quotaProject(credentials.JSON)}, nil
	})
}

// credentials returns the content of a credentials file that the library does not find or
// cannot read, and whether its type must be safe; nil if there is none. The library cannot
// read UTF-16 and byte order marks.
func (c *Client) credentials() (content []byte, safe bool) {
	if c.Credentials != nil {
		return c.Credentials, true
	}
	data, err := os.ReadFile(os.Getenv(credentialsVariable))
	if err != nil {
		return nil, false
	}
	if text, err := charset.ToUTF8(data); err == nil && len(text) != len(data) {
		return text, false
	}
	return nil, false
}

// missingOrBroken returns why the library found no usable credentials: no_adc if there
// are none, bad_adc if a file cannot be used. The library's error has only a text.
func missingOrBroken() string {
	if os.Getenv(credentialsVariable) != "" {
		return "bad_adc"
	}
	folder := ""
	if runtime.GOOS == "windows" {
		folder = os.Getenv("APPDATA")
	} else if home, err := os.UserHomeDir(); err == nil {
		folder = filepath.Join(home, ".config")
	}
	if _, err := os.Stat(filepath.Join(folder, "gcloud", "application_default_credentials.json")); err != nil {
		return "no_adc"
	}
	return "bad_adc"
}

// defaultSource adds the quota project to a token and converts the errors of the
// metadata server.
type defaultSource struct {
	oauth2.TokenSource
	quotaProject string
}

const quotaProjectKey = "quota_project_id"

func (s defaultSource) Token() (*oauth2.Token, error) {
	token, err := s.TokenSource.Token()
	if _, ok := errors.AsType[metadata.NotDefinedError](err); ok {
		return nil, &google.TokenError{Code: "no_adc", Status: http.StatusNotFound} // a machine without a service account
	}
	if e, ok := errors.AsType[*metadata.Error](err); ok && e.Code == http.StatusForbidden {
		return nil, &google.TokenError{Code: "token_refused", Status: e.Code}
	}
	if err != nil {
		return nil, err
	}
	return token.WithExtra(map[string]any{quotaProjectKey: s.quotaProject}), nil
}

// quotaProject returns the project that is billed for calls with the credentials of a
// person.
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

// credentialsError converts an error of DefaultToken, for a secret that cannot be read
// because of it.
func credentialsError(resource string, err error) error {
	e := &google.SecretError{Kind: google.Unavailable, Reason: "adc_unavailable", Content: google.DefaultCredentials, Resource: resource, Err: err}
	if rejected, ok := errors.AsType[*google.TokenError](err); ok {
		e.Kind, e.Reason = google.Denied, rejected.Code
	} else if errors.Is(err, google.ErrWaiting) {
		e.Err = errTimeout // not the error of the request's context
	}
	return e
}

// Identity describes the Application Default Credentials.
type Identity struct {
	// Account is the email address of the service account; "" if the credentials
	// do not contain it, such as those of a person.
	Account string

	// Origin is the place where the credentials were found, in words.
	Origin string

	// Person reports whether they are the credentials of a person.
	Person bool
}

// Name returns the account, or a description if it is unknown.
func (i Identity) Name() string {
	if i.Account == "" {
		return "an account that the credentials do not name"
	}
	return i.Account
}

// Identity returns the identity with which secrets are read, after fetching a token.
// If that fails, the known part of the identity is returned with a
// [*google.SecretError].
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	return identify(ctx), c.Ready(ctx)
}

func identify(ctx context.Context) Identity {
	credentials, err := await(ctx, func() (*oauth2google.Credentials, error) {
		return oauth2google.FindDefaultCredentials(ctx, scope)
	})
	if err != nil {
		return Identity{} // fetching a token fails as well, with the cause
	}
	if len(credentials.JSON) == 0 {
		email, err := await(ctx, func() (string, error) { return metadata.EmailWithContext(ctx, "default") })
		if err != nil {
			email = ""
		}
		return Identity{Account: strings.TrimSpace(email), Origin: "the metadata server"}
	}
	var file struct {
		Type          oauth2google.CredentialsType `json:"type"`
		Email         string                       `json:"client_email"`
		Impersonation string                       `json:"service_account_impersonation_url"`
	}
	_ = json.Unmarshal(credentials.JSON, &file) // a missing field stays empty
	id := Identity{Account: file.Email, Origin: "gcloud auth application-default login"}
	// The URL of an impersonation ends in serviceAccounts/EMAIL:generateAccessToken.
	if email, _, ok := strings.Cut(path.Base(file.Impersonation), ":"); ok && id.Account == "" && strings.Contains(email, "@") {
		id.Account = email
	}
	if os.Getenv(credentialsVariable) != "" {
		id.Origin = credentialsVariable
	}
	id.Person = id.Account == "" && file.Type == oauth2google.AuthorizedUser
	return id
}
