package rbm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

const accepted = `{"name":"phones/+12025550123/agentMessages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001","contentMessage":{"text":"Hello"}}`

// script is a transport that returns one response after another and repeats the last
// one. It records the time, the URL and the body of each request.
type script struct {
	responses []func(*http.Request) (*http.Response, error)
	start     time.Time
	at        []time.Duration
	urls      map[string]bool
	bodies    map[string]bool
}

func play(responses ...func(*http.Request) (*http.Response, error)) *script {
	return &script{responses: responses, start: time.Now(), urls: make(map[string]bool), bodies: make(map[string]bool)}
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Since(s.start))
	s.urls[r.URL.String()] = true
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		s.bodies[string(body)] = true
	}
	next := s.responses[min(len(s.at), len(s.responses))-1]
	return next(r)
}

func returns(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(*http.Request) (*http.Response, error) { return response(status, h, body), nil }
}

// refuses returns an error response of the API.
func refuses(status int) func(*http.Request) (*http.Response, error) {
	return returns(status, fmt.Sprintf(`{"error":{"code":%d}}`, status))
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// hangs blocks until the context of the request ends.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// breaksWith returns a response whose body is truncated.
func breaksWith(status int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		resp := response(status, nil, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"error":{"status":"`), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp, nil
	}
}

var unavailable = returns(503, `{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}`)

const agentLookup = `{"error":{"code":403,"message":"There was an error looking up the RBM agent. This may be a transient error, in which case a retry can help.","status":"PERMISSION_DENIED"}}`

// TestSendMessage_truncatedError checks that the end of a 500 is not needed, but that of a 404.
func TestSendMessage_truncatedError(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{500: nil, 404: io.ErrUnexpectedEOF} {
		client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: play(breaksWith(status))}, Retry: rbm.Retry{MaxAttempts: 1}})
		_, err := client.SendMessage(t.Context(), phone, messageID, hello)
		if e, ok := errors.AsType[*rbm.Error](err); !ok || e.StatusCode != status || e.Err != want {
			t.Errorf("%d: %+v, want the status and the cause %v", status, err, want)
		}
	}
}

