//go:build playground

package agent

import (
	"context"
	"encoding/json"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// account has a token of the simulator, because the playground has no keys.
type account struct{ key *google.Cached[*key] }

type key struct{ tokens *google.Cached[string] }

func newAccount(d *Directory, setting config.Secret) *account {
	tokens := newCached(d, secretTimeout, nil, func(context.Context) (string, google.Lease, error) {
		var credentials struct{ Token string }
		err := json.Unmarshal([]byte(setting.Literal()), &credentials)
		return credentials.Token, google.Lease{}, err
	})
	return &account{newCached(d, keyTimeout, nil, func(context.Context) (*key, google.Lease, error) {
		return &key{tokens}, google.Lease{}, nil
	})}
}

func (a *account) token(ctx context.Context) (string, error) {
	k, err := a.key.Get(ctx)
	if err != nil {
		return "", err
	}
	return k.tokens.Get(ctx)
}
