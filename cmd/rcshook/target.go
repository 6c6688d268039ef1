package main

import (
	"cmp"
	"errors"
	"flag"
	"os"
	"strconv"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/server"
)

// The environment variables of a function's callers. They do not start with RCSHOOK_,
// because a function started in the same shell would reject them as unknown settings.
const (
	envURL   = "RCS_FUNCTION_URL"
	envKey   = "RCS_FUNCTION_KEY"
	envToken = "RCS_FUNCTION_TOKEN"
)

// localURL is the default address of the function in dev.
const localURL = "http://localhost:8080/"

// A target is the function that a command calls.
type target struct {
	url, key, token string
}

const targetUsage = `	-url URL, -key KEY, -token TOKEN
		the function to call, one of its keys, and, if Cloud Run requires it, an
		ID token as printed by gcloud auth print-identity-token. They can also
		be set in the environment, where a key is safer than on a command line:
		` + envURL + `, ` + envKey + ` and ` + envToken + `. The
		default is the function of rcshook dev, at ` + localURL + `.
`

func (t *target) flags(flags *flag.FlagSet) {
	flags.StringVar(&t.url, "url", "", "")
	flags.StringVar(&t.key, "key", "", "")
	flags.StringVar(&t.token, "token", "", "")
}

// client returns the client of the function.
func (t *target) client() (*client.Client, error) {
	t.url = cmp.Or(t.url, os.Getenv(envURL))
	t.key = cmp.Or(t.key, os.Getenv(envKey))
	t.token = cmp.Or(t.token, os.Getenv(envToken))
	if t.url == "" {
		if t.key != "" || t.token != "" {
			return nil, usageError("a key or token is set, but not the function to send it to: set -url or " + envURL)
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

// nextStep returns the next step on the command line if there is one, and otherwise the
// action of the response. The sender is by.
func nextStep(c code.Code, err error, by, action string) string {
	if c == code.Unauthorized {
		return "Set " + envKey + " to a key of this function."
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.NoConnection && by == localURL {
		return "Start a function with rcshook dev, or name yours with -url or " + envURL + "."
	}
	return action
}

// envPremium is the setting of the function for premium-rate numbers, which is also that of
// commands that check messages before the function does.
const envPremium = "RCSHOOK_ALLOW_PREMIUM_NUMBERS"

func allowsPremiumNumbers() bool {
	allowed, _ := strconv.ParseBool(os.Getenv(envPremium)) // the function reports an invalid value
	return allowed
}
