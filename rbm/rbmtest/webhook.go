package rbmtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
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

// WebhookConfig is where the platform pushes what users do.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
type WebhookConfig struct {
	// AgentID is the agent whose webhook it is; empty means that of the partner,
	// which serves all agents without one of their own.
	AgentID string

	// URL is the webhook. Unlike the platform the simulator takes http too.
	URL string

	// ClientToken proves the platform to the webhook: it is sent with the
	// handshake and keys the signatures.
	ClientToken string
}

// Rules of pushing.
//
// Assumption: the first pause, and how long the platform waits for an answer. That
// the pauses grow to 600 s and end after 7 days is documented.
const (
	firstPause  = time.Second
	maxPause    = 600 * time.Second
	pushFor     = 7 * 24 * time.Hour
	pushTimeout = 10 * time.Second

	// maxPushes bounds what waits to be pushed; the oldest is dropped beyond it.
	maxPushes = 10_000
)

// Values of the header X-Goog-Webhook-Type.
//
// Assumption: the values, which are known from code of third parties only.
const (
	typeVerification = "verification"
	typeMessage      = "message_callback"
)

// push is an event on its way to a webhook. s.mu guards it.
type push struct {
	event    int64
	agent    string
	kind     LogKind
	about    string // message type or event type
	data     []byte
	envelope []byte
	first    time.Time
	next     time.Time
	attempts int
}

// errNoWebhook is what Connect says of a webhook that nobody could call.
var errNoWebhook = errors.New("rbmtest: a webhook needs an absolute http or https URL and a client token")

// Connect performs the handshake with a webhook, and pushes to it from now on, in
// place of an earlier webhook of the same agent. The handshake is a POST of the
// client token and a secret, which the webhook must answer with 200 and the secret
// as the body. An error leaves everything as it was.
func (s *Simulator) Connect(ctx context.Context, hook WebhookConfig) error {
	s.init()
	u, err := url.Parse(hook.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || hook.ClientToken == "" {
		return errNoWebhook
	}
	hook.AgentID = agentName(hook.AgentID)
	secret := rand.Text()
	body, err := json.Marshal(map[string]string{"clientToken": hook.ClientToken, "secret": secret})
	if err != nil {
		return fmt.Errorf("rbmtest: handshake: %w", err)
	}
	status, answer, err := s.post(ctx, hook.URL, body, http.Header{"X-Goog-Webhook-Type": {typeVerification}})
	switch {
	case err != nil:
		return fmt.Errorf("rbmtest: handshake: %w", err)
	case status != http.StatusOK:
		return fmt.Errorf("rbmtest: handshake: the webhook answered %d, not 200", status)
	case !s.proves(answer, secret):
		return errors.New("rbmtest: handshake: the webhook answered 200 without the secret as the body")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[hook.AgentID] = hook
	return nil
}

// Disconnect stops pushing to the webhook of an agent; empty means the partner's.
// What waited for it goes to the partner's, if there is one.
func (s *Simulator) Disconnect(agentID string) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hooks, agentName(agentID))
}

func (s *Simulator) proves(answer, secret string) bool {
	answer = strings.TrimSpace(answer)
	if answer == secret || !s.Assume.LenientHandshake {
		return answer == secret
	}
	var object struct {
		Secret string `json:"secret"`
	}
	return answer == "secret: "+secret || json.Unmarshal([]byte(answer), &object) == nil && object.Secret == secret
}

// hook returns the webhook of an agent. s.mu is held.
func (s *Simulator) hook(agent string) (WebhookConfig, bool) {
	if h, ok := s.hooks[agent]; ok {
		return h, true
	}
	h, ok := s.hooks[""]
	return h, ok
}

// enqueue queues a push if there is a webhook for it. s.mu is held.
func (s *Simulator) enqueue(p *push) {
	if _, ok := s.hook(p.agent); !ok || s.closed {
		return
	}
	p.first = s.now()
	p.next = p.first
	p.envelope = envelope(p)
	if len(s.pushes) == maxPushes {
		dropped := s.pushes[0]
		s.pushes = slices.Delete(s.pushes, 0, 1)
		s.emit(LogEntry{Kind: LogPush, AgentID: dropped.agent, Push: &Push{
			Attempt: dropped.attempts, Error: "dropped: too much is waiting", Event: dropped.event,
		}})
	}
	s.pushes = append(s.pushes, p)
	s.startPushing()
}

