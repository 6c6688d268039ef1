package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
)

var bulkCommand = command{
	name:  "bulk",
	brief: "send a message to every row of a CSV file, once, and go on after any end",
	usage: `Usage:

	rcshook bulk recipients.csv -message message.json -campaign NAME [-dry-run] [FLAGS]

Sends a message to every row of a CSV file. The first row names the columns: a
column is a field of the payload, such as to, or fills a placeholder of the message,
such as {{name}}, or {{name|there}} for rows where it is blank. Every row is checked
before the first is sent. What became of each goes into a results file; after
Ctrl-C, a crash or a fault that was mended, the same command goes on from there.

	-message FILE
		the message: a payload in JSON
	-campaign NAME
		in one campaign, a row gets one message, however often it is sent
	-dry-run
		check all rows, tell what they would be billed as, and send nothing
	-skip-faulty
		leave out the rows that have faults, and send the others
	-reachable
		first ask the platform who can be reached, and leave out the others; this
		needs the settings of the function in the environment (RCSHOOK_AGENT_ID,
		RCSHOOK_CREDENTIALS, RCSHOOK_REGION)
	-key-column COLUMN
		what tells rows apart; the number, if not given
	-country US
		the country of national numbers
	-results FILE
		the results file; beside the recipients, NAME.results.csv, if not given
	-force
		go on although the message or the recipients have changed
	-rate 50, -concurrency 16
		requests in a second, and at once, at most; slower by itself where the
		platform asks for it
	-patience 15m
		how long a row is tried again that the platform cannot take
` + targetUsage + `
Exit codes: 0 every row is done, or waits in the queue of the function, 1 something is left to do, 2 wrong usage.
`,
	run: runBulk,
}

// bulkOptions are the flags of bulk.
type bulkOptions struct {
	target
	table, message, results string

	campaign bulk.Campaign
	runner   bulk.Runner

	dryRun, skipFaulty, force, reachable bool

	unreachable int
}

func bulkFlags(args []string) (*bulkOptions, error) {
	o := new(bulkOptions)
	flags := newFlags("bulk")
	o.flags(flags)
	flags.StringVar(&o.message, "message", "", "`file` with the message")
	flags.StringVar(&o.campaign.Name, "campaign", "", "`name` of the campaign")
	flags.StringVar(&o.campaign.KeyColumn, "key-column", "", "`column` that tells rows apart")
	flags.StringVar(&o.campaign.Country, "country", os.Getenv("RCSHOOK_COUNTRY"), "`country` of national numbers")
	flags.StringVar(&o.results, "results", "", "results `file`")
	flags.BoolVar(&o.dryRun, "dry-run", false, "check, and send nothing")
	flags.BoolVar(&o.skipFaulty, "skip-faulty", false, "leave out rows with faults")
	flags.BoolVar(&o.reachable, "reachable", false, "leave out numbers that cannot be reached")
	flags.BoolVar(&o.force, "force", false, "go on with another message or other recipients")
	flags.Float64Var(&o.runner.Rate, "rate", 50, "requests in a second")
	flags.IntVar(&o.runner.Concurrency, "concurrency", 16, "requests at once")
	flags.DurationVar(&o.runner.Patience, "patience", 15*time.Minute, "how long a row is tried again")
	files, err := parseAround(flags, args)
	if err != nil {
		return nil, err
	}
	switch {
	case len(files) != 1:
		return nil, usageError("bulk takes one file with the recipients")
	case o.message == "":
		return nil, usageError("-message names the file with the message, and is missing")
	case o.campaign.Name == "" && !o.dryRun:
		return nil, usageError("-campaign is missing: choose a name, such as spring-sale-2027; the same name never sends to the same row twice")
	case o.campaign.Name != "" && !bulk.ValidName.MatchString(o.campaign.Name):
		return nil, usageError("-campaign takes letters, digits, and . _ - between them, at most 64")
	case o.runner.Rate <= 0 || o.runner.Rate > 1e5 || o.runner.Concurrency < 1 || o.runner.Concurrency > 4096:
		return nil, usageError("-rate is more than 0 and at most 100000, -concurrency is 1 to 4096")
	}
	o.table = files[0]
	o.campaign.Name = cmp.Or(o.campaign.Name, "dry-run")
	o.results = cmp.Or(o.results, filepath.Join(filepath.Dir(o.table), o.campaign.Name+".results.csv"))
	return o, nil
}

