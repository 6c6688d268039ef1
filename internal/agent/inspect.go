//go:build !playground

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// Inspection is the content of a secret, and the facts about it that may be shown.
type Inspection struct {
	// Value is the content itself, which must not be shown.
	Value []byte

	// Version is the number of the version that was read; "" for a value in the
	// configuration.
	Version string

	// Account and Project are the service account of a key and its project.
	Account, Project string
}

// Inspect reads s without the cache, for diagnosis. Its error is that of
// [Directory.Secret].
func (d *Directory) Inspect(ctx context.Context, s config.Secret) (Inspection, error) {
	return d.inspect(ctx, &secret{directory: d, setting: s})
}

// InspectAgentID is [Directory.Inspect] for a setting that must be an agent ID.
func (d *Directory) InspectAgentID(ctx context.Context, s config.Secret) (Inspection, error) {
	from := &secret{directory: d, setting: s, content: google.AgentID}
	found, err := d.inspect(ctx, from)
	if err == nil {
		_, err = from.parseAgentID(found.Value)
	}
	return found, err
}

// InspectKey is [Directory.Inspect] for a setting that must be a service account key.
func (d *Directory) InspectKey(ctx context.Context, s config.Secret) (Inspection, error) {
	from := &secret{directory: d, setting: s, content: google.Key}
	found, err := d.inspect(ctx, from)
	if err != nil {
		return found, err
	}
	if _, err := (&account{directory: d, secret: from}).parse(found.Value); err != nil {
		return found, err
	}
	var file keyFile
	_ = json.Unmarshal(found.Value, &file) // parse has decoded it before
	found.Account, found.Project = file.Email, file.Project
	return found, nil
}

func (d *Directory) inspect(ctx context.Context, from *secret) (Inspection, error) {
	value, _, err := from.read(ctx)
	if err != nil {
		return Inspection{}, err
	}
	found := Inspection{Value: value}
	if from.version != "" {
		found.Version = path.Base(from.version)
	}
	return found, nil
}

// maxOlder is the number of older versions that Newest tries.
const maxOlder = 5

// Newest returns the number of the newest readable version of s, after reading the
// latest has failed with refused because it is disabled or destroyed. It returns "" if
// none of the versions before it can be read.
func (d *Directory) Newest(ctx context.Context, s config.Secret, refused *google.SecretError) string {
	name, _ := s.Resource()
	base, found := strings.CutSuffix(name, "/versions/latest")
	latest, err := strconv.Atoi(refused.Version)
	if !found || err != nil {
		return ""
	}
	for n := latest - 1; n >= max(1, latest-maxOlder); n-- {
		_, err := d.Inspect(ctx, config.Secret(base+"/versions/"+strconv.Itoa(n)))
		if err == nil {
			return strconv.Itoa(n)
		}
		if e, ok := errors.AsType[*google.SecretError](err); !ok || e.Reason != "version_disabled" && e.Reason != "version_destroyed" {
			return ""
		}
	}
	return ""
}