// envelope wraps a payload in the form of a Pub/Sub push.
//
// Assumption: the attributes of events; those of messages have been seen.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func envelope(p *push) []byte {
	attributes := map[string]string{
		"business_id":    p.agent + rbm.AgentDomain,
		"product":        "RBM",
		"project_number": googletest.ProjectNumber(projectID),
	}
	if p.kind == LogUserMessage {
		attributes["type"], attributes["message_type"] = "message", p.about
	} else {
		attributes["type"], attributes["event_type"] = "event", p.about
	}
	body, err := json.Marshal(map[string]any{
		"message": map[string]any{
			"attributes":  attributes,
			"data":        p.data, // base64, as encoding/json writes bytes
			"messageId":   strconv.FormatInt(8_150_000_000_000_000+p.event, 10),
			"publishTime": timestamp(p.first.Truncate(1e6)),
		},
		"subscription": "projects/" + projectID + "/subscriptions/rbm-webhook",
	})
	if err != nil {
		panic("rbmtest: encode envelope: " + err.Error())
	}
	return body
}

// sign returns the value of X-Goog-Signature.
func sign(clientToken string, data []byte) string {
	mac := hmac.New(sha512.New, []byte(clientToken))
	mac.Write(data)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// startPushing starts the one goroutine that pushes, if there is something to do
// for it and it does not run yet. s.mu is held.
func (s *Simulator) startPushing() {
	if s.pushing == nil && !s.closed && s.duePush() != nil {
		s.pushing = make(chan struct{})
		go s.pushAll()
	}
}

// duePush returns the push that is due the longest, or nil. s.mu is held.
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

// nextPush tells when a push is due. s.mu is held.
func (s *Simulator) nextPush() (next time.Time, ok bool) {
	for _, p := range s.pushes {
		if !ok || p.next.Before(next) {
			next, ok = p.next, true
		}
	}
	return next, ok
}

// pushAll pushes all that is due, one after the other: the agents of a partner
// share one queue.
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

// pushOne tries a push once. s.mu is held, except while waiting for the webhook.
func (s *Simulator) pushOne(p *push) {
	hook, ok := s.hook(p.agent)
	if !ok {
		s.drop(p)
		return
	}
	s.mu.Unlock()
	status, _, err := s.post(context.Background(), hook.URL, p.envelope, http.Header{
		"X-Goog-Signature":    {sign(hook.ClientToken, p.data)},
		"X-Goog-Webhook-Type": {typeMessage},
	})
	s.mu.Lock()

	p.attempts++
	report := &Push{URL: withoutQuery(hook.URL), Attempt: p.attempts, Status: status, Event: p.event}
	if err != nil {
		report.Error = err.Error()
	}
	now := s.now()
	pause := min(firstPause<<min(p.attempts-1, 20), maxPause)
	switch {
	case status == http.StatusOK, now.Add(pause).Sub(p.first) > pushFor:
		s.drop(p)
	default:
		p.next = now.Add(pause)
		report.Again = p.next
	}
	s.emit(LogEntry{Kind: LogPush, AgentID: p.agent, Push: report})
}

// drop takes a push off the queue. s.mu is held.
func (s *Simulator) drop(p *push) {
	if i := slices.Index(s.pushes, p); i >= 0 {
		s.pushes = slices.Delete(s.pushes, i, i+1)
	}
}

// Flush waits until nothing is being pushed and nothing is due to be pushed. Pushes
// that wait for another try are not due.
func (s *Simulator) Flush(ctx context.Context) error {
	s.init()
	for {
		s.mu.Lock()
		s.settle()
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

// Waiting returns how many events wait to be pushed or to be pushed again.
func (s *Simulator) Waiting() int {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pushes)
}

// pushClient follows no redirects, as any answer but 200 is a failure, and keeps
// no connections, so that nothing runs when nothing is pushed.
var pushClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
	Timeout:   pushTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// post sends JSON to a webhook; the answer is cut at a few KiB. It ends with Close.
func (s *Simulator) post(ctx context.Context, target string, body []byte, header http.Header) (status int, answer string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	resp, err := pushClient.Do(req)
	if err != nil {
		// The error of the URL would name it with its query.
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
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
