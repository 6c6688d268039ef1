package google_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/google"
)

func TestParseAPIError(t *testing.T) {
	t.Parallel()
	const old = `{"error": {"code": 404, "message": "No such object: b/o", "errors": [{"message": "No such object: b/o", "domain": "global", "reason": "notFound"}]}}`
	for _, test := range []struct {
		name string
		code int
		body string
		want google.APIError
	}{
		{
			"status and details", 403,
			`{"error": {"code": 403, "message": "off", "status": "PERMISSION_DENIED", "errors": [{"reason": "accessNotConfigured"}], "details": [{"reason": "SERVICE_DISABLED"}, {}]}}`,
			google.APIError{Code: 403, Status: "PERMISSION_DENIED", Message: "off", Reasons: []string{"SERVICE_DISABLED", "accessNotConfigured"}},
		},
		{"older form", 404, old, google.APIError{Code: 404, Status: "notFound", Message: "No such object: b/o", Reasons: []string{"notFound"}}},
		{"older form with another code", 502, old, google.APIError{Code: 502}},
		{"no error list", 404, `{"error": {"code": 404, "message": "x"}}`, google.APIError{Code: 404}},
		{"no reason", 404, `{"error": {"code": 404, "message": "x", "errors": [{}]}}`, google.APIError{Code: 404}},
		{"text in place of an object", 404, `{"error": "notFound"}`, google.APIError{Code: 404}},
		{"page of a proxy", 404, `<html>404`, google.APIError{Code: 404}},
		{"empty", 500, "", google.APIError{Code: 500}},
		{"long", 400, `{"error": {"status": "INVALID_ARGUMENT", "message": "` + strings.Repeat("é", 301) + `"}}`, google.APIError{Code: 400, Status: "INVALID_ARGUMENT", Message: strings.Repeat("é", 300) + "..."}},
	} {
		if diff := cmp.Diff(&test.want, google.ParseAPIError(test.code, []byte(test.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
