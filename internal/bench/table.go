package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report for a person to read.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", r.conditions()); err != nil {
		return err
	}
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	for i, line := range r.table() {
		if i > 0 && (i == 1 || r.Rows[i-1].Callers != r.Rows[i-2].Callers) {
			fmt.Fprintln(t, strings.Repeat("\t", len(line)-1)) // a cell in each column, so that it is one table
		}
		fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	for _, note := range r.notes() {
		if _, err := fmt.Fprintf(w, "\n%s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// WriteMarkdown writes the report for a document.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for i, line := range r.table() {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("| ---" + strings.Repeat(" | ---:", len(line)-2) + " | --- |\n")
		}
	}
	for _, text := range append([]string{r.conditions()}, r.notes()...) {
		b.WriteString("\n" + text + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// conditions are those under which the figures were measured.
func (r *Report) conditions() string {
	spoken := "HTTP/2 over TLS"
	if r.Plain {
		spoken = "plain HTTP"
	}
	text := fmt.Sprintf("%s, %d CPUs, of which a measured process uses one (GOMAXPROCS=1). The platform is on loopback, reached by\n"+
		"%s, and answers at once. Medians of %d rounds of %g s each", r.System, r.CPUs, spoken, r.Rounds, r.Seconds)
	if r.Compared {
		text += ", in turns; a ratio is the median of those of the rounds"
	}
	return text + ". All requests were accepted."
}

// limited is how busy a process has to be to be what limits the throughput.
const limited = 0.9

// notes tell how the figures must not be read.
func (r *Report) notes() []string {
	var idle []string
	for _, of := range []role{function, bare} {
		var busy []float64
		for _, s := range r.Samples {
			if s.Of == of && s.Callers == targetCallers {
				busy = append(busy, s.Busy)
			}
		}
		if b := median(busy); b > 0 && b < limited {
			idle = append(idle, fmt.Sprintf("the %s was busy for %.0f %% of the time", names[of], 100*b))
		}
	}
	if len(idle) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("With %d at once %s: what else this\nmachine did, the requests themselves included, limits the throughput. The CPU per request is the better measure.",
		targetCallers, strings.Join(idle, ", "))}
}

// names of those that are measured.
var names = map[role]string{function: "function", bare: "bare program", empty: "empty function"}

// table returns the rows as text, the head first.
func (r *Report) table() [][]string {
	head := []string{"", names[function], "target"}
	if r.Compared {
		head = []string{"", names[function], names[bare], "ratio", "target"}
	}
	lines := [][]string{head}
	for _, row := range r.Rows {
		line := []string{row.title(), row.figures(row.Function)}
		if r.Compared {
			times := ""
			if row.Ratio != 0 {
				times = strconv.FormatFloat(row.Ratio, 'f', 2, 64)
			}
			line = append(line, row.figures(row.Beside), times)
		}
		lines = append(lines, append(line, row.Target.String()))
	}
	return lines
}

func (row *Row) title() string {
	if row.Callers == 0 {
		return row.Name
	}
	return fmt.Sprintf("%d at once: %s", row.Callers, row.Name)
}

func (row *Row) figures(values []float64) string {
	if len(values) == 0 {
		return "not known"
	}
	var all []string
	for _, v := range values {
		all = append(all, number(v, row.Digits))
	}
	return strings.Join(all, " / ")
}

func (t *Target) String() string {
	if t == nil {
		return ""
	}
	limit := "at most " + strconv.FormatFloat(t.AtMost, 'g', -1, 64)
	if t.AtMost == 0 {
		limit = "at least " + strconv.FormatFloat(t.AtLeast, 'g', -1, 64)
	}
	if t.Holds {
		return limit + ": holds"
	}
	return limit + ": missed"
}

// number writes a number with so many digits after the point, and commas between
// thousands.
func number(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return whole + rest
}
