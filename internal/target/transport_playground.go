//go:build playground

package target

import (
	"context"
	"net/http"
)

// The playground has no network: its transport is a handler in the same process.

func ownTransport(o Options) http.RoundTripper { return o.Transport }

func cause(ctx context.Context, _ error) string {
	if ctx.Err() != nil {
		return "timeout"
	}
	return "the connection failed"
}
