//go:build !playground

package server

import _ "embed"

// OpenAPI is the OpenAPI 3.1 description of the HTTP interface.
//
//go:embed openapi.json
var OpenAPI []byte

// OpenAPINarrow is an OpenAPI 3.0 description for generators of clients, with the
// documented names only. Its server is [ServerPlaceholder].
//
//go:embed openapi-3.0.json
var OpenAPINarrow []byte
