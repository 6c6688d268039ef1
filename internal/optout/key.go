package optout

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// MinKey is the length of the shortest key, in bytes.
const MinKey = config.MinOptOutKey

// A verified key is trusted for keyLifetime. A write then starts within applyTimeout.
// RekeyPause is longer than both together.
const (
	keyLifetime  = 10 * time.Second
	applyTimeout = 4 * time.Second
	RekeyPause   = 15 * time.Second
)

// Causes of an [*Unavailable].
var (
	ErrKey      = errors.New("the key is not the one that names the objects; run rcshook optouts rekey with the old key and the new one")
	ErrNoKey    = errors.New("the object _key is missing; run rcshook optouts init")
	ErrBrand    = errors.New("the store is not prepared for the brand; if it is a new name, use the former one, otherwise run rcshook optouts init")
	ErrRekeying = errors.New("the objects are being renamed for another key; if no rcshook optouts rekey runs, run it again with the same keys")

	errShortKey = fmt.Errorf("key: expected at least %d bytes", MinKey)
	errKeyFile  = errors.New("the object _key is invalid; delete it, and run rcshook optouts init")
	errOtherKey = errors.New("its name is from another key; run rcshook optouts rekey with that key and the current one")
)

// keyObject is the name of the object that shows which key names the others.
const keyObject = "_key"

// keyFile is its content.
type keyFile struct {
	Check string `json:"check"`          // check value of the key
	Next  string `json:"next,omitempty"` // check value of the key for which objects are being renamed

	// Brands are the names of the brands, with spaces between them. The names of the objects
	// depend on that of the brand, so no opt-outs would be found under another one.
	Brands string `json:"brands"`
}

// missingBrand returns the first of the brands that is not in the file, or "".
func (f keyFile) missingBrand(brands ...string) string {
	known := strings.Fields(f.Brands)
	for _, brand := range brands {
		if !slices.Contains(known, brand) {
			return brand
		}
	}
	return ""
}

// checkValue returns a value that shows whether a key is the same, but not the key.
func checkValue(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("rcshook opt-outs: check value of the key"))
	return hex.EncodeToString(mac.Sum(nil))
}

// withKey calls f with the key, and once more with the current key if f returns ErrKey.
func (b *Bucket) withKey(ctx context.Context, f func(key []byte) error) error {
	if err := b.ready(ctx); err != nil {
		return b.unavailable(ctx, err)
	}
	for again := false; ; again = true {
		key, err := b.o.Key(ctx)
		switch {
		case err != nil:
			err = fmt.Errorf("key: %w", err)
		case len(key) < MinKey:
			err = errShortKey
		default:
			err = f(key)
		}
		if again || !errors.Is(err, ErrKey) {
			return b.unavailable(ctx, err)
		}
		if err := b.o.RereadKey(ctx); err != nil {
			return b.unavailable(ctx, fmt.Errorf("key: %w", err))
		}
	}
}

// ready waits for credentials, so that their errors are not those of Cloud Storage.
func (b *Bucket) ready(ctx context.Context) error {
	if err := b.o.API.Ready(ctx); err != nil {
		return fmt.Errorf("credentials of the function: %w", err)
	}
	return nil
}

// trusts reports whether the key with a check value was right a moment ago, for a brand.
func (b *Bucket) trusts(check, brand string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	age := b.o.Now().Sub(b.verifiedAt)
	return b.verified.Check == check && b.verified.missingBrand(brand) == "" && age >= 0 && age < keyLifetime
}

