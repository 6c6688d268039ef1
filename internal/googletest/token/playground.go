//go:build playground

package token

// KeyOptions are the contents of a key file.
type KeyOptions struct{ ProjectID, ClientEmail, TokenURI string }

type serviceKey struct{}

// KeyFile returns an empty file: the playground uses the tokens of [Server.Issue], and no
// keys.
func (s *Server) KeyFile(KeyOptions) []byte { return []byte("{}\n") }

// KeyID returns an empty ID.
func KeyID([]byte) string { return "" }

// RevokeKey does nothing.
func (s *Server) RevokeKey(string) {}

func (s *Server) verify(string, []string) (Grant, *tokenError) {
	return Grant{}, invalidGrant("Invalid JWT Signature.")
}
