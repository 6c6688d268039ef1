//go:build !playground

package platform

import (
	"context"
	"errors"
	"hash/crc32"
	"log/slog"
	"strings"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/rcshook/rcshook/internal/google"
)

// newManager returns the client of Secret Manager. It uses REST, which starts faster
// than gRPC.
func (c *Client) newManager() (*secretmanager.Client, error) {
	opts := []option.ClientOption{
		option.WithHTTPClient(c.http),
		// An environment variable can make the library log responses, which
		// contain secrets.
		option.WithLogger(slog.New(slog.DiscardHandler)),
	}
	if c.SecretManager != "" {
		opts = append(opts, option.WithEndpoint(c.SecretManager))
	}
	client, err := secretmanager.NewRESTClient(context.Background(), opts...)
	if err != nil {
		return nil, err
	}
	client.CallOptions.AccessSecretVersion = nil // retries for a minute, with delays of up to 2 s
	return client, nil
}

// Secret reads a secret version and returns its payload and its name, which contains
// the number of the version. The error is a [*google.SecretError].
func (c *Client) Secret(ctx context.Context, resource string) (payload []byte, version string, err error) {
	// The token has its own deadline and its own errors, so it is fetched first.
	if _, err := c.token.Get(ctx); err != nil {
		return nil, "", credentialsError(resource, err)
	}
	ctx, cancel := context.WithTimeout(ctx, SecretTimeout)
	defer cancel()
	response, err := retryOnce(ctx, func(ctx context.Context) (*secretmanagerpb.AccessSecretVersionResponse, error) {
		return c.access(ctx, resource)
	})
	return response.GetPayload().GetData(), response.GetName(), err
}

func (c *Client) access(ctx context.Context, resource string) (*secretmanagerpb.AccessSecretVersionResponse, error) {
	e := &google.SecretError{Kind: google.Unavailable, Resource: resource}
	client, err := c.manager()
	if err != nil {
		e.Reason, e.Err = "unavailable", errors.New("creating the client failed")
		return nil, e
	}
	response, err := client.AccessSecretVersion(ctx, &secretmanagerpb.AccessSecretVersionRequest{Name: resource})
	if err == nil {
		_, id, _ := strings.Cut(resource, "/secrets/")
		id, _, _ = strings.Cut(id, "/")
		if !strings.Contains(response.GetName(), "/secrets/"+id+"/versions/") { // the project is an ID or a number
			e.Reason, e.Err = "unavailable", errors.New("the response does not name the secret; check the endpoint and proxies")
			return nil, e
		}
		payload := response.GetPayload()
		if payload == nil || payload.DataCrc32C == nil || int64(crc32.Checksum(payload.GetData(), castagnoli)) == payload.GetDataCrc32C() {
			return response, nil
		}
		e.Reason, e.Err = "checksum", errors.New("the payload does not match its checksum")
		return nil, e
	}
	if refused, ok := errors.AsType[*googleapi.Error](err); ok {
		classify(e, google.ParseAPIError(refused.Code, []byte(refused.Body)))
	} else if ctx.Err() != nil {
		e.Reason, e.Err = "timeout", errTimeout
	} else {
		e.Reason, e.Err = "unreachable", transportError(err)
	}
	return nil, e
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// classify sets the kind and the reason of e by an error response. The library derives
// its own status from the HTTP status, which is 400 for a disabled version and for a
// malformed name, so only the body is conclusive.
func classify(e *google.SecretError, response *google.APIError) {
	e.Err = response
	switch response.Status {
	case "NOT_FOUND":
		e.Kind, e.Reason = google.NotFound, "not_found"
	case "PERMISSION_DENIED":
		e.Kind, e.Reason = google.Denied, "permission_denied"
		if response.HasReason(google.ReasonDisabled) {
			e.Reason = "api_disabled"
		} else if response.HasReason(google.ReasonScope) {
			e.Reason = "scope"
		}
	case "UNAUTHENTICATED":
		e.Kind, e.Reason = google.Denied, "unauthenticated"
	case "FAILED_PRECONDITION":
		e.Kind, e.Reason, e.Version = google.Invalid, "version_disabled", versionNumber(response.Message)
		// Only the message of the response has the state of the version.
		if strings.Contains(response.Message, "DESTROYED") {
			e.Reason = "version_destroyed"
		}
	case "INVALID_ARGUMENT":
		e.Kind, e.Reason = google.Invalid, "bad_name"
	case "RESOURCE_EXHAUSTED":
		e.Kind, e.Reason = google.Unavailable, "rate_limited"
	default: // including "": the page of a proxy, or a wrong endpoint
		e.Kind, e.Reason = google.Unavailable, "unavailable"
	}
}

// versionNumber returns the number of the version in a message that contains its name,
// such as [projects/1/secrets/s/versions/7]; "" if there is none.
func versionNumber(message string) string {
	_, rest, _ := strings.Cut(message, "/versions/")
	number, _, ok := strings.Cut(rest, "]")
	if !ok || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}
