package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
)

// Timeouts of fetches. Reading a secret may need a token first, and a new key is used
// only after a token has been fetched with it.
const (
	secretTimeout = platform.TokenTimeout + platform.SecretTimeout
	keyTimeout    = secretTimeout + platform.TokenTimeout
)

// secret reads a setting: the name of a secret, or the value itself.
type secret struct {
	directory *Directory
	setting   config.Secret
	content   google.Content

	version string // name of the version that was read last
}

// resource returns the name of the secret version; "" if the setting is the value.
func (s *secret) resource() string {
	name, _ := s.setting.Resource()
	return name
}

// read returns the value, decoded by [config.DecodeSecret], and its validity. A value in
// the configuration never expires.
func (s *secret) read(ctx context.Context) ([]byte, google.Lease, error) {
	payload, version := []byte(s.setting.Literal()), ""
	if name := s.resource(); name != "" {
		var err error
		if payload, version, err = s.directory.platform.Secret(ctx, name); err != nil {
			return nil, google.Lease{}, err
		}
	}
	payload, err := config.DecodeSecret(payload)
	switch {
	case err != nil:
		return nil, google.Lease{}, s.invalid("not_text", err)
	case len(payload) == 0:
		return nil, google.Lease{}, s.invalid("empty", nil)
	case s.resource() == "":
		return payload, google.Lease{}, nil
	}
	if version != s.version {
		s.directory.log.LogAttrs(ctx, slog.LevelInfo, "secret read", slog.String("version", version))
		s.version = version
	}
	now := s.directory.now()
	return payload, google.Lease{Since: now, Refresh: now.Add(s.directory.interval)}, nil
}

// revokedGraceIntervals is the age, in refresh intervals, until which a secret stays in use that
// Secret Manager no longer returns. It is long enough to undo a mistake, and short
// enough to revoke a secret from a running instance.
const revokedGraceIntervals = 3

// onError is called when the secret cannot be renewed. While Secret Manager is
// unavailable, or the content of the newest version is invalid, the old value stays in
// use. If access was revoked, the old value expires.
func (s *secret) onError(err error, l google.Lease) google.Lease {
	age := s.directory.now().Sub(l.Since)
	s.directory.log.LogAttrs(context.Background(), slog.LevelWarn, "secret not renewed, the last value stays in use",
		slog.String("secret", s.resource()), slog.Int64("age_s", int64(age.Seconds())), slog.Any("cause", err))
	if e, ok := errors.AsType[*google.SecretError](err); ok && !l.Since.IsZero() {
		switch e.Reason {
		case "not_found", "permission_denied", "version_disabled", "version_destroyed":
			l.End = l.Since.Add(revokedGraceIntervals * s.directory.interval)
		}
	}
	return l
}

// invalid returns the error of a secret with unusable content.
func (s *secret) invalid(reason string, err error) *google.SecretError {
	return &google.SecretError{Kind: google.Invalid, Reason: reason, Content: s.content, Resource: s.resource(), Err: err}
}

func (s *secret) parseAgentID(payload []byte) (string, error) {
	id, err := config.ParseAgentID(string(payload))
	if err == nil {
		return id, nil
	}
	if errors.Is(err, config.ErrKeyForAgentID) {
		err = errSwapped
	}
	return "", s.invalid("not_agent_id", err)
}

var errSwapped = errors.New("the secrets of the agent ID and of the credentials seem to be swapped")

// Secret returns the value of s: s itself, or the content of the secret that it names,
// decoded by [config.DecodeSecret]. The value must not be modified.
//
// The error is a [*google.SecretError], or that of ctx.
func (d *Directory) Secret(ctx context.Context, s config.Secret) ([]byte, error) {
	return d.secret(s).Get(ctx)
}

// PrefetchSecret starts to read s unless its value is cached.
func (d *Directory) PrefetchSecret(s config.Secret) { d.secret(s).Prefetch() }

// Reread reads s from Secret Manager again. If that fails, the value that
// [Directory.Secret] returns stays in use.
func (d *Directory) Reread(ctx context.Context, s config.Secret) error {
	return d.secret(s).Renew(ctx)
}

func (d *Directory) secret(s config.Secret) *google.Cached[[]byte] {
	d.mu.RLock()
	cached := d.secrets[s]
	d.mu.RUnlock()
	if cached == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if cached = d.secrets[s]; cached == nil {
			from := &secret{directory: d, setting: s}
			cached = newCached(d, secretTimeout, from.onError, from.read)
			d.secrets[s] = cached
		}
	}
	return cached
}

// sourceFolder is the folder in which the build of a function puts the deployed files.
const sourceFolder = "serverless_function_source_code"

// ReadFile reads rcshook.yaml from the file or the secret that cfg names. Name
// identifies it in error messages.
//
// The error is a [*config.Error], or that of [Directory.Secret].
func ReadFile(ctx context.Context, cfg config.Config, opts Options) (name string, data []byte, err error) {
	if !cfg.File.IsResource() {
		name = cfg.File.Literal()
		data, err = os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(name) {
			data, err = os.ReadFile(filepath.Join(sourceFolder, name))
		}
		if err != nil {
			reason := "cannot be read"
			if errors.Is(err, os.ErrNotExist) {
				reason = "does not exist; if it is in the deployed folder, check .gcloudignore"
			}
			return name, nil, &config.Error{Problems: []config.Problem{config.Position{Path: "RCSHOOK_CONFIG"}.Problemf("names a file that %s", reason)}}
		}
		return filepath.Base(name), data, nil
	}
	directory := New(config.Config{SecretManagerEndpoint: cfg.SecretManagerEndpoint}, opts) // the agents are in the file
	defer directory.Close()
	ctx, cancel := context.WithTimeout(ctx, config.DefaultTimeout)
	defer cancel()
	resource, _ := cfg.File.Resource()
	data, _, err = directory.platform.Secret(ctx, resource) // not decoded: the problems have positions
	if err != nil {
		return "", nil, fmt.Errorf("read rcshook.yaml: %w", err)
	}
	return cfg.File.String(), data, nil
}
