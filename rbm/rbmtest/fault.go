package rbmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Failure is something that goes wrong with requests. Its parts are combined in
// this order: Delay, then Status, Break or Truncate, of which one may be set. With none
// of them the answer is late but right.
type Failure struct {
	// Phone is the number in E.164 form that requests must be about; empty
	// means any. In the Failure of a [Behavior] it has no meaning.
	Phone string

	// Method is what must be called, by its name in the reference, such as
	// "phones.agentMessages.create". Empty means any method of the RBM API. The
	// other services are called "token", "secrets" and "metadata".
	Method string

	// Count is how many requests the fault happens to; 0 means all until
	// [Simulator.ClearFailures].
	Count int

	// PerID makes Count apply to each message, event or request ID by itself.
	PerID bool

	// Status is the status of an error answer, with Google's envelope.
	Status int

	// Message is the message in the envelope; empty means the usual one.
	Message string

	// Reason is that of a google.rpc.ErrorInfo in the details of the error answer,
	// such as SERVICE_DISABLED or ACCESS_TOKEN_SCOPE_INSUFFICIENT; empty means
	// that there is none.
	Reason string

	// Page answers Status, which may be any from 200 then, with a page for people
	// instead of Google's envelope, as a proxy on the way does: before anybody
	// has looked at the token.
	Page bool

	// RetryAfter, rounded up to seconds, is the Retry-After header of the error
	// answer.
	RetryAfter time.Duration

	// Delay is how long the answer takes, in real time, at most until the client
	// leaves or [Simulator.Close].
	Delay time.Duration

	// Break ends the connection without an answer.
	Break BreakPoint

	// Truncate ends the connection in the middle of the answer's body, after the
	// request was carried out.
	Truncate bool
}

// BreakPoint is when a connection breaks.
type BreakPoint string

// The moments for a connection to break. The client cannot tell them apart.
const (
	NoBreak     BreakPoint = ""
	BreakBefore BreakPoint = "before" // nothing was done
	BreakAfter  BreakPoint = "after"  // the request was carried out
)

var errFault = errors.New("rbmtest: a fault needs one of status, delay, break and truncate, and at most one of the three other than delay")

func (f *Failure) check() error {
	kinds := 0
	for _, set := range []bool{f.Status != 0, f.Break != NoBreak, f.Truncate} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds > 1, kinds == 0 && f.Delay <= 0:
		return errFault
	case f.Page && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("rbmtest: the status of a page is 200 to 599, not %d", f.Status)
	case !f.Page && f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("rbmtest: the status of a fault is 400 to 599, not %d", f.Status)
	case f.Break != NoBreak && f.Break != BreakBefore && f.Break != BreakAfter:
		return fmt.Errorf("rbmtest: a connection breaks %q or %q, not %q", BreakBefore, BreakAfter, f.Break)
	case f.Count < 0 || f.Delay < 0 || f.RetryAfter < 0:
		return errors.New("rbmtest: a fault has no negative numbers")
	}
	return nil
}

