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
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// host is the address of dev. A function with a well-known key must not be reachable from
// other machines.
const host = "127.0.0.1"

// devKey is the API key of the function in dev.
const devKey = "dev"

// devDir is the prefix of the temporary folder with keys and the copy of rcshook.yaml.
const devDir = "rcshook-dev-"

// removeStale removes the folders of earlier runs that were killed, by their age. A run
// reads its folder for as long as it lasts, so the age should be long.
func removeStale(parent string, before time.Time) {
	folders, _ := filepath.Glob(filepath.Join(parent, devDir+"*")) // the pattern is valid
	for _, folder := range folders {
		if info, err := os.Lstat(folder); err == nil && info.IsDir() && info.ModTime().Before(before) {
			os.RemoveAll(folder) // fails for those of other users
		}
	}
}

// envPath serves the settings of the function, for "rcshook doctor".
const envPath = "/_dev/env"

const greeting = `rcshook is running on this machine. Nothing leaves it.

  phone      http://localhost:%[2]d/   open it in a browser
  function   http://localhost:%[1]d/   key: %[3]s
  simulator  http://localhost:%[2]d/

Send a message:

  curl -i http://localhost:%[1]d/ -H 'Authorization: Bearer %[3]s' -H 'Content-Type: application/json' \
    -d '{"to": "+12025550123", "text": "Hello from rcshook", "buttons": ["Hi!", "Docs|https://example.com"]}'

List the messages that arrived:

  curl http://localhost:%[2]d/_sim/messages
%[5]s
Check the setup, as for a deployment:

  rcshook doctor -env http://localhost:%[2]d%[4]s

Ctrl-C stops both.
`

var devCommand = command{
	name:    "dev",
	summary: "run the function on this machine, with a simulator and a phone",
	help: `Usage:

	rcshook [dev] [-port 8080] [-sim-port 8081] [-config rcshook.yaml] [-queue]

Runs the function on this machine, with a simulator of RCS Business Messaging and a
phone in the browser. It needs no account and no network.

	-config rcshook.yaml
		also serve the sources of the file, with generated secrets; the phone can
		send a sample event of each
	-queue
		send messages through a queue, as with Cloud Tasks; queues that the file
		names are always simulated
	-agent-name NAME, -agent-color #RRGGBB
		the name and the color of the agent on the phone
	-images
		let the phone load images from their URLs
	-delay 1s
		how long a message takes to arrive; 0 means at once
	-webhook URL, -webhook-token TOKEN
		send the actions on the phone to an agent's webhook
`,
	run: dev,
}

// devOptions are the flags of dev.
type devOptions struct {
	port, simPort         int
	agent                 phone.Agent
	images, queue         bool
	delay                 time.Duration
	config                string // rcshook.yaml
	webhook, webhookToken string
}

func parseDevFlags(args []string) (o devOptions, err error) {
	port := 8080
	if p := os.Getenv("PORT"); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return o, usageError("the environment variable PORT: expected a number")
		}
	}
	demo := phone.Demo("")
	flags := newFlags("dev")
	flags.IntVar(&o.port, "port", port, "")
	flags.IntVar(&o.simPort, "sim-port", 8081, "")
	flags.StringVar(&o.agent.Name, "agent-name", demo.Name, "")
	flags.StringVar(&o.agent.Color, "agent-color", demo.Color, "")
	flags.StringVar(&o.config, "config", "", "")
	flags.BoolVar(&o.queue, "queue", false, "")
	flags.BoolVar(&o.images, "images", false, "")
	flags.DurationVar(&o.delay, "delay", time.Second, "")
	flags.StringVar(&o.webhook, "webhook", "", "")
	flags.StringVar(&o.webhookToken, "webhook-token", "dev", "")
	if err := parse(flags, args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case o.port < 1 || o.port > 65535 || o.simPort < 1 || o.simPort > 65535:
		err = usageError("-port and -sim-port: expected a number from 1 to 65535")
	case o.port == o.simPort:
		err = usageError(fmt.Sprintf("the function and the simulator cannot share port %d", o.port))
	case !regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(o.agent.Color):
		err = usageError("-agent-color: expected a color such as #0b5c7a")
	case o.webhook != "" && !regexp.MustCompile(`^https?://.`).MatchString(o.webhook):
		err = usageError("-webhook: expected a URL that starts with http:// or https://")
	case o.webhookToken == "":
		err = usageError("-webhook-token: expected a token")
	}
	return o, err
}

