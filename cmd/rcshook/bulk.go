package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	sending "github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

var bulkCommand = command{
	name:    "bulk",
	summary: "send a message to every row of a CSV file, once",
	help: `Usage:

	rcshook bulk recipients.csv -message message.json -campaign NAME [-dry-run] [FLAGS]

Sends a message to every row of a CSV file. The first row names the columns: a column
is a field of the payload, such as to, or fills a placeholder of the message, such as
{{name}}, or {{name|there}} with a text for empty cells. Every row is checked before
the first is sent. The result of each goes to a results file; after Ctrl-C, a crash or
a fixed error, the same command continues from there.

	-message FILE
		the message: a payload in JSON
	-campaign NAME
		within a campaign, each row gets one message, however often it is sent
	-dry-run
		check all rows, print how they would be billed, and send nothing
	-skip-faulty
		skip the rows that have errors, and send the others
	-reachable
		first ask the platform which numbers are reachable, and skip the others;
		this needs the settings of the function in the environment
		(RCSHOOK_AGENT_ID, RCSHOOK_CREDENTIALS)
	-key-column COLUMN
		the column that identifies a row; the default is the number
	-country US
		the country of national numbers
	-results FILE
		the results file; the default is NAME.results.csv beside the recipients
	-force
		continue with another message, other recipients, or another URL of the
		function
	-rate 50, -concurrency 16
		the most requests per second, and at once; the rate drops automatically
		when the platform asks for it
	-patience 15m
		how long a row is retried while the platform cannot accept it
` + targetUsage + `
Exit codes: 0 every row is done or in the queue of the function, 1 some rows are left,
2 wrong usage.
`,
	run: runBulk,
}

// bulkOptions are the flags of bulk.
type bulkOptions struct {
	target
	table, message, results string

	campaign bulk.Campaign
	runner   bulk.Runner

	dryRun, skipInvalid, reachable, force bool
}

func parseBulkFlags(args []string) (*bulkOptions, error) {
	o := new(bulkOptions)
	flags := newFlags("bulk")
	o.flags(flags)
	flags.StringVar(&o.message, "message", "", "")
	flags.StringVar(&o.campaign.Name, "campaign", "", "")
	flags.StringVar(&o.campaign.KeyColumn, "key-column", "", "")
	flags.StringVar(&o.campaign.Country, "country", os.Getenv("RCSHOOK_COUNTRY"), "")
	o.campaign.AllowPremiumNumbers = allowsPremiumNumbers()
	flags.StringVar(&o.results, "results", "", "")
	flags.BoolVar(&o.dryRun, "dry-run", false, "")
	flags.BoolVar(&o.skipInvalid, "skip-faulty", false, "")
	flags.BoolVar(&o.reachable, "reachable", false, "")
	flags.BoolVar(&o.force, "force", false, "")
	flags.Float64Var(&o.runner.Rate, "rate", 50, "")
	flags.IntVar(&o.runner.Concurrency, "concurrency", 16, "")
	flags.DurationVar(&o.runner.RetryFor, "patience", 15*time.Minute, "")
	files, err := parseInterspersed(flags, args)
	if err != nil {
		return nil, err
	}
	switch {
	case len(files) != 1:
		return nil, usageError(fmt.Sprintf("expected one file with the recipients, got %d", len(files)))
	case o.message == "":
		return nil, usageError("-message is missing: set it to the file with the message")
	case o.campaign.Name == "" && !o.dryRun:
		return nil, usageError("-campaign is missing: choose a name, such as spring-sale-2027; the same name never sends to the same row twice")
	case o.campaign.Name != "" && !bulk.ValidName.MatchString(o.campaign.Name):
		return nil, usageError("-campaign: expected at most 64 letters, digits, and . _ - between them")
	case o.runner.Rate <= 0 || o.runner.Rate > 1e5 || o.runner.Concurrency < 1 || o.runner.Concurrency > 4096:
		return nil, usageError("-rate: expected more than 0 and at most 100000; -concurrency: expected 1 to 4096")
	}
	o.table = files[0]
	o.campaign.Name = cmp.Or(o.campaign.Name, "dry-run")
	o.results = cmp.Or(o.results, filepath.Join(filepath.Dir(o.table), o.campaign.Name+".results.csv"))
	return o, nil
}

