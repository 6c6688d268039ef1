package rbmtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	agent = "harborline_ferries_k3x9a1bc_agent"
	phone = "+12025550123"
	text  = `{"contentMessage":{"text":"Boarding starts now."}}`
)

// rig is a simulator behind a server, and a token for it.
type rig struct {
	*rbmtest.Simulator
	url   string
	token string
}

// start puts a simulator behind a server on loopback.
func start(t *testing.T, sim *rbmtest.Simulator) *rig {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return &rig{sim, server.URL, sim.Token()}
}

// response is the part of a response that tests check.
type response struct {
	status int
	body   string
	header http.Header
}

func (a response) message(t *testing.T) string {
	t.Helper()
	var envelope struct {
		Error struct {
			Code    int
			Message string
			Status  string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &envelope); err != nil {
		t.Fatalf("response is not an error: %v\n%s", err, a.body)
	}
	if envelope.Error.Code != a.status {
		t.Errorf("error.code = %d, but the status is %d", envelope.Error.Code, a.status)
	}
	return envelope.Error.Message
}

// do makes a request with the rig's token.
func (g *rig) do(t *testing.T, verb, path, body string) response {
	t.Helper()
	return g.send(t, g.request(t, verb, path, body))
}

func (g *rig) request(t *testing.T, verb, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, g.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	return req
}

func (g *rig) send(t *testing.T, req *http.Request) response {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, string(body), resp.Header}
}

// create sends a message.
func (g *rig) create(t *testing.T, to, id, body string) response {
	t.Helper()
	return g.do(t, "POST", "/v1/phones/"+to+"/agentMessages?messageId="+id+"&agentId="+agent, body)
}

// states returns "id state" of every message.
func states(sim *rbmtest.Simulator) []string {
	out := []string{}
	for _, m := range sim.Messages() {
		out = append(out, m.MessageID+" "+string(m.State))
	}
	return out
}

// equal fails the test unless got is want.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
