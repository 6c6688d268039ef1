//go:build playground

package platform

import (
	"context"
	"errors"

	"github.com/rcshook/rcshook/internal/google"
)

// Client stands for Google Cloud in the playground, which cannot reach it.
type Client struct{}

// New returns a client.
func New(Options) *Client { return new(Client) }

func errNone(resource string) error {
	return &google.SecretError{Kind: google.Unavailable, Reason: "unreachable", Resource: resource, Err: errors.New("the playground has no Google Cloud")}
}

// Secret returns an error.
func (*Client) Secret(_ context.Context, resource string) (payload []byte, version string, err error) {
	return nil, "", errNone(resource)
}

// Ready returns an error.
func (*Client) Ready(context.Context) error { return errNone("") }

// Call returns an error.
func (*Client) Call(context.Context, string, string, any, any) error { return errNone("") }
