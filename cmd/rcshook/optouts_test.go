package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	storeKey      = inProject + "opt-out-key"
	storeBucket   = "harborline-rcs"
	storeLocation = "gs://" + storeBucket + "/rcs-opt-outs"
	oldStoreKey   = "0123456789abcdef0123456789abcdef"
	newStoreKey   = "fedcba9876543210fedcba9876543210"
)

// newStoreSetup returns a setup with an empty bucket, and a key without a version.
func newStoreSetup(t *testing.T) *setup {
	t.Helper()
	c := newSetup(t, platform.New(new(rbmtest.Simulator)))
	c.sim.Storage.AddBucket(storeBucket)
	c.file = ""
	delete(c.env, "RCSHOOK_CONFIG")
	c.env["RCSHOOK_OPT_OUT_STORE"], c.env["RCSHOOK_OPT_OUT_KEY"], c.env["RCSHOOK_STORAGE_ENDPOINT"] = "gs://"+storeBucket, storeKey, c.url
	return c
}

// initStore stores a key and prepares the bucket.
func (c *setup) initStore() {
	c.t.Helper()
	c.sim.Secrets.AddVersion(storeKey, []byte(oldStoreKey))
	c.must("optouts", "init")
}

// twoBrands sets a file with a second brand, and its own prefix.
func (c *setup) twoBrands() {
	c.env["RCSHOOK_CONFIG"] = filepath.Join(c.dir, "rcshook.yaml")
	c.file = "agents:\n  care: {id: " + idSecret + ", credentials: " + keySecret + "}\n" +
		"brands:\n  ferries: {agents: [care], opt_out: {store: gs://" + storeBucket + "/ferries, key: " + storeKey + "}}\n"
}

// must runs a command that succeeds, and returns its output.
func (c *setup) must(args ...string) string {
	c.t.Helper()
	code, text := c.run(args...)
	if code != 0 {
		c.t.Fatalf("%q: exit code %d\n%s", args, code, text)
	}
	return text
}

var timestamp = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

