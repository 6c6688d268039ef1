package optout

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rcshook/rcshook/internal/google"
)

// API sends requests to Google's APIs as the account of the function.
type API interface {
	// Ready waits for an access token. Its error is a [*google.SecretError].
	Ready(ctx context.Context) error

	// Call sends a request with in as its JSON body, and decodes the JSON response
	// into out. An error response is a [*google.APIError].
	Call(ctx context.Context, method, url string, in, out any) error
}

// BucketOptions configure a [Bucket]. Every field but Endpoint is required.
type BucketOptions struct {
	API      API
	Endpoint string // base URL to use instead of Google's; may be empty
	Location string // gs://BUCKET or gs://BUCKET/PREFIX

	// Key returns the key that names the objects, at least [MinKey] bytes. RereadKey
	// makes Key return the current value, if it kept an older one.
	Key       func(context.Context) ([]byte, error)
	RereadKey func(context.Context) error

	Now func() time.Time
}

// Bucket stores one object for each brand and person in a bucket of Cloud Storage. The
// name of an object is an HMAC of both, so that it does not contain the number. Every
// error of a Bucket is an [*Unavailable]. It is safe for concurrent use.
type Bucket struct {
	o BucketOptions

	bucket string
	prefix string // of the names of objects: empty, or with a slash at its end

	mu         sync.Mutex
	verified   keyFile // that was right
	verifiedAt time.Time
}

// NewBucket returns a bucket. It does no I/O.
func NewBucket(o BucketOptions) *Bucket {
	o.Endpoint = cmp.Or(o.Endpoint, "https://storage.googleapis.com")
	b := &Bucket{o: o}
	b.bucket, b.prefix, _ = strings.Cut(strings.TrimPrefix(o.Location, "gs://"), "/")
	if b.prefix = strings.Trim(b.prefix, "/"); b.prefix != "" {
		b.prefix += "/"
	}
	return b
}

// Unavailable reports that a store did not do its work: the state of a person is
// unknown, or was not stored. Its text contains no part of a response and no number of a
// person.
type Unavailable struct {
	Err  error // the cause, for [errors.Is]; its text may contain a response
	text string
}

func (e *Unavailable) Error() string { return e.text }

// Unwrap returns e.Err.
func (e *Unavailable) Unwrap() error { return e.Err }

// unavailable adds the location to an error. The text of err becomes part of the error,
// except that of a response.
func (b *Bucket) unavailable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if secret, ok := errors.AsType[*google.SecretError](err); ok {
		withoutCause := *secret
		withoutCause.Err = nil
		text = strings.Replace(text, secret.Error(), withoutCause.Error(), 1)
	} else if failed, ok := errors.AsType[*google.APIError](err); ok {
		text = strings.TrimSpace(fmt.Sprintf("HTTP %d %s", failed.Code, failed.Status)) + advice(failed)
	} else if ctx.Err() != nil {
		text = "timeout"
	}
	return &Unavailable{err, "opt-outs in " + b.o.Location + ": " + text}
}

// advice returns the fix for an error response, as the end of an error.
func advice(e *google.APIError) string {
	switch {
	case e.HasReason(google.ReasonDisabled) || e.HasReason("accessNotConfigured"):
		return "; enable the API storage.googleapis.com in the project of the function"
	case e.HasReason(google.ReasonScope) || e.HasReason("insufficientPermissions"):
		return "; give the function's credentials the scope cloud-platform"
	case e.HasReason("retentionPolicyNotMet") || e.HasReason("objectUnderActiveHold"):
		return "; remove retention policies and holds from the bucket"
	case e.Code == http.StatusForbidden && e.Status != "":
		return "; grant the function's account the role roles/storage.objectUser on the bucket"
	case e.Code == http.StatusNotFound && e.Status != "":
		return "; create the bucket, or correct store"
	}
	return ""
}

// Errors of responses and contents.
var (
	errForeign = errors.New("the response is not from Cloud Storage")
	errContent = errors.New("expected a record of its brand and number; restore or delete the object")
	errChanged = errors.New("the object changes too often")
)

// inObject adds the name of an object to an error. The name shows nothing without the key.
func inObject(object string, err error) error { return fmt.Errorf("object %s: %w", object, err) }

// isStatus reports whether err is a response with this status that is provably from
// Cloud Storage, unlike the page of a proxy.
func isStatus(err error, code int) bool {
	e, ok := errors.AsType[*google.APIError](err)
	return ok && e.Code == code && e.Status != ""
}

// Find returns the record of a person, or nil if there is none.
func (b *Bucket) Find(ctx context.Context, brand, phone string) (found *Record, err error) {
	err = b.withKey(ctx, func(key []byte) error {
		found, _, err = b.find(ctx, key, brand, phone)
		return err
	})
	return found, err
}

