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
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"github.com/rcshook/rcshook/internal/config"
)

// scope is what an access token must be good for.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create#authorization-scopes
const scope = "https://www.googleapis.com/auth/rcsbusinessmessaging"

// account is where the tokens of one or more agents come from: a service account
// key, or Application Default Credentials.
type account struct {
	directory *Directory
	source    *source // nil means Application Default Credentials
	key       *cell[*key]
	refetches *budget
}

// key is one version of an account's credentials, with its token.
type key struct {
	digest digest
	tokens *cell[string]
}

func newAccount(d *Directory, setting config.Secret) *account {
	a := &account{directory: d, refetches: newBudget()}
	if setting == "" {
		k := &key{tokens: newCell(d, tokenPatience, d.tokenKept, d.defaultToken)}
		a.key = newCell(d, secretPatience, nil, func(context.Context) (*key, lease, error) { return k, lease{}, nil })
		return a
	}
	a.source = &source{directory: d, setting: setting, holds: aKey}
	a.key = newCell(d, keyPatience, a.source.kept, a.fetch)
	return a
}

// fetch reads the key. A key that replaces another is taken into use with a token
// in its hand, so that no request waits for one, and not at all if it does not
// work while the other may.
func (a *account) fetch(ctx context.Context) (*key, lease, error) {
	payload, of, err := a.source.read(ctx)
	if err != nil {
		return nil, lease{}, err
	}
	sum := digest(sha256.Sum256(payload))
	old := a.key.held.Load()
	if old != nil && old.value.digest == sum {
		return old.value, of, nil
	}
	cfg, err := a.parse(payload)
	if err != nil {
		return nil, lease{}, err
	}
	k := &key{digest: sum}
	k.tokens = newCell(a.directory, tokenPatience, a.directory.tokenKept, func(ctx context.Context) (string, lease, error) {
		return a.trade(ctx, cfg)
	})
	if old != nil {
		if _, err := k.tokens.get(ctx); err != nil {
			return nil, lease{}, err
		}
	}
	return k, of, nil
}

// trade exchanges a key for a token.
func (a *account) trade(ctx context.Context, cfg *jwt.Config) (string, lease, error) {
	var of lease
	token, err := again(ctx, func(ctx context.Context) (string, error) {
		client := context.WithValue(ctx, oauth2.HTTPClient, a.directory.boundClient(ctx))
		answer, err := cfg.TokenSource(client).Token()
		if err != nil {
			return "", tokenError(ctx, err)
		}
		of, err = a.directory.leaseOf(answer)
		return answer.AccessToken, err
	})
	if no := (*refusal)(nil); errors.As(err, &no) {
		err = a.source.invalid(no.code, no)
	}
	return token, of, err
}

// token returns a token of the newest key that works.
func (a *account) token(ctx context.Context) (string, error) {
	k, err := a.key.get(ctx)
	if err != nil {
		return "", err
	}
	for {
		token, err := k.tokens.get(ctx)
		if err == nil || a.source == nil || !errors.Is(err, ErrSecretInvalid) {
			return token, err
		}
		newer, lost := a.replacement(ctx, k)
		if lost != nil {
			return "", lost
		}
		if newer == k {
			return "", err
		}
		k = newer // which may have been replaced, too, in the meantime
	}
}

// replacement looks for the key that has replaced k, which is not accepted any
// more. It returns k if there is none.
func (a *account) replacement(ctx context.Context, k *key) (*key, error) {
	current, err := a.key.get(ctx)
	if err != nil || current != k || a.source.resource() == "" {
		return current, err
	}
	// A fetch that runs already may have begun before the key was replaced. Then
	// only a second one is sure to see it.
	for joined := a.key.flying(); joined || a.refetches.take(a.directory.now()); joined = false {
		err := a.key.renew(ctx)
		if mayPass(err) {
			return nil, err
		}
		current, err = a.key.get(ctx)
		if err != nil || current != k || !joined {
			return current, err
		}
	}
	if err := a.key.failure(); mayPass(err) {
		return nil, err // nobody knows yet whether there is another key
	}
	return k, nil
}

// mayPass reports whether a secret was not read for a reason that is none of its own.
func mayPass(err error) bool {
	return errors.Is(err, ErrSecretUnavailable) || errors.Is(err, ErrTokenUnavailable) || errors.As(err, new(*waitError))
}

// parse checks a service account key. Only these are accepted from a secret, and
// only with Google's token endpoint: other credentials can make a server call URLs
// of an attacker's choice.
func (a *account) parse(payload []byte) (*jwt.Config, error) {
	payload = []byte(config.Trim(string(payload)))
	var file struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
		TokenURI   string `json:"token_uri"`
	}
	if err := json.Unmarshal(payload, &file); err != nil {
		if _, err := config.ParseAgentID(string(payload)); err == nil {
			return nil, a.source.invalid("not_json", errSwapped)
		}
		return nil, a.source.invalid("not_json", nil)
	}
	switch {
	case file.Type == "":
		return nil, a.source.invalid("missing_field", errors.New("type is missing"))
	case file.Type != string(google.ServiceAccount):
		return nil, a.source.invalid("wrong_key_type", typeError(file.Type))
	case file.Email == "":
		return nil, a.source.invalid("missing_field", errors.New("client_email is missing"))
	case file.PrivateKey == "":
		return nil, a.source.invalid("missing_field", errors.New("private_key is missing"))
	case !isPrivateKey(file.PrivateKey):
		return nil, a.source.invalid("bad_private_key", errors.New("private_key is not an RSA key in PEM form"))
	case !a.directory.trusts(file.TokenURI):
		return nil, a.source.invalid("bad_token_uri", errors.New("token_uri is not Google's"))
	}
	cfg, err := google.JWTConfigFromJSON(payload, scope)
	if err != nil {
		return nil, a.source.invalid("not_json", nil)
	}
	cfg.Audience = "" // it would take the place of the token endpoint in the assertion
	return cfg, nil
}

// typeError names the type where it is one of Google's words.
func typeError(found string) error {
	switch google.CredentialsType(found) {
	case google.AuthorizedUser, google.ExternalAccount, google.ExternalAccountAuthorizedUser,
		google.ImpersonatedServiceAccount, google.GDCHServiceAccount:
		return fmt.Errorf("the type is %s, not service_account", found)
	}
	return errors.New("the type is not service_account")
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

// trusts reports whether a key may be traded at a token endpoint: at Google's, and
// at one on this machine if another server on this machine is configured.
func (d *Directory) trusts(tokenURI string) bool {
	return tokenURI == "" || tokenURI == google.JWTTokenURL || d.local && config.IsLoopback(tokenURI)
}
