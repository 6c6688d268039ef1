// Package storage is a stand-in for Cloud Storage: an [http.Handler] that serves buckets
// and objects by the JSON API, and keeps them in memory.
package storage

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rcshook/rcshook/internal/googletest"
)

// Server serves the methods get, insert, delete and list of objects, and testIamPermissions
// of buckets. It keeps one generation of an object, inserts
// content of uploadType=media only, and sends whole resources, whatever fields asks for.
// Its methods may be called from several goroutines.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1
type Server struct {
	// Authorize, if set, checks the access token of each request. Its error becomes a
	// response of 401, or the response that an [*Error] describes. Set it before the
	// first request.
	Authorize func(token string) error

	// Denied are the permissions that testIamPermissions does not grant, such as
	// storage.objects.create. Set it before the first request.
	Denied []string

	// Outage makes requests fail or hang.
	googletest.Outage

	once sync.Once
	mux  *http.ServeMux

	mu      sync.Mutex
	buckets map[string]map[string]Object
	count   int64 // objects ever written
}

// Object is an object in a bucket.
type Object struct {
	Name       string
	Generation int64
	Content    []byte
}

// AddBucket creates a bucket.
func (s *Server) AddBucket(bucket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets == nil {
		s.buckets = make(map[string]map[string]Object)
	}
	s.buckets[bucket] = make(map[string]Object)
}

// Objects returns the objects of a bucket in the order of their names.
func (s *Server) Objects(bucket string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var objects []Object
	for _, name := range slices.Sorted(maps.Keys(s.buckets[bucket])) {
		objects = append(objects, s.buckets[bucket][name])
	}
	return objects
}

// Put writes an object to a bucket that exists.
func (s *Server) Put(bucket, name string, content []byte) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(bucket, name, content)
}

func (s *Server) put(bucket, name string, content []byte) Object {
	s.count++
	o := Object{name, firstGeneration + s.count, content}
	s.buckets[bucket][name] = o
	return o
}

// firstGeneration is before all generations. Those of Google are times in microseconds.
const firstGeneration = 1_790_000_000_000_000

// Delete deletes an object.
func (s *Server) Delete(bucket, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets[bucket], name)
}

// Error is an error response of Cloud Storage, in the older form of Google's APIs.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes
type Error struct {
	Code     int    // HTTP status
	Reason   string // such as forbidden
	Message  string
	Location string // the header that has the problem; may be empty
}

func (e *Error) Error() string { return fmt.Sprint(e.Code, " ", e.Message) }

// Write sends the error as a JSON response.
func (e *Error) Write(w http.ResponseWriter) {
	detail := map[string]any{"message": e.Message, "domain": "global", "reason": e.Reason}
	if e.Location != "" {
		detail["locationType"], detail["location"] = "header", e.Location
	}
	googletest.WriteJSON(w, e.Code, map[string]any{"error": map[string]any{
		"code": e.Code, "message": e.Message, "errors": []any{detail},
	}})
}

// ServeHTTP serves the JSON API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(func() {
		s.mux = http.NewServeMux()
		for pattern, method := range map[string]method{
			"GET /storage/v1/b/{bucket}/o/{object}":          s.get,
			"DELETE /storage/v1/b/{bucket}/o/{object}":       s.remove,
			"GET /storage/v1/b/{bucket}/o":                   s.list,
			"POST /upload/storage/v1/b/{bucket}/o":           s.insert,
			"GET /storage/v1/b/{bucket}/iam/testPermissions": s.testPermissions,
		} {
			s.mux.Handle(pattern, s.handler(method))
		}
		s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound("Not Found").Write(w) })
	})
	googletest.Decompress(r)
	s.mux.ServeHTTP(w, r)
}

// method serves a request about a bucket, with a JSON value, the [Object] as its content,
// or nothing.
type method func(bucket map[string]Object, r *http.Request) (any, error)

func (s *Server) handler(m method) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := s.serve(m, r)
		content, isContent := response.(Object)
		failed, known := errors.AsType[*Error](err)
		switch {
		case err != nil && !known:
			http.Error(w, "stand-in: "+err.Error(), http.StatusInternalServerError)
		case known && r.URL.Query().Get("alt") == "media":
			w.Header().Set("Content-Type", "text/html; charset=UTF-8")
			w.WriteHeader(failed.Code)
			_, _ = io.WriteString(w, failed.Message)
		case known:
			failed.Write(w)
		case isContent:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Goog-Generation", strconv.FormatInt(content.Generation, 10))
			_, _ = w.Write(content.Content)
		case response == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			googletest.WriteJSON(w, http.StatusOK, response)
		}
	})
}

// maxObject is the largest object that the stand-in keeps, in bytes.
const maxObject = 1 << 20

