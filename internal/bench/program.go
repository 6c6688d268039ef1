package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/pprof"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/google/uuid"

	_ "github.com/rcshook/rcshook" // registers Send
)

// Each of these programs runs in a process of its own.
const (
	function = "function"
	bare     = "bare program"   // does the same job, without the promises
	empty    = "empty function" // does nothing
	node     = "Node"           // does the same job with Google's libraries
	platform = "platform"
)

// Settings of the processes, besides those of the function.
const (
	envProgram  = "BENCH_PROGRAM"
	envDir      = "BENCH_DIR"      // for files of the platform
	envVersion  = "BENCH_VERSION"  // of HTTP, for messages: 2 is over TLS, 1 is not; 0 is over TLS, and any
	envMessages = "BENCH_MESSAGES" // base URL of the platform
	envAgent    = "BENCH_AGENT"
	envToken    = "BENCH_TOKEN"
	envKey      = "BENCH_KEY"     // file with the key of a service account
	envProfile  = "BENCH_PROFILE" // file for a CPU profile
)

// loopback is the address of all servers.
const loopback = "127.0.0.1"

// serve runs a program until in ends, which is when the parent process ends.
func serve(program string, in io.Reader, out io.Writer) error {
	if name := os.Getenv(envProfile); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	failed := make(chan error, 2)
	port := os.Getenv("PORT")
	switch program {
	case function:
		go func() { failed <- funcframework.StartHostPort(loopback, port) }()
	case empty:
		functions.HTTP("Empty", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the caller sees an error
			_, _ = io.WriteString(w, "{}")
		})
		go func() { failed <- funcframework.StartHostPort(loopback, port) }()
	case bare:
		go func() { failed <- http.ListenAndServe(net.JoinHostPort(loopback, port), newBareHandler()) }()
	case platform:
		if err := startPlatform(os.Getenv(envDir), os.Getenv(envVersion), out); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown program %q", program)
	}
	go func() { _, err := io.Copy(io.Discard, in); failed <- err }()
	return <-failed
}

// newBareHandler returns the least that a program of this kind does: it decodes the JSON,
// posts it with a static token and a message ID, and passes the response on.
func newBareHandler() http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
	phones, token := os.Getenv(envMessages)+"/v1/phones/", "Bearer "+os.Getenv(envToken)
	agent := "/agentMessages?agentId=" + os.Getenv(envAgent)
	send := func(w http.ResponseWriter, r *http.Request) error {
		var message map[string]any
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			return err
		}
		body, err := json.Marshal(message)
		if err != nil {
			return err
		}
		to, _ := message["to"].(string)
		target := phones + url.PathEscape(to) + agent + "&messageId=" + uuid.NewString()
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // the caller sees a short response
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := send(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
}
