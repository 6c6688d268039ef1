package rbmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
)

// WebhookConfig is a webhook to which the platform pushes events.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
type WebhookConfig struct {
	// AgentID is the agent of the webhook. Empty means the partner's webhook, which serves
	// all agents without one of their own.
	AgentID string

	// URL is the webhook. Unlike the platform, the simulator also accepts http.
	URL string

	// ClientToken authenticates the platform: it is sent with the handshake, and is the key
	// of the signatures.
	ClientToken string
}

// Rules of pushing.
//
// Assumption: the first pause and the timeout. That the pauses grow to 600 s and retries
// end after 7 days is documented.
const (
	firstPause  = time.Second
	maxPause    = 600 * time.Second
	pushFor     = 7 * 24 * time.Hour
	pushTimeout = 10 * time.Second

	// maxPushes limits the queue; beyond it the oldest push is dropped.
	maxPushes = 10_000
)

// Values of the header X-Goog-Webhook-Type.
//
// Assumption: the values, which are known only from third-party code.
const (
	typeVerification = "verification"
	typeMessage      = "message_callback"
)

// push is an event in the queue of a webhook. s.mu guards it.
type push struct {
	entry     int64 // ID of the log entry
	agent     string
	kind      LogKind
	eventType string // message type or event type
	data      []byte
	envelope  []byte
	first     time.Time
	next      time.Time
	attempts  int
}

// Connect performs the handshake with a webhook and then pushes to it, in place of an
// earlier webhook of the same agent. The handshake is a POST of the client token and a
// secret; the webhook must respond with 200 and the secret as the body. After an error,
// which shows the response, nothing has changed.
//
// The webhooks of official samples respond with "secret: ..." or {"secret": "..."}. They
// are accepted with a warning, unless [Assumptions.StrictHandshake] is set.
func (s *Simulator) Connect(ctx context.Context, hook WebhookConfig) (warning string, err error) {
	s.init()
	u, err := url.Parse(hook.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || hook.ClientToken == "" {
		return "", errors.New("rbmtest: webhook: expected an absolute http or https URL and a client token")
	}
	hook.AgentID = agentName(hook.AgentID)
	secret := rand.Text()
	body := encodeJSON(map[string]string{"clientToken": hook.ClientToken, "secret": secret})
	status, response, err := s.post(ctx, hook.URL, body, http.Header{"X-Goog-Webhook-Type": {typeVerification}})
	if err != nil {
		return "", fmt.Errorf("rbmtest: handshake: %w", err)
	}
	response = strings.TrimSpace(response)
	shown := strings.NewReplacer(secret, "(secret)", hook.ClientToken, "(client token)").Replace(response)
	problem := fmt.Sprintf("expected status 200 with the secret alone as the body, got %d with %.200q", status, shown)
	switch {
	case status != http.StatusOK:
		return "", errors.New("rbmtest: handshake: " + problem)
	case response == secret:
	case isSampleResponse(response, secret) && !s.Assume.StrictHandshake:
		warning = "handshake: " + problem + ", which the platform may reject"
	default:
		return "", errors.New("rbmtest: handshake: " + problem)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[hook.AgentID] = hook
	delete(s.unverified, hook.AgentID)
	return warning, nil
}

// isSampleResponse reports whether the response to a handshake has a form of the official
// samples, or is the secret as JSON.
func isSampleResponse(response, secret string) bool {
	if text, err := strconv.Unquote(response); err == nil {
		response = text
	}
	var object map[string]string
	return strings.TrimPrefix(response, "secret: ") == secret ||
		json.Unmarshal([]byte(response), &object) == nil && len(object) == 1 && object["secret"] == secret
}

// Disconnect stops pushing to the webhook of an agent; empty means the partner's webhook.
// Its queued events go to the partner's webhook, if there is one.
func (s *Simulator) Disconnect(agentID string) {
	s.lock()
	defer s.mu.Unlock()
	delete(s.hooks, agentName(agentID))
	delete(s.unverified, agentName(agentID))
}

// hook returns the webhook of an agent. s.mu must be held.
func (s *Simulator) hook(agent string) (WebhookConfig, bool) {
	if h, ok := s.hooks[agent]; ok {
		return h, true
	}
	h, ok := s.hooks[""]
	return h, ok
}

// enqueue queues a push if there is a webhook for it. s.mu must be held.
func (s *Simulator) enqueue(p *push) {
	if _, ok := s.hook(p.agent); !ok || s.closed {
		return
	}
	p.first = s.now()
	p.next = p.first
	p.envelope = envelope(p)
	if len(s.pushes) == maxPushes {
		s.drop(s.pushes[0], "dropped: the queue is full")
	}
	s.pushes = append(s.pushes, p)
	s.startPushing()
}

// envelope wraps a payload in the form of a Pub/Sub push.
//
// Assumption: the attributes of events; those of messages have been observed.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func envelope(p *push) []byte {
	attributes := map[string]string{
		"business_id":    p.agent + rbm.AgentDomain,
		"product":        "RBM",
		"project_number": googletest.ProjectNumber(projectID),
	}
	if p.kind == LogUserMessage {
		attributes["type"], attributes["message_type"] = "message", p.eventType
	} else {
		attributes["type"], attributes["event_type"] = "event", p.eventType
	}
	return encodeJSON(map[string]any{
		"message": map[string]any{
			"attributes":  attributes,
			"data":        p.data, // base64, as encoding/json writes bytes
			"messageId":   strconv.FormatInt(8_150_000_000_000_000+p.entry, 10),
			"publishTime": p.first.Truncate(time.Millisecond).UTC(),
		},
		"subscription": "projects/" + projectID + "/subscriptions/rbm-webhook",
	})
}

// startPushing starts the pushing goroutine if a push is due and it is not running. s.mu
// must be held.
func (s *Simulator) startPushing() {
	if s.pushing == nil && !s.closed && s.duePush() != nil {
		s.pushing = make(chan struct{})
		go s.pushAll()
	}
}

// duePush returns the push that has been due the longest, or nil. s.mu must be held.
func (s *Simulator) duePush() *push {
	var due *push
	now := s.now()
	for _, p := range s.pushes {
		if !p.next.After(now) && (due == nil || p.next.Before(due.next)) {
			due = p
		}
	}
	return due
}

// pushAll pushes everything that is due, one after the other: the agents of a partner share
// one queue.
func (s *Simulator) pushAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := s.duePush(); p != nil && !s.closed; p = s.duePush() {
		s.pushOne(p)
	}
	close(s.pushing)
	s.pushing = nil
	s.schedule()
}