func runBulk(ctx context.Context, args []string, std stdio) error {
	o, err := parseBulkFlags(args)
	if err != nil {
		return err
	}
	data, err := readFile(o.message)
	if err != nil {
		return err
	}
	if o.campaign.Message, err = bulk.ParseTemplate(data); err != nil {
		return listErrors(o.message, err)
	}
	if o.campaign.Table, err = bulk.OpenTable(o.table); err != nil {
		return err
	}
	unused, err := o.campaign.MatchColumns()
	if err != nil {
		return listErrors(o.table+" and "+o.message+" do not match", err)
	}
	printUnused(std.out, unused)
	journal, err := bulk.ReadJournal(o.results)
	if err != nil {
		return err
	}
	defer journal.Done.Close()
	summary, err := o.check(ctx, journal, std)
	if err != nil {
		return err
	}
	c, err := o.client()
	if err != nil && !o.dryRun {
		return err
	}
	head := bulk.Head{Campaign: o.campaign.Name, Message: o.campaign.Message.Hash, Table: summary.TableHash}
	if err == nil {
		head.Function = c.Origin()
		if err := journal.Match(head); err != nil && !o.force {
			if !o.dryRun {
				return err
			}
			fmt.Fprintf(std.out, "\nWithout -dry-run, this would stop the command: %v\n", err)
		}
	}
	err = o.reach(ctx, journal, summary, std)
	defer o.runner.Unreachable.Close()
	if err != nil {
		return err
	}
	if o.dryRun {
		fmt.Fprintln(std.out, "\nNothing was sent.")
		return nil
	}
	return o.send(ctx, c, journal, head, summary, std)
}

// listErrors lists the errors of a campaign, one per line.
func listErrors(subject string, err error) error {
	if errs, ok := errors.AsType[bulk.Errors](err); ok {
		return fmt.Errorf("%s:\n  %s", subject, strings.Join(errs, "\n  "))
	}
	return err
}

// check checks all rows and prints a summary.
func (o *bulkOptions) check(ctx context.Context, journal *bulk.Journal, std stdio) (*bulk.Summary, error) {
	m := newMeter(std.err, "checking", "bytes")
	summary, err := o.campaign.Check(ctx, journal.Done, m.set)
	m.close()
	if err != nil {
		return nil, err
	}
	printSummary(std.out, o.table, summary)
	switch {
	case summary.Rows == 0:
		return nil, fmt.Errorf("%s has no rows below the column names", o.table)
	case summary.Invalid > 0 && !o.skipInvalid:
		return nil, fmt.Errorf("nothing was sent, because of errors in %s: fix them, or skip these rows with -skip-faulty", count(summary.Invalid, "row"))
	case summary.Valid == 0:
		return nil, errors.New("nothing was sent, because every row has errors")
	}
	return summary, nil
}

