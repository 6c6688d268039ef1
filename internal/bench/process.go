package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A process is one of those that are measured, or the platform.
type process struct {
	role     role
	target   target
	requests int // that it was sent so far

	cmd   *exec.Cmd
	log   *os.File
	stdin io.WriteCloser
	out   io.Closer
	told  *json.Decoder // what comes out
	ended chan struct{} // closed when the process has
}

// launch starts this program in a role, with settings in its environment.
func (r *runner) launch(of role, settings map[string]string) (p *process, err error) {
	p = &process{role: of, cmd: r.Command(string(of)), ended: make(chan struct{})}
	p.cmd.Env = environ(settings)
	// What it logs costs what a log costs, and is there if something goes wrong.
	if p.log, err = os.CreateTemp(r.dir, string(of)+"-*.log"); err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p.cmd.Stdout, p.out, p.told = in, out, json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		out.Close()
		p.log.Close()
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // it is over, whatever the reason
		close(p.ended)
	}()
	return p, nil
}

// notOurs are prefixes of names in the environment that a function would take for
// settings.
var notOurs = []string{"RCSHOOK_", "BENCH_", "FUNCTION_", "K_", "GOOGLE_", "GCE_", "PORT=", "SSL_CERT_", "GOMAXPROCS="}

// environ is the environment of this process with other settings.
func environ(settings map[string]string) []string {
	all := slices.DeleteFunc(os.Environ(), func(setting string) bool {
		return slices.ContainsFunc(notOurs, func(prefix string) bool { return strings.HasPrefix(setting, prefix) })
	})
	for name, value := range settings {
		all = append(all, name+"="+value)
	}
	return all
}

// usage asks the process what it has used.
func (p *process) usage() (u usage, err error) {
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return u, p.died(err)
	}
	if err := p.told.Decode(&u); err != nil {
		return u, p.died(err)
	}
	return u, nil
}

// died explains with its log what became of the process.
func (p *process) died(err error) error {
	text, _ := os.ReadFile(p.log.Name()) // if it cannot be read, there is none
	if tail := 4 << 10; len(text) > tail {
		text = text[len(text)-tail:]
	}
	return fmt.Errorf("the process %s does not answer: %w\n%s", p.role, err, bytes.TrimSpace(text))
}

// patience is how long a process may take to end by itself.
const patience = 5 * time.Second

// stop ends the process and waits until it has ended.
func (p *process) stop() {
	p.stdin.Close() // it is told, so that it can end its profile
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.out.Close()
	p.log.Close()
	os.Remove(p.log.Name())
}

// platformProcess is the process of the platform.
type platformProcess struct {
	*process
	stage
	credentials string // file with Application Default Credentials
	roots       string // file with the certificates to trust
}

func (r *runner) startPlatform() (*platformProcess, error) {
	settings := map[string]string{}
	if r.Plain {
		settings[envPlain] = "yes"
	}
	p, err := r.launch(platform, settings)
	if err != nil {
		return nil, err
	}
	all := &platformProcess{process: p, credentials: filepath.Join(r.dir, "credentials.json"), roots: filepath.Join(r.dir, "roots.pem")}
	if err = p.told.Decode(&all.stage); err != nil {
		err = p.died(err)
	} else {
		err = errors.Join(os.WriteFile(all.credentials, all.Environment.Credentials, 0o600), writeRoots(all.roots, all.Certificate))
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return all, nil
}

// start starts a process that is measured, on one CPU, and returns how long it took
// until it had answered.
func (r *runner) start(ctx context.Context, of role, profile string) (*process, time.Duration, error) {
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	settings := map[string]string{"GOMAXPROCS": "1", "PORT": port}
	if r.platform.Certificate != nil {
		settings["SSL_CERT_FILE"], settings["SSL_CERT_DIR"] = r.platform.roots, "/nonexistent" // see rcshook.Send
	}
	accepted := `"code":"accepted"`
	switch env := r.platform.Environment; of {
	case function:
		settings["FUNCTION_TARGET"] = "Send"
		settings["GOOGLE_APPLICATION_CREDENTIALS"] = r.platform.credentials
		settings["RCSHOOK_AGENT_ID"] = env.AgentIDSecret
		settings["RCSHOOK_CREDENTIALS"] = env.KeySecret
		settings["RCSHOOK_API_KEYS"] = apiKeys
		settings["RCSHOOK_SECRETMANAGER_ENDPOINT"] = env.SecretManagerEndpoint
		settings["RCSHOOK_RBM_ENDPOINT"] = r.platform.Messages
		settings[envProfile] = profile
	case empty:
		settings["FUNCTION_TARGET"] = "Empty"
		accepted = ""
	default:
		settings[envMessages], settings[envAgent] = r.platform.Messages, env.AgentID
		settings[envToken] = r.platform.Token
		accepted = `"name":"phones/`
	}
	address := net.JoinHostPort(loopback, port)
	t := target{address: address, payload: r.Payload, accepted: []byte(accepted)}
	begin := time.Now()
	p, err := r.launch(of, settings)
	if err != nil {
		return nil, 0, err
	}
	p.target = t
	if err := p.awaitAnswer(ctx); err != nil {
		p.stop()
		return nil, 0, err
	}
	p.requests = 1
	return p, time.Since(begin), nil
}

// freePort is one that nobody listens on, because the framework listens by itself.
func freePort() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// startTimeout is how long a process may take to its first answer, and startPause how
// often it is tried whether it listens: a hundredth of what it takes.
const (
	startTimeout = 30 * time.Second
	startPause   = 100 * time.Microsecond
)

// awaitAnswer returns once the process has answered one request as it should.
func (p *process) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := load{callers: 1}.run(ctx, p.target)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.ECONNREFUSED):
			return fmt.Errorf("%s: %w", p.role, err)
		}
		select {
		case <-p.ended:
			return p.died(errors.New("it has ended"))
		case <-ctx.Done():
			return p.died(ctx.Err())
		case <-time.After(startPause):
		}
	}
}