// TestRetry checks which responses are retried, in the time of synctest.
func TestRetry(t *testing.T) {
	t.Parallel()
	ok := returns(200, accepted)
	tests := []struct {
		name     string
		script   *script
		want     error // nil: success
		attempts int
	}{
		{"at once", play(ok), nil, 1},
		{"any 2xx", play(returns(299, accepted)), nil, 1},
		{"500", play(returns(500, ""), ok), nil, 2},
		{"502, 503, 504", play(returns(502, "<html>"), unavailable, returns(504, ""), ok), nil, 4},
		{"429", play(returns(429, ""), ok), nil, 2},
		{"408", play(returns(408, ""), ok), nil, 2},
		{"connection", play(fails(io.EOF), fails(errors.New("http2: client connection lost")), ok), nil, 3},
		{"truncated response", play(breaksWith(200), ok), nil, 2},
		{"truncated error response", play(breaksWith(409), breaksWith(404), ok), nil, 3},
		{"always a truncated 429", play(breaksWith(429)), rbm.ErrRateLimited, 4},
		{"response that is not JSON", play(returns(200, "<html>"), ok), nil, 2},
		{"response that is not an object", play(returns(200, "[]"), ok), nil, 2},
		{"longest response", play(returns(200, accepted+strings.Repeat(" ", 1<<20-len(accepted)))), nil, 1},
		{"endless response", play(returns(200, accepted+strings.Repeat(" ", 1<<20)), ok), nil, 2},
		{"attempt that hangs", play(hangs, ok), nil, 2},
		{"agent lookup", play(returns(403, agentLookup), ok), nil, 2},
		{"always agent lookup", play(returns(403, agentLookup)), rbm.ErrPermissionDenied, 2},
		{"always 503", play(unavailable), rbm.ErrUnavailable, 4},
		{"always a broken connection", play(fails(io.EOF)), rbm.ErrUnavailable, 4},
		{"always hanging", play(hangs), rbm.ErrTimeout, 4},
		{"always 429", play(returns(429, "")), rbm.ErrRateLimited, 4},
		{"always a truncated response", play(breaksWith(200)), rbm.ErrUnavailable, 4},
		{"400", play(refuses(400)), rbm.ErrInvalidArgument, 1},
		{"401", play(refuses(401)), rbm.ErrUnauthenticated, 1},
		{"403", play(refuses(403)), rbm.ErrPermissionDenied, 1},
		{"404", play(refuses(404)), rbm.ErrUnreachable, 1},
		{"400 of a proxy", play(returns(400, "<html>")), rbm.ErrUnavailable, 1},
		{"400 of a gateway", play(returns(400, `{"error":{"code":"BadRequest"}}`)), rbm.ErrUnavailable, 1},
		{"empty 401", play(returns(401, "")), rbm.ErrUnavailable, 1},
		{"403 of a proxy", play(returns(403, `{"error":{}}`)), rbm.ErrUnavailable, 1},
		{"404 of a proxy", play(returns(404, "not here")), rbm.ErrUnavailable, 1},
		{"response of a proxy", play(returns(200, "{}"), returns(206, "{}"), ok), nil, 3},
		{"error with the status of a success", play(returns(200, `{"error":{"code":503,"status":"UNAVAILABLE"}}`), ok), nil, 2},
		{"response about another message", play(returns(200, strings.ReplaceAll(accepted, messageID, "1")), ok), nil, 2},
		{"ID of another number", play(returns(200, strings.ReplaceAll(accepted, phone, "+12025550124"))), rbm.ErrIDTaken, 1},
		{"409", play(refuses(409)), rbm.ErrAlreadyExists, 1},
		{"aborted and canceled", play(returns(409, `{"error":{"code":409,"status":"ABORTED"}}`), returns(499, `{"error":{"code":499,"status":"CANCELLED"}}`), ok), nil, 3},
		{"501", play(returns(501, "")), rbm.ErrUnavailable, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var observed []rbm.Attempt
				client := newClient(t, rbm.Config{
					HTTPClient: &http.Client{Transport: test.script},
					Retry:      rbm.Retry{MaxAttempts: 4},
					Observe:    func(a rbm.Attempt) { observed = append(observed, a) },
				})
				sent, err := client.SendMessage(t.Context(), phone, messageID, hello)
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if test.want == nil && (sent == nil || sent.Name != "phones/+12025550123/agentMessages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001") {
					t.Errorf("message %+v, want that of the response", sent)
				}
				var failure *rbm.Error
				if errors.As(err, &failure) && failure.Attempts != test.attempts {
					t.Errorf("Attempts = %d, want %d", failure.Attempts, test.attempts)
				}
				if len(observed) != test.attempts || len(test.script.at) != test.attempts {
					t.Errorf("%d requests, %d attempts observed, want %d", len(test.script.at), len(observed), test.attempts)
				}
				for i, a := range observed {
					last := i == len(observed)-1
					if a.Number != i+1 || a.Method != "phones.agentMessages.create" || (a.Err == nil) != (last && test.want == nil) {
						t.Errorf("attempt %d observed as %+v", i+1, a)
					}
				}
				if len(test.script.urls) != 1 || len(test.script.bodies) != 1 {
					t.Errorf("the attempts differ: %v %v", test.script.urls, test.script.bodies)
				}
			})
		})
	}
}