// pushOne makes one attempt. s.mu must be held; it is released during the request.
func (s *Simulator) pushOne(p *push) {
	hook, ok := s.hook(p.agent)
	if !ok {
		s.drop(p, "dropped: the agent has no webhook")
		return
	}
	s.mu.Unlock()
	status, _, err := s.post(context.Background(), hook.URL, p.envelope, http.Header{
		"X-Goog-Signature":    {rbm.SignData(hook.ClientToken, p.data)},
		"X-Goog-Webhook-Type": {typeMessage},
	})
	s.mu.Lock()

	p.attempts++
	report := &Push{URL: withoutQuery(hook.URL), Attempt: p.attempts, Status: status, Event: p.entry}
	if err != nil {
		report.Error = err.Error()
	}
	now := s.now()
	pause := min(firstPause<<min(p.attempts-1, 20), maxPause)
	if status == http.StatusOK || now.Add(pause).Sub(p.first) > pushFor {
		s.remove(p)
	} else {
		p.next = now.Add(pause)
		report.Again = p.next
	}
	s.log(LogEntry{Kind: LogPush, AgentID: p.agent, Push: report})
}

// drop removes a push from the queue and logs the reason. s.mu must be held.
func (s *Simulator) drop(p *push, reason string) {
	s.remove(p)
	s.log(LogEntry{Kind: LogPush, AgentID: p.agent, Push: &Push{Attempt: p.attempts, Error: reason, Event: p.entry}})
}

// remove removes a push from the queue. s.mu must be held.
func (s *Simulator) remove(p *push) {
	if i := slices.Index(s.pushes, p); i >= 0 {
		s.pushes = slices.Delete(s.pushes, i, i+1)
	}
}

// Flush waits until no push is in flight or due. Pushes that wait for a retry are not due.
func (s *Simulator) Flush(ctx context.Context) error {
	s.init()
	for {
		s.mu.Lock()
		s.advance()
		s.startPushing()
		pushing := s.pushing
		s.mu.Unlock()
		if pushing == nil {
			return nil
		}
		select {
		case <-pushing:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Waiting returns the number of events that wait for a push or a retry.
func (s *Simulator) Waiting() int {
	s.lock()
	defer s.mu.Unlock()
	return len(s.pushes)
}

// post sends JSON to a webhook and returns the first 4 KiB of the response. Close ends it.
func (s *Simulator) post(ctx context.Context, target string, body []byte, header http.Header) (status int, response string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	if user := req.URL.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	transport := s.Transport
	if transport == nil {
		transport = pushTransport()
	}
	// Unlike a client, a transport follows no redirects: any status but 200 is a failure.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return resp.StatusCode, string(data), err
}

func withoutQuery(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return target
}