func TestOptouts(t *testing.T) {
	const (
		ready = "gs://harborline-rcs/rcs-opt-outs is ready for the brand default\n"
		next  = "Next: rcshook doctor checks that the function can use it, and rcshook optouts import reads an existing list.\n"
	)
	for _, test := range []struct {
		name   string
		before func(*setup)
		args   []string
		code   int
		want   string
	}{
		{
			name: "init-creates-key", args: []string{"init"},
			want: "created the key in projects/rcshook-dev/secrets/opt-out-key\n" +
				"  Let the function read it: gcloud secrets add-iam-policy-binding opt-out-key --project=rcshook-dev --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor\n" +
				ready + next,
		},
		{name: "init-again", before: (*setup).initStore, args: []string{"init"}, want: ready + next},
		{
			name: "init-two-brands", before: func(c *setup) { c.initStore(); c.twoBrands() }, args: []string{"init"},
			want: ready + "gs://harborline-rcs/ferries is ready for the brand ferries\n" + next,
		},
		{
			name: "init-shared-store", before: func(c *setup) {
				c.initStore()
				c.twoBrands()
				c.file = strings.Replace(c.file, ", opt_out: {store: gs://"+storeBucket+"/ferries, key: "+storeKey+"}", "", 1)
			}, args: []string{"init"},
			want: "gs://harborline-rcs/rcs-opt-outs is ready for the brands default, ferries\n" + next,
		},
		{
			name: "init-renamed-brand", before: func(c *setup) {
				c.initStore()
				c.twoBrands()
				c.file = strings.Replace(c.file, "agents: [care], opt_out: {store: gs://"+storeBucket+"/ferries, key: "+storeKey+"}", "agents: [care, default]", 1)
			}, args: []string{"init"},
			want: "gs://harborline-rcs/rcs-opt-outs is ready for the brand ferries\n" +
				"  It also has opt-outs of the brand default, without agents in the settings. If a brand has a new name, export its opt-outs with the former settings, and import them.\n" + next,
		},
		{
			name: "init-no-bucket", code: 1, args: []string{"init"},
			before: func(c *setup) {
				c.initStore()
				c.env["RCSHOOK_OPT_OUT_STORE"] = "gs://other-rcs/sms"
			},
			want: "rcshook: opt-outs in gs://other-rcs/sms: HTTP 404 notFound; " +
				"create the bucket, or correct store: gcloud storage buckets create gs://other-rcs --project=PROJECT --location=LOCATION --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=7d; " +
				"Grant the service account of the function access: gcloud storage buckets add-iam-policy-binding gs://other-rcs --member=serviceAccount:SERVICE_ACCOUNT --role=roles/storage.objectUser\n",
		},
		{
			name: "init-denied", code: 1, args: []string{"init"},
			before: func(c *setup) {
				c.sim.Secrets.AddVersion(storeKey, []byte(oldStoreKey))
				c.sim.Fail(rbmtest.Failure{Method: "storage", Status: 403, Message: "denied"})
			},
			want: "rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: HTTP 403 PERMISSION_DENIED; grant the account that runs this command access: gcloud storage buckets add-iam-policy-binding gs://harborline-rcs --member=user:YOUR_EMAIL --role=roles/storage.objectUser\n",
		},
		{
			name: "init-other-key", code: 1, args: []string{"init"},
			before: func(c *setup) { c.initStore(); c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey)) },
			want:   "rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: the key is not the one that names the objects; rename the objects, with the same -env: rcshook optouts rekey\n",
		},
		{
			name: "init-short-key", code: 1, args: []string{"init"},
			before: func(c *setup) { c.sim.Secrets.AddVersion(storeKey, []byte("sesame")) },
			want:   "rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: key: expected at least 32 bytes\n",
		},
		{name: "list-before-init", code: 1, args: []string{"list"}, want: "rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: key: projects/rcshook-dev/secrets/opt-out-key/versions/latest: not found: not_found; create it: rcshook optouts init\n"},
		{
			name: "list-no-object", code: 1, args: []string{"list"},
			before: func(c *setup) { c.sim.Secrets.AddVersion(storeKey, []byte(oldStoreKey)) },
			want:   "rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: the object _key is missing; prepare the bucket, with the same -env: rcshook optouts init\n",
		},
		{name: "list-empty", before: (*setup).initStore, args: []string{"list"}, want: "The store has no such records.\n"},
		{
			name: "list", args: []string{"list", "-brand", "default"},
			before: func(c *setup) {
				c.initStore()
				c.must("optouts", "add", testNumber, "+12025550124")
				c.must("optouts", "remove", "+12025550124")
			},
			want: "BRAND    PHONE             STATE      SINCE                 VIA\n" +
				"default  +12025550123      opted_out  TIME  operator\n",
		},
		{
			name: "add", before: (*setup).initStore, args: []string{"add", "(202) 555-0123", "-country", "us", "+12025550124"},
			want: "+12025550123: opted_out since TIME for the brand default\n+12025550124: opted_out since TIME for the brand default\n",
		},
		{
			name: "add-country-of-settings", args: []string{"add", "2025550123"},
			before: func(c *setup) { c.initStore(); c.env["RCSHOOK_COUNTRY"] = "US" },
			want:   "+12025550123: opted_out since TIME for the brand default\n",
		},
		{
			name: "add-invalid", code: 1, before: (*setup).initStore, args: []string{"add", testNumber, "202555", "Ada"},
			want: "rcshook: nothing was stored:\n" +
				"  number 2: missing country; write the number with + and the country code, or set -country\n" +
				"  number 3: not a phone number: it contains letters\n",
		},
		{
			name: "add-without-brand", code: 1, args: []string{"add", testNumber},
			before: func(c *setup) { c.initStore(); c.twoBrands() },
			want:   "rcshook: -brand is missing; the brands are default, ferries\n",
		},
		{
			name: "add-unknown-brand", code: 1, args: []string{"add", testNumber, "-brand", "ferry"},
			before: func(c *setup) { c.initStore(); c.twoBrands() },
			want:   "rcshook: brand \"ferry\" is not configured; the brands are default, ferries\n",
		},
		{
			name: "add-to-brand", args: []string{"add", testNumber, "-brand", "ferries"},
			before: func(c *setup) { c.initStore(); c.twoBrands(); c.must("optouts", "init") },
			want:   "+12025550123: opted_out since TIME for the brand ferries\n",
		},
		{
			name: "remove", args: []string{"remove", testNumber},
			before: func(c *setup) { c.initStore(); c.must("optouts", "add", testNumber) },
			want:   "+12025550123: opted_in since TIME for the brand default\n",
		},
		{
			name: "no-store", code: 1, args: []string{"list"},
			before: func(c *setup) { delete(c.env, "RCSHOOK_OPT_OUT_STORE"); delete(c.env, "RCSHOOK_OPT_OUT_KEY") },
			want:   "rcshook: no brand has a store: set RCSHOOK_OPT_OUT_STORE and RCSHOOK_OPT_OUT_KEY, or store and key below opt_out\n",
		},
		{
			name: "store-of-your-own", code: 1, args: []string{"list"},
			before: func(c *setup) {
				delete(c.env, "RCSHOOK_OPT_OUT_STORE")
				delete(c.env, "RCSHOOK_OPT_OUT_KEY")
				c.env["RCSHOOK_CONFIG"] = filepath.Join(c.dir, "rcshook.yaml")
				c.file = "opt_out: {store: {url: https://crm.example.com/out, secret: " + crmSecret + "}}\n"
			},
			want: "rcshook: the store is a program of your own, which the function asks; change opt-outs there\n",
		},
		{
			name: "rekey", args: []string{"rekey"},
			before: func(c *setup) {
				c.initStore()
				c.must("optouts", "add", testNumber, "+12025550124")
				c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey))
			},
			want: "Renaming the objects in gs://harborline-rcs/rcs-opt-outs from version 1 of projects/rcshook-dev/secrets/opt-out-key to version 2. " +
				"Until it has finished, messages of blocked types are refused with opt_out_unavailable.\n" +
				"renamed 2 objects in gs://harborline-rcs/rcs-opt-outs\n",
		},
		{
			name: "rekey-one-version", code: 1, before: (*setup).initStore, args: []string{"rekey"},
			want: "rcshook: projects/rcshook-dev/secrets/opt-out-key has no older version; add the new key: openssl rand -hex 32 | gcloud secrets versions add opt-out-key --project=rcshook-dev --data-file=-\n",
		},
		{
			name: "rekey-from", args: []string{"rekey", "-from", "1"},
			before: func(c *setup) {
				c.initStore()
				c.sim.Secrets.AddVersion(storeKey, []byte("another key of at least 32 bytes"))
				c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey))
			},
			want: "Renaming the objects in gs://harborline-rcs/rcs-opt-outs from version 1 of projects/rcshook-dev/secrets/opt-out-key to version 3. " +
				"Until it has finished, messages of blocked types are refused with opt_out_unavailable.\n" +
				"renamed 0 objects in gs://harborline-rcs/rcs-opt-outs\n",
		},
		{
			name: "rekey-other-versions", code: 1, args: []string{"rekey"},
			before: func(c *setup) {
				c.initStore()
				c.sim.Secrets.AddVersion(storeKey, []byte("another key of at least 32 bytes"))
				c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey))
			},
			want: "Renaming the objects in gs://harborline-rcs/rcs-opt-outs from version 2 of projects/rcshook-dev/secrets/opt-out-key to version 3. " +
				"Until it has finished, messages of blocked types are refused with opt_out_unavailable.\n" +
				"rcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: neither version 2 nor version 3 names the objects; set -from to the version that does\n",
		},
		{
			name: "rekey-destroyed", code: 1, args: []string{"rekey"},
			before: func(c *setup) {
				c.initStore()
				c.sim.Secrets.Destroy(storeKey + "/versions/1")
				c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey))
			},
			want: "rcshook: the old key: projects/rcshook-dev/secrets/opt-out-key/versions/1: invalid: version_destroyed: HTTP 400 FAILED_PRECONDITION: Secret Version [projects/173695109774/secrets/opt-out-key/versions/1] is in DESTROYED state.; enable version 1, or set -from to the version of the old key\n",
		},
		{
			name: "rekey-literal", code: 1, args: []string{"rekey"},
			before: func(c *setup) { c.env["RCSHOOK_OPT_OUT_KEY"] = oldStoreKey },
			want:   "rcshook: the settings contain the key itself; store the old key and the new one as versions of a secret, and set the key to its name\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			rekeyPause = 0
			c := newStoreSetup(t)
			if test.before != nil {
				test.before(c)
			}
			code, text := c.run(append([]string{"optouts"}, test.args...)...)
			text = timestamp.ReplaceAllString(text, "TIME")
			if diff := cmp.Diff(test.want, text); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if strings.Contains(text, oldStoreKey) || strings.Contains(text, newStoreKey) || code != 0 && strings.Contains(text, testNumber) {
				t.Error("the output contains a key, or an error a number")
			}
		})
	}
}