// Apply stores a signal, whose Since it sets, and returns the record as it is stored
// afterwards. The newest signal decides the state. Of two signals with the same time,
// the one for OptedOut does. Times are stored in microseconds.
//
// If only the time of a signal within a minute of the stored one cannot be written, Apply
// returns the record without an error: a tap sends two signals at once, and Cloud Storage
// limits the writes of an object to about one per second. A later time has to be stored,
// because a delayed signal for the other state may be between the two.
//
// Google docs: https://docs.cloud.google.com/storage/quotas#objects
func (b *Bucket) Apply(ctx context.Context, r Record) (stored Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	r.At = r.At.UTC().Truncate(time.Microsecond)
	r.Since = r.At
	err = b.withKey(ctx, func(key []byte) error {
		stored, err = b.update(ctx, b.object(key, r.Brand, r.Phone), func() (*Record, int64, error) {
			return b.find(ctx, key, r.Brand, r.Phone)
		}, func(stored *Record) (Record, bool) { return merge(stored, r) })
		return err
	})
	if err != nil && stored.valid() && stored.State == r.State && r.At.Sub(stored.At) < repeatWindow {
		return stored, nil
	}
	return stored, err
}

// merge returns the record after the signal r, and whether it differs from stored.
func merge(stored *Record, r Record) (Record, bool) {
	if stored == nil {
		return r, true
	}
	if !newer(r, *stored) {
		return *stored, false
	}
	if r.State == stored.State {
		at := r.At
		r = *stored
		r.At = at
	}
	return r, true
}

// newer reports whether the state of r replaces that of stored.
func newer(r, stored Record) bool {
	return r.At.After(stored.At) || r.At.Equal(stored.At) && r.State == OptedOut && stored.State != OptedOut
}

// attempts limits how often a change is tried when others change the same object.
const attempts = 20

// update changes an object. Change returns the new record for the stored one, which read
// returned, and whether to write it. A write that may have failed is decided by the next
// read: if there is still something to write, its error is that of update, with the record
// that is stored.
func (b *Bucket) update(ctx context.Context, object string, read func() (*Record, int64, error), change func(*Record) (Record, bool)) (Record, error) {
	var failed error
	for range attempts {
		stored, generation, err := read()
		if err != nil {
			return Record{}, cmp.Or(failed, err)
		}
		next, changed := change(stored)
		switch {
		case !changed:
			return next, nil
		case failed != nil && stored == nil:
			return Record{}, failed
		case failed != nil:
			return *stored, failed
		case !next.valid():
			return Record{}, errors.New("the record is incomplete")
		}
		_, err = b.write(ctx, object, generation, next)
		e, isResponse := errors.AsType[*google.APIError](err)
		switch {
		case err == nil:
			return next, nil
		case isStatus(err, http.StatusPreconditionFailed): // another instance was faster
		case !isResponse || e.Code >= 500 || e.Code == http.StatusTooManyRequests:
			failed = err
		default:
			return Record{}, err
		}
	}
	return Record{}, inObject(object, errChanged)
}

// find verifies the key and reads a record at the same time.
func (b *Bucket) find(ctx context.Context, key []byte, brand, phone string) (r *Record, generation int64, err error) {
	var (
		wrongKey error
		verify   sync.WaitGroup
	)
	if check := checkValue(key); !b.trusts(check, brand) {
		verify.Go(func() { wrongKey = b.verify(ctx, check, brand) })
	}
	object := b.object(key, brand, phone)
	r, generation, err = b.record(ctx, object, missing)
	verify.Wait()
	switch {
	case wrongKey != nil:
		return nil, 0, wrongKey
	case r != nil && (r.Brand != brand || r.Phone != phone):
		return nil, 0, inObject(object, errContent)
	}
	return r, generation, err
}

// object returns the name of the object for a person.
func (b *Bucket) object(key []byte, brand, phone string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(brand + "\n" + phone))
	return b.prefix + hex.EncodeToString(mac.Sum(nil))
}

// valid reports whether r can be the content of an object.
func (r *Record) valid() bool {
	return r.Phone != "" && (r.State == OptedOut || r.State == OptedIn) && !r.Since.IsZero() && !r.At.Before(r.Since)
}

// missing is the generation of an object that does not exist.
const missing = 0

// record returns the record in an object, and its generation, as [Bucket.read] does.
func (b *Bucket) record(ctx context.Context, object string, generation int64) (*Record, int64, error) {
	r := new(Record)
	generation, err := b.read(ctx, object, generation, r)
	switch {
	case err != nil || generation == missing:
		return nil, generation, err
	case !r.valid():
		return nil, 0, inObject(object, errContent)
	}
	return r, generation, nil
}

// metadata is the part of the metadata of an object that this package uses.
type metadata struct {
	Name       string `json:"name"`
	Generation int64  `json:"generation,string"`
}

// path is the path of the objects in the bucket.
func (b *Bucket) path() string { return "/storage/v1/b/" + url.PathEscape(b.bucket) + "/o" }

