package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	"github.com/rcshook/rcshook"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// host is where dev listens: nothing outside this machine reaches a function
// whose key everybody knows.
const host = "127.0.0.1"

// devKey is the API key of the function in dev.
const devKey = "dev"

const greeting = `rcshook runs on this machine. Nothing leaves it.

  phone      http://localhost:%[2]d/   open it in a browser
  function   http://localhost:%[1]d/   key: %[3]s
  simulator  http://localhost:%[2]d/

Send a message:

  curl -i http://localhost:%[1]d/ -H 'Authorization: Bearer %[3]s' -H 'Content-Type: application/json' \
    -d '{"to": "+12025550123", "text": "Hello from rcshook", "buttons": ["Hi!", "Docs|https://example.com"]}'

See what arrived:

  curl http://localhost:%[2]d/_sim/messages
%[5]s
Examine the set-up, as it is done where something is wrong:

  rcshook doctor -env http://localhost:%[2]d%[4]s

Ctrl-C stops both.
`

var devCommand = command{
	name:  "dev",
	brief: "run the function on this machine, with a simulator and a phone to look at",
	usage: `Usage:

	rcshook [dev] [-port 8080] [-sim-port 8081] [-config rcshook.yaml] [-queue]

Runs the function on this machine, with a simulator of RCS Business Messaging
beside it and a phone to look at in a browser. It needs no account and no network.

	-config rcshook.yaml
		serve the sources of the file too, with secrets made up for the
		rehearsal; the phone can send a sample event of each
	-queue
		let messages wait in a queue, as in Cloud Tasks, and send them from there;
		the queues that the file names are there without it
	-agent-name NAME, -agent-color #RRGGBB
		how the phone shows the agent
	-images
		let the phone load the images in messages from where they are
	-webhook URL, -webhook-token TOKEN
		push what is done on the phone to an agent's webhook
`,
	run: dev,
}

// dev runs the function through the functions framework, as it is deployed, and
// the simulator beside it, until ctx ends.
func dev(ctx context.Context, args []string, ends streams) error {
	o, err := devFlags(args)
	if err != nil {
		return err
	}
	simulator, err := listen(o.simPort, "-sim-port")
	if err != nil {
		return err
	}
	defer simulator.Close()
	if err := probe(o.port, "-port"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rcshook-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	sim := platform.New(new(rbmtest.Simulator))
	defer sim.Close()
	agentID, err := rehearse(sim, "http://"+simulator.Addr().String(), dir)
	if err != nil {
		return err
	}
	file, err := o.rehearseFile(sim, "http://"+simulator.Addr().String(), dir)
	if err != nil {
		return err
	}
	queue, err := o.rehearseQueue(sim, "http://"+simulator.Addr().String(), file)
	if err != nil {
		return err
	}
	defer queue.close()
	h, err := server.New(ctx, server.Options{Environ: os.Environ(), Log: io.Discard})
	if err != nil {
		return err
	}
	h.Close()
	sim.Page = o.page(agentID, file.samples())
	if err := o.connect(ctx, sim); err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(simulator, withEnv(queue.beside(file.beside(sim, ends.out)))) }()
	go func() { failed <- funcframework.StartHostPort(host, strconv.Itoa(o.port)) }()
	if err := await(ctx, o.port, failed); err != nil {
		return err
	}
	fmt.Fprintf(ends.out, greeting, o.port, o.simPort, devKey, envPath, o.export())
	file.greet(ends.out)
	queue.greet(ends.out, o.simPort)
	select {
	case <-ctx.Done():
		return finish(ctx, ends.out)
	case err := <-failed:
		return err
	}
}

// finish waits for the requests in flight, which the framework would cut off.
func finish(ctx context.Context, out io.Writer) error {
	const noticeable = 300 * time.Millisecond
	notice := time.AfterFunc(noticeable, func() {
		fmt.Fprintln(out, "\nfinishing what is in flight; Ctrl-C again ends at once")
	})
	defer notice.Stop()
	if err := rcshook.Drain(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("some requests were cut off: %w", err)
	}
	fmt.Fprintln(out, "\nstopped")
	return nil
}

// rehearse points the function at the simulator: the same settings, secrets and
// credentials as in a deployment, of this process only. It returns the ID of the agent.
func rehearse(sim *platform.Platform, baseURL, dir string) (agentID string, err error) {
	env := sim.Provision(baseURL)
	adc := filepath.Join(dir, "application-default-credentials.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		return "", err
	}
	for _, name := range []string{
		"RCSHOOK_ALLOW_UNAUTHENTICATED", "RCSHOOK_CONFIG", "RCSHOOK_OIDC_AUDIENCE", "RCSHOOK_OIDC_EMAILS", "RCSHOOK_OIDC_ENDPOINT",
		"RCSHOOK_QUEUE", "RCSHOOK_QUEUE_ACCOUNT", "RCSHOOK_URL", "RCSHOOK_TASKS_ENDPOINT",
		"K_SERVICE", // the signals are those of dev
	} {
		if err := os.Unsetenv(name); err != nil { // those of a deployment would be in the way
			return "", err
		}
	}
	for name, value := range map[string]string{
		"FUNCTION_TARGET":                "Send",
		"GOOGLE_APPLICATION_CREDENTIALS": adc,
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               devKey,
		"RCSHOOK_RBM_ENDPOINT":           baseURL,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": baseURL,
	} {
		if err := os.Setenv(name, value); err != nil {
			return "", err
		}
	}
	return env.AgentID, nil
}

// envPath is where the settings of the function can be read, for "rcshook doctor".
const envPath = "/_dev/env"

// withEnv serves them beside h. They name secrets and a file, and the key that
// everybody knows.
func withEnv(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != envPath {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, entry := range os.Environ() {
			if strings.HasPrefix(entry, "RCSHOOK_") || strings.HasPrefix(entry, "GOOGLE_APPLICATION_CREDENTIALS=") {
				fmt.Fprintln(w, entry)
			}
		}
	})
}

func listen(port int, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is taken by another program: stop it, or choose another port with %s", port, setting)
	}
	return l, err
}

// probe tells early whether the framework, which listens by itself, will get its port.
func probe(port int, setting string) error {
	l, err := listen(port, setting)
	if err != nil {
		return err
	}
	return l.Close()
}

// await returns once the function answers.
func await(ctx context.Context, port int, failed <-chan error) error {
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return nil // stopped while starting
		case err := <-failed:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
