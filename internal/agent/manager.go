package agent

import (
	"context"
	"errors"
	"hash/crc32"
	"log/slog"
	"net/http"
	"strings"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// newManager makes the client of Secret Manager. REST, because it starts faster
// than gRPC.
func (d *Directory) newManager(endpoint string) (*secretmanager.Client, error) {
	opts := []option.ClientOption{
		option.WithHTTPClient(&http.Client{Transport: d.Platform()}),
		// The library can be told by an environment variable to log answers,
		// which are secrets.
		option.WithLogger(slog.New(slog.DiscardHandler)),
	}
	if endpoint != "" {
		opts = append(opts, option.WithEndpoint(endpoint))
	}
	client, err := secretmanager.NewRESTClient(d.life.ctx, opts...)
	if err != nil {
		return nil, err
	}
	client.CallOptions.AccessSecretVersion = nil // pauses of up to 2 s between attempts, and a minute in all
	return client, nil
}

type secretVersion struct {
	payload []byte
	name    string // with the number of the version
}

// access reads a secret version. The error is a *SecretError.
func (d *Directory) access(ctx context.Context, resource string) (payload []byte, version string, err error) {
	// The token is asked for beforehand, to give it its own time, and to tell its
	// troubles from the secret's.
	if _, err := d.platform.get(ctx); err != nil {
		return nil, "", platformError(resource, err)
	}
	ctx, cancel := context.WithTimeout(ctx, accessPatience)
	defer cancel()
	v, err := again(ctx, func(ctx context.Context) (secretVersion, error) {
		v, err := d.accessOnce(ctx, resource)
		if e := (*SecretError)(nil); errors.As(err, &e) && e.Reason == "unauthenticated" {
			v, err = d.accessOnce(ctx, resource) // with another token
		}
		return v, err
	})
	return v.payload, v.name, err
}

func (d *Directory) accessOnce(ctx context.Context, resource string) (secretVersion, error) {
	client, err := d.manager()
	if err != nil {
		return secretVersion{}, &SecretError{Kind: Unavailable, Reason: "unavailable", Resource: resource, Action: adviseAccess(resource, "unavailable", ""), Err: errors.New("the client could not be made")}
	}
	answer, err := client.AccessSecretVersion(ctx, &secretmanagerpb.AccessSecretVersionRequest{Name: resource})
	if err != nil {
		return secretVersion{}, accessError(ctx, resource, err)
	}
	payload := answer.GetPayload()
	if payload != nil && payload.DataCrc32C != nil && int64(crc32.Checksum(payload.GetData(), castagnoli)) != payload.GetDataCrc32C() {
		return secretVersion{}, &SecretError{
			Kind: Unavailable, Reason: "checksum", Resource: resource, Action: adviseAccess(resource, "checksum", ""),
			Err: errors.New("the payload does not fit its checksum"),
		}
	}
	return secretVersion{payload.GetData(), answer.GetName()}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// accessError reads an error of the client of Secret Manager.
func accessError(ctx context.Context, resource string, err error) *SecretError {
	e := &SecretError{Resource: resource}
	switch answer := (*googleapi.Error)(nil); {
	case errors.As(err, &answer):
		e.Kind, e.Reason, e.Version, e.Err = readAnswer(answer)
	case ctx.Err() != nil:
		e.Kind, e.Reason, e.Err = Unavailable, "timeout", errors.New("no answer in time")
	default:
		e.Kind, e.Reason, e.Err = Unavailable, "unreachable", TransportError(err)
	}
	e.Action = adviseAccess(resource, e.Reason, e.Version)
	return e
}

// readAnswer tells what an error answer means. The library's own status is not to
// be trusted: it is derived from the HTTP status, which is 400 for a disabled
// version and for a malformed name alike. The body knows.
func readAnswer(answer *googleapi.Error) (kind Kind, reason, version string, err error) {
	refused := ReadRefusal(answer)
	detail, message, err := refused.Details, refused.Message, refused.Err
	switch refused.Status {
	case "NOT_FOUND":
		return NotFound, "not_found", "", err
	case "PERMISSION_DENIED":
		switch {
		case strings.Contains(detail, "SERVICE_DISABLED"):
			return Denied, "api_disabled", "", err
		case strings.Contains(detail, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
			return Denied, "scope", "", err
		}
		return Denied, "permission_denied", "", err
	case "UNAUTHENTICATED":
		return Denied, "unauthenticated", "", err
	case "FAILED_PRECONDITION":
		reason = "version_disabled"
		if strings.Contains(message, "DESTROYED") {
			reason = "version_destroyed"
		}
		return Invalid, reason, versionNumber(message), err
	case "INVALID_ARGUMENT":
		return Invalid, "bad_name", "", err
	case "RESOURCE_EXHAUSTED":
		return Unavailable, "rate_limited", "", err
	default: // or none: a proxy's page, or a wrong endpoint
		return Unavailable, "unavailable", "", err
	}
}

// versionNumber finds the number of a version in a message that names it, as in
// [projects/1/secrets/s/versions/7].
func versionNumber(message string) string {
	_, rest, _ := strings.Cut(message, "/versions/")
	number, _, ok := strings.Cut(rest, "]")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}
