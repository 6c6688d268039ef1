package doctor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/response"
)

// brands returns the brands of the checked agents, by name.
func (e *run) brands() []*config.Brand {
	var all []*config.Brand
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Brands)) {
		b := e.cfg.Brands[name]
		if slices.ContainsFunc(e.agentNames(), func(agent string) bool { return slices.Contains(b.Agents, agent) }) {
			all = append(all, b)
		}
	}
	return all
}

// optOuts checks each store of opt-outs, and reports the brands without one whose agents
// get opt-outs.
func (e *run) optOuts(ctx context.Context) {
	type bucket struct {
		location string
		key      config.Secret
	}
	var seen []bucket
	if e.failed(File, "") {
		if e.cfg.Brands[config.DefaultBrand].OptOut.Store.IsSet() || len(e.file.Stores()) > 0 {
			e.skip(OptOut, "", File, "")
		}
		return
	}
	for _, b := range e.brands() {
		store := b.OptOut.Store
		switch key := (bucket{store.Location, b.OptOut.Key}); {
		case store.Lookup != nil:
			e.lookup(ctx, "brand "+b.Name, store.Lookup)
		case store.Location == "":
			e.withoutStore(b)
		case !slices.Contains(seen, key):
			seen = append(seen, key)
			var names []string
			for _, other := range e.brands() {
				if key == (bucket{other.OptOut.Store.Location, other.OptOut.Key}) {
					names = append(names, other.Name)
				}
			}
			e.store(ctx, b.OptOut, names)
		}
	}
}

// withoutStore reports that opting out has no effect, if the function gets opt-outs.
func (e *run) withoutStore(b *config.Brand) {
	for _, agent := range e.agentNames() {
		if slices.Contains(b.Agents, agent) && len(e.tokens(agent)) > 0 {
			e.add(Warning, OptOut, "brand "+b.Name, "the brand has no store of opt-outs, so that people who write STOP still get promotions",
				"Set RCSHOOK_OPT_OUT_STORE=gs://BUCKET/rcs-opt-outs and RCSHOOK_OPT_OUT_KEY=projects/PROJECT/secrets/rcshook-opt-out-key, and then, with the same -env: rcshook optouts init",
				"Or let deploy/deploy.sh --events create it")
			return
		}
	}
}

// storePermissions are the permissions that the function needs on a bucket.
var storePermissions = []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}

// store checks that the bucket of brands is reachable, that its objects are named by the
// key, and that the account may change them.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
func (e *run) store(ctx context.Context, o *config.OptOut, brands []string) {
	location := o.Store.Location
	if !e.identify(ctx) && e.skip(OptOut, location, Identity, "") {
		return
	}
	key, ok := e.value(OptOut, location, o.Key)
	switch {
	case !ok:
		return
	case len(key) < optout.MinKey:
		e.add(Error, OptOut, location, "the key is too short: expected at least 32 bytes", "Store a longer key: openssl rand -hex 32 | "+addVersion(o.Key.String())+" --data-file=-")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	store := optout.NewBucket(optout.BucketOptions{
		API: e.agents.Platform(), Endpoint: e.cfg.StorageEndpoint, Location: location, Now: time.Now,
		Key:       func(context.Context) ([]byte, error) { return key, nil },
		RereadKey: func(context.Context) error { return nil },
	})
	var err error
	for _, brand := range brands {
		if _, err = store.Find(ctx, brand, fictional); err != nil {
			break
		}
	}
	rejected, _ := errors.AsType[*google.APIError](err)
	var granted struct {
		Permissions []string `json:"permissions"`
	}
	if err == nil {
		name, _, _ := strings.Cut(strings.TrimPrefix(location, "gs://"), "/")
		err = e.agents.Platform().Call(ctx, http.MethodGet, cmp.Or(e.cfg.StorageEndpoint, "https://storage.googleapis.com")+
			"/storage/v1/b/"+name+"/iam/testPermissions?"+url.Values{"permissions": storePermissions}.Encode(), nil, &granted)
	}
	var missing []string
	for _, p := range storePermissions {
		if !slices.Contains(granted.Permissions, p) {
			missing = append(missing, p)
		}
	}
	denied := err == nil && len(missing) > 0 || rejected != nil && rejected.Code == http.StatusForbidden
	switch {
	case denied && e.usesOtherAccount():
		e.add(Warning, OptOut, location, e.accountName()+" may not use the store; not checked: whether the function may", e.impersonate())
	case err != nil:
		detail, fix, _ := strings.Cut(strings.TrimPrefix(err.Error(), "opt-outs in "+location+": "), "; ")
		next := response.StoreAdvice(err, location)
		for i := range next {
			next[i] = strings.ReplaceAll(next[i], "SERVICE_ACCOUNT", e.functionAccount())
		}
		switch {
		case next != nil:
		case fix != "":
			next = []string{strings.ToUpper(fix[:1]) + fix[1:]}
		default:
			next = []string{"Check that this machine can connect to Cloud Storage, and try again later"}
		}
		e.add(Error, OptOut, location, detail, next...)
	case denied:
		e.add(Error, OptOut, location, e.accountName()+" lacks "+strings.Join(missing, ", "),
			strings.ReplaceAll(response.StoreAdvice(&google.APIError{Code: http.StatusForbidden, Status: "PERMISSION_DENIED"}, location)[0], "SERVICE_ACCOUNT", e.functionAccount()))
	default:
		e.add(OK, OptOut, location, "the key names its objects, and "+e.accountName()+" may change them")
	}
}

// functionAccount returns the service account of the function, or a placeholder.
func (e *run) functionAccount() string {
	return cmp.Or(e.Service.Account, e.identity.Account, "SERVICE_ACCOUNT")
}

// lookup asks a store that is a program of the operator about a number that is not in service.
func (e *run) lookup(ctx context.Context, subject string, c *config.Target) {
	t, invalid := e.openTarget(c, false)
	for _, p := range invalid {
		e.add(Error, OptOut, subject, p.String(), e.fixFile(cmp.Or(e.cfg.File.Literal(), "rcshook.yaml")))
	}
	if len(invalid) > 0 {
		return
	}
	for _, s := range c.Secrets() {
		if s.IsResource() && e.skip(OptOut, subject, Secret, s.String()) {
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, optout.CheckTimeout)
	defer cancel()
	brand := strings.TrimPrefix(subject, "brand ")
	const form = `The program gets {"phone": "...", "brand": "..."}, and has to respond {"opted_out": true} or {"opted_out": false} within a second`
	switch optedOut, err := optout.Ask(ctx, t.Ask, fictional, brand, time.Now()); {
	case err != nil:
		e.add(Error, OptOut, subject, cmp.Or(errors.Unwrap(err), err).Error(), form)
	case optedOut:
		e.add(Warning, OptOut, subject, "the store reports that a number that is not in service opted out", "Check that the program does not report this of every number")
	default:
		e.add(OK, OptOut, subject, "the store responds within a second")
	}
}
