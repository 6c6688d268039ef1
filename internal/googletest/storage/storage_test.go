package storage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/storage"
)

// failure is an error response as Cloud Storage sends it.
func failure(code int, message, reason, rest string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"errors":[{"domain":"global",%s"message":"%s","reason":"%s"}],"message":"%[3]s"}}`, code, rest, message, reason)
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := &storage.Server{Authorize: func(token string) error {
		switch token {
		case "good":
			return nil
		case "denied":
			return &storage.Error{Code: 403, Reason: "forbidden", Message: "no access"}
		}
		return errors.New("unknown token")
	}}
	s.AddBucket("b")
	const (
		object = "/storage/v1/b/b/o/p%2F1"
		insert = "/upload/storage/v1/b/b/o?uploadType=media&name=p%2F1"
		first  = "1790000000000001"
	)
	meta := func(name, generation, size string) string {
		return `{"bucket":"b","generation":"` + generation + `","kind":"storage#object","name":"` + name + `","size":"` + size + `"}`
	}
	precondition := failure(412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet", `"location":"If-Match","locationType":"header",`)
	missing := failure(404, "No such object: b/p/1", "notFound", "")
	for _, test := range []struct {
		name, token, method, path, body string
		status                          int
		want                            string
	}{
		{"token", "bad", "GET", object, "", 401, failure(401, "Invalid Credentials", "authError", `"location":"Authorization","locationType":"header",`)},
		{"denied", "denied", "GET", object, "", 403, failure(403, "no access", "forbidden", "")},
		{"no bucket", "good", "GET", "/storage/v1/b/other/o/x", "", 404, failure(404, "The specified bucket does not exist.", "notFound", "")},
		{"no object", "good", "GET", object, "", 404, missing},
		{"no content", "good", "GET", object + "?alt=media", "", 404, "No such object: b/p/1"},
		{"no such path", "good", "GET", "/storage/v2/b/b", "", 404, failure(404, "Not Found", "notFound", "")},
		{"replace a missing object", "good", "POST", insert + "&ifGenerationMatch=7", "x", 412, precondition},
		{"invalid generation", "good", "POST", insert + "&ifGenerationMatch=x", "x", 400, failure(400, "Invalid value for parameter: ifGenerationMatch", "invalid", "")},
		{"upload type", "good", "POST", "/upload/storage/v1/b/b/o?name=x", "x", 400, failure(400, "Invalid value for parameter: uploadType", "invalid", "")},
		{"no name", "good", "POST", "/upload/storage/v1/b/b/o?uploadType=media", "x", 400, failure(400, "Required", "required", "")},
		{"create", "good", "POST", insert + "&ifGenerationMatch=0", `{"a": 1}`, 200, meta("p/1", first, "8")},
		{"create again", "good", "POST", insert + "&ifGenerationMatch=0", "x", 412, precondition},
		{"metadata", "good", "GET", object, "", 200, meta("p/1", first, "8")},
		{"content", "good", "GET", object + "?alt=media&generation=" + first, "", 200, `{"a":1}`},
		{"replace", "good", "POST", insert + "&ifGenerationMatch=" + first, "xy", 200, meta("p/1", "1790000000000002", "2")},
		{"old generation", "good", "GET", object + "?alt=media&generation=" + first, "", 404, "No such object: b/p/1"},
		{"without a precondition", "good", "POST", "/upload/storage/v1/b/b/o?uploadType=media&name=p%2F2", "", 200, meta("p/2", "1790000000000003", "0")},
		{"list", "good", "GET", "/storage/v1/b/b/o?prefix=p%2F&maxResults=1", "", 200, `{"items":[` + meta("p/1", "1790000000000002", "2") + `],"kind":"storage#objects","nextPageToken":"cC8x"}`},
		{"last page", "good", "GET", "/storage/v1/b/b/o?prefix=p%2F&maxResults=1&pageToken=cC8x", "", 200, `{"items":[` + meta("p/2", "1790000000000003", "0") + `],"kind":"storage#objects"}`},
		{"empty list", "good", "GET", "/storage/v1/b/b/o?prefix=q", "", 200, `{"kind":"storage#objects"}`},
		{"page token", "good", "GET", "/storage/v1/b/b/o?pageToken=%25", "", 400, failure(400, "Invalid value for parameter: pageToken", "invalid", "")},
		{"page size", "good", "GET", "/storage/v1/b/b/o?maxResults=0", "", 400, failure(400, "Invalid value for parameter: maxResults", "invalid", "")},
		{"permissions", "good", "GET", "/storage/v1/b/b/iam/testPermissions?permissions=storage.objects.get&permissions=storage.objects.list", "", 200, `{"kind":"storage#testIamPermissionsResponse","permissions":["storage.objects.get","storage.objects.list"]}`},
		{"delete another generation", "good", "DELETE", object + "?ifGenerationMatch=" + first, "", 412, precondition},
		{"delete", "good", "DELETE", object + "?ifGenerationMatch=1790000000000002", "", 204, ""},
		{"delete again", "good", "DELETE", object, "", 404, missing},
	} {
		status, body := send(s, test.token, test.method, test.path, test.body)
		if body = compact(body); status != test.status || body != test.want {
			t.Errorf("%s: %d %s\nwant %d %s", test.name, status, body, test.status, test.want)
		}
	}
	if diff := cmp.Diff([]storage.Object{{Name: "p/2", Generation: 1790000000000003, Content: []byte{}}}, s.Objects("b")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	s.Fail(503, 1)
	if status, body := send(s, "good", "GET", object, ""); status != 503 || compact(body) != failure(503, "The service failed on demand.", "backendError", "") {
		t.Errorf("outage: %d %s", status, body)
	}
}

func send(s *storage.Server, token, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// compact returns JSON without spaces, with its names sorted; other text unchanged.
func compact(text string) string {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
