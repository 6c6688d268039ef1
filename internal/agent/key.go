//go:build !playground

package agent

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/oauth2"
	oauth2google "golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/rbm"
)

// account is the source of tokens for one or more agents: a service account key, or
// Application Default Credentials.
type account struct {
	directory     *Directory
	secret        *secret // nil means Application Default Credentials
	key           *google.Cached[*key]
	rereadLimiter *rate.Limiter // of the key, after the token endpoint has rejected it
}

// key is one version of an account's credentials, with its token.
type key struct {
	digest [sha256.Size]byte
	tokens *google.Cached[string]
}

func newAccount(d *Directory, setting config.Secret) *account {
	a := &account{directory: d, rereadLimiter: newRereadLimiter()}
	if setting == "" {
		k := &key{tokens: a.newTokens(a.defaultToken)}
		a.key = newCached(d, secretTimeout, nil, func(context.Context) (*key, google.Lease, error) { return k, google.Lease{}, nil })
		return a
	}
	a.secret = &secret{directory: d, setting: setting, content: google.Key}
	a.key = newCached(d, keyTimeout, a.secret.onError, a.readKey)
	return a
}

func (a *account) newTokens(fetch func(context.Context) (string, google.Lease, error)) *google.Cached[string] {
	return newCached(a.directory, platform.TokenTimeout, a.directory.platform.TokenNotRenewed, fetch)
}

// defaultToken fetches a token with Application Default Credentials.
func (a *account) defaultToken(ctx context.Context) (string, google.Lease, error) {
	token, lease, err := a.directory.platform.DefaultToken(ctx, rbm.Scope)
	if rejected, ok := errors.AsType[*google.TokenError](err); ok {
		err = &google.SecretError{Kind: google.Invalid, Reason: rejected.Code, Content: google.DefaultCredentials, Err: rejected}
	}
	return token.Value, lease, err
}

// fetchKeyToken fetches a token with a key.
func (a *account) fetchKeyToken(ctx context.Context, cfg *jwt.Config) (string, google.Lease, error) {
	token, lease, err := a.directory.platform.FetchToken(ctx, func(ctx context.Context) (oauth2.TokenSource, error) {
		return cfg.TokenSource(ctx), nil
	})
	if rejected, ok := errors.AsType[*google.TokenError](err); ok {
		err = a.secret.invalid(rejected.Code, rejected)
	}
	return token.Value, lease, err
}

// readKey reads the key. A new key is swapped in only once it has a token, so that no
// request waits for one. If it has none, the old key stays.
func (a *account) readKey(ctx context.Context) (*key, google.Lease, error) {
	payload, lease, err := a.secret.read(ctx)
	if err != nil {
		return nil, google.Lease{}, err
	}
	digest := sha256.Sum256(payload)
	old, replaces := a.key.Current()
	if replaces && old.digest == digest {
		return old, lease, nil
	}
	cfg, err := a.parse(payload)
	if err != nil {
		return nil, google.Lease{}, err
	}
	k := &key{digest: digest, tokens: a.newTokens(func(ctx context.Context) (string, google.Lease, error) { return a.fetchKeyToken(ctx, cfg) })}
	if replaces {
		if _, err := k.tokens.Get(ctx); err != nil {
			return nil, google.Lease{}, err
		}
	}
	return k, lease, nil
}

// token returns a token of the newest key that works.
func (a *account) token(ctx context.Context) (string, error) {
	k, err := a.key.Get(ctx)
	if err != nil {
		return "", err
	}
	for {
		token, err := k.tokens.Get(ctx)
		if err == nil || a.secret == nil || !errors.Is(err, google.ErrSecretInvalid) {
			return token, err
		}
		newest, failure := a.newestKey(ctx, k)
		if failure != nil {
			return "", failure
		}
		if newest == k {
			return "", err
		}
		k = newest
	}
}

// newestKey looks for the key that replaces k, after the token endpoint has rejected k.
// If there is none, it returns k.
func (a *account) newestKey(ctx context.Context, k *key) (*key, error) {
	current, err := a.key.Get(ctx)
	if err != nil || current != k || a.secret.resource() == "" {
		return current, err
	}
	// A read in flight may have started before the key was replaced. After it, only
	// a second read is sure to return the new key.
	for joined := a.key.InFlight(); joined || a.rereadLimiter.AllowN(a.directory.now(), 1); joined = false {
		if err := a.key.Renew(ctx); isTransient(err) {
			return nil, err
		}
		current, err = a.key.Get(ctx)
		if err != nil || current != k || !joined {
			return current, err
		}
	}
	if err := a.key.Err(); isTransient(err) {
		return nil, err // there may be another key
	}
	return k, nil
}

// isTransient reports whether a read failed for a reason other than the secret itself,
// such as the network.
func isTransient(err error) bool {
	return errors.Is(err, google.ErrSecretUnavailable) || errors.Is(err, google.ErrTokenUnavailable) || errors.Is(err, google.ErrWaiting)
}

// keyFile has the fields of a service account key that are checked or shown.
type keyFile struct {
	Type       string `json:"type"`
	Project    string `json:"project_id"`
	Email      string `json:"client_email"`
	PrivateKey string `json:"private_key"`
	TokenURI   string `json:"token_uri"`
}

// parse checks a service account key. Only this type is accepted from a secret, and
// only with Google's token endpoint: other credentials can make a server call URLs
// chosen by an attacker.
func (a *account) parse(payload []byte) (*jwt.Config, error) {
	var file keyFile
	if err := json.Unmarshal(payload, &file); err != nil {
		if _, err := config.ParseAgentID(string(payload)); err == nil {
			return nil, a.secret.invalid("not_json", errSwapped)
		}
		return nil, a.secret.invalid("not_json", nil)
	}
	switch {
	case file.Type == "":
		return nil, a.secret.invalid("missing_field", errors.New("type is missing"))
	case file.Type != string(oauth2google.ServiceAccount):
		return nil, a.secret.invalid("wrong_key_type", typeError(file.Type))
	case file.Email == "":
		return nil, a.secret.invalid("missing_field", errors.New("client_email is missing"))
	case file.PrivateKey == "":
		return nil, a.secret.invalid("missing_field", errors.New("private_key is missing"))
	case !isPrivateKey(file.PrivateKey):
		return nil, a.secret.invalid("bad_private_key", errors.New("private_key: expected an RSA key in PEM format"))
	case file.TokenURI != "" && file.TokenURI != oauth2google.JWTTokenURL && !(a.directory.local && config.IsLoopback(file.TokenURI)):
		return nil, a.secret.invalid("bad_token_uri", errors.New("token_uri is not the URL of Google's token endpoint"))
	}
	cfg, err := oauth2google.JWTConfigFromJSON(payload, rbm.Scope)
	if err != nil {
		return nil, a.secret.invalid("not_json", nil)
	}
	cfg.Audience = "" // it would replace the token endpoint in the assertion
	return cfg, nil
}

// typeError names the type only if Google defines it: other text may be private.
func typeError(found string) error {
	switch oauth2google.CredentialsType(found) {
	case oauth2google.AuthorizedUser, oauth2google.ExternalAccount, oauth2google.ExternalAccountAuthorizedUser,
		oauth2google.ImpersonatedServiceAccount, oauth2google.GDCHServiceAccount:
		return fmt.Errorf("type: expected service_account, got %s", found)
	}
	return errors.New("type: expected service_account")
}

func isPrivateKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, ok := parsed.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}
