package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/rcshook/rcshook/internal/config"
)

// Inspection is what a secret holds, and what there is to know of it that may be
// shown.
type Inspection struct {
	// Value is the secret itself.
	Value []byte

	// Version is the number of the version that was read; "" for a value of the
	// configuration.
	Version string

	// Account and Project are the service account of a key and its project.
	Account, Project string
}

// Inspect reads s anew, for people who look for a fault. Its error is that of
// [Directory.Secret].
func (d *Directory) Inspect(ctx context.Context, s config.Secret) (Inspection, error) {
	found, _, err := d.inspect(ctx, s, aValue)
	return found, err
}

// InspectAgentID is Inspect for a setting that must be an agent ID.
func (d *Directory) InspectAgentID(ctx context.Context, s config.Secret) (Inspection, error) {
	found, from, err := d.inspect(ctx, s, anAgentID)
	if err == nil {
		_, err = parseAgentID(from, found.Value)
	}
	return found, err
}

// InspectKey is Inspect for a setting that must be the key of a service account.
func (d *Directory) InspectKey(ctx context.Context, s config.Secret) (Inspection, error) {
	found, from, err := d.inspect(ctx, s, aKey)
	if err != nil {
		return found, err
	}
	cfg, err := (&account{directory: d, source: from}).parse(found.Value)
	if err != nil {
		return found, err
	}
	found.Account, found.Project = cfg.Email, fieldsOf(found.Value).Project
	return found, nil
}

func (d *Directory) inspect(ctx context.Context, s config.Secret, holds content) (Inspection, *source, error) {
	from := &source{directory: d, setting: s, holds: holds}
	value, _, err := from.read(ctx)
	if err != nil {
		return Inspection{}, from, err
	}
	found := Inspection{Value: value}
	if from.version != "" {
		found.Version = path.Base(from.version)
	}
	return found, from, nil
}

// Identity is as whom secrets are read: Application Default Credentials.
type Identity struct {
	// Account is the email of a service account; "" where the credentials do not
	// tell, as those of people.
	Account string

	// Origin is where the credentials come from, in words.
	Origin string

	// Person says that they are somebody's own, rather than a program's.
	Person bool
}

// Name is the account, or what can be said instead.
func (i Identity) Name() string {
	if i.Account == "" {
		return "an account that the credentials do not name"
	}
	return i.Account
}

// Identity finds out as whom secrets are read, and fetches a token. What is known
// of the identity is returned with an error too, which is a [*SecretError].
func (d *Directory) Identity(ctx context.Context) (Identity, error) {
	who := d.identify(ctx)
	if _, err := d.platform.get(ctx); err != nil {
		return who, platformError("", err)
	}
	return who, nil
}

func (d *Directory) identify(ctx context.Context) Identity {
	credentials, err := await(ctx, func() (*google.Credentials, error) {
		return google.FindDefaultCredentials(context.WithValue(ctx, oauth2.HTTPClient, d.boundClient(ctx)), platformScope)
	})
	if err != nil {
		return Identity{} // the token cannot be had either, and that error says why
	}
	if len(credentials.JSON) == 0 {
		email, err := await(ctx, func() (string, error) { return metadata.EmailWithContext(ctx, "default") })
		if err != nil {
			email = ""
		}
		return Identity{Account: strings.TrimSpace(email), Origin: "the metadata server"}
	}
	who := Identity{Account: fieldsOf(credentials.JSON).account(), Origin: "gcloud auth application-default login"}
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
		who.Origin = "GOOGLE_APPLICATION_CREDENTIALS"
	}
	who.Person = who.Account == "" && fieldsOf(credentials.JSON).Type == string(google.AuthorizedUser)
	return who
}

// fileFields are those of a credentials file that are no secrets.
type fileFields struct {
	Type          string `json:"type"`
	Project       string `json:"project_id"`
	Email         string `json:"client_email"`
	Impersonation string `json:"service_account_impersonation_url"`
}

func fieldsOf(file []byte) (f fileFields) {
	_ = json.Unmarshal([]byte(config.Trim(string(file))), &f) // what is missing stays empty
	return f
}

// account is the email of the service account, which the URL of an impersonation
// has in it: .../serviceAccounts/EMAIL:generateAccessToken.
func (f fileFields) account() string {
	if f.Email != "" || f.Impersonation == "" {
		return f.Email
	}
	email, _, ok := strings.Cut(path.Base(f.Impersonation), ":")
	if !ok || !strings.Contains(email, "@") {
		return ""
	}
	return email
}

// IsPlatform reports whether a secret could not be read for a reason that has nothing
// to do with it: Secret Manager is away, or not enabled, or does not accept who asks.
func (e *SecretError) IsPlatform() bool {
	return e.Kind == Unavailable || e.Kind == Denied && e.Reason != "permission_denied"
}

// Newest looks for the newest version of s that can be read, where denied tells
// that the latest is disabled or destroyed. It returns its number, or "" if it is
// not near.
func (d *Directory) Newest(ctx context.Context, s config.Secret, denied *SecretError) string {
	name, _ := s.Resource()
	secret, found := strings.CutSuffix(name, "/versions/latest")
	latest, err := strconv.Atoi(denied.Version)
	if !found || err != nil {
		return ""
	}
	const near = 5
	for n := latest - 1; n > 0 && n >= latest-near; n-- {
		version := config.Secret(secret + "/versions/" + strconv.Itoa(n))
		_, err := d.Inspect(ctx, version)
		switch e := (*SecretError)(nil); {
		case err == nil:
			return strconv.Itoa(n)
		case errors.As(err, &e) && (e.Reason == "version_disabled" || e.Reason == "version_destroyed"):
		default:
			return ""
		}
	}
	return ""
}

// Token returns an access token of the agent of that name, even if its ID cannot be
// had. The error is [ErrUnknownAgent], or that of [Agent.Token].
func (d *Directory) Token(ctx context.Context, name string) (string, error) {
	e, err := d.find(name)
	if err != nil {
		return "", err
	}
	return e.account.token(ctx)
}
