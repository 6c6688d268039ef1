package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

const (
	// respondTime limits the program of a response. It starts after the send, which may have
	// used all the time of the request.
	respondTime = time.Second

	// maxResponse limits the bytes of the response that a program returns.
	maxResponse = 64 << 10
)

// Response is a response that a sender expects after the send, instead of ours.
type Response struct {
	Status      int // 0 keeps that of our response
	ContentType string
	Body        []byte // nil keeps that of our response
}

// contentTypes are the content types of such responses. Browsers would run scripts in HTML, and
// in XML with elements of XHTML, but only a verified sender gets a response.
var contentTypes = []string{"application/json", "application/xml", "text/xml", "text/plain"}

// Respond returns the response to a verified request from the outcome of the send, which is
// the JSON of our own response. It is nil if the source has no program, or its program returns
// nothing. The program returns an object with one or more of these members:
//
//	status        from 200 to 599, but neither a redirect nor 410, after which senders delete a webhook
//	body          JSON, or a string with a content_type other than JSON
//	content_type  of the body; application/json by default
func (s *Source) Respond(ctx context.Context, r *Request, outcome []byte, now time.Time) (*Response, error) {
	if s.respond == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), respondTime)
	defer cancel()
	var custom *Response
	_, err := s.slots.run(ctx, func(ctx context.Context) (*Received, error) {
		event, err := decodeBody(ContentType(r.Header), r.Body)
		if err != nil {
			event = nil
		}
		input, err := decodeJSON(outcome)
		if err != nil {
			return nil, err
		}
		results, err := s.run(ctx, "respond", s.respond, input, r.input(s.Visible(r.Header), now), event)
		if err == nil && len(results.Values) > 0 {
			custom, err = s.newResponse(results.Values[0])
		}
		return nil, err
	})
	if err != nil { // the program may still run
		return nil, err
	}
	return custom, nil
}

// newResponse reads the result of a program.
func (s *Source) newResponse(v any) (*Response, error) {
	fail := func(format string, args ...any) (*Response, error) {
		return nil, &MappingError{Source: s.Name, Name: "respond", Detail: "the respond program: " + fmt.Sprintf(format, args...), At: s.Config.At.Of("respond")}
	}
	members, ok := v.(map[string]any)
	if !ok {
		return fail("expected an object with status, body or content_type")
	}
	a := Response{ContentType: contentTypes[0]}
	body, hasBody := members["body"]
	for name, value := range members {
		switch name {
		case "body":
		case "status":
			text, _ := mapping.Text(value)
			a.Status, _ = strconv.Atoi(text)
			if a.Status < 200 || a.Status > 599 || a.Status/100 == 3 || a.Status == http.StatusGone {
				return fail("expected a status from 200 to 299 or from 400 to 599, and not 410")
			}
		case "content_type":
			a.ContentType, _ = value.(string)
			if media, _, err := mime.ParseMediaType(a.ContentType); err != nil || !slices.Contains(contentTypes, media) {
				return fail("expected one of the content types %s", strings.Join(contentTypes, ", "))
			}
		default:
			return fail("expected no other members than status, body and content_type")
		}
	}
	text, isText := body.(string)
	isJSON := strings.HasPrefix(a.ContentType, contentTypes[0])
	var err error
	switch {
	case hasBody && a.Status == http.StatusNoContent:
		return fail("expected no body with the status 204")
	case !hasBody && a.Status != 0:
		return &a, nil
	case !hasBody:
		return fail("expected a status or a body")
	case isText && !isJSON:
		a.Body = []byte(text)
	case !isJSON:
		return fail("expected a string as the body, because its content type is not JSON")
	default:
		a.Body, err = mapping.Encode(body, maxResponse)
	}
	if err != nil || len(a.Body) > maxResponse {
		return fail("expected a body of at most %d KiB", maxResponse>>10)
	}
	return &a, nil
}

// ErrNoChallenge means that the sender of a source makes no GET requests.
var ErrNoChallenge = errors.New("this source has no challenge")

// ChallengeError means that a GET request has no challenge in its query.
type ChallengeError struct{ Query string }

func (e *ChallengeError) Error() string {
	return fmt.Sprintf("query parameter %s: expected from 1 to 256 letters, digits, spaces, and any of -._~+/=:", e.Query)
}

// challengeText is a text that has no meaning to a browser, whatever it takes it for. Its
// length is checked apart: a counted repetition takes time at each start.
var challengeText = regexp.MustCompile(`^[A-Za-z0-9 ._~+/=:-]+$`)

// maxChallenge is the maximum number of characters of a challenge.
const maxChallenge = 256

// openChallenge prepares the challenge of the sender.
func (s *Source) openChallenge() (problems []config.Problem) {
	c := s.Config
	if s.challenge = s.preset.Challenge; c.Challenge.At != nil {
		s.challenge = c.Challenge
	}
	switch {
	case s.challenge.Query == "" && c.Challenge.At != nil:
		problems = append(problems, c.Challenge.At.Of("query").Problemf("is required: the query parameter that the response has to repeat"))
	case s.challenge.Token != "" && c.VerifyToken == "":
		problems = append(problems, c.At.Of("verify_token").Problemf("is required: a secret that you choose, and set at the sender as its verify token"))
	case s.challenge.Token == "" && c.VerifyToken != "":
		problems = append(problems, c.At.Of("verify_token").Problemf("is not used: the challenge of this sender has no token"))
	}
	return problems
}

// Challenge returns the text that a GET request with this query asks the source to repeat.
// The error is [ErrNoChallenge], [ErrUnauthorized], a [*ChallengeError] or a [*SecretError].
func (s *Source) Challenge(ctx context.Context, query string) (string, error) {
	if s.challenge.Query == "" {
		return "", ErrNoChallenge
	}
	values := make(map[string]string)
	for name, value := range parameters(query) {
		if name == s.challenge.Query || name == s.challenge.Token {
			values[name] = value
		}
	}
	if s.challenge.Token != "" {
		token, err := s.secrets(ctx, s.Config.VerifyToken)
		if err != nil {
			return "", &SecretError{s.Name, err}
		}
		if !matchSecret([]byte(values[s.challenge.Token]), [][]byte{token}) {
			return "", standardwebhook.Errorf(ErrUnauthorized, "query parameter %s: expected the verify token of this source", s.challenge.Token)
		}
	}
	if text := values[s.challenge.Query]; len(text) <= maxChallenge && challengeText.MatchString(text) {
		return text, nil
	}
	return "", &ChallengeError{s.challenge.Query}
}
