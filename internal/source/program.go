package source

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/config"
)

const (
	// programTime is how long one run of a program may take, of the time in which
	// it has a processor. Usual ones take microseconds.
	programTime = 500 * time.Millisecond

	// maxResults bounds what one run may yield.
	maxResults = 1000
)

// program is a jq program, compiled. It sees the body as its input, $headers,
// $query, and $digest, the SHA-256 of the body in hex. It can reach neither files
// nor the environment, its time is that of the request, and its memory is limited.
type program struct {
	code   *gojq.Code
	digest bool // it uses $digest
}

const (
	varHeaders = "$headers"
	varQuery   = "$query"
	varDigest  = "$digest"
	varNow     = "$__now__" // what the function now becomes
)

var variables = []string{varHeaders, varQuery, varDigest, varNow, varRoom}

// forbidden are functions that could reach outside, and why there is nothing there.
var forbidden = map[string]string{
	"env":        "the environment is not for mappings: it may hold secrets",
	"$ENV":       "the environment is not for mappings: it may hold secrets",
	"input":      "there is one event, and it is the input already: write .",
	"inputs":     "there is one event, and it is the input already: write .",
	"modulemeta": "there are no modules",
	varRoom:      "it is not for mappings",
}

// compile makes a program of its text. Country is the default of the function e164.
// The faults say where in the file they are.
func compile(p config.Program, country string) (*program, []config.Fault) {
	if strings.TrimSpace(p.Text) == "" {
		return nil, []config.Fault{p.At(0).Fault("is no jq program: it is empty")}
	}
	query, err := gojq.Parse(p.Text)
	if err != nil {
		offset, words := len(p.Text), err.Error()
		if e := (*gojq.ParseError)(nil); errors.As(err, &e) {
			offset = e.Offset - len(e.Token)
		}
		return nil, []config.Fault{p.At(offset).Fault("is no jq program: %s", words)}
	}
	var faults []config.Fault
	for _, i := range query.Imports {
		faults = append(faults, p.At(locate(p.Text, i.ImportPath+i.IncludePath)).Fault("must not import: there are no modules"))
	}
	compiled := new(program)
	each(reflect.ValueOf(query), func(node any) {
		if t, ok := node.(*gojq.Term); ok {
			spread(t)
		}
		f, ok := node.(*gojq.Func)
		if !ok {
			return
		}
		if why, ok := forbidden[f.Name]; ok {
			faults = append(faults, p.At(locate(p.Text, f.Name)).Fault("must not use %s: %s", f.Name, why))
		}
		switch {
		case f.Name == varDigest:
			compiled.digest = true
		case f.Name == "now" && len(f.Args) == 0:
			f.Name = varNow
		}
	})
	if len(faults) > 0 {
		return nil, faults
	}
	bound(query)
	if compiled.code, err = gojq.Compile(query, options(country)...); err != nil {
		name := err.Error()[strings.LastIndexByte(err.Error(), ' ')+1:]
		name, _, _ = strings.Cut(name, "/")
		return nil, []config.Fault{p.At(locate(p.Text, name)).Fault("is no jq program: %s", err)}
	}
	return compiled, nil
}

// locate finds a name in a program, as a word of its own and not as a field: the
// compiler does not say where it stopped.
func locate(text, name string) int {
	found := regexp.MustCompile(`(?:^|[^\w$.])(` + regexp.QuoteMeta(name) + `)(?:$|\W)`).FindStringSubmatchIndex(text)
	if found == nil {
		return 0
	}
	return found[2]
}

// An input is what programs are run on.
type input struct {
	headers, query map[string]any
	digest         func() string
	now            time.Time
}

// run returns what the program yields, without nulls.
func (p *program) run(ctx context.Context, value any, in *input) ([]any, error) {
	ctx, cancel := running(ctx, programTime)
	defer cancel()
	digest := ""
	if p.digest {
		digest = in.digest()
	}
	now := float64(in.now.UnixMilli()) / 1000
	left := room(maxMade)
	var results []any
	for iter := p.code.RunWithContext(ctx, value, in.headers, in.query, digest, now, &left); ; {
		v, ok := iter.Next()
		if !ok {
			return results, nil
		}
		if err, ok := v.(error); ok {
			return nil, p.failure(ctx, err)
		}
		if v == nil {
			continue
		}
		if results = append(results, v); len(results) > maxResults {
			return nil, &programError{fmt.Sprintf("yields more than %d results", maxResults), nil}
		}
	}
}

// failure words an error of a program without the values that it quotes: they may
// be anybody's text or number.
func (p *program) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &programError{fmt.Sprintf("takes longer than %s", programTime), err}
	}
	if halt := (*gojq.HaltError)(nil); errors.As(err, &halt) {
		return &programError{"calls halt", err}
	}
	if limit := limitError(""); errors.As(err, &limit) {
		return &programError{string(limit), err}
	}
	if own := functionError(""); errors.As(err, &own) {
		return &programError{"stops: " + string(own), err}
	}
	if thrown := gojq.ValueError(nil); errors.As(err, &thrown) {
		return &programError{"calls error", err}
	}
	return &programError{"stops: " + withoutValues(err.Error()), err}
}

// withoutValues cuts an error of gojq where it begins to quote a value.
func withoutValues(text string) string {
	if i := strings.IndexAny(text, `("[{0123456789`); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimRight(text, " :")
	for _, open := range []string{" cannot be applied to", " and", " by"} {
		text = strings.TrimSuffix(text, open)
	}
	return text
}

// programError says why a program yields nothing. Its text quotes no value.
type programError struct {
	text string
	err  error // as gojq words it, values and all
}

func (e *programError) Error() string { return e.text }
