package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// host is the address of dev. A function with a well-known key must not be reachable from
// other machines.
const host = "127.0.0.1"

// maxMessages is how many messages the simulator keeps: they need about 5 KB each.
const maxMessages = 100_000

// devKey is the API key of the function in dev.
const devKey = "dev"

// devDir is the prefix of the temporary folder with keys and the rcshook.yaml of dev -queue.
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

const greeting = `rcshook is running on this machine. %[6]s leaves it.

  phone      http://localhost:%[2]d/   open it in a browser%[7]s
  function   http://localhost:%[1]d/   key: %[3]s
  simulator  http://localhost:%[2]d/

Send a message:

  %[8]s

List the messages that arrived:

  %[9]s http://localhost:%[2]d/_sim/messages
%[5]s
Check the setup, as for a deployment:

  rcshook doctor -env http://localhost:%[2]d%[4]s

Ctrl-C stops both.
`

// The examples send the same message. Windows PowerShell removes the quotes of JSON.
const (
	curlExample = `curl -i %s -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
    -d '{"to": "+12025550123", "text": "Hello from rcshook", "buttons": ["Hi!", "Docs|https://example.com"]}'`
	sendExample = `rcshook send -url %s -to +12025550123 -text "Hello from rcshook" -button "Hi!" -button "Docs|https://example.com"`
)

// curlName returns the name of the command curl. In Windows PowerShell, the name curl
// stands for Invoke-WebRequest.
func curlName() string {
	if runtime.GOOS == "windows" {
		return "curl.exe"
	}
	return "curl"
}

var devCommand = command{
	name:    "dev",
	summary: "run the function on this machine, with a simulator and a phone",
	help: `Usage:

	rcshook [dev] [-port 8080] [-sim-port 8081] [-config rcshook.yaml] [-events URL] [-queue]
	rcshook dev -config rcshook.yaml -listen 8082 [-save cases/SOURCE/NAME] [-unmasked]

Runs the function on this machine, with a simulator of RCS Business Messaging and a
phone in the browser. It needs no account and no network.

	-config rcshook.yaml
		also serve the sources and targets of the file, with generated secrets; the
		phone can send a sample event of each source, and events of your own. Requests
		to targets outside of this machine end in dev. Changes of the file are in use a second later
	-listen PORT
		also serve /hooks/ on a port that serves nothing else, for a tunnel, and print
		each webhook that arrives: headers, body, whether the sender is verified, and
		the messages or the error of the map. The environment variable
		RCSHOOK_DEV_SECRET_SHOP has the secret of the sender of the source shop
	-save cases/SOURCE/NAME
		save the next verified webhook as a case for rcshook check, without the
		headers that have signatures, tokens and keys; it contains personal data
	-unmasked
		print numbers, secrets and long values too
	-events URL
		pass events on to this URL, which may be outside of this machine; dev prints
		the secret that signs them, or uses RCSHOOK_EVENTS_SECRET
	-queue
		send messages and events through queues, as with Cloud Tasks; queues that
		the file names, or needs for a fallback with after, are always simulated.
		Without a file, an SMS provider that exists in dev only is the fallback
	-agent-name NAME, -agent-color #RRGGBB
		the name and the color of the agent on the phone
	-agent-logo FILE
		the logo of the agent on the phone, a PNG or JPEG
	-images
		let the phone load images from their URLs
	-delay 1s
		how long a message takes to arrive; 0 means at once
	-host NAME
		also serve the phone under this host name, such as that of a forwarded port; all
		that can open it there can read and change everything. Other names than this one
		and localhost stay forbidden
	-webhook URL, -webhook-token TOKEN
		send the events of RBM to a webhook of your own in place of the function,
		which may be outside of this machine
`,
	run: dev,
}