// dev runs the function and the simulator until ctx ends.
func dev(ctx context.Context, args []string, std stdio) error {
	o, err := parseDevFlags(args)
	if err != nil {
		return err
	}
	simulator, err := listen(o.simPort, "-sim-port")
	if err != nil {
		return err
	}
	defer simulator.Close()
	function, err := listen(o.port, "-port")
	if err != nil {
		return err
	}
	defer function.Close()
	removeStale(os.TempDir(), time.Now().AddDate(0, 0, -7))
	dir, err := os.MkdirTemp("", devDir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	baseURL := "http://" + simulator.Addr().String()
	sim := platform.New(&rbmtest.Simulator{Delay: o.delay})
	defer sim.Close()
	agentID, err := useSimulator(sim, baseURL, dir)
	if err != nil {
		return err
	}
	file, err := o.openFile(sim, baseURL, dir)
	if err != nil {
		return err
	}
	tasks, err := o.openQueues(sim, baseURL, file)
	if err != nil {
		return err
	}
	if tasks != nil {
		defer tasks.Close()
	}
	// As on the platform, a wrong agent ID is an error.
	sim.Agents = append(file.agents, rbmtest.AgentConfig{ID: agentID})
	handler, err := server.New(ctx, server.Options{Environ: os.Environ(), Log: std.err})
	if err != nil {
		return err
	}
	defer handler.Close()
	requests := new(server.Requests)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Serve(w, r, handler.ServeHTTP) })
	agent := o.agent
	agent.ID = agentID
	functionURL := fmt.Sprintf("http://localhost:%d/", o.port)
	sim.Page = phone.New(phone.Options{
		FunctionURL: functionURL, APIKey: devKey, Agents: []phone.Agent{agent},
		Webhook: o.webhook, Images: o.images, Sources: file.samples(),
	})
	mux := http.NewServeMux()
	mux.Handle("/", sim)
	mux.Handle("GET "+envPath, sim.LocalOnly(http.HandlerFunc(serveSettings)))
	file.register(mux, sim.LocalOnly, std.out)
	registerQueues(mux, sim.LocalOnly, tasks)
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(simulator, mux) }()
	go func() { failed <- http.Serve(function, served) }()
	export := ""
	if functionURL != localURL {
		export = fmt.Sprintf("\nMake rcshook send and bulk use it, in their terminal:\n\n  export %s=%s\n", envURL, functionURL)
	}
	fmt.Fprintf(std.out, greeting, o.port, o.simPort, devKey, envPath, export)
	file.greet(std.out)
	if tasks != nil {
		fmt.Fprintf(std.out, "\nMessages go through a queue, which retries failed ones. List the tasks:\n\n  curl http://localhost:%d%s\n", o.simPort, devQueuePath)
	}
	if o.webhook != "" {
		go o.connectWebhook(ctx, sim, std.out)
	}
	select {
	case <-ctx.Done():
		return finish(ctx, requests, std.out)
	case err := <-failed:
		return err
	}
}

// connectWebhook performs the handshake with the agent's webhook, which may start later.
func (o *devOptions) connectWebhook(ctx context.Context, sim *platform.Platform, out io.Writer) {
	last := ""
	for {
		warning, err := sim.Connect(ctx, rbmtest.WebhookConfig{URL: o.webhook, ClientToken: o.webhookToken})
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && warning == "":
			fmt.Fprintln(out, "\nThe webhook is connected.")
			return
		case err == nil:
			fmt.Fprintf(out, "\nThe webhook is connected, with a warning: %s\n", warning)
			return
		case err.Error() != last:
			last = err.Error()
			fmt.Fprintf(out, "\nThe webhook gets no events until a handshake succeeds, which is repeated every two seconds.\n  %s\n", last)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// finish waits for the requests in flight.
func finish(ctx context.Context, requests *server.Requests, out io.Writer) error {
	notice := time.AfterFunc(300*time.Millisecond, func() {
		fmt.Fprintln(out, "\nfinishing requests in flight; press Ctrl-C again to stop at once")
	})
	defer notice.Stop()
	if err := requests.Wait(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("some requests were aborted: %w", err)
	}
	fmt.Fprintln(out, "\nstopped")
	return nil
}

// useSimulator sets the settings of the function in this process: those of a deployment,
// with secrets and credentials of the simulator. It returns the ID of the agent.
func useSimulator(sim *platform.Platform, baseURL, dir string) (agentID string, err error) {
	env := sim.Provision(baseURL)
	adc := filepath.Join(dir, "application-default-credentials.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		return "", err
	}
	// Settings of a deployment would interfere.
	for _, name := range []string{
		"RCSHOOK_ALLOW_UNAUTHENTICATED", "RCSHOOK_CONFIG", "RCSHOOK_OIDC_AUDIENCE", "RCSHOOK_OIDC_EMAILS", "RCSHOOK_OIDC_ENDPOINT",
		"RCSHOOK_QUEUE", "RCSHOOK_QUEUE_ACCOUNT", "RCSHOOK_URL", "RCSHOOK_TASKS_ENDPOINT",
	} {
		if err := os.Unsetenv(name); err != nil {
			return "", err
		}
	}
	return env.AgentID, setEnv(map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": adc,
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               devKey,
		"RCSHOOK_RBM_ENDPOINT":           baseURL,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": baseURL,
	})
}

func setEnv(settings map[string]string) error {
	for name, value := range settings {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// serveSettings serves the settings, which name secrets and contain only the well-known
// key.
func serveSettings(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "RCSHOOK_") || strings.HasPrefix(entry, "GOOGLE_APPLICATION_CREDENTIALS=") {
			fmt.Fprintln(w, entry)
		}
	}
}

func listen(port int, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use by another program: stop it, or choose another port with %s", port, setting)
	}
	return l, err
}