// faultJSON is the form of a fault in requests to /_sim/failures. Times are
// strings such as "1.5s", or numbers of seconds.
type faultJSON struct {
	Phone      string     `json:"phone,omitempty"`
	Method     string     `json:"method,omitempty"`
	Count      int        `json:"count,omitempty"`
	PerID      bool       `json:"per_id,omitempty"`
	Status     int        `json:"status,omitempty"`
	Message    string     `json:"message,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Page       bool       `json:"page,omitempty"`
	RetryAfter jsonTime   `json:"retry_after,omitzero"`
	Delay      jsonTime   `json:"delay,omitzero"`
	Break      BreakPoint `json:"break,omitempty"`
	Truncate   bool       `json:"truncate,omitempty"`
}

// MarshalJSON writes a fault with lower-case names and times such as "1.5s".
func (f Failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{
		f.Phone, f.Method, f.Count, f.PerID, f.Status, f.Message, f.Reason, f.Page,
		jsonTime(f.RetryAfter), jsonTime(f.Delay), f.Break, f.Truncate,
	})
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses unknown names and
// faults that make no sense.
func (f *Failure) UnmarshalJSON(data []byte) error {
	var j faultJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return err
	}
	*f = Failure{
		j.Phone, j.Method, j.Count, j.PerID, j.Status, j.Message, j.Reason, j.Page,
		time.Duration(j.RetryAfter), time.Duration(j.Delay), j.Break, j.Truncate,
	}
	return f.check()
}

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
		return errors.New("rbmtest: a time is a string such as \"1.5s\" or a number of seconds")
	}
	parsed, err := time.ParseDuration(text)
	*d = jsonTime(parsed)
	return err
}

// Fail arranges a fault. Of several that fit a request the one arranged first
// happens, until its count is used up. Fail panics if f makes no sense.
func (s *Simulator) Fail(f Failure) {
	if err := f.check(); err != nil {
		panic(err.Error())
	}
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFailures takes back all faults arranged with [Simulator.Fail].
func (s *Simulator) ClearFailures() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Failures returns the faults that are still to happen.
func (s *Simulator) Failures() []Failure {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Failure, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// takeFault returns the arranged fault that happens to a request, or nil. rbm
// says whether method belongs to the RBM API, page whether those with a Page are
// meant, or the others.
func (s *Simulator) takeFault(method, phone string, key idKey, rbmAPI, page bool) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Page != page || f.Phone != "" && f.Phone != phone || f.Method != method && (f.Method != "" || !rbmAPI) {
			continue
		}
		if f.PerID {
			if !s.countFailure(f, key) {
				continue
			}
			copied := *f
			return &copied
		}
		copied := *f
		if f.Count == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if f.Count > 1 {
			f.Count--
		}
		return &copied
	}
	return nil
}

type failureKey struct {
	fault *Failure
	id    idKey
}

// countFailure reports whether a fault that counts per ID happens once more. s.mu
// is held.
func (s *Simulator) countFailure(f *Failure, key idKey) bool {
	k := failureKey{f, key}
	if f.Count > 0 && s.failures[k] >= f.Count {
		return false
	}
	s.failures[k]++
	return true
}

// wait delays an answer; false means that nobody waits for it any more, or that
// the simulator is closed.
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
		return false
	case <-s.life.Done():
		return false
	}
}

// refusal is the error answer of a fault with a status.
func (f *Failure) refusal() *apiError {
	if f.Page {
		return &apiError{status: f.Status, html: true}
	}
	e := trouble(f.Status, f.Message, f.RetryAfter)
	if f.Reason != "" {
		e.details = []any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": f.Reason, "domain": "googleapis.com",
		}}
	}
	return e
}

// suffer lets f happen to a request that h would answer.
func (s *Simulator) suffer(w http.ResponseWriter, r *http.Request, f *Failure, h http.Handler) {
	if !s.wait(r.Context(), f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Status != 0:
		f.refusal().write(w, r)
	case f.Break == BreakBefore:
		panic(http.ErrAbortHandler)
	default:
		s.end(w, r, f, h)
	}
}

// end lets the part of f happen that comes after a request was carried out, by h or
// before. f may be nil.
func (s *Simulator) end(w http.ResponseWriter, r *http.Request, f *Failure, h http.Handler) {
	switch {
	case f != nil && f.Break == BreakAfter:
		h.ServeHTTP(new(bufferedAnswer), r)
		panic(http.ErrAbortHandler)
	case f != nil && f.Truncate:
		truncate(w, r, h)
	default:
		h.ServeHTTP(w, r)
	}
}

// truncate sends the head and one half of the answer's body.
func truncate(w http.ResponseWriter, r *http.Request, h http.Handler) {
	var b bufferedAnswer
	h.ServeHTTP(&b, r)
	for name, values := range b.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(b.body.Len()))
	w.WriteHeader(max(b.status, http.StatusOK))
	w.Write(b.body.Bytes()[:b.body.Len()/2])
	// Where flushing fails, the half may get lost, and the connection ends all the same.
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// bufferedAnswer keeps an answer that is not, or not wholly, sent.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *bufferedAnswer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

func (b *bufferedAnswer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *bufferedAnswer) Write(p []byte) (int, error) { return b.body.Write(p) }

// WithFailures lets arranged failures happen to a service other than the RBM API.
func (s *Simulator) WithFailures(name string, h http.Handler) http.Handler {
	s.init()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, page := range []bool{true, false} {
			if f := s.takeFault(name, "", idKey{}, false, page); f != nil {
				s.suffer(w, r, f, h)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}
