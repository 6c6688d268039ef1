package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// ErrAmazon means that Amazon SNS did not return its certificate or confirm a subscription,
// so that a message can be neither accepted nor rejected. The sender can retry.
var ErrAmazon = errors.New("cannot get the certificate or the confirmation from Amazon SNS")

// snsScheme is the scheme of Amazon SNS, which signs with its own certificates. Any AWS
// account can make SNS sign, so only the topic identifies the sender.
//
// AWS docs: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
type snsScheme struct {
	topics    []string
	tolerance time.Duration
	client    *snsClient
}

// snsTolerance allows for the retries of SNS, which sign the time of the first attempt.
const snsTolerance = 2 * time.Hour

// topicARN matches the name of a topic, with its partition and its region.
var topicARN = regexp.MustCompile(`^arn:(aws[a-z-]*):sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]+$`)

// snsFields are the signed fields of each type of message, in the order of the content.
var snsFields = map[string][]string{
	"Notification":             {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	"SubscriptionConfirmation": {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	"UnsubscribeConfirmation":  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// snsMessage decodes the texts of a message.
func snsMessage(r *Request) (map[string]string, error) {
	body, err := decodeBody(ContentType(r.Header), r.Body)
	object, ok := body.(map[string]any)
	if err != nil || !ok {
		return nil, standardwebhook.Errorf(ErrUnauthorized, "the body is not a message of Amazon SNS; turn off raw message delivery, which is not signed")
	}
	m := make(map[string]string)
	for name, value := range object {
		if text, ok := value.(string); ok {
			m[name] = text
		} else if value != nil && slices.Contains(snsFields["Notification"], name) {
			return nil, standardwebhook.Errorf(ErrUnauthorized, "the field %s of the message is not a text", name)
		}
	}
	return m, nil
}

func (s snsScheme) verify(_ context.Context, r *Request, _ [][]byte, now time.Time) error {
	m, err := snsMessage(r)
	if err != nil {
		return err
	}
	switch {
	case m["Signature"] == "" || snsFields[m["Type"]] == nil:
		return standardwebhook.Errorf(ErrUnauthorized, "the body is not a message of Amazon SNS; turn off raw message delivery, which is not signed")
	case !slices.Contains(s.topics, m["TopicArn"]):
		return standardwebhook.Errorf(ErrUnauthorized, "the message is from another topic than that of this source")
	case !certificatePath.MatchString(snsPath(m["SigningCertURL"], m["TopicArn"])):
		return standardwebhook.Errorf(ErrSignature, "the SigningCertURL is not an address of Amazon SNS in the region of the topic")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(m["Signature"])
	content, ok := snsContent(m)
	if err != nil || !ok {
		return standardwebhook.Errorf(ErrSignature, "the message or its signature is not in the format of Amazon SNS")
	}
	version := m["SignatureVersion"]
	if version != "1" && version != "2" {
		return standardwebhook.Errorf(ErrSignature, "unknown SignatureVersion: expected 1 or 2")
	}
	certificate := s.client.certificate(m["SigningCertURL"])
	if certificate == nil {
		return &missingCertificate{m["SigningCertURL"]}
	}
	if err := certificate.verify(version, content, signature, now); err != nil {
		return err
	}
	at, err := clocks["rfc3339"].parse(m["Timestamp"])
	if err != nil {
		return err
	}
	return standardwebhook.CheckTime(at, now, s.tolerance)
}

// snsContent returns the signed content. Only the message, which is the first field, can
// have several lines: otherwise a line of it could be taken for another field.
func snsContent(m map[string]string) ([]byte, bool) {
	var content strings.Builder
	for _, name := range snsFields[m["Type"]] {
		value, ok := m[name]
		if !ok && name == "Subject" {
			continue
		}
		if !ok || name != "Message" && strings.Contains(value, "\n") {
			return nil, false
		}
		content.WriteString(name + "\n" + value + "\n")
	}
	return []byte(content.String()), true
}

// certificatePath matches the paths of certificates. A stranger can name only such ones.
var certificatePath = regexp.MustCompile(`^SimpleNotificationService-[0-9a-f]{32}\.pem$`)

// snsPath returns an address without the host of SNS in the region of a topic, or "" for
// another host. Other names in amazonaws.com, such as those of buckets, are not of SNS.
func snsPath(address, topic string) string {
	arn := topicARN.FindStringSubmatch(topic)
	if arn == nil {
		return ""
	}
	host := "sns." + arn[2] + ".amazonaws.com"
	if arn[1] == "aws-cn" {
		host += ".cn"
	}
	path, ok := strings.CutPrefix(address, "https://"+host+"/")
	if !ok {
		return ""
	}
	return path
}

// confirm confirms a subscription to a topic, which makes SNS send its messages. The message
// must be verified.
func (s snsScheme) confirm(ctx context.Context, r *Request) error {
	m, err := snsMessage(r)
	if err != nil || m["Type"] != "SubscriptionConfirmation" {
		return err
	}
	query, ok := strings.CutPrefix(snsPath(m["SubscribeURL"], m["TopicArn"]), "?")
	values, err := url.ParseQuery(query)
	if err != nil || !ok || values.Get("Action") != "ConfirmSubscription" || values.Get("TopicArn") != m["TopicArn"] {
		return standardwebhook.Errorf(ErrSignature, "the SubscribeURL does not confirm a subscription to the topic")
	}
	_, err = s.client.get(ctx, m["SubscribeURL"])
	return err
}

func (snsScheme) sign(*Request, []byte, time.Time) error {
	return errors.New("only Amazon SNS can sign its messages; test the map with rcshook check")
}

func (snsScheme) hidden(http.Header) []string { return nil } // the signature is in the body

func (snsScheme) newKeys() (receiver, sender []byte) { return nil, nil }
func (snsScheme) checkSecret([]byte) error           { return nil }

// missingCertificate is the error of a message whose certificate is not cached.
type missingCertificate struct{ address string }

func (*missingCertificate) Error() string { return "the certificate of the message is not cached" }
func (*missingCertificate) Unwrap() error { return ErrAmazon }

// snsClient fetches certificates, which it caches, and confirms subscriptions.
type snsClient struct {
	transport http.RoundTripper
	fetches   singleflight.Group
	fetching  *semaphore.Weighted

	mu           sync.Mutex
	certificates map[string]*certificate // by address
}

func newSNSClient(transport http.RoundTripper) *snsClient {
	return &snsClient{transport: transport, fetching: semaphore.NewWeighted(maxFetches)}
}

const (
	maxCertificates = 16
	maxCertificate  = 64 << 10

	// maxFetches limits the certificates that are fetched at once. A message is not verified
	// before, so a stranger can cause fetches of addresses that do not exist.
	maxFetches = 4
)

// certificate returns the certificate at an address from the cache, or nil.
func (c *snsClient) certificate(address string) *certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.certificates[address]
}

// fetch adds the certificate at an address of SNS to the cache. The certificate of the server
// proves that SNS issued it, because the file has no chain. Messages with the same address
// share a fetch. If too many others are in flight, fetch fails at once: in a queue of a
// stranger's requests, no message of SNS would have its turn.
func (c *snsClient) fetch(ctx context.Context, address string) error {
	_, err, _ := c.fetches.Do(address, func() (any, error) {
		if c.certificate(address) != nil {
			return nil, nil
		}
		if !c.fetching.TryAcquire(1) {
			return nil, fmt.Errorf("%w: too many certificates are being fetched", ErrAmazon)
		}
		defer c.fetching.Release(1)
		data, err := c.get(context.WithoutCancel(ctx), address)
		if err != nil {
			return nil, err
		}
		parsed, err := parseCertificate(data)
		if err != nil {
			return nil, fmt.Errorf("%w: the response is not a certificate", ErrAmazon)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.certificates == nil || len(c.certificates) >= maxCertificates {
			c.certificates = make(map[string]*certificate)
		}
		c.certificates[address] = parsed
		return nil, nil
	})
	return err
}

// get returns the body of a page of SNS. It does not follow redirects.
func (c *snsClient) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, ErrAmazon
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, ErrAmazon
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxCertificate))
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP %d", ErrAmazon, res.StatusCode)
	}
	if err != nil {
		return nil, ErrAmazon
	}
	return data, nil
}
