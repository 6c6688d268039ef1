package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// lookUp posts numbers to /capabilities.
func lookUp(t *testing.T, h http.Handler, key string, numbers ...string) (int, *response.Response) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"to": numbers})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/capabilities", strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := new(response.Response)
	if err := json.Unmarshal(w.Body.Bytes(), res); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, res
}

// numbered returns n numbers that start with a prefix.
func numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%05d", prefix, i))
	}
	return list
}

// join joins lists.
func join(lists ...[]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// TestCapabilities_lists looks up lists of all lengths, and counts the requests to RBM.
func TestCapabilities_lists(t *testing.T) {
	t.Parallel()
	const us, europe, asia = "+120255", "+4917012", "+9198765"
	for _, test := range []struct {
		name    string
		numbers []string
		calls   map[string]int // by method
		code    code.Code
		errors  []string
	}{
		{"100", numbered(us, 100), map[string]int{"phones.getCapabilities": 100}, code.Reachable, nil},
		{"the same number", append(numbered(us, 100), numbered(us, 100)...), map[string]int{"phones.getCapabilities": 100}, code.Reachable, nil},
		{"101", numbered(us, 101), nil, code.InvalidPayload, []string{
			"/to expected at most 100 numbers or at least 500, got 101; the result for other counts is not reliable: send them in requests of at most 100",
		}},
		{"499", numbered(us, 499), nil, code.InvalidPayload, []string{
			"/to expected at most 100 numbers or at least 500, got 499; the result for other counts is not reliable: send them in requests of at most 100",
		}},
		{"500", numbered(us, 500), map[string]int{"users.batchGet": 1}, code.Reachable, nil},
		{"10,000", numbered(europe, 10_000), map[string]int{"users.batchGet": 1}, code.Reachable, nil},
		{"10,001", numbered(europe, 10_001), nil, code.InvalidPayload, []string{"/to too many recipients: expected at most 10000, got 10001"}},
		{"three regions", join(numbered(us, 500), numbered(asia, 3), numbered(europe, 600)), map[string]int{"users.batchGet": 2, "phones.getCapabilities": 3}, code.Reachable, nil},
		{"too few of two regions", join(numbered(us, 500), numbered(asia, 101), numbered(europe, 102)), nil, code.InvalidPayload, []string{
			"/to expected at most 100 numbers of the region europe or at least 500, got 102; the result for other counts is not reliable: send them in requests of at most 100",
			"/to expected at most 100 numbers of the region asia or at least 500, got 101; the result for other counts is not reliable: send them in requests of at most 100",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			h, _ := s.handler(t, nil)
			first := test.numbers[0]
			s.sim.SetBehavior(first, rbmtest.Behavior{Refusal: rbmtest.Unreachable})
			_, res := lookUp(t, h, "dev", test.numbers...)
			var problems []string
			for _, e := range res.Errors {
				problems = append(problems, e.Pointer+" "+e.Detail)
			}
			if diff := cmp.Diff(test.errors, problems); diff != "" || res.Code != test.code {
				t.Errorf("%s; errors (-want +got):\n%s", res.Code, diff)
			}
			calls := map[string]int{}
			for _, r := range s.sim.Requests() {
				calls[r.Method]++
			}
			delete(calls, "token")
			if diff := cmp.Diff(test.calls, calls); diff != "" && len(test.calls)+len(calls) > 0 {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if test.errors != nil {
				return
			}
			want := &response.Reach{UnreachableNumbers: []string{first}}
			seen := map[string]bool{first: true}
			for _, to := range test.numbers {
				if !seen[to] {
					want.ReachableNumbers = append(want.ReachableNumbers, to)
					seen[to] = true
				}
			}
			if diff := cmp.Diff(want, res.Reach); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCapabilities_region looks up numbers that RBM has in another region than rcshook
// assumes: the region of the agent is tried, and otherwise the action of the error is the fix.
func TestCapabilities_region(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	numbers := join(numbered("+97150123", 300), numbered("+9198765", 300))
	s.sim.RegionOf = func(phone string) rbm.Region {
		if strings.HasPrefix(phone, "+971") {
			return rbm.RegionEurope
		}
		return rbm.RegionAsia
	}
	region := "europe"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_REGION": &region})
	status, res := lookUp(t, h, "dev", numbers...)
	if status != http.StatusUnprocessableEntity || res.Code != code.UpstreamRejected || !strings.Contains(res.Action, "look up those of one country at a time") {
		t.Errorf("%d %s: %s", status, res.Code, res.Action)
	}
	if n := len(s.sim.Requests()); n < 2 || res.Reach != nil {
		t.Errorf("%d requests, numbers %+v", n, res.Reach)
	}
}

// TestCapabilities_foreignList checks that an empty object in place of RBM's response to a
// list is not a verdict.
func TestCapabilities_foreignList(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "users:batchGet") {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{}")
			return
		}
		s.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_RBM_ENDPOINT": &proxy.URL})
	if status, res := lookUp(t, h, "dev", numbered("+120255", 500)...); status != http.StatusServiceUnavailable || res.Code != code.UpstreamUnavailable || res.Reach != nil {
		t.Errorf("%d %s: %+v", status, res.Code, res.Reach)
	}
}

// TestCapabilities_pace checks that look-ups count against the rate of a caller: each
// number, or a whole list.
func TestCapabilities_pace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, callersFile(t, "  crm: {key: key-of-the-crm-1, capabilities: true, messages_per_second: 0.0003}\n  list: {key: key-of-the-list-1, capabilities: true, messages_per_second: 0.0003}\n"))
	for _, call := range []struct {
		key     string
		numbers int
		want    code.Code
	}{
		{"key-of-the-crm-1", 1, code.Reachable},
		{"key-of-the-crm-1", 1, code.RateLimited},
		{"key-of-the-list-1", 500, code.Reachable},
		{"key-of-the-list-1", 500, code.RateLimited},
		{"dev", 2, code.Reachable},
	} {
		_, res := lookUp(t, h, call.key, numbered("+120255", call.numbers)...)
		if res.Code != call.want {
			t.Errorf("%s, %d numbers: %s, want %s", call.key, call.numbers, res.Code, call.want)
		}
		if res.Code == code.RateLimited && (res.Cause != "pace" || !strings.Contains(res.Detail, "of caller")) {
			t.Errorf("%s: %s", res.Cause, res.Detail)
		}
	}
}