// TestOptouts_rekey tests that a store works with the new key only after rekey.
func TestOptouts_rekey(t *testing.T) {
	rekeyPause = 0
	c := newStoreSetup(t)
	c.initStore()
	c.must("optouts", "add", testNumber)
	before := c.must("optouts", "export")
	c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey))
	if code, text := c.run("optouts", "export"); code != 1 || !strings.Contains(text, "the key is not the one that names the objects") {
		t.Errorf("exit code %d, %s, want 1 and an error of the key", code, text)
	}
	c.must("optouts", "rekey")
	c.must("optouts", "rekey")
	if diff := cmp.Diff(before, c.must("optouts", "export")); diff != "" {
		t.Errorf("export (-before +after):\n%s", diff)
	}
}

// TestOptouts_usage tests errors in the command line.
func TestOptouts_usage(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "expected init, list, add, remove, import, export or rekey"},
		{"lsit", "expected init, list, add, remove, import, export or rekey"},
		{"list x", "list: expected no arguments, got 1"},
		{"add", "add: expected phone numbers, such as +12025550123"},
		{"import a.csv b.csv", "import: expected one file, got 2"},
		{"add +12025550123 -dry-run", "-dry-run is not for add"},
		{"import a.csv -country Atlantis", "-country: expected a country code, such as US"},
	} {
		var errs bytes.Buffer
		code := run(t.Context(), append([]string{"optouts"}, strings.Fields(test.args)...), stdio{strings.NewReader(""), &errs, &errs})
		if want := "rcshook: " + test.want + "\nRun rcshook help optouts for usage.\n"; code != 2 || errs.String() != want {
			t.Errorf("%q: exit code %d, %q, want 2 and %q", test.args, code, errs.String(), want)
		}
	}
}

