package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

var optoutsCommand = command{
	name:    "optouts",
	summary: "show and change who opted out of messages",
	help: `Usage:

	rcshook optouts init [-env FILE] [-config rcshook.yaml]
	rcshook optouts list|export [-brand NAME] [-all]
	rcshook optouts add|remove NUMBER... [-brand NAME] [-country US]
	rcshook optouts import FILE [-brand NAME] [-country US] [-column NAME] [-dry-run]
	rcshook optouts rekey [-brand NAME] [-from VERSION]

Works on the stores in buckets that the settings of a function name. It uses the
credentials of the person who runs it: gcloud auth application-default login.

init creates the key of each store if its secret is empty or missing, and prepares the
bucket. Run it again at any time. list prints the people who opted out, and export
writes them as CSV. Both contain numbers. add and remove store that people opted out,
or back in, now. import reads the CSV of another provider, or of export: a column with
the number, and columns with the date and the state if there are any. It checks all
rows before it stores the first, and the newest signal of a person decides. Run it
again after an interruption. rekey renames the objects after the secret of the key got
a new version.

	-brand NAME
		only this brand; add, remove and import need it if there are several, unless
		the file has a column named brand
	-all
		also list or export the people who opted back in
	-country US
		the country of national numbers; the default is that of the settings
	-column NAME
		the column with the number
	-dry-run
		check the file, and store nothing
	-from VERSION
		the version of the old key; the default is the one before the newest
	-env FILE, -config rcshook.yaml
		the settings, as for rcshook doctor

FILE may be - for standard input.
`,
	run: runOptouts,
}

// rekeyPause is short in tests.
var rekeyPause = optout.RekeyPause

// optoutsRun is one run of the command.
type optoutsRun struct {
	settingsFlags
	brand, country, column, from string
	all, dryRun                  bool
	args                         []string

	std     stdio
	account string // service account of the function, if it is known
	cfg     config.Config
	agents  *agent.Directory
	stores  []*optoutStore
}

// optoutStore is a bucket with the brands that use it.
type optoutStore struct {
	*optout.Bucket
	location string
	key      config.Secret
	brands   []string
}

// optoutActions are the actions by name, with the flags and the arguments of each.
var optoutActions = map[string]struct {
	run   func(*optoutsRun, context.Context) error
	flags string
	args  string
}{
	"init":   {(*optoutsRun).init, "", ""},
	"list":   {(*optoutsRun).list, "brand all", ""},
	"export": {(*optoutsRun).export, "brand all", ""},
	"add":    {(*optoutsRun).add, "brand country", "NUMBER"},
	"remove": {(*optoutsRun).remove, "brand country", "NUMBER"},
	"import": {(*optoutsRun).importFile, "brand country column dry-run", "FILE"},
	"rekey":  {(*optoutsRun).rekey, "brand from", ""},
}

func runOptouts(ctx context.Context, args []string, std stdio) error {
	o := &optoutsRun{std: std}
	flags := newFlags("optouts")
	o.flags(flags)
	flags.StringVar(&o.brand, "brand", "", "")
	flags.StringVar(&o.country, "country", "", "")
	flags.StringVar(&o.column, "column", "", "")
	flags.StringVar(&o.from, "from", "", "")
	flags.BoolVar(&o.all, "all", false, "")
	flags.BoolVar(&o.dryRun, "dry-run", false, "")
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || optoutActions[rest[0]].run == nil {
		return usageError("expected init, list, add, remove, import, export or rekey")
	}
	name, action := rest[0], optoutActions[rest[0]]
	o.args = rest[1:]
	allowed := append(strings.Fields(action.flags), "env", "config")
	flags.Visit(func(f *flag.Flag) {
		if !slices.Contains(allowed, f.Name) {
			err = usageError("-" + f.Name + " is not for " + name)
		}
	})
	country, known := phonenumber.Country(o.country)
	switch {
	case err != nil:
		return err
	case action.args == "" && len(o.args) > 0:
		return usageError(name + ": expected no arguments, got " + strconv.Itoa(len(o.args)))
	case action.args == "NUMBER" && len(o.args) == 0:
		return usageError(name + ": expected phone numbers, such as +12025550123")
	case action.args == "FILE" && len(o.args) != 1:
		return usageError(name + ": expected one file, got " + strconv.Itoa(len(o.args)))
	case o.country != "" && !known:
		return usageError("-country: expected a country code, such as US")
	}
	o.country = country
	transport := rbm.NewTransport()
	defer transport.CloseIdleConnections()
	if o.cfg, o.account, err = o.load(ctx, std, transport); err != nil {
		return withAdvice(err)
	}
	o.country = cmp.Or(o.country, o.cfg.Country)
	o.agents = agent.New(o.cfg, agent.Options{Transport: transport})
	defer o.agents.Close()
	if err := o.open(); err != nil {
		return err
	}
	return action.run(o, ctx)
}

