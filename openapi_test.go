package rcshook

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/errors"

	"github.com/rcshook/rcshook/internal/openapi"
)

var description = sync.OnceValues(func() (validator.Validator, error) {
	doc, err := libopenapi.NewDocument(openapi.Document)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

// TestDescription holds the OpenAPI description against the specification.
func TestDescription(t *testing.T) {
	v, err := description()
	if err != nil {
		t.Fatal(err)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Errorf("the description is no OpenAPI 3.1:%s", list(errs))
	}
}

// describedAs holds an exchange against the description: every answer on a path
// that is described, and every request that was taken.
func describedAs(t *testing.T, req *http.Request, body []byte, res *http.Response, answer []byte) {
	t.Helper()
	v, err := description()
	if err != nil {
		t.Error(err)
		return
	}
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNoContent:
		return // not described, by their nature
	}
	held := req.Clone(t.Context())
	held.URL.Scheme, held.URL.Host, held.Host = "", "", ""
	if plain := bytes.TrimPrefix(body, []byte("\ufeff")); bytes.HasPrefix(plain, []byte("{")) || bytes.HasPrefix(plain, []byte("[")) {
		// JSON is taken under more names than the description promises.
		held.Header.Set("Content-Type", "application/json")
		body = plain
	}
	held.Body = io.NopCloser(bytes.NewReader(body))
	if res.StatusCode == http.StatusOK {
		if ok, errs := v.ValidateHttpRequestSync(held); !ok {
			t.Errorf("%s %s was taken, and is not as described:%s", req.Method, req.URL.Path, list(errs))
		}
		held.Body = io.NopCloser(bytes.NewReader(body))
	}
	copied := *res
	copied.Body = io.NopCloser(bytes.NewReader(answer))
	if ok, errs := v.ValidateHttpResponse(held, &copied); !ok {
		t.Errorf("the answer %d to %s %s is not as described:%s\n%s", res.StatusCode, req.Method, req.URL.Path, list(errs), answer)
	}
}

func list(errs []*errors.ValidationError) string {
	var text string
	for _, err := range errs {
		text += "\n\t" + err.Message + ": " + err.Reason
		for _, schema := range err.SchemaValidationErrors {
			text += "\n\t\t" + schema.Reason
		}
	}
	return text
}