// TestOptouts_import tests files of other providers.
func TestOptouts_import(t *testing.T) {
	const header = "brand,phone,state,since,at,via,keyword,agent,event_id\n"
	for _, test := range []struct {
		name, file string
		brands     bool
		args       []string
		code       int
		want       string
		export     string // with -all, without the header
	}{
		{
			name: "numbers", file: "Phone Number\n+12025550123\n+12025550124\n",
			want:   "list.csv: 2 rows, 2 opted out, 0 opted in\n2 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "default,+12025550123,opted_out,NOW,NOW,import,,,\ndefault,+12025550124,opted_out,NOW,NOW,import,,,\n",
		},
		{
			name: "dates-and-states",
			file: "\ufeffMSISDN;Status;Unsubscribed At\r\n'+12025550123;unsubscribed;31.12.2025 23:59\r\n\"=\"\"+12025550124\"\"\";START;2026-01-02T03:04:05.5+01:00\r\n" +
				"+12025550125;STOP;1767323045\r\n+12025550126;Blocked;Fri, 02 Jan 2026 03:04:05 -0500\r\n+12025550127;opted_out;2026-01-02\r\n+12025550128;opted out;\r\n",
			want: "list.csv: 6 rows, 5 opted out, 1 opted in\n6 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "default,+12025550123,opted_out,2025-12-31T23:59:00Z,2025-12-31T23:59:00Z,import,,,\n" +
				"default,+12025550124,opted_in,2026-01-02T02:04:05.5Z,2026-01-02T02:04:05.5Z,import,,,\n" +
				"default,+12025550125,opted_out,2026-01-02T03:04:05Z,2026-01-02T03:04:05Z,import,,,\n" +
				"default,+12025550126,opted_out,2026-01-02T08:04:05Z,2026-01-02T08:04:05Z,import,,,\n" +
				"default,+12025550127,opted_out,2026-01-02T23:59:59.999999Z,2026-01-02T23:59:59.999999Z,import,,,\n" +
				"default,+12025550128,opted_out,NOW,NOW,import,,,\n",
		},
		{
			name: "booleans", file: "phone,opted_out\n+12025550123,TRUE\n+12025550124,false\n",
			want:   "list.csv: 2 rows, 1 opted out, 1 opted in\n2 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "default,+12025550123,opted_out,NOW,NOW,import,,,\ndefault,+12025550124,opted_in,NOW,NOW,import,,,\n",
		},
		{
			name: "dry-run", file: "phone\n+12025550123\n", args: []string{"-dry-run"},
			want: "list.csv: 1 row, 1 opted out, 0 opted in\nNothing was stored.\n",
		},
		{
			name: "errors", code: 1,
			file: "phone,state,date\n+12025550123,opted_out,03/04/2026\n2025550124,opted_out,2026-01-02\n+12025550125,cleaned,2099-01-02\n+12025550126,,soon\n+12025550127,STOP,2026-01-02,more\n",
			want: "rcshook: nothing was stored, because list.csv has errors in 5 rows; fix them and run the command again:\n" +
				"  row 2: date: the date is ambiguous: the month and the day may be in either order; write it as 2026-12-31\n" +
				"  row 3: phone: missing country; write the number with + and the country code, or set -country\n" +
				"  row 4: state: expected a state such as opted_out, unsubscribed, STOP or blocked, or opted_in, subscribed or START; if the column is something else, rename it\n" +
				"  row 4: date: the date is in the future\n" +
				"  row 5: state: expected a state such as opted_out, unsubscribed, STOP or blocked, or opted_in, subscribed or START; if the column is something else, rename it\n" +
				"  row 5: date: expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z\n" +
				"  row 6: more cells than columns\n",
		},
		{
			name: "log-of-messages", file: "From,To,Body\n+12025550123,+12025550100,STOP\n", code: 1,
			want: "rcshook: list.csv:\n  the columns \"From\" and \"To\" may both be the number; choose one with -column\n",
		},
		{
			name: "column", file: "From,To,Body\n+12025550123,+12025550100,STOP\n", args: []string{"-column", "from"},
			want:   "list.csv: 1 row, 1 opted out, 0 opted in\n1 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "default,+12025550123,opted_out,NOW,NOW,import,,,\n",
		},
		{
			name: "no-number", file: "name,email\nAda,ada@example.com\n", code: 1,
			want: "rcshook: list.csv:\n  no column is named phone, number or the like; choose one with -column; the columns are name, email\n",
		},
		{
			name: "columns", file: "phone,mobile,state,status\n1,2,3,4\n", code: 1, brands: true,
			want: "rcshook: list.csv:\n" +
				"  the columns \"phone\" and \"mobile\" may both be the number; choose one with -column\n" +
				"  the columns \"state\" and \"status\" may both be the state; rename the other one\n" +
				"  -brand is missing; the brands are default, ferries\n",
		},
		{
			name: "brands", file: "phone,brand\n+12025550123,ferries\n+12025550123,default\n", brands: true,
			want:   "list.csv: 2 rows, 2 opted out, 0 opted in\n2 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "default,+12025550123,opted_out,NOW,NOW,import,,,\nferries,+12025550123,opted_out,NOW,NOW,import,,,\n",
		},
		{
			name: "unknown-brand", file: "phone,brand\n+12025550123,Harborline\n", brands: true, code: 1,
			want: "rcshook: nothing was stored, because list.csv has errors in 1 row; fix them and run the command again:\n" +
				"  row 2: brand: unknown brand; the brands with a store are default, ferries; -brand selects one for all rows\n",
		},
		{
			name: "brand-for-all", file: "phone,brand\n+12025550123,Harborline\n", brands: true, args: []string{"-brand", "ferries"},
			want:   "list.csv: 1 row, 1 opted out, 0 opted in\n1 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n",
			export: "ferries,+12025550123,opted_out,NOW,NOW,import,,,\n",
		},
		{
			name: "workbook", file: "PK\x03\x04", code: 1,
			want: "rcshook: list.csv: is an Excel workbook or another zip archive; save the sheet as \"CSV UTF-8\"\n",
		},
		{name: "empty", file: "phone\n", code: 1, want: "rcshook: list.csv has no rows below the column names\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newStoreSetup(t)
			c.initStore()
			if test.brands {
				c.twoBrands()
				c.must("optouts", "init")
			}
			t.Chdir(c.dir)
			c.write("list.csv", test.file)
			start := time.Now()
			code, text := c.run(append([]string{"optouts", "import", "list.csv"}, test.args...)...)
			if diff := cmp.Diff(test.want, text); diff != "" || code != test.code {
				t.Errorf("exit code %d, want %d; output (-want +got):\n%s", code, test.code, diff)
			}
			got := timestamp.ReplaceAllStringFunc(c.must("optouts", "export", "-all"), func(text string) string {
				if at, err := time.Parse(time.RFC3339Nano, text); err != nil || at.Before(start.Truncate(time.Microsecond)) {
					return text
				}
				return "NOW"
			})
			if diff := cmp.Diff(header+test.export, sortLines(got)); diff != "" {
				t.Errorf("export (-want +got):\n%s", diff)
			}
		})
	}
}

