package rbmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// Failure makes requests fail. Its parts apply in this order: Delay, then one of Status,
// Break or Truncate. With a Delay alone, the response is late but right.
type Failure struct {
	// Phone is the number in E.164 form of the requests; empty means any. The Failure of
	// a [Behavior] ignores it.
	Phone string `json:"phone,omitempty"`

	// Method is the called method as the reference names it, such as
	// "phones.agentMessages.create". Empty means any method of the RBM API. The token
	// endpoint is called "token".
	Method string `json:"method,omitempty"`

	// Count is the number of requests that fail; 0 means all until
	// [Simulator.ClearFailures].
	Count int `json:"count,omitempty"`

	// PerID makes Count apply to each message, event or request ID separately.
	PerID bool `json:"per_id,omitempty"`

	// Status is the status of an error response in Google's form.
	Status int `json:"status,omitempty"`

	// Message is the message of the error; empty means the usual one.
	Message string `json:"message,omitempty"`

	// Reason is the reason of a google.rpc.ErrorInfo in the details of the error, such as
	// SERVICE_DISABLED or ACCESS_TOKEN_SCOPE_INSUFFICIENT; empty means no ErrorInfo.
	Reason string `json:"reason,omitempty"`

	// Page sends an HTML page instead of Google's error, as a proxy does, before the
	// token is checked. Status may then be any from 200.
	Page bool `json:"page,omitempty"`

	// RetryAfter, rounded up to seconds, is the Retry-After header of the error response.
	RetryAfter time.Duration `json:"retry_after,omitempty"`

	// Delay is how long the response takes, in real time. It ends early if the client
	// disconnects or at [Simulator.Close].
	Delay time.Duration `json:"delay,omitempty"`

	// Break ends the connection without a response.
	Break BreakPoint `json:"break,omitempty"`

	// Truncate ends the connection in the middle of the response body, after the request
	// was performed.
	Truncate bool `json:"truncate,omitempty"`
}

// BreakPoint is the moment at which a connection breaks.
type BreakPoint string

// The moments for a connection to break. The client cannot tell them apart.
const (
	NoBreak     BreakPoint = ""
	BreakBefore BreakPoint = "before" // the request was not performed
	BreakAfter  BreakPoint = "after"  // the request was performed
)

func (f *Failure) check() error {
	kinds := 0
	for _, set := range []bool{f.Status != 0, f.Break != NoBreak, f.Truncate} {
		if set {
			kinds++
		}
	}
	low := 400
	if f.Page {
		low = 200
	}
	switch {
	case kinds > 1, kinds == 0 && f.Delay <= 0:
		return errors.New("rbmtest: failure: expected a delay, or one of status, break and truncate")
	case (f.Page || f.Status != 0) && (f.Status < low || f.Status > 599):
		return fmt.Errorf("rbmtest: status of a failure: expected %d to 599, got %d", low, f.Status)
	case f.Break != NoBreak && f.Break != BreakBefore && f.Break != BreakAfter:
		return fmt.Errorf("rbmtest: break: expected %q or %q, got %q", BreakBefore, BreakAfter, f.Break)
	case f.Count < 0 || f.Delay < 0 || f.RetryAfter < 0:
		return errors.New("rbmtest: failure: numbers must not be negative")
	}
	return nil
}

// failureJSON is the form of a failure in /_sim/failures. Its times hide those of Failure.
type failureJSON struct {
	*plainFailure
	RetryAfter jsonTime `json:"retry_after,omitzero"`
	Delay      jsonTime `json:"delay,omitzero"`
}

type plainFailure Failure // without methods

// MarshalJSON writes a failure with names in snake case and times such as "1.5s".
func (f Failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(failureJSON{(*plainFailure)(&f), jsonTime(f.RetryAfter), jsonTime(f.Delay)})
}

// UnmarshalJSON reads the form of MarshalJSON. Unknown names and invalid failures are
// errors.
func (f *Failure) UnmarshalJSON(data []byte) error {
	var read Failure
	j := failureJSON{plainFailure: (*plainFailure)(&read)}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return err
	}
	read.RetryAfter, read.Delay = time.Duration(j.RetryAfter), time.Duration(j.Delay)
	*f = read
	return f.check()
}

// jsonTime is a duration as a string such as "1.5s". A number of seconds is also read.
type jsonTime time.Duration