// reach asks the platform which numbers are reachable, as the agent in the environment.
func (o *bulkOptions) reach(ctx context.Context, journal *bulk.Journal, summary *bulk.Summary, std stdio) error {
	left := summary.Valid - summary.Done
	if !o.reachable || left == 0 {
		return nil
	}
	if o.campaign.NamesAgent() {
		return errors.New("-reachable checks the agent in the environment, but the message or a column names an agent: remove one of them")
	}
	cfg, err := config.FromEnviron(directSettings(os.Environ()))
	if err != nil {
		return fmt.Errorf("-reachable needs the settings of the function in the environment: %w", err)
	}
	transport := rbm.NewTransport()
	defer transport.CloseIdleConnections()
	agents := agent.New(cfg, agent.Options{Transport: transport})
	defer agents.Close()
	a, err := agents.Agent(ctx, config.DefaultAgent)
	if err != nil {
		return fmt.Errorf("-reachable: %w", err)
	}
	sender := sending.New(sending.Options{
		Transport: transport,
		Endpoint:  cfg.RBMEndpoint,
		UserAgent: "rcshook/" + server.Version(),
		Now:       time.Now,
	})
	l := sending.LookUp{Agent: lookUpAs(agents, a)}
	m := newMeter(std.err, "checking reachability", "numbers")
	unreachable, err := o.campaign.Reach(ctx, summary, journal.Done, func(ctx context.Context, phones []string) ([]string, error) {
		reachable, err := sender.Reachable(ctx, l, phones)
		return slices.DeleteFunc(phones, func(to string) bool { return !reachable[to] }), err
	}, func(checked int) { m.set(int64(checked), int64(left)) })
	m.close()
	switch {
	case errors.Is(err, rbm.ErrInvalidArgument):
		return fmt.Errorf("-reachable: %w; a list has numbers of one region of RBM, which rcshook derives from the country code: send to each country from a table of its own, with its region in RCSHOOK_REGION", err)
	case err != nil:
		return fmt.Errorf("-reachable: %w", err)
	}
	o.runner.Unreachable = unreachable
	fmt.Fprintf(std.out, "Reachable: %d of %d; the others will be skipped\n", left-unreachable.Len(), left)
	if unreachable.Len() == left {
		return errors.New("-reachable: no number is reachable: check that the agent is launched, or send without -reachable")
	}
	return nil
}

// lookUpAs returns an agent for look-ups.
func lookUpAs(agents *agent.Directory, a *agent.Agent) *sending.Agent {
	return &sending.Agent{
		Name: a.Name, ID: a.ID, Region: rbm.Region(a.Region), Token: a.Token,
		Renew: func(ctx context.Context) (*sending.Agent, error) {
			renewed, err := agents.Renew(ctx, a)
			if err != nil {
				return nil, err
			}
			return lookUpAs(agents, renewed), nil
		},
	}
}

// send sends to the rows that are not done.
func (o *bulkOptions) send(ctx context.Context, c *client.Client, journal *bulk.Journal, head bulk.Head, summary *bulk.Summary, std stdio) error {
	left := summary.Valid - summary.Done
	if left == 0 {
		fmt.Fprintf(std.out, "\nEvery valid row is done; the results are in %s\n", o.results)
		return nil
	}
	if err := journal.Start(head, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "\nSending %s through %s\n", count(left-o.runner.Unreachable.Len(), "message"), o.url)
	m := newMeter(std.err, "sending", "messages")
	var rows atomic.Int64
	counts := newCounts()
	r := &o.runner
	r.Campaign, r.Journal, r.SkipInvalid = &o.campaign, journal, o.skipInvalid
	r.Send = func(ctx context.Context, body []byte) (*client.Response, error) {
		return c.Send(ctx, body, "application/json", "")
	}
	r.Observe = func(e bulk.Entry) {
		counts.add(e)
		if e.State != bulk.Invalid {
			m.set(rows.Add(1), int64(left))
		}
	}
	r.Retrying = func(reason string) {
		m.print(fmt.Sprintf("retrying rows that cannot be sent now, for up to %v each: %s", r.RetryFor, reason))
	}
	start := time.Now()
	err := r.Run(ctx)
	m.close()
	err = errors.Join(err, journal.Close())
	counts.print(std.out, o.results, time.Since(start))

	const again = "run the same command again to continue"
	stopped, ok := errors.AsType[*bulk.StopError](err)
	switch open := left - counts.done(); {
	case ok:
		action := strings.TrimSuffix(nextStep(code.Code(stopped.Code), stopped, o.url, stopped.Action), ".")
		if action == "" {
			return fmt.Errorf("stopped: %w; %s", stopped, again)
		}
		return fmt.Errorf("stopped: %w. %s. Then %s", stopped, action, again)
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s left; %s", count(open, "row"), again)
	case err != nil:
		return fmt.Errorf("%w; %s", err, again)
	case open > 0:
		return fmt.Errorf("%s not sent; %s", count(open, "row"), again)
	default:
		return nil
	}
}
