package main

import (
	"cmp"
	"errors"
	"flag"
	"os"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/server"
)

// The environment variables that name a function to those who call it. They do not
// begin with RCSHOOK_, as the settings of a function do: a function that is started
// in the same shell would find them wrong.
const (
	envURL   = "RCS_FUNCTION_URL"
	envKey   = "RCS_FUNCTION_KEY"
	envToken = "RCS_FUNCTION_TOKEN"
)

// localURL is where dev runs the function.
const localURL = "http://localhost:8080/"

// A target is the function that a command calls: by flags, by the environment, or
// the one of dev.
type target struct {
	url, key, token string
}

const targetUsage = `	-url URL, -key KEY, -token TOKEN
		the function to call, a key of it, and where Cloud Run lets only some
		accounts through, an ID token of one, as gcloud auth
		print-identity-token prints it. They also come from the environment,
		where a key is safer than on a command line: ` + envURL + `,
		` + envKey + ` and ` + envToken + `. With none of them it is the
		function of rcshook dev, at ` + localURL + `.
`

func (t *target) flags(flags *flag.FlagSet) {
	flags.StringVar(&t.url, "url", "", "address of the `function`")
	flags.StringVar(&t.key, "key", "", "API `key` of the function")
	flags.StringVar(&t.token, "token", "", "ID `token` for Cloud Run")
}

// client returns the client for the function, or what is wrong with its settings.
func (t *target) client() (*client.Client, error) {
	t.url = cmp.Or(t.url, os.Getenv(envURL))
	t.key = cmp.Or(t.key, os.Getenv(envKey))
	t.token = cmp.Or(t.token, os.Getenv(envToken))
	if t.url == "" {
		if t.key != "" || t.token != "" {
			return nil, usageError("there is a key or token and no function to send it to: name it with -url or " + envURL)
		}
		t.url = localURL
	}
	if t.key == "" && t.token == "" && config.IsLoopback(t.url) {
		t.key = devKey
	}
	c := &client.Client{URL: t.url, Key: t.key, Token: t.token, UserAgent: "rcshook/" + server.Version()}
	if err := c.Check(); err != nil {
		return nil, usageError(err.Error())
	}
	return c, nil
}

// nextStep is the action that is advised, in the words of a command line where that
// of the answer, or of the error in its place, is for programs. by is who sent.
func nextStep(c code.Code, err error, by, action string) string {
	fault := (*client.Error)(nil)
	switch {
	case c == code.Unauthorized:
		return "Put a key of this function into " + envKey + "."
	case errors.As(err, &fault) && fault.Unreached && by == localURL:
		return "Start one with rcshook dev, or name yours with -url or " + envURL + "."
	default:
		return action
	}
}