func TestRetry_pauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		distinct := make(map[time.Duration]bool)
		for range 50 {
			script := play(unavailable)
			client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Retry: rbm.Retry{MaxAttempts: 7}})
			if _, err := client.SendMessage(t.Context(), phone, messageID, hello); !errors.Is(err, rbm.ErrUnavailable) {
				t.Fatalf("error %v, want %v", err, rbm.ErrUnavailable)
			}
			bounds := []time.Duration{250e6, 500e6, 1e9, 2e9, 4e9, 4e9}
			for i, bound := range bounds {
				pause := script.at[i+1] - script.at[i]
				if pause < 0 || pause > bound {
					t.Errorf("pause %d lasts %v, want at most %v", i+1, pause, bound)
				}
				distinct[pause] = true
			}
		}
		if len(distinct) < 200 {
			t.Errorf("only %d different pauses of 300: not random", len(distinct))
		}
	})
}

func TestRetry_retryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inTenSeconds := time.Now().Add(10 * time.Second).UTC().Format(http.TimeFormat)
		script := play(
			returns(429, "", "Retry-After", "7"), returns(503, "", "Retry-After", inTenSeconds),
			returns(503, "", "Retry-After", "0"), returns(200, accepted),
		)
		client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Retry: rbm.Retry{BaseDelay: time.Second, MaxDelay: time.Second}})
		if _, err := client.SendMessage(t.Context(), phone, messageID, hello); err != nil {
			t.Fatal(err)
		}
		if first := script.at[1]; first < 7*time.Second || first > 8*time.Second {
			t.Errorf("second attempt after %v, want 7 s to 8 s", first)
		}
		if second := script.at[2]; second < 10*time.Second || second > 11*time.Second {
			t.Errorf("third attempt at %v, want it at 10 s to 11 s", second)
		}
		if third := script.at[3] - script.at[2]; third > time.Second {
			t.Errorf("fourth attempt after %v, want at most 1 s", third)
		}
	})
}

// TestRetry_deadline checks that a call ends at once if the deadline leaves no time for
// another attempt.
func TestRetry_deadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		budget   time.Duration // 0: none
		retry    string
		attempts int
		took     time.Duration
		after    time.Duration
	}{
		{"no time left for a long wait", 5 * time.Second, "10", 1, 0, 10 * time.Second},
		{"no time left after the wait", 5 * time.Second, "5", 1, 0, 5 * time.Second},
		{"no time left for an attempt", 100 * time.Millisecond, "0", 1, 0, 0},
		{"just enough time", 5 * time.Second, "4", 2, 4 * time.Second, 4 * time.Second},
		{"no deadline, a minute", 0, "60", 2, time.Minute, time.Minute},
		{"no deadline, more than a minute", 0, "61", 1, 0, 61 * time.Second},
		{"a deadline beyond a long wait", time.Hour, "1800", 2, 30 * time.Minute, 30 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.budget > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.budget)
					defer cancel()
				}
				script := play(returns(429, `{"error":{}}`, "Retry-After", test.retry))
				client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Retry: rbm.Retry{MaxAttempts: 2, BaseDelay: 1}})
				_, err := client.SendMessage(ctx, phone, messageID, hello)
				var failure *rbm.Error
				if !errors.Is(err, rbm.ErrRateLimited) || !errors.As(err, &failure) {
					t.Fatalf("error %v, want %v", err, rbm.ErrRateLimited)
				}
				if failure.Attempts != test.attempts || failure.RetryAfter != test.after {
					t.Errorf("%d attempts, RetryAfter %v; want %d, %v", failure.Attempts, failure.RetryAfter, test.attempts, test.after)
				}
				if took := time.Since(script.start).Truncate(time.Microsecond); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
			})
		})
	}
}

// TestRetry_shortDeadline checks that the random part of a pause is limited to the time
// before the deadline.
func TestRetry_shortDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i := range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			script := play(returns(503, "", "Retry-After", fmt.Sprint(i%2)), returns(200, accepted))
			client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Retry: rbm.Retry{BaseDelay: time.Hour, MaxDelay: time.Hour}})
			_, err := client.SendMessage(ctx, phone, messageID, hello)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRetry_timeoutDuringAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		script := play(unavailable, hangs)
		client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}})
		_, err := client.SendMessage(ctx, phone, messageID, hello)
		if diff := cmp.Diff(words(rbm.ErrTimeout, context.DeadlineExceeded), kinds(err)); diff != "" {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
		if took := time.Since(script.start); took != 3*time.Second {
			t.Errorf("it took %v, want 3 s", took)
		}
	})
}

