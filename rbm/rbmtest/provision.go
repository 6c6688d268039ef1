package rbmtest

import (
	"errors"
	"strings"

	"github.com/rcshook/rcshook/internal/googletest/token"
)

// projectID is the project of the partner.
const projectID = "rcshook-dev"

// KeyFile returns the RBM service account's key file of the moment, for clients
// that reach the simulator at baseURL. The same one is returned until
// [Simulator.Rotate].
func (s *Simulator) KeyFile(baseURL string) []byte {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	tokenURI := strings.TrimRight(baseURL, "/") + "/token"
	if key, ok := s.keys[tokenURI]; ok {
		return append([]byte(nil), key...)
	}
	return append([]byte(nil), s.newKey(tokenURI)...)
}

// newKey makes the key of the moment. s.keyMu is held.
func (s *Simulator) newKey(tokenURI string) []byte {
	key := s.tokens.KeyFile(token.KeyOptions{
		ProjectID:   projectID,
		ClientEmail: "rbm-partner@" + projectID + ".iam.gserviceaccount.com",
		TokenURI:    tokenURI,
	})
	if s.keys == nil {
		s.keys = map[string][]byte{}
	}
	s.keys[tokenURI] = key
	return key
}

// errNoKey is the answer to a rotation before there is anything to rotate.
var errNoKey = errors.New("rbmtest: no key to rotate; call KeyFile first")

// Rotate makes a new key for the RBM service account. With revoke, the old key and its
// access tokens stop working; without, both keys work.
func (s *Simulator) Rotate(revoke bool) error {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	if len(s.keys) == 0 {
		return errNoKey
	}
	for tokenURI, old := range s.keys {
		s.newKey(tokenURI)
		if revoke {
			s.tokens.RevokeKey(token.KeyID(old))
			s.tokens.RevokeTokensOf(token.KeyID(old))
		}
	}
	return nil
}
