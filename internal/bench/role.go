package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/pprof"
	"slices"
	"sync/atomic"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/google/uuid"

	_ "github.com/rcshook/rcshook" // registers Send
)

// A role is what a process does in a run.
type role string

const (
	platform role = "platform" // takes messages, and everything else that Google does
	function role = "function" // is measured
	bare     role = "bare"     // does the same job without a promise
	empty    role = "empty"    // is a function that does nothing
)

// IsRole tells whether [Serve] knows a role of this name.
func IsRole(name string) bool {
	return slices.Contains([]role{platform, function, bare, empty}, role(name))
}

// Settings of the processes, besides those of the function.
const (
	envMessages = "BENCH_MESSAGES" // where the bare program posts
	envAgent    = "BENCH_AGENT"    // as whom
	envToken    = "BENCH_TOKEN"    // its token
	envPlain    = "BENCH_PLAIN"    // not empty: the platform speaks plain HTTP
	envProfile  = "BENCH_PROFILE"  // file for a CPU profile
)

// loopback is the only network there is.
const loopback = "127.0.0.1"

// Serve is one of the processes of [Run], with the settings of the environment, until in
// ends. For each line of in it writes what the process has used so far to out.
func Serve(name string, in io.Reader, out io.Writer) error {
	endProfile, err := profile(os.Getenv(envProfile))
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	var messages atomic.Int64
	switch role(name) {
	case platform:
		err = servePlatform(os.Getenv(envPlain) != "", out, &messages, failed)
	case function:
		go func() { failed <- funcframework.StartHostPort(loopback, os.Getenv("PORT")) }()
	case empty:
		functions.HTTP("Empty", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the caller sees what is wrong
			_, _ = io.WriteString(w, "{}")
		})
		go func() { failed <- funcframework.StartHostPort(loopback, os.Getenv("PORT")) }()
	case bare:
		go func() { failed <- serveBare(net.JoinHostPort(loopback, os.Getenv("PORT"))) }()
	default:
		err = fmt.Errorf("bench: no role is named %q", name)
	}
	if err != nil {
		return err
	}
	go func() { failed <- answerUsage(in, out, &messages) }()
	return errors.Join(<-failed, endProfile())
}

// answerUsage tells what the process has used, as often as it is asked. It returns when
// nobody can ask any more: whoever started this process is gone.
func answerUsage(in io.Reader, out io.Writer, messages *atomic.Int64) error {
	asked, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for asked.Scan() {
		u := usageNow()
		u.Messages = int(messages.Load())
		if err := answers.Encode(u); err != nil {
			return err
		}
	}
	return asked.Err()
}

// usage is what a process has used since it began.
type usage struct {
	CPU      time.Duration // user and system; 0 if it is not known
	Memory   int64         // resident, in bytes, at this moment; 0 if it is not known
	Messages int           // those that the platform has taken
}

func profile(file string) (end func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// serveBare decodes the JSON, posts it with a static token and a message ID, and answers
// with what it got: the least that any program of this kind does.
func serveBare(address string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
	phones, token := os.Getenv(envMessages)+"/v1/phones/", "Bearer "+os.Getenv(envToken)
	agent := "/agentMessages?agentId=" + os.Getenv(envAgent)
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // it is bare
		var message map[string]any
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := json.Marshal(message)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		to, _ := message["to"].(string)
		target := phones + url.PathEscape(to) + agent + "&messageId=" + uuid.NewString()
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // the caller sees that something is missing
	}))
}