// open opens the stores in buckets: that of the brand, or all of them.
func (o *optoutsRun) open() error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(o.cfg.Brands)) {
		if len(o.cfg.Brands[name].Agents) > 0 { // all agents may be in other brands
			names = append(names, name)
		}
	}
	if o.brand != "" {
		if !slices.Contains(names, o.brand) {
			return fmt.Errorf("brand %q is not configured; the brands are %s", o.brand, strings.Join(names, ", "))
		}
		names = []string{o.brand}
	}
	lookups := 0
	for _, name := range names {
		settings := o.cfg.Brands[name].OptOut
		if settings.Store.Lookup != nil {
			lookups++
		}
		if settings.Store.Location == "" {
			continue
		}
		i := slices.IndexFunc(o.stores, func(s *optoutStore) bool { return s.location == settings.Store.Location && s.key == settings.Key })
		if i < 0 {
			i = len(o.stores)
			o.stores = append(o.stores, &optoutStore{location: settings.Store.Location, key: settings.Key, Bucket: optout.NewBucket(optout.BucketOptions{
				API: o.agents.Platform(), Endpoint: o.cfg.StorageEndpoint, Location: settings.Store.Location, Now: time.Now,
				Key:       func(ctx context.Context) ([]byte, error) { return o.agents.Secret(ctx, settings.Key) },
				RereadKey: func(ctx context.Context) error { return o.agents.Reread(ctx, settings.Key) },
			})})
		}
		o.stores[i].brands = append(o.stores[i].brands, name)
	}
	switch {
	case len(o.stores) > 0:
		return nil
	case lookups > 0:
		return errors.New("the store is a program of your own, which the function asks; change opt-outs there")
	default:
		return errors.New("no brand has a store: set RCSHOOK_OPT_OUT_STORE and RCSHOOK_OPT_OUT_KEY, or store and key below opt_out")
	}
}

// advise adds the next step to an error of a store.
func (o *optoutsRun) advise(s *optoutStore, err error) error {
	if err == nil {
		return nil
	}
	text, next := err.Error(), ""
	rejected, isSecret := errors.AsType[*google.SecretError](err)
	api, _ := errors.AsType[*google.APIError](err)
	switch {
	case isSecret && rejected.Reason == "not_found":
		next = "create it: rcshook optouts init"
	case isSecret:
		next = asCommand.Replace(response.SecretAdvice(rejected))
	default:
		next = strings.Join(response.StoreAdvice(err, s.location), "; ")
		if api != nil && api.Code == http.StatusForbidden {
			next = asCommand.Replace(next)
		} else if o.account != "" {
			next = strings.ReplaceAll(next, "SERVICE_ACCOUNT", o.account)
		}
		if next != "" {
			text, _, _ = strings.Cut(text, "; ") // without its own, shorter advice
		}
	}
	if next == "" {
		return err
	}
	return errors.New(text + "; " + strings.ToLower(next[:1]) + next[1:])
}