func (d jsonTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

func (d *jsonTime) UnmarshalJSON(data []byte) error {
	var seconds float64
	if json.Unmarshal(data, &seconds) == nil {
		*d = jsonTime(seconds * float64(time.Second))
		return nil
	}
	text, err := strconv.Unquote(string(data))
	if err != nil {
		return errors.New(`rbmtest: time: expected a string such as "1.5s" or a number of seconds`)
	}
	parsed, err := time.ParseDuration(text)
	*d = jsonTime(parsed)
	return err
}

// Fail arranges a failure. If several fit a request, the one that was arranged first
// happens, until its count is used up. Fail panics if f is invalid.
func (s *Simulator) Fail(f Failure) {
	if err := f.check(); err != nil {
		panic(err.Error())
	}
	s.lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, &f)
}

// ClearFailures removes all failures that [Simulator.Fail] arranged.
func (s *Simulator) ClearFailures() {
	s.lock()
	defer s.mu.Unlock()
	s.failures = nil
}

// Failures returns the failures that are still to happen.
func (s *Simulator) Failures() []Failure {
	s.lock()
	defer s.mu.Unlock()
	out := make([]Failure, len(s.failures))
	for i, f := range s.failures {
		out[i] = *f
	}
	return out
}

// takeFailure returns the arranged failure of a request, or nil. rbmAPI reports whether
// method belongs to the RBM API; page selects the failures with or without a Page.
func (s *Simulator) takeFailure(method, phone string, key idKey, rbmAPI, page bool) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.failures {
		if f.Page != page || f.Phone != "" && f.Phone != phone || f.Method != method && (f.Method != "" || !rbmAPI) {
			continue
		}
		copied := *f
		switch {
		case f.PerID:
			if !s.failsAgain(f, key) {
				continue
			}
		case f.Count == 1:
			s.failures = slices.Delete(s.failures, i, i+1)
		case f.Count > 1:
			f.Count--
		}
		return &copied
	}
	return nil
}

type failedKey struct {
	failure *Failure
	id      idKey
}

// failsAgain counts a failure per ID and reports whether it happens once more. s.mu must
// be held.
func (s *Simulator) failsAgain(f *Failure, key idKey) bool {
	k := failedKey{f, key}
	if f.Count > 0 && s.failed[k] >= f.Count {
		return false
	}
	s.failed[k]++
	return true
}

// wait delays a response. It returns false if the client disconnected or the simulator
// was closed.
func (s *Simulator) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.life.Done():
	}
	return false
}

// refusal is the error response of a failure with a status.
func (f *Failure) refusal() *apiError {
	if f.Page {
		return &apiError{status: f.Status, html: true}
	}
	e := platformError(f.Status, f.Message, f.RetryAfter)
	if f.Reason != "" {
		e.details = []any{googletest.ErrorInfo(f.Reason, nil)}
	}
	return e
}

// applyFailure applies the failure in the behavior of the number.
func (s *Simulator) applyFailure(c *call) *apiError {
	s.mu.Lock()
	f := s.behaviors[c.phone].Failure
	if f != nil && f.PerID && !s.failsAgain(f, c.key()) {
		f = nil
	}
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	if !s.wait(c.request.Context(), f.Delay) || f.Break == BreakBefore {
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 {
		return f.refusal()
	}
	c.failure = f
	return nil
}

// serveFailure applies f to a request for h.
func (s *Simulator) serveFailure(w http.ResponseWriter, r *http.Request, f *Failure, h http.Handler) {
	switch {
	case !s.wait(r.Context(), f.Delay), f.Break == BreakBefore:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		f.refusal().write(w, r)
	default:
		s.respond(w, r, f, h)
	}
}

// respond serves h and applies the part of f that comes after it: a break or a truncated
// body. f may be nil.
func (s *Simulator) respond(w http.ResponseWriter, r *http.Request, f *Failure, h http.Handler) {
	if f == nil || f.Break != BreakAfter && !f.Truncate {
		h.ServeHTTP(w, r)
		return
	}
	full := httptest.NewRecorder()
	h.ServeHTTP(full, r)
	if f.Truncate {
		maps.Copy(w.Header(), full.Header())
		w.Header().Set("Content-Length", strconv.Itoa(full.Body.Len()))
		w.WriteHeader(full.Code)
		w.Write(full.Body.Bytes()[:full.Body.Len()/2])
		_ = http.NewResponseController(w).Flush() // the connection ends either way
	}
	panic(http.ErrAbortHandler)
}

// WithFailures returns a handler that applies the failures whose Method is name before it
// calls h. It is for other services on the same server.
func (s *Simulator) WithFailures(name string, h http.Handler) http.Handler {
	s.init()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, page := range []bool{true, false} {
			if f := s.takeFailure(name, "", idKey{}, false, page); f != nil {
				s.serveFailure(w, r, f, h)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}
