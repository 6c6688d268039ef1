package rbm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer. The largest lists the reachable
// ones of 10,000 users, twice.
const maxAnswer = 1 << 20

// readAnswer reads all of the body, so that the connection can be used again, as
// long as there is no more than an answer can have.
func readAnswer(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	var data bytes.Buffer
	if resp.ContentLength > 0 && resp.ContentLength <= maxAnswer {
		data.Grow(int(resp.ContentLength) + bytes.MinRead) // or the buffer would grow at its end
	}
	_, err := data.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && data.Len() > maxAnswer {
		err = errUnreadable
	}
	return data.Bytes(), err
}

// decodeResponse fills the struct that dst points to. Unknown fields and mismatched
// types are ignored, since the platform may change its responses.
func decodeResponse(data []byte, dst any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return errUnreadable
	}
	if _, malformed := errors.AsType[*json.SyntaxError](json.Unmarshal(data, dst)); malformed {
		return errUnreadable
	}
	return nil
}

// refusal is what every refusal of Google's APIs has in its member "error".
type refusal struct {
	Message string
	Status  string
	Errors  []struct{ Reason string } // in older answers
	Details []struct {
		Reason     string // of google.rpc.ErrorInfo
		RetryDelay string // of google.rpc.RetryInfo
	}
}

// errorOf reads a refusal.
func errorOf(resp *http.Response, body []byte) *Error {
	e := &Error{StatusCode: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	var envelope struct{ Error json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil || !bytes.HasPrefix(envelope.Error, []byte("{")) {
		e.Foreign = true
		return e
	}
	var r refusal
	_ = json.Unmarshal(envelope.Error, &r) // a field of another type is passed over
	e.Message, e.Status = short(r.Message), word(r.Status)
	for _, old := range r.Errors {
		e.Reason = word(old.Reason)
	}
	for _, d := range r.Details {
		if d.Reason != "" {
			e.Reason = word(d.Reason)
		}
		if delay, err := ParseDuration(d.RetryDelay); err == nil && e.RetryAfter == 0 {
			e.RetryAfter = min(max(0, time.Duration(delay)), longestPause)
		}
	}
	return e
}

// word returns s if it is a word such as NOT_FOUND or forbidden, and so cannot
// quote what was sent.
func word(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	if len(s) > 64 || strings.Trim(s, letters) != "" {
		return ""
	}
	return s
}

// maxMessage is how much of the text of a refusal is kept, in bytes.
const maxMessage = 4 << 10

// short cuts a text between two characters, if it is longer than a message may be.
func short(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "")
}

// longestPause is the longest that a platform is believed to ask for. It keeps the
// arithmetic in bounds.
const longestPause = 30 * 24 * time.Hour

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestPause)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(0, time.Until(at)), longestPause)
	}
	return 0
}
