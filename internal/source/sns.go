package source

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
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

func (s snsScheme) verify(ctx context.Context, r *Request, _ [][]byte, now time.Time) error {
	m, err := snsMessage(r)
	if err != nil {
		return err
	}
	switch {
	case m["Signature"] == "" || snsFields[m["Type"]] == nil:
		return standardwebhook.Errorf(ErrUnauthorized, "the body is not a message of Amazon SNS; turn off raw message delivery, which is not signed")
	case !slices.Contains(s.topics, m["TopicArn"]):
		return standardwebhook.Errorf(ErrUnauthorized, "the message is from another topic than that of this source")
	case !fromTopic(m["SigningCertURL"], m["TopicArn"], ".pem"):
		return standardwebhook.Errorf(ErrSignature, "the SigningCertURL is not an address of Amazon SNS in the region of the topic")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(m["Signature"])
	content, ok := snsContent(m)
	if err != nil || !ok {
		return standardwebhook.Errorf(ErrSignature, "the message or its signature is not in the format of Amazon SNS")
	}
	var hash crypto.Hash
	var digest []byte
	switch m["SignatureVersion"] {
	case "1":
		sum := sha1.Sum(content)
		hash, digest = crypto.SHA1, sum[:]
	case "2":
		sum := sha256.Sum256(content)
		hash, digest = crypto.SHA256, sum[:]
	default:
		return standardwebhook.Errorf(ErrSignature, "unknown SignatureVersion: expected 1 or 2")
	}
	certificate, err := s.client.certificate(ctx, m["SigningCertURL"])
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return standardwebhook.Errorf(ErrSignature, "the certificate of the message is not valid at this time")
	}
	if rsa.VerifyPKCS1v15(key, hash, digest, signature) != nil {
		return standardwebhook.Errorf(ErrSignature, "the signature does not match the message")
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

// fromTopic reports whether an address with that end of its path is on the host of SNS in
// the region of a topic. Other names in amazonaws.com, such as those of buckets, are not.
func fromTopic(address, topic, suffix string) bool {
	arn := topicARN.FindStringSubmatch(topic)
	u, err := url.Parse(address)
	if err != nil || arn == nil {
		return false
	}
	host := "sns." + arn[2] + ".amazonaws.com"
	if arn[1] == "aws-cn" {
		host += ".cn"
	}
	return u.Scheme == "https" && u.Host == host && u.User == nil && strings.HasSuffix(u.Path, suffix)
}

// confirm confirms a subscription to a topic, which makes SNS send its messages. The message
// must be verified.
func (s snsScheme) confirm(ctx context.Context, r *Request) error {
	m, err := snsMessage(r)
	if err != nil || m["Type"] != "SubscriptionConfirmation" {
		return err
	}
	u, err := url.Parse(m["SubscribeURL"])
	if err != nil || !fromTopic(m["SubscribeURL"], m["TopicArn"], "/") || u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != m["TopicArn"] {
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

// snsClient gets certificates, which it caches, and confirms subscriptions.
type snsClient struct {
	transport http.RoundTripper

	mu           sync.Mutex
	certificates map[string]*x509.Certificate // by address
}

const (
	maxCertificates = 16
	maxCertificate  = 64 << 10
)

// certificate returns the certificate at an address of SNS. The certificate of the server
// proves that SNS issued it, because the file has no chain.
func (c *snsClient) certificate(ctx context.Context, address string) (*x509.Certificate, error) {
	c.mu.Lock()
	certificate := c.certificates[address]
	c.mu.Unlock()
	if certificate != nil {
		return certificate, nil
	}
	data, err := c.get(ctx, address)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%w: the response is not a certificate", ErrAmazon)
	}
	if certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("%w: the response is not a certificate", ErrAmazon)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certificates == nil || len(c.certificates) >= maxCertificates {
		c.certificates = make(map[string]*x509.Certificate)
	}
	c.certificates[address] = certificate
	return certificate, nil
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
