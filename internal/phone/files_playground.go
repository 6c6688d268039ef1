//go:build playground

package phone

import "net/http"

// addFiles adds nothing: the host of the playground serves the page.
func addFiles(*http.ServeMux) error { return nil }