func (o *optoutsRun) init(ctx context.Context) error {
	for _, s := range o.stores {
		key := make([]byte, optout.MinKey)
		_, _ = rand.Read(key) // it never fails
		created, err := createSecret(ctx, o.agents, s.key, hex.EncodeToString(key), "the key", o.std.out)
		if err != nil {
			return withAdvice(err)
		}
		if created {
			parts := strings.Split(s.key.String(), "/")
			fmt.Fprintf(o.std.out, "  Let the function read it: gcloud secrets add-iam-policy-binding %s --project=%s --member=serviceAccount:%s --role=roles/secretmanager.secretAccessor\n",
				parts[3], parts[1], cmp.Or(o.account, "SERVICE_ACCOUNT"))
		}
		former, err := s.Brands(ctx)
		if err == nil {
			err = s.Init(ctx, s.brands...)
		}
		if err != nil {
			return o.advise(s, err)
		}
		fmt.Fprintf(o.std.out, "%s is ready for %s\n", s.location, listBrands(s.brands))
		without := func(names, others []string) []string {
			return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
		}
		if old := without(former, s.brands); len(old) > 0 && len(without(s.brands, former)) > 0 {
			fmt.Fprintf(o.std.out, "  It also has opt-outs of %s, without agents in the settings. If a brand has a new name, export its opt-outs with the former settings, and import them.\n", listBrands(old))
		}
	}
	fmt.Fprintln(o.std.out, "Next: rcshook doctor checks that the function can use it, and rcshook optouts import reads an existing list.")
	return nil
}

// listBrands returns the names of brands as text.
func listBrands(names []string) string {
	if len(names) == 1 {
		return "the brand " + names[0]
	}
	return "the brands " + strings.Join(names, ", ")
}

// records calls f for the records that the flags select.
func (o *optoutsRun) records(ctx context.Context, f func(optout.Record) error) error {
	for _, s := range o.stores {
		err := s.All(ctx, func(r optout.Record) error {
			if o.brand != "" && r.Brand != o.brand || !o.all && r.State != optout.OptedOut {
				return nil
			}
			return f(r)
		})
		if err != nil {
			return o.advise(s, err)
		}
	}
	return nil
}

func (o *optoutsRun) list(ctx context.Context) error {
	width := len("BRAND")
	for name := range o.cfg.Brands {
		width = max(width, len(name))
	}
	n := 0
	err := o.records(ctx, func(r optout.Record) error {
		const format = "%-*s  %-16s  %-9s  %-20s  %s\n"
		if n == 0 {
			fmt.Fprintf(o.std.out, format, width, "BRAND", "PHONE", "STATE", "SINCE", "VIA")
		}
		n++
		_, err := fmt.Fprintf(o.std.out, format, width, r.Brand, r.Phone, r.State, r.Since.UTC().Format(time.RFC3339), r.Via)
		return err
	})
	if err == nil && n == 0 {
		fmt.Fprintln(o.std.err, "The store has no such records.")
	}
	return err
}

// exportColumns are the columns of an export, as the fields of a record are named.
var exportColumns = []string{"brand", "phone", "state", "since", "at", "via", "keyword", "agent", "event_id"}

func (o *optoutsRun) export(ctx context.Context) error {
	w := csv.NewWriter(o.std.out)
	_ = w.Write(exportColumns) // Flush reports errors
	err := o.records(ctx, func(r optout.Record) error {
		return w.Write([]string{
			bulk.NoFormula(r.Brand), r.Phone, string(r.State), r.Since.UTC().Format(time.RFC3339Nano), r.At.UTC().Format(time.RFC3339Nano),
			bulk.NoFormula(r.Via), bulk.NoFormula(r.Keyword), bulk.NoFormula(r.Agent), bulk.NoFormula(r.EventID),
		})
	})
	w.Flush()
	return cmp.Or(err, w.Error())
}

func (o *optoutsRun) add(ctx context.Context) error    { return o.set(ctx, optout.OptedOut) }
func (o *optoutsRun) remove(ctx context.Context) error { return o.set(ctx, optout.OptedIn) }