// url returns the URL of an object.
func (b *Bucket) url(object string) string {
	return b.o.Endpoint + b.path() + "/" + url.PathEscape(object)
}

// read decodes the content of an object into out, and returns its generation. If the
// given generation is missing or replaced, the current one is read. Only the metadata can
// show that there is none: error responses for content are not JSON.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/get
func (b *Bucket) read(ctx context.Context, object string, generation int64, out any) (int64, error) {
	for range attempts {
		if generation == missing {
			var m metadata
			err := b.o.API.Call(ctx, http.MethodGet, b.url(object), nil, &m)
			switch {
			case isStatus(err, http.StatusNotFound):
				return missing, nil
			case err != nil:
				return missing, err
			case m.Name != object || m.Generation <= 0:
				return missing, errForeign
			}
			generation = m.Generation
		}
		err := b.o.API.Call(ctx, http.MethodGet, fmt.Sprintf("%s?alt=media&generation=%d", b.url(object), generation), nil, out)
		if e, ok := errors.AsType[*google.APIError](err); !ok || e.Code != http.StatusNotFound {
			return generation, err
		}
		generation = missing // replaced meanwhile
	}
	return missing, inObject(object, errChanged)
}

// write writes an object if its generation is still the given one, and returns the new one.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/insert
func (b *Bucket) write(ctx context.Context, object string, generation int64, content any) (int64, error) {
	q := url.Values{"uploadType": {"media"}, "name": {object}, "ifGenerationMatch": {strconv.FormatInt(generation, 10)}}
	var m metadata
	err := b.o.API.Call(ctx, http.MethodPost, b.o.Endpoint+"/upload"+b.path()+"?"+q.Encode(), content, &m)
	if err == nil && (m.Name != object || m.Generation <= 0) {
		err = errForeign
	}
	return m.Generation, err
}

// All calls f for every record, in the order of the names of their objects.
func (b *Bucket) All(ctx context.Context, f func(Record) error) error {
	var failed error
	err := b.withKey(ctx, func(key []byte) error {
		if err := b.verify(ctx, checkValue(key)); err != nil {
			return err
		}
		for r, err := range b.records(ctx, key) {
			if err != nil {
				return err
			}
			if failed = f(r); failed != nil {
				return nil
			}
		}
		return nil
	})
	return cmp.Or(failed, err)
}

// records yields all records, or an error for an object that another key names.
func (b *Bucket) records(ctx context.Context, key []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for page, err := range b.pages(ctx) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, item := range page {
				if item.Name != b.object(key, item.record.Brand, item.record.Phone) {
					yield(Record{}, inObject(item.Name, errOtherKey))
					return
				}
				if !yield(*item.record, nil) {
					return
				}
			}
		}
	}
}

// item is an object in a list, with its record.
type item struct {
	metadata
	record *Record
}

// parallel is the number of requests at once for the objects of a page.
const parallel = 16

// pages yields all records in pages. An object whose name is not that of a record is left
// out.
func (b *Bucket) pages(ctx context.Context) iter.Seq2[[]item, error] {
	return func(yield func([]item, error) bool) {
		for token := ""; ; {
			items, next, err := b.list(ctx, "", token)
			var group errgroup.Group
			group.SetLimit(parallel)
			for i := range items {
				group.Go(func() (err error) {
					items[i].record, items[i].Generation, err = b.record(ctx, items[i].Name, items[i].Generation)
					return err
				})
			}
			err = cmp.Or(err, group.Wait())
			kept := items[:0]
			for _, item := range items {
				if item.record != nil { // not deleted meanwhile
					kept = append(kept, item)
				}
			}
			if !yield(kept, err) || err != nil || next == "" {
				return
			}
			token = next
		}
	}
}

// list returns a page of the objects below the prefix that are named like records, and
// the token of the next page. Only objects whose names start with start are considered.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/list
func (b *Bucket) list(ctx context.Context, start, token string) (items []item, next string, err error) {
	q := url.Values{"prefix": {b.prefix + start}, "fields": {"kind,nextPageToken,items(name,generation)"}}
	if token != "" {
		q.Set("pageToken", token)
	}
	var page struct {
		Kind          string     `json:"kind"`
		Items         []metadata `json:"items"`
		NextPageToken string     `json:"nextPageToken"`
	}
	if err := b.o.API.Call(ctx, http.MethodGet, b.o.Endpoint+b.path()+"?"+q.Encode(), nil, &page); err != nil {
		return nil, "", err
	}
	if page.Kind != "storage#objects" {
		return nil, "", errForeign
	}
	for _, m := range page.Items {
		name := strings.TrimPrefix(m.Name, b.prefix)
		if sum, err := hex.DecodeString(name); err == nil && len(sum) == sha256.Size || name == start {
			items = append(items, item{metadata: m})
		}
	}
	return items, page.NextPageToken, nil
}
