package main

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
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/google/uuid"

	_ "github.com/rcshook/rcshook" // registers Send
)

// The programs that are measured, each in a process of its own.
const (
	function = "function"
	bare     = "bare"  // does the same job, without the promises
	empty    = "empty" // a function that does nothing
)

// Settings of the processes, besides those of the function.
const (
	envProgram  = "BENCH_PROGRAM"
	envMessages = "BENCH_MESSAGES" // base URL of the platform
	envAgent    = "BENCH_AGENT"
	envToken    = "BENCH_TOKEN"
	envProfile  = "BENCH_PROFILE" // file for a CPU profile
)

// loopback is the address of all servers.
const loopback = "127.0.0.1"

// serve runs a program until in ends. For each line of in it writes a [resources] to out.
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
	default:
		return fmt.Errorf("unknown program %q", program)
	}
	go func() { failed <- reportResources(in, out) }()
	return <-failed
}

// resources are used by a process since its start.
type resources struct {
	CPU    time.Duration // user and system; 0 if unknown
	Memory int64         // resident, in bytes, now; 0 if unknown
}

// reportResources writes the resources of this process for each line of in. It returns
// when in ends, which is when the parent process ends.
func reportResources(in io.Reader, out io.Writer) error {
	lines, encoder := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		if err := encoder.Encode(resourcesNow()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// newBareHandler returns the least that a program of this kind does: it decodes the JSON,
// posts it with a static token and a message ID, and passes the response on.
func newBareHandler() http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
	phones, token := os.Getenv(envMessages)+"/v1/phones/", "Bearer "+os.Getenv(envToken)
	agent := "/agentMessages?agentId=" + os.Getenv(envAgent)
	send := func(w http.ResponseWriter, r *http.Request) (status int, err error) {
		var message map[string]any
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			return http.StatusBadRequest, err
		}
		body, err := json.Marshal(message)
		if err != nil {
			return http.StatusBadRequest, err
		}
		to, ok := message["to"].(string)
		if !ok {
			return http.StatusBadRequest, errors.New("to is missing")
		}
		target := phones + url.PathEscape(to) + agent + "&messageId=" + uuid.NewString()
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			return http.StatusInternalServerError, err
		}
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return http.StatusBadGateway, err
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // the caller sees a short response
		return 0, nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, err := send(w, r); err != nil {
			http.Error(w, err.Error(), status)
		}
	})
}
