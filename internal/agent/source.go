package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// content is what a secret is expected to hold.
type content int

const (
	aValue content = iota
	anAgentID
	aKey
)

// source is a setting that is read: the name of a secret, or the value itself.
type source struct {
	directory *Directory
	setting   config.Secret
	holds     content

	version string // the one that was read last
}

// resource is the name of the secret, or "".
func (s *source) resource() string {
	name, _ := s.setting.Resource()
	return name
}

// read returns the value and how long it is good for. A value of the configuration
// never changes.
func (s *source) read(ctx context.Context) ([]byte, lease, error) {
	name := s.resource()
	if name == "" {
		value := s.setting.Literal()
		if config.Trim(value) == "" {
			return nil, lease{}, s.invalid("empty", nil)
		}
		return []byte(value), lease{}, nil
	}
	payload, version, err := s.directory.access(ctx, name)
	if err != nil {
		return nil, lease{}, err
	}
	if config.Trim(string(payload)) == "" {
		return nil, lease{}, s.invalid("empty", nil)
	}
	if version != s.version {
		s.directory.log.LogAttrs(ctx, slog.LevelInfo, "secret read", slog.String("version", version))
		s.version = version
	}
	now := s.directory.now()
	return payload, lease{since: now, refresh: now.Add(s.directory.refresh)}, nil
}

// withdrawnAfter is how many times the refresh interval a secret stays in use
// after Secret Manager has begun to refuse it. Long enough to mend a mishap without
// losing a message, short enough to take a secret away from a running instance.
const withdrawnAfter = 3

// kept is told that the secret could not be read again. While Secret Manager is
// away, and while the newest version cannot be used, the old value stays for good.
// If the secret is gone, disabled or denied, it stays for a while.
func (s *source) kept(err error, of lease) lease {
	age := s.directory.now().Sub(of.since)
	s.directory.log.LogAttrs(context.Background(), slog.LevelWarn, "secret not renewed, the last value stays in use",
		slog.String("secret", s.resource()), slog.Int64("age_s", int64(age.Seconds())), slog.Any("cause", err))
	if withdrawn(err) && !of.since.IsZero() {
		of.end = of.since.Add(withdrawnAfter * s.directory.refresh)
	}
	return of
}

func withdrawn(err error) bool {
	var e *SecretError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reason {
	case "not_found", "permission_denied", "version_disabled", "version_destroyed":
		return true
	}
	return false
}

// invalid is the error of a secret that does not hold what it should.
func (s *source) invalid(reason string, err error) *SecretError {
	return &SecretError{
		Kind: Invalid, Reason: reason, Resource: s.resource(), Err: err,
		Action: adviseContent(s.resource(), s.holds, reason),
	}
}

func parseAgentID(s *source, payload []byte) (string, error) {
	id, err := config.ParseAgentID(string(payload))
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, config.ErrKeyForAgentID):
		return "", s.invalid("not_agent_id", errSwapped)
	default:
		return "", s.invalid("not_agent_id", err)
	}
}

var errSwapped = errors.New("the secrets of the agent ID and of the credentials seem to be swapped")

// Deadlines of fetches. Before a secret can be read we may need a token of our own,
// and before a new key is taken into use it must have been traded for one.
const (
	accessPatience = 3 * time.Second
	tokenPatience  = 5 * time.Second
	secretPatience = tokenPatience + accessPatience
	keyPatience    = secretPatience + tokenPatience
)

// again runs f, and once more after a short pause when it failed for a reason that
// may pass. Each run gets half of the time that ctx has left at the start.
func again[T any](ctx context.Context, f func(ctx context.Context) (T, error)) (T, error) {
	each := tokenPatience
	if deadline, ok := ctx.Deadline(); ok {
		each = time.Until(deadline)
	}
	each /= 2
	once := func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		return f(ctx)
	}
	value, err := once()
	if !errors.Is(err, ErrSecretUnavailable) && !errors.Is(err, ErrTokenUnavailable) {
		return value, err
	}
	pause := time.NewTimer(100 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
		return once()
	case <-ctx.Done():
		return value, err
	}
}