func runBulk(ctx context.Context, args []string, ends streams) error {
	o, err := bulkFlags(args)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(o.message)
	if err != nil {
		return err
	}
	if o.campaign.Message, err = bulk.ParseTemplate(data); err != nil {
		return told(o.message, err)
	}
	if o.campaign.Table, err = bulk.OpenTable(o.table); err != nil {
		return err
	}
	unused, err := o.campaign.Bind()
	if err != nil {
		return told(o.table+" and "+o.message+" do not go together", err)
	}
	printUnused(ends.out, unused)
	journal, err := bulk.ReadJournal(o.results)
	if err != nil {
		return err
	}
	summary, err := o.check(ctx, journal, ends)
	if err != nil {
		return err
	}
	if err := o.reach(ctx, journal, summary.Good-summary.Done, ends); err != nil {
		return err
	}
	if o.dryRun {
		fmt.Fprintln(ends.out, "\nNothing was sent.")
		return nil
	}
	return o.send(ctx, journal, summary, ends)
}

// told lists faults, a line each.
func told(what string, err error) error {
	if faults := bulk.Faults(nil); errors.As(err, &faults) {
		return fmt.Errorf("%s:\n  %s", what, strings.Join(faults, "\n  "))
	}
	return err
}

// check tells what is wrong with the rows, and what the others will be.
func (o *bulkOptions) check(ctx context.Context, journal *bulk.Journal, ends streams) (*bulk.Summary, error) {
	p := newMeter(ends.err, "checking", "bytes")
	summary, err := o.campaign.Check(ctx, journal.Done, p.set)
	p.close()
	if err != nil {
		return nil, err
	}
	printSummary(ends.out, o.table, summary)
	if summary.Rows == 0 {
		return nil, fmt.Errorf("%s has no rows below the names of the columns", o.table)
	}
	if summary.Faulty > 0 && !o.skipFaulty {
		return nil, fmt.Errorf("nothing was sent, as there are faults in %s: correct them, or leave these rows out with -skip-faulty", count(summary.Faulty, "row"))
	}
	if summary.Good == 0 {
		return nil, errors.New("nothing was sent, as every row has faults")
	}
	return summary, nil
}

// send sends what is not done.
func (o *bulkOptions) send(ctx context.Context, journal *bulk.Journal, summary *bulk.Summary, ends streams) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	head := bulk.Head{Campaign: o.campaign.Name, Message: o.campaign.Message.Sum, Table: summary.Sum}
	if err := journal.Match(head); err != nil && !o.force {
		return err
	}
	left := summary.Good - summary.Done
	if left == 0 {
		fmt.Fprintf(ends.out, "\nEvery row without faults is done; the results are in %s\n", o.results)
		return nil
	}
	if err := journal.Begin(head, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(ends.out, "\nSending %s through %s\n", count(left-o.unreachable, "message"), o.url)
	p := newMeter(ends.err, "sending", "messages")
	p.set(0, int64(left))
	counts := newCounts()
	r := &o.runner
	r.Campaign, r.Journal, r.SkipFaulty = &o.campaign, journal, o.skipFaulty
	r.Send = func(ctx context.Context, body []byte) (*client.Response, error) {
		return c.Send(ctx, body, "application/json", "")
	}
	r.Observe = func(e bulk.Entry) {
		counts.add(e)
		if e.State != bulk.Faulty {
			p.add()
		}
	}
	r.Retrying = func(reason string) {
		p.print(fmt.Sprintf("what cannot be sent now is tried again, each row for up to %v: %s", r.Patience, reason))
	}
	began := time.Now()
	err = r.Run(ctx)
	p.close()
	err = errors.Join(err, journal.Close())
	counts.print(ends.out, o.results, time.Since(began))
	return o.ending(ctx, err, counts, left)
}

// ending says what is to be done next.
func (o *bulkOptions) ending(ctx context.Context, err error, counts *counts, left int) error {
	const again = "run the same command again, and it goes on with the rest"
	stopped := (*bulk.StopError)(nil)
	switch open := left - counts.done(); {
	case errors.As(err, &stopped):
		action := strings.TrimSuffix(nextStep(code.Code(stopped.Code), stopped, o.url, stopped.Action), ".")
		if action == "" {
			return fmt.Errorf("stopped: %w; %s", stopped, again)
		}
		return fmt.Errorf("stopped: %w. %s. Then %s", stopped, action, again)
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s to go; %s", count(open, "row"), again)
	case err != nil:
		return fmt.Errorf("%w; %s", err, again)
	case open > 0:
		return fmt.Errorf("%s not through: %s", count(open, "row"), again)
	default:
		return nil
	}
}