// verify returns the reason why the key with a check value must not be used for the brands.
func (b *Bucket) verify(ctx context.Context, check string, brands ...string) error {
	start := b.o.Now()
	found, err := b.readKey(ctx)
	switch {
	case err != nil:
		return err
	case found.Next != "":
		return ErrRekeying
	case found.Check != check:
		return ErrKey
	}
	if brand := found.missingBrand(brands...); brand != "" {
		return fmt.Errorf("brand %s: %w", brand, ErrBrand)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verified, b.verifiedAt = found, start
	return nil
}

// readKey reads the object _key in one request. An error response for content does not
// show the cause, so a list of the object follows it. An object that was written between
// the two is read again.
func (b *Bucket) readKey(ctx context.Context) (found keyFile, err error) {
	for range 2 {
		err = b.o.API.Call(ctx, http.MethodGet, b.url(b.prefix+keyObject)+"?alt=media", nil, &found)
		e, ok := errors.AsType[*google.APIError](err)
		if !ok || e.Code/100 != 4 {
			break
		}
		if items, _, listErr := b.list(ctx, keyObject, ""); listErr != nil {
			return found, listErr
		} else if len(items) == 0 {
			return found, ErrNoKey
		}
	}
	if err == nil && found.Check == "" {
		err = errKeyFile
	}
	return found, err
}

// Init writes the object _key if it is missing, or adds brands to it. It returns [ErrKey]
// if the objects are named by another key.
func (b *Bucket) Init(ctx context.Context, brands ...string) error {
	return b.withKey(ctx, func(key []byte) error {
		check := checkValue(key)
		found, generation := keyFile{Check: check}, int64(missing)
		err := b.verify(ctx, check, brands...)
		switch {
		case errors.Is(err, ErrBrand):
			if generation, err = b.read(ctx, b.prefix+keyObject, missing, &found); err != nil {
				return err
			}
		case errors.Is(err, ErrNoKey):
			for _, err := range b.records(ctx, key) {
				if errors.Is(err, errOtherKey) {
					return ErrKey
				} else if err != nil {
					return err
				}
			}
		default:
			return err
		}
		all := append(strings.Fields(found.Brands), brands...)
		slices.Sort(all)
		found.Brands = strings.Join(slices.Compact(all), " ")
		_, err = b.write(ctx, b.prefix+keyObject, generation, found)
		if err != nil { // another instance may have been faster, or only the response was lost
			if verified := b.verify(ctx, check, brands...); verified == nil || isStatus(err, http.StatusPreconditionFailed) {
				return verified
			}
		}
		return err
	})
}

// Brands returns the names of the brands for which Init prepared the bucket; none before.
func (b *Bucket) Brands(ctx context.Context) ([]string, error) {
	found, err := b.readKey(ctx)
	if errors.Is(err, ErrNoKey) {
		return nil, nil
	}
	return strings.Fields(found.Brands), b.unavailable(ctx, err)
}

// Rekey renames all objects from one key to another, and returns how many it renamed.
// Meanwhile the object _key makes all other calls fail with [ErrRekeying]; the pause,
// [RekeyPause] except in tests, lets calls finish that have verified the key before.
// After an error, Rekey can be called again with the same keys.
func (b *Bucket) Rekey(ctx context.Context, oldKey, newKey []byte, pause time.Duration) (n int, err error) {
	if len(oldKey) < MinKey || len(newKey) < MinKey {
		return 0, b.unavailable(ctx, errShortKey)
	}
	if hmac.Equal(oldKey, newKey) {
		return 0, b.unavailable(ctx, errors.New("the old key and the new one are the same"))
	}
	if err = b.ready(ctx); err != nil {
		return 0, b.unavailable(ctx, err)
	}
	if err = b.startRekey(ctx, oldKey, newKey, pause); err == nil {
		n, err = b.rename(ctx, oldKey, newKey, true)
	}
	return n, b.unavailable(ctx, err)
}

// startRekey does all of [Bucket.Rekey] but deleting the old objects.
func (b *Bucket) startRekey(ctx context.Context, oldKey, newKey []byte, pause time.Duration) error {
	if _, err := b.readKey(ctx); err != nil {
		return err
	}
	var found keyFile
	generation, err := b.read(ctx, b.prefix+keyObject, missing, &found)
	before, after := keyFile{Check: checkValue(oldKey), Brands: found.Brands}, keyFile{Check: checkValue(newKey), Brands: found.Brands}
	during := keyFile{before.Check, after.Check, found.Brands}
	switch {
	case err != nil:
		return err
	case found == after:
		return nil
	case found == before:
		if generation, err = b.write(ctx, b.prefix+keyObject, generation, during); err != nil {
			return err
		}
	case found != during:
		return ErrKey
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := b.rename(ctx, oldKey, newKey, false); err != nil {
		return err
	}
	_, err = b.write(ctx, b.prefix+keyObject, generation, after)
	return err
}

// rename copies each object of the old key, unless the new key has a newer record, and
// deletes it if remove is set. It returns the number of objects of the old key.
func (b *Bucket) rename(ctx context.Context, oldKey, newKey []byte, remove bool) (n int, err error) {
	for page, err := range b.pages(ctx) {
		var group errgroup.Group
		group.SetLimit(parallel)
		for _, item := range page {
			target := b.object(newKey, item.record.Brand, item.record.Phone)
			switch item.Name {
			case target:
				continue
			case b.object(oldKey, item.record.Brand, item.record.Phone):
				n++
			default:
				err = inObject(item.Name, errOtherKey)
				continue
			}
			group.Go(func() error {
				_, err := b.update(ctx, target, func() (*Record, int64, error) {
					return b.record(ctx, target, missing)
				}, func(stored *Record) (Record, bool) {
					return *item.record, stored == nil || newer(*item.record, *stored)
				})
				if err == nil && remove {
					err = b.remove(ctx, item.metadata)
				}
				return err
			})
		}
		if err = cmp.Or(group.Wait(), err); err != nil {
			return n, err
		}
	}
	return n, nil
}

// remove deletes a generation of an object. It may be missing.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/delete
func (b *Bucket) remove(ctx context.Context, m metadata) error {
	err := b.o.API.Call(ctx, http.MethodDelete, fmt.Sprintf("%s?ifGenerationMatch=%d", b.url(m.Name), m.Generation), nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