// target returns the store of a brand; an empty name means the only one.
func (o *optoutsRun) target(brand string) (s *optoutStore, name string, err error) {
	var names []string
	for _, s := range o.stores {
		if slices.Contains(s.brands, brand) {
			return s, brand, nil
		}
		names = append(names, s.brands...)
	}
	slices.Sort(names)
	switch {
	case brand != "":
		return nil, "", fmt.Errorf("unknown brand; the brands with a store are %s; -brand selects one for all rows", strings.Join(names, ", "))
	case len(names) > 1:
		return nil, "", fmt.Errorf("-brand is missing; the brands are %s", strings.Join(names, ", "))
	}
	return o.stores[0], names[0], nil
}

// readNumber reads a number of a person.
func (o *optoutsRun) readNumber(text string) (string, error) {
	return phonenumber.Read(text, phonenumber.Options{Country: o.country, Countries: o.cfg.AllCountries()})
}

// set stores the state of the numbers in the arguments.
func (o *optoutsRun) set(ctx context.Context, state optout.State) error {
	s, brand, err := o.target(o.brand)
	if err != nil {
		return err
	}
	var phones, problems []string
	for i, text := range o.args {
		phone, err := o.readNumber(text)
		if err != nil {
			problems = append(problems, fmt.Sprintf("number %d: %s", i+1, countryFlag.Replace(err.Error())))
		}
		phones = append(phones, phone)
	}
	if len(problems) > 0 {
		return fmt.Errorf("nothing was stored:\n  %s", strings.Join(problems, "\n  "))
	}
	now := time.Now()
	for _, phone := range phones {
		stored, err := s.Apply(ctx, optout.Record{Brand: brand, Phone: phone, State: state, At: now, Via: "operator"})
		if err != nil {
			return o.advise(s, err)
		}
		fmt.Fprintf(o.std.out, "%s: %s since %s for the brand %s\n", phone, stored.State, stored.Since.UTC().Format(time.RFC3339), brand)
		if stored.State != state {
			return fmt.Errorf("a newer signal is stored, of %s; check the clock of this machine", stored.At.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// countryFlag names the flag in an error of a number.
var countryFlag = strings.NewReplacer("send country", "set -country")

func (o *optoutsRun) rekey(ctx context.Context) error {
	for _, s := range o.stores {
		current, err := o.agents.Inspect(ctx, s.key)
		switch {
		case err != nil:
			return o.advise(s, err)
		case !s.key.IsResource():
			return errors.New("the settings contain the key itself; store the old key and the new one as versions of a secret, and set the key to its name")
		}
		secret, _, _ := strings.Cut(s.key.String(), "/versions/")
		from := o.from
		if n, _ := strconv.Atoi(current.Version); from == "" && n > 1 {
			from = strconv.Itoa(n - 1)
		} else if from == "" {
			parts := strings.Split(secret, "/")
			return fmt.Errorf("%s has no older version; add the new key: openssl rand -hex 32 | gcloud secrets versions add %s --project=%s --data-file=-", secret, parts[3], parts[1])
		}
		old, err := o.agents.Inspect(ctx, config.Secret(secret+"/versions/"+from))
		if err != nil {
			return fmt.Errorf("the old key: %w; enable version %s, or set -from to the version of the old key", err, from)
		}
		fmt.Fprintf(o.std.out, "Renaming the objects in %s from version %s of %s to version %s. Until it has finished, messages of blocked types are refused with opt_out_unavailable.\n",
			s.location, old.Version, secret, current.Version)
		n, err := s.Rekey(ctx, old.Value, current.Value, rekeyPause)
		switch {
		case errors.Is(err, optout.ErrKey):
			return fmt.Errorf("opt-outs in %s: neither version %s nor version %s names the objects; set -from to the version that does", s.location, old.Version, current.Version)
		case ctx.Err() != nil:
			return errors.New("interrupted; run the same command again to continue")
		case err != nil:
			return fmt.Errorf("%w; run the same command again to continue", o.advise(s, err))
		}
		fmt.Fprintf(o.std.out, "renamed %s in %s\n", count(n, "object"), s.location)
	}
	return nil
}
