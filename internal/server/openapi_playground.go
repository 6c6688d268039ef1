//go:build playground

package server

// The playground has no clients to describe itself to.
var OpenAPI, OpenAPINarrow = []byte("{}"), []byte("{}")
