// Package starter writes a first rcshook.yaml and a first case.
package starter

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// ExampleProject stands for the ID of a project.
const ExampleProject = "my-project"

// Options are the contents of a file. Empty ones are left out.
type Options struct {
	Preset, Caller, Replies   string
	Project, Country, AgentID string

	// Map replaces the program of the preset.
	Map string
}

// Starter is a file and the case of its preset.
type Starter struct {
	Text []byte

	// Source is the entry of the preset, and Opened the source with it; nil without a preset.
	Source *config.Source
	Opened *source.Source

	// CaseName is the name of the file with Event, the sample of the preset.
	CaseName string
	Event    []byte
}

// traffic has the traffic types of the presets, and of groups of presets, whose maps do more
// than report an order, an account or an alert.
var traffic = map[string]string{
	"sign-in": "otp", "form": "service",
	"intercom": "service", "pipedrive": "service", "twilio": "service",
	"hubspot": "promotion", "square": "promotion", "telegram": "promotion",
}

// secretContent has the contents of the secrets of schemes, by their types.
var secretContent = map[string]string{
	"basic": "USER:PASSWORD",
	"path":  "TOKEN: at least 20 random letters and digits",
	"token": "a long random text, which the sender puts into a header",
}

// New returns the file with some options.
func New(o Options) (*Starter, error) {
	o.Project = cmp.Or(o.Project, ExampleProject)
	s := new(Starter)
	if err := s.open(o); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# The keys of this file: https://github.com/rcshook/rcshook/blob/main/docs/sources.md")
	if o.Project == ExampleProject {
		line("# my-project stands for the ID of your Google Cloud project. Replace it before you deploy.")
	}
	if o.AgentID != "" {
		line("agents:\n  default:\n    id: %s", scalar(o.AgentID))
		line("    # This secret needs the service-account key from the RCS for Business console.")
		line("    credentials: projects/%s/secrets/rcshook-credentials", o.Project)
	}
	if s.Source != nil {
		line("sources:")
		s.writeSource(line, o)
	}
	if o.Caller != "" {
		line("callers:\n  %s:", o.Caller)
		line("    # This secret needs a long random key; deploy/deploy.sh --caller %s creates it.", o.Caller)
		line("    key: projects/%s/secrets/rcshook-caller-%s", o.Project, o.Caller)
		line("    # Messages to numbers of these countries only.")
		if o.Country != "" {
			line("    countries: %s", scalar(o.Country))
		} else {
			line("    # countries: [US, CA]")
		}
		line("    messages_per_second: 5")
	}
	if o.Replies != "" {
		line("events:\n  replies:\n    url: %s", scalar(o.Replies))
		line("    # To sign the requests, create this secret with a key of Standard Webhooks (whsec_...).")
		line("    # secret: projects/%s/secrets/replies-key", o.Project)
		line("    only: [reply, button, location, file, unsubscribed, subscribed, failed]")
	}
	s.Text = b.Bytes()
	return s, nil
}

// open opens the preset, if any.
func (s *Starter) open(o Options) error {
	if o.Preset == "" {
		return nil
	}
	c, err := source.Example(o.Preset, o.Project)
	if err != nil {
		return err
	}
	sources, err := source.Open(map[string]config.Source{c.Name: c}, source.Options{})
	if err != nil {
		return err
	}
	s.Opened = sources.All()[0]
	event, kind := check.FormatEvent(s.Opened.Sample("0001"))
	s.Event, s.CaseName = event, "sample."+kind
	c.Map.Text = cmp.Or(o.Map, c.Map.Text)
	c.Country = o.Country
	c.Traffic = cmp.Or(traffic[o.Preset], traffic[s.Opened.Group()], "transaction")
	s.Source = &c
	return nil
}

// writeSource writes the entry of the preset.
func (s *Starter) writeSource(line func(format string, args ...any), o Options) {
	c, scheme := s.Source, s.Opened.SchemeType()
	about, _, _ := strings.Cut(s.Opened.Description(), ";")
	token := ""
	if scheme == "path" {
		token = "/TOKEN"
	}
	line("  %s: # %s; webhooks go to /hooks/%[1]s%[3]s", c.Name, about, token)
	line("    preset: %s", c.Preset)
	for _, secret := range c.Secrets {
		content := cmp.Or(secretContent[scheme], "the key or the token that proves the sender")
		if s.Opened.Docs() != "" {
			line("    # This secret needs %s:\n    # %s", content, s.Opened.Docs())
		} else {
			line("    # This secret needs %s.", content)
		}
		line("    secret: %s", string(secret))
	}
	if c.VerifyToken != "" {
		line("    # This secret needs a long random text, which is the verify token at the sender.")
		line("    verify_token: %s", string(c.VerifyToken))
	}
	if c.URL != "" {
		line("    # The sender signs this address. Replace rcshook.example.com by the host of your function.")
		line("    url: %s", c.URL)
	}
	for _, number := range c.Recipients {
		line("    # The signature does not cover the event, which anyone could change. So messages go only to")
		line("    # these numbers. Replace the example by yours.\n    recipients: %s", scalar(number))
	}
	for _, topic := range c.Topics {
		line("    # The topic, because SNS also signs for other accounts. Replace it by yours.\n    topic: %s", topic)
	}
	for i, audience := range c.Audience {
		line("    # The audience of the tokens, and the service account that sends. Replace both by yours.")
		line("    audience: %s\n    emails: %s", audience, c.Emails[i])
	}
	line("    # What the messages are for: otp, transaction, promotion or service. Those without a type")
	line("    # count as promotions, which people who replied STOP do not get.\n    traffic: %s", c.Traffic)
	line("    # The country of phone numbers without a country code.")
	if o.Country != "" {
		line("    country: %s", scalar(o.Country))
	} else {
		line("    # country: US")
	}
	if c.Traffic == "otp" {
		line("    # The SMS for phones without RCS or offline: docs/fallback.md.")
		line(`    # fallback: {url: "https://sms.example.com/messages", map: "{to: .phone, text}", after: auto}`)
	}
	if c.Map.Text == "" {
		line("    # The sender posts a payload. There is an example in cases/%s.", c.Name)
		return
	}
	line("    # This jq program turns an event into a message.")
	if strings.Contains(c.Map.Text, `"+12025550123"`) {
		line("    # The event has no phone number. Replace +12025550123 by the number that gets the message.")
	}
	line("    map: |\n      %s", strings.ReplaceAll(strings.TrimSpace(c.Map.Text), "\n", "\n      "))
}

// scalar returns a value in YAML.
func scalar(value string) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		panic("starter: " + err.Error()) // a string can always be written
	}
	return strings.TrimSpace(string(text))
}