func (s *Server) serve(m method, r *http.Request) (any, error) {
	if s.Authorize != nil {
		if err := s.Authorize(googletest.BearerToken(r)); err != nil {
			if denied, ok := errors.AsType[*Error](err); ok {
				return nil, denied
			}
			return nil, &Error{http.StatusUnauthorized, "authError", "Invalid Credentials", "Authorization"}
		}
	}
	if status := s.Next(r.Context()); status != 0 {
		return nil, &Error{status, "backendError", "The service failed on demand.", ""}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxObject+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxObject {
		return nil, errors.New("the object is too large")
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, ok := s.buckets[r.PathValue("bucket")]
	if !ok {
		return nil, notFound("The specified bucket does not exist.")
	}
	return m(bucket, r)
}

func notFound(message string) *Error { return &Error{http.StatusNotFound, "notFound", message, ""} }

func invalid(name string) *Error {
	return &Error{http.StatusBadRequest, "invalid", "Invalid value for parameter: " + name, ""}
}

// resource is the metadata of an object.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource
func resource(bucket string, o Object) any {
	return map[string]any{
		"kind": "storage#object", "bucket": bucket, "name": o.Name,
		"generation": strconv.FormatInt(o.Generation, 10), "size": strconv.Itoa(len(o.Content)),
	}
}

// find returns an object that exists.
func find(bucket map[string]Object, r *http.Request) (Object, error) {
	o, ok := bucket[r.PathValue("object")]
	if generation := r.URL.Query().Get("generation"); !ok || generation != "" && generation != strconv.FormatInt(o.Generation, 10) {
		return o, notFound("No such object: " + r.PathValue("bucket") + "/" + r.PathValue("object"))
	}
	return o, nil
}

// match checks the precondition of a request. The generation of a missing object is 0.
//
// Google docs: https://docs.cloud.google.com/storage/docs/request-preconditions
func match(o Object, r *http.Request) error {
	text := r.URL.Query().Get("ifGenerationMatch")
	if text == "" {
		return nil
	}
	generation, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return invalid("ifGenerationMatch")
	case generation != o.Generation:
		return &Error{http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.", "If-Match"}
	}
	return nil
}

// get serves the metadata of an object, or its content.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/get
func (s *Server) get(bucket map[string]Object, r *http.Request) (any, error) {
	o, err := find(bucket, r)
	if err == nil {
		err = match(o, r)
	}
	switch {
	case err != nil:
		return nil, err
	case r.URL.Query().Get("alt") == "media":
		return o, nil
	}
	return resource(r.PathValue("bucket"), o), nil
}

// insert writes an object.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/insert
func (s *Server) insert(bucket map[string]Object, r *http.Request) (any, error) {
	q := r.URL.Query()
	switch {
	case q.Get("uploadType") != "media":
		return nil, invalid("uploadType")
	case q.Get("name") == "":
		return nil, &Error{http.StatusBadRequest, "required", "Required", ""}
	}
	if err := match(bucket[q.Get("name")], r); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return resource(r.PathValue("bucket"), s.put(r.PathValue("bucket"), q.Get("name"), content)), nil
}

// remove deletes an object.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/delete
func (s *Server) remove(bucket map[string]Object, r *http.Request) (any, error) {
	o, err := find(bucket, r)
	if err == nil {
		err = match(o, r)
	}
	if err == nil {
		delete(bucket, o.Name)
	}
	return nil, err
}

// maxPage is the number of objects in a page of a list.
const maxPage = 1000

// list serves a page of objects. The page token is the last name of the page before.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/list
func (s *Server) list(bucket map[string]Object, r *http.Request) (any, error) {
	q := r.URL.Query()
	limit := maxPage
	if text := q.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, invalid("maxResults")
		}
		limit = min(n, maxPage)
	}
	after, err := base64.URLEncoding.DecodeString(q.Get("pageToken"))
	if err != nil {
		return nil, invalid("pageToken")
	}
	page := map[string]any{"kind": "storage#objects"}
	var items []any
	last := ""
	for _, name := range slices.Sorted(maps.Keys(bucket)) {
		if !strings.HasPrefix(name, q.Get("prefix")) || name <= string(after) {
			continue
		}
		if len(items) == limit {
			page["nextPageToken"] = base64.URLEncoding.EncodeToString([]byte(last))
			break
		}
		items, last = append(items, resource(r.PathValue("bucket"), bucket[name])), name
	}
	if items != nil {
		page["items"] = items
	}
	return page, nil
}

// testPermissions serves the requested permissions that are not in Denied.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
func (s *Server) testPermissions(_ map[string]Object, r *http.Request) (any, error) {
	granted := slices.DeleteFunc(r.URL.Query()["permissions"], func(p string) bool { return slices.Contains(s.Denied, p) })
	return map[string]any{"kind": "storage#testIamPermissionsResponse", "permissions": granted}, nil
}
