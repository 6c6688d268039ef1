// Package openapi holds the description of the HTTP interface, which the function
// serves at /openapi.json. Its test writes the description from the tables of
// the code, and holds every case against it.
package openapi

import _ "embed"

// Document is the OpenAPI 3.1 description.
//
//go:embed openapi.json
var Document []byte
