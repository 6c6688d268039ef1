//go:build playground

package standardwebhook

import "errors"

// parsePKIX returns an error: all keys of the playground are shared secrets.
func parsePKIX([]byte) (any, error) { return nil, errors.ErrUnsupported }