// devOptions are the flags of dev.
type devOptions struct {
	port, simPort         int
	agent                 phone.Agent
	images, queue         bool
	listen                int    // the port for a tunnel; 0 for none
	saveAs                string // the case for the next webhook on that port
	unmasked              bool
	delay                 time.Duration
	config, events        string // rcshook.yaml, and the URL that gets events
	host                  string // of a forwarded port
	logo                  []byte
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
	logo := flags.String("agent-logo", "", "")
	flags.StringVar(&o.config, "config", "", "")
	flags.StringVar(&o.events, "events", "", "")
	flags.StringVar(&o.host, "host", "", "")
	flags.BoolVar(&o.queue, "queue", false, "")
	flags.IntVar(&o.listen, "listen", 0, "")
	flags.StringVar(&o.saveAs, "save", "", "")
	flags.BoolVar(&o.unmasked, "unmasked", false, "")
	flags.BoolVar(&o.images, "images", false, "")
	flags.DurationVar(&o.delay, "delay", time.Second, "")
	flags.StringVar(&o.webhook, "webhook", "", "")
	flags.StringVar(&o.webhookToken, "webhook-token", cmp.Or(config.Secret(os.Getenv("RCSHOOK_WEBHOOK_TOKEN")).Literal(), "dev"), "")
	if err := parse(flags, args); err != nil {
		return o, err
	}
	if *logo != "" {
		if o.logo, err = readFile(*logo); err != nil {
			return o, err
		}
		o.agent.Logo = phone.LogoPath
	} else if o.agent.Name == demo.Name {
		o.agent.Logo = demo.Logo
	}
	switch {
	case *logo != "" && !slices.Contains([]string{"image/png", "image/jpeg"}, http.DetectContentType(o.logo)):
		err = usageError("-agent-logo: expected a PNG or JPEG")
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case o.port < 1 || o.port > 65535 || o.simPort < 1 || o.simPort > 65535:
		err = usageError("-port and -sim-port: expected a number from 1 to 65535")
	case o.port == o.simPort:
		err = usageError(fmt.Sprintf("the function and the simulator cannot share port %d", o.port))
	case o.listen < 0 || o.listen > 65535 || o.listen == o.port || o.listen == o.simPort:
		err = usageError("-listen: expected a port of its own, a number from 1 to 65535")
	case o.listen != 0 && o.config == "":
		err = usageError("-listen serves the sources of a file; write one with rcshook init, and name it with -config")
	case o.listen == 0 && (o.saveAs != "" || o.unmasked):
		err = usageError("-save and -unmasked are for the webhooks of -listen PORT")
	case !regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(o.agent.Color):
		err = usageError("-agent-color: expected a color such as #0b5c7a")
	case o.host != "" && !regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`).MatchString(o.host):
		err = usageError("-host: expected one name in lower case, without https:// and port, such as NAME-8081.app.github.dev")
	case o.webhook != "" && !regexp.MustCompile(`^https?://.`).MatchString(o.webhook):
		err = usageError("-webhook: expected a URL that starts with http:// or https://")
	case o.events != "" && config.CheckURL(o.events) != "":
		err = usageError("-events: " + config.CheckURL(o.events))
	case o.events != "" && o.webhook != "":
		err = usageError("-events needs the events that -webhook sends to another program; use one of the two")
	case o.webhookToken == "":
		err = usageError("-webhook-token: expected a token")
	case config.Secret(o.webhookToken).IsResource():
		err = usageError("-webhook-token: expected a token, got the name of a secret")
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
	listener, err := listen(o.port, "-port")
	if err != nil {
		return err
	}
	defer listener.Close()
	var hooks net.Listener
	if o.listen != 0 {
		if hooks, err = listen(o.listen, "-listen"); err != nil {
			return err
		}
		defer hooks.Close()
	}
	removeStale(os.TempDir(), time.Now().AddDate(0, 0, -7))
	dir, err := os.MkdirTemp("", devDir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	sim := platform.New(&rbmtest.Simulator{Delay: o.delay, MaxMessages: maxMessages})
	forwarded := ""
	if o.host != "" {
		sim.AdminHosts = []string{o.host}
		forwarded = fmt.Sprintf("\n             https://%s/   where the port is forwarded", o.host)
	}
	defer sim.Close()
	function, err := newDevFunction(&o, sim, "http://"+simulator.Addr().String(), dir, std)
	if err != nil {
		return err
	}
	defer function.Close()
	agent := o.agent
	agent.ID = function.agentID
	functionURL := fmt.Sprintf("http://localhost:%d/", o.port)
	var senders []phone.Senders
	grouped := source.Grouped()
	for _, group := range source.Groups {
		senders = append(senders, phone.Senders{Group: group, Presets: grouped[group]})
	}
	sim.Page = phone.New(phone.Options{
		Function: function, FunctionURL: functionURL, APIKey: devKey, Agents: []phone.Agent{agent},
		Images: o.images, Connect: fmt.Sprintf("rcshook webhook set -env http://localhost:%d%s", o.simPort, envPath), Sources: function.phoneSources, Outcome: function.outcomeOf, Senders: senders, Logo: o.logo,
	})
	failed := make(chan error, 3)
	changed := o.fileState()
	if err := function.load(ctx); err != nil {
		return errors.New(strings.Join(problemsOf(err), "\n"))
	}
	inspected, err := function.listener()
	if err != nil {
		return err
	}
	export := ""
	if functionURL != localURL {
		format := "export %s=%s"
		if runtime.GOOS == "windows" {
			format = "$env:%s = %q"
		}
		export = "\nMake rcshook send and bulk use it, in their terminal:\n\n  " + fmt.Sprintf(format, envURL, functionURL) + "\n"
	}
	example := fmt.Sprintf(curlExample, functionURL, devKey)
	if runtime.GOOS == "windows" {
		example = fmt.Sprintf(sendExample, functionURL)
	}
	leaves := "Nothing"
	if to := cmp.Or(o.events, o.webhook); to != "" && !config.IsLoopback(to) {
		leaves = "Except for events, nothing"
	}
	fmt.Fprintf(std.out, greeting, o.port, o.simPort, devKey, envPath, export, leaves, forwarded, example, curlName())
	function.greet(std.out)
	go func() { failed <- http.Serve(simulator, sim.LocalOnly(function.simulatorMux())) }()
	go func() { failed <- http.Serve(listener, function) }()
	if hooks != nil {
		go func() { failed <- inspected.Serve(hooks) }()
	}
	if o.webhook == "" {
		function.connect(ctx, nil)
	}
	close(function.connected)
	if o.webhook != "" {
		go o.connectWebhook(ctx, sim, std.out)
	}
	if o.config != "" {
		go function.watch(ctx, changed)
	}
	select {
	case <-ctx.Done():
		return finish(ctx, &function.requests, std.out)
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

// isPortTaken reports whether another program listens on the port. Windows has its own
// number for this error, WSAEADDRINUSE, which package syscall does not translate.
func isPortTaken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.Errno(10048))
}

func listen(port int, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if isPortTaken(err) {
		return nil, fmt.Errorf("port %d is in use by another program: stop it, or choose another port with %s", port, setting)
	}
	return l, err
}
