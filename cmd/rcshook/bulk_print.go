package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/payload"
)

func printUnused(out io.Writer, unused []string) {
	for _, name := range unused {
		hint := ""
		if near := payload.NearestField(name); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		fmt.Fprintf(out, "column %q is neither a field nor a placeholder of the message, and is not used%s\n", name, hint)
	}
}

// maxShown is how many kinds of faults or warnings are shown.
const maxShown = 20

func printSummary(out io.Writer, table string, s *bulk.Summary) {
	fmt.Fprintf(out, "%s: %s, %d good, %d with faults", table, count(s.Rows, "row"), s.Good, s.Faulty)
	if s.Done > 0 {
		fmt.Fprintf(out, ", %d done before", s.Done)
	}
	fmt.Fprintln(out)
	printKinds(out, "Faults", s.Faults)
	printKinds(out, "Warnings", s.Warnings)
	if s.Good == 0 {
		return
	}
	fmt.Fprintf(out, "\nSize: %d bytes on average, %d the largest\n", s.Bytes/int64(s.Good), s.Largest)
	if us := s.Good - s.Abroad; us > 0 {
		fmt.Fprintf(out, "US numbers by billing class: %s", tallied(s.Billing))
		if s.Segments > 0 {
			fmt.Fprintf(out, " (%s of 160 bytes of text)", count(s.Segments, "segment"))
		}
		fmt.Fprintln(out)
	}
	if s.Abroad > 0 {
		fmt.Fprintf(out, "Other numbers: %d\n", s.Abroad)
	}
}

func printKinds(out io.Writer, title string, kinds []bulk.Kind) {
	if len(kinds) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range kinds[:min(len(kinds), maxShown)] {
		var rows []string
		for _, row := range k.Rows {
			rows = append(rows, strconv.Itoa(row))
		}
		if k.Count > len(k.Rows) {
			rows = append(rows, "...")
		}
		detail := k.Detail
		if k.Where != "" {
			detail = strings.TrimPrefix(k.Where, "/") + ": " + detail
		}
		fmt.Fprintf(w, "  %s: %s\t%s\n", count(k.Count, "row"), strings.Join(rows, ", "), detail)
	}
	w.Flush()
	if more := len(kinds) - maxShown; more > 0 {
		fmt.Fprintf(out, "  and %s more\n", count(more, "kind"))
	}
}

// counts are what became of rows in a run.
type counts struct {
	mu    sync.Mutex
	codes map[bulk.State]map[string]int
	open  map[string]int // by reason
}

// maxReasons bounds the reasons that are told apart.
const maxReasons = 100

func newCounts() *counts {
	return &counts{codes: map[bulk.State]map[string]int{}, open: map[string]int{}}
}

func (c *counts) add(e bulk.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes[e.State] == nil {
		c.codes[e.State] = map[string]int{}
	}
	c.codes[e.State][cmp.Or(e.Code, "without an answer")]++
	if e.State == bulk.Open && e.Detail != "" && (len(c.open) < maxReasons || c.open[e.Detail] > 0) {
		c.open[e.Detail]++
	}
}

// done is how many rows need no more.
func (c *counts) done() int {
	return total(c.codes[bulk.Sent]) + total(c.codes[bulk.Queued]) + total(c.codes[bulk.Refused]) + total(c.codes[bulk.Unreachable])
}

func total(codes map[string]int) (n int) {
	for _, i := range codes {
		n += i
	}
	return n
}

func (c *counts) print(out io.Writer, results string, took time.Duration) {
	fmt.Fprintln(out)
	all := 0
	for _, state := range []bulk.State{bulk.Sent, bulk.Queued, bulk.Refused, bulk.Unreachable, bulk.Open, bulk.Faulty} {
		codes := c.codes[state]
		if len(codes) == 0 {
			continue
		}
		all += total(codes)
		what := tallied(codes)
		if state == bulk.Queued {
			what = "not accepted yet: the queue sends them"
		}
		fmt.Fprintf(out, "%-12s%d (%s)\n", state, total(codes), what)
		if state == bulk.Open {
			c.printReason(out)
		}
	}
	fmt.Fprintf(out, "%s in %v, %.1f a second; the results are in %s\n",
		count(all, "row"), took.Round(time.Second/10), float64(all)/max(took.Seconds(), 0.001), results)
}

// printReason tells why most of the open rows are open.
func (c *counts) printReason(out io.Writer) {
	most := ""
	for _, reason := range slices.Sorted(maps.Keys(c.open)) {
		if c.open[reason] > c.open[most] {
			most = reason
		}
	}
	switch len(c.open) {
	case 0:
	case 1:
		fmt.Fprintf(out, "%-12s%s\n", "", most)
	default:
		fmt.Fprintf(out, "%-12smostly: %s\n", "", most)
	}
}

// tallied lists how many there are of each.
func tallied(n map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d %s", n[name], name))
	}
	return strings.Join(parts, ", ")
}