// sortLines sorts the lines after the first.
func sortLines(text string) string {
	head, rest, _ := strings.Cut(text, "\n")
	lines := strings.SplitAfter(rest, "\n")
	slices.Sort(lines)
	return head + "\n" + strings.Join(lines, "")
}

// TestOptouts_exportImport tests that an export is imported without a loss.
func TestOptouts_exportImport(t *testing.T) {
	const export = "brand,phone,state,since,at,via,keyword,agent,event_id\n" +
		"default,+12025550123,opted_out,2026-01-02T03:04:05.123456Z,2026-01-03T03:04:05.5Z,text,'=STOP,care,evt_1\n" +
		"default,+12025550124,opted_in,2026-01-02T03:04:05Z,2026-01-02T03:04:05Z,button,START,default,evt_2\n"
	c := newStoreSetup(t)
	c.initStore()
	t.Chdir(c.dir)
	c.write("export.csv", export)
	const stored = "export.csv: 2 rows, 1 opted out, 1 opted in\n2 stored, 0 skipped because the store has a newer signal, 0 duplicates in the file\n"
	for range 2 { // it can be repeated
		if diff := cmp.Diff(stored, c.must("optouts", "import", "export.csv")); diff != "" {
			t.Errorf("import (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(export, sortLines(c.must("optouts", "export", "-all"))); diff != "" {
		t.Errorf("export (-want +got):\n%s", diff)
	}
	c.write("older.csv", "phone,state,date\n+12025550123,opted_in,2026-01-02\n+12025550123,opted_in,2026-01-02\n")
	if got, want := c.must("optouts", "import", "older.csv"), "older.csv: 2 rows, 0 opted out, 2 opted in\n0 stored, 2 skipped because the store has a newer signal, 1 duplicate in the file\n"; got != want {
		t.Errorf("import of an older signal: %q, want %q", got, want)
	}
	c.write("both.csv", "phone,state,date\n+12025550125,opted_out,2026-01-02T03:00:00Z\n+1 202 555 0125,opted_in,2026-01-02T02:00:00Z\n+12025550126,in,2026-01-02\n")
	c.must("optouts", "import", "both.csv")
	const both = export + "default,+12025550125,opted_out,2026-01-02T03:00:00Z,2026-01-02T03:00:00Z,import,,,\n" +
		"default,+12025550126,opted_in,2026-01-02T00:00:00Z,2026-01-02T00:00:00Z,import,,,\n"
	if diff := cmp.Diff(both, sortLines(c.must("optouts", "export", "-all"))); diff != "" {
		t.Errorf("export after both signals (-want +got):\n%s", diff)
	}
}

// TestReadTime tests dates as other providers write them.
func TestReadTime(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	const ambiguous = "the date is ambiguous: the month and the day may be in either order; write it as 2026-12-31"
	for text, want := range map[string]string{
		"":                             "2026-06-01T12:00:00Z",
		"2026-03-04T05:06:07Z":         "2026-03-04T05:06:07Z",
		"2026-03-04t05:06:07.25+02:00": "2026-03-04T03:06:07.25Z",
		"2026-03-04 05:06:07 UTC":      "2026-03-04T05:06:07Z",
		"2026-03-04 05:06":             "2026-03-04T05:06:00Z",
		"13/04/2026 5:06 PM":           "2026-04-13T17:06:00Z",
		"4/13/2026, 5:06:07 am":        "2026-04-13T05:06:07Z",
		"04/04/2026 05:06":             "2026-04-04T05:06:00Z",
		"13.4.2026 05:06:07 +0200":     "2026-04-13T03:06:07Z",
		"Mar 4, 2026 05:06":            "2026-03-04T05:06:00Z",
		"Wed, 4 Mar 2026 05:06:07 GMT": "2026-03-04T05:06:07Z",
		"1772600767":                   "2026-03-04T05:06:07Z",
		"1772600767000":                "2026-03-04T05:06:07Z",
		"2026-06-01":                   "2026-06-01T12:00:00Z", // its end is later
		"2026-05-31":                   "2026-05-31T23:59:59.999999Z",
		"2026-06-02T11:00:00":          "2026-06-01T12:00:00Z", // of a zone in the east
		"2026-06-03T00:00:00Z":         "the date is in the future",
		"03/04/2026":                   ambiguous,
		"03-04-2026 05:06":             ambiguous,
		"2026-13-04":                   "expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z",
		"46023":                        "expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z",
		"2026-03-04 05:06:07 EST":      "expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z",
		"yesterday":                    "expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z",
	} {
		at, err := readTime(text, "opted_out", now)
		got := at.UTC().Format(time.RFC3339Nano)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if at, err := readTime("2026-05-31", "opted_in", now); err != nil || at.Hour() != 0 {
		t.Errorf("a day of an opt-in: %v, %v, want its start", at, err)
	}
}

// TestOptouts_interrupted tests that an import continues after an error of the store.
func TestOptouts_interrupted(t *testing.T) {
	c := newStoreSetup(t)
	c.initStore()
	t.Chdir(c.dir)
	var list strings.Builder
	list.WriteString("phone,date\n")
	for i := range 100 {
		fmt.Fprintf(&list, "+1202555%04d,2026-01-02\n", 100+i)
	}
	c.write("list.csv", list.String())
	target, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int64
	next := httputil.NewSingleHostReverseProxy(target)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && writes.Add(1) > 30 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	}))
	defer store.Close()
	c.env["RCSHOOK_STORAGE_ENDPOINT"] = store.URL
	code, text := c.run("optouts", "import", "list.csv")
	if want := regexp.MustCompile(`^list.csv: .*\nrcshook: opt-outs in gs://harborline-rcs/rcs-opt-outs: HTTP 400.*; [1-9]\d? of 100 rows are stored, and the same command continues\n$`); code != 1 || !want.MatchString(text) {
		t.Errorf("exit code %d, %q, want 1 and %s", code, text, want)
	}
	c.env["RCSHOOK_STORAGE_ENDPOINT"] = c.url
	c.must("optouts", "import", "list.csv")
	if n := strings.Count(c.must("optouts", "export"), "opted_out"); n != 100 {
		t.Errorf("%d people opted out, want 100", n)
	}
}