func TestRetry_canceled(t *testing.T) {
	t.Parallel()
	limited := returns(429, `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`, "Retry-After", "30")
	const create = "rbm: phones.agentMessages.create: "
	tests := []struct {
		name   string
		script *script
		waits  bool // Wait blocks before the second attempt
		want   []string
		text   string
	}{
		{"during an attempt", play(hangs), false, words(context.Canceled), create + "canceled by the caller"},
		{
			"during a pause after 503", play(returns(503, "", "Retry-After", "30")), false, words(rbm.ErrUnavailable, context.Canceled),
			create + "503: the response does not have the form of the API; check the endpoint and proxies; not retried: context canceled",
		},
		{
			"during a pause after 429", play(limited), false, words(rbm.ErrRateLimited, context.Canceled),
			create + "429 RESOURCE_EXHAUSTED: a limit of the platform is exceeded; not retried: context canceled",
		},
		{
			"during Wait", play(fails(io.EOF)), true, words(rbm.ErrUnavailable, context.Canceled),
			create + "the connection was closed before the end of the response; not retried: context canceled",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: test.script}, Wait: func(ctx context.Context) error {
					if !test.waits || len(test.script.at) == 0 {
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}})
				start := time.Now()
				_, err := client.SendMessage(ctx, phone, messageID, hello)
				if diff := cmp.Diff(test.want, kinds(err)); diff != "" || err.Error() != test.text {
					t.Errorf("error %v, want %s (-want +got):\n%s", err, test.text, diff)
				}
				if took := time.Since(start); took != time.Second || len(test.script.at) != 1 {
					t.Errorf("it took %v and %d attempts, want 1 s and 1", took, len(test.script.at))
				}
			})
		})
	}
}

// TestRetry_hangingToken checks that the timeout of an attempt includes Token.
func TestRetry_hangingToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, rbm.Config{
			HTTPClient: &http.Client{Transport: play(returns(200, accepted))},
			Token: func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			},
		})
		start := time.Now()
		if _, err := client.SendMessage(t.Context(), phone, messageID, hello); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v, want 10 s", took)
		}
	})
}

// TestConfig_wait checks that an error of Wait is returned before the first attempt,
// and the error of the last attempt after it.
func TestConfig_wait(t *testing.T) {
	t.Parallel()
	late := errors.New("late")
	for _, test := range []struct {
		name     string
		waits    []error // of the first calls of Wait
		script   []func(*http.Request) (*http.Response, error)
		want     error
		requests int
	}{
		{"no error", nil, []func(*http.Request) (*http.Response, error){unavailable, returns(200, accepted)}, nil, 2},
		{"error before the first attempt", []error{late}, []func(*http.Request) (*http.Response, error){returns(200, accepted)}, late, 0},
		{"error before the second attempt", []error{nil, late}, []func(*http.Request) (*http.Response, error){unavailable, returns(200, accepted)}, rbm.ErrUnavailable, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			script, waits := play(test.script...), test.waits
			client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Wait: func(context.Context) error {
				if len(waits) == 0 {
					return nil
				}
				err := waits[0]
				waits = waits[1:]
				return err
			}})
			_, err := client.SendMessage(t.Context(), phone, messageID, hello)
			if !errors.Is(err, test.want) || len(script.at) != test.requests {
				t.Errorf("%s: error %v after %d requests, want %v after %d", test.name, err, len(script.at), test.want, test.requests)
			}
		})
	}
	client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: play(returns(200, "{}"))}, Wait: func(context.Context) error { return late }})
	if _, err := client.InviteTester(t.Context(), phone); !errors.Is(err, late) {
		t.Errorf("InviteTester: error %v, want %v", err, late)
	}
}
