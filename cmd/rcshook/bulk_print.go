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
		fmt.Fprintf(out, "column %q is unused: it is neither a field nor a placeholder of the message%s\n", name, hint)
	}
}

func printSummary(out io.Writer, table string, s *bulk.Summary) {
	fmt.Fprintf(out, "%s: %s, %d valid, %d invalid", table, count(s.Rows, "row"), s.Valid, s.Invalid)
	if s.Done > 0 {
		fmt.Fprintf(out, ", %d done before", s.Done)
	}
	fmt.Fprintln(out)
	printKinds(out, "Errors", s.Errors)
	printKinds(out, "Warnings", s.Warnings)
	if s.Valid == 0 {
		return
	}
	fmt.Fprintf(out, "\nSize: %d bytes on average, at most %d\n", s.Bytes/int64(s.Valid), s.Largest)
	if us := s.Valid - s.NonUS; us > 0 {
		fmt.Fprintf(out, "US numbers by billing class: %s", formatCounts(s.Billing))
		if s.Segments > 0 {
			fmt.Fprintf(out, " (%s of 160 bytes of text)", count(s.Segments, "segment"))
		}
		fmt.Fprintln(out)
	}
	if s.NonUS > 0 {
		fmt.Fprintf(out, "Other numbers: %d\n", s.NonUS)
	}
	if s.SMSSegments > 0 {
		fmt.Fprintf(out, "For the fallback, as SMS: %s\n", count(s.SMSSegments, "segment"))
	}
}

func printKinds(out io.Writer, title string, kinds []bulk.Issue) {
	if len(kinds) == 0 {
		return
	}
	const maxKinds = 20
	fmt.Fprintf(out, "\n%s:\n", title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range kinds[:min(len(kinds), maxKinds)] {
		var rows []string
		for _, row := range k.Rows {
			rows = append(rows, strconv.Itoa(row))
		}
		if k.Count > len(k.Rows) {
			rows = append(rows, "...")
		}
		detail := k.Detail
		if k.Pointer != "" {
			detail = strings.TrimPrefix(k.Pointer, "/") + ": " + detail
		}
		fmt.Fprintf(w, "  %s: %s\t%s\n", count(k.Count, "row"), strings.Join(rows, ", "), detail)
	}
	w.Flush()
	if more := len(kinds) - maxKinds; more > 0 {
		fmt.Fprintf(out, "  and %s more\n", count(more, "kind"))
	}
}

// counts counts the results of a run.
type counts struct {
	mu      sync.Mutex
	codes   map[bulk.State]map[string]int
	details map[bulk.State]map[string]int // of open rows, and of duplicates of other messages
}

func newCounts() *counts {
	return &counts{codes: map[bulk.State]map[string]int{}, details: map[bulk.State]map[string]int{bulk.Open: {}, bulk.Sent: {}}}
}

func (c *counts) add(e bulk.Entry) {
	const maxReasons = 100
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes[e.State] == nil {
		c.codes[e.State] = map[string]int{}
	}
	c.codes[e.State][cmp.Or(e.Code, "no response")]++
	if details := c.details[e.State]; details != nil && e.Detail != "" && (len(details) < maxReasons || details[e.Detail] > 0) {
		details[e.Detail]++
	}
}

// done returns the number of rows that need not be sent again.
func (c *counts) done() (n int) {
	for _, state := range []bulk.State{bulk.Sent, bulk.Queued, bulk.Refused, bulk.Unreachable, bulk.OptedOut} {
		n += sum(c.codes[state])
	}
	return n
}

func sum(codes map[string]int) (n int) {
	for _, i := range codes {
		n += i
	}
	return n
}

func (c *counts) print(out io.Writer, results string, took time.Duration) {
	fmt.Fprintln(out)
	all := 0
	for _, state := range []bulk.State{bulk.Sent, bulk.Queued, bulk.Refused, bulk.Unreachable, bulk.OptedOut, bulk.Open, bulk.Invalid} {
		codes := c.codes[state]
		if len(codes) == 0 {
			continue
		}
		all += sum(codes)
		text := formatCounts(codes)
		if state == bulk.Queued {
			text = "the queue will send them"
		}
		fmt.Fprintf(out, "%-12s%d (%s)\n", state, sum(codes), text)
		details := c.details[state]
		if len(details) == 0 {
			continue
		}
		most, prefix := "", ""
		for _, detail := range slices.Sorted(maps.Keys(details)) {
			if details[detail] > details[most] {
				most = detail
			}
		}
		if len(details) > 1 {
			prefix = "mostly: "
		}
		fmt.Fprintf(out, "%-12s%s%s\n", "", prefix, most)
	}
	fmt.Fprintf(out, "%s in %v, %.1f per second; the results are in %s\n",
		count(all, "row"), took.Round(time.Second/10), float64(all)/max(took.Seconds(), 0.001), results)
}

// formatCounts formats the number of each name.
func formatCounts(n map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d %s", n[name], name))
	}
	return strings.Join(parts, ", ")
}