// TestBulk_optedOut tests a campaign with more people who opted out, one after the other,
// than failures that end a run.
func TestBulk_optedOut(t *testing.T) {
	c := newStoreSetup(t)
	c.initStore()
	c.sim.Secrets.AddVersion(apiSecret, []byte(devKey))
	list := "phone\n"
	for i := range 30 {
		list += fmt.Sprintf("+1202555%04d\n", 110+i)
	}
	t.Chdir(c.dir)
	c.write("list.csv", list)
	c.write("recipients.csv", "to\n"+strings.TrimPrefix(list, "phone\n")+"+12025550140\n")
	c.write("message.json", `{"text": "Hi"}`)
	c.must("optouts", "import", "list.csv")
	var environ []string
	for name, value := range c.env {
		environ = append(environ, name+"="+value)
	}
	h, err := server.New(t.Context(), server.Options{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	function := httptest.NewServer(h)
	defer function.Close()
	args := []string{"bulk", "recipients.csv", "-message", "message.json", "-campaign", "c", "-url", function.URL, "-key", devKey}
	var out bytes.Buffer
	code := run(t.Context(), args, stdio{nil, &out, &out})
	for _, want := range []string{"\nsent        1 (1 accepted)\n", "\nopted_out   30 (30 recipient_opted_out)\n", "\n31 rows in "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not contain %q:\n%s", want, &out)
		}
	}
	if n := len(c.sim.Messages()); code != 0 || n != 1 {
		t.Errorf("exit code %d, %d messages, want 0 and 1", code, n)
	}
	out.Reset()
	run(t.Context(), args, stdio{nil, &out, &out})
	results, err := os.ReadFile("c.results.csv")
	if err != nil || strings.Count(string(results), ",opted_out,recipient_opted_out,") != 30 || !strings.Contains(out.String(), "Every valid row is done") {
		t.Errorf("%v, the second run:\n%s\n%s", err, &out, results)
	}
}
