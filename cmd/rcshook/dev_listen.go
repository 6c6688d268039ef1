package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// hooksPath is the path above the sources.
const hooksPath = "/hooks/"

// maxHook limits the bytes of a body that dev prints. The function rejects longer ones.
const maxHook = 256 << 10

// devListener serves the sources on a port of its own, and prints what they receive.
// Strangers can reach it through a tunnel.
type devListener struct {
	*devFunction

	mu   sync.Mutex // guards save, and keeps the lines of a request together
	save string     // the next case, a file without extension; empty if it is saved
}

// listener returns the server of the port that a tunnel may expose.
func (f *devFunction) listener() (*http.Server, error) {
	l := &devListener{devFunction: f, save: f.saveAs}
	if f.saveAs != "" {
		if err := f.current.Load().checkSave(f.saveAs); err != nil {
			return nil, err
		}
	}
	return &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10}, nil
}

func (l *devListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, hooksPath) {
		if r.Method == http.MethodPost {
			fmt.Fprintf(l.std.out, "\n%s  POST to a path outside of %s: 404\n", time.Now().Format(time.TimeOnly), hooksPath)
		}
		http.Error(w, "this port serves "+hooksPath+" only", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHook+1))
	if err != nil {
		http.Error(w, "the body is incomplete", http.StatusBadRequest)
		return
	}
	served := r.Clone(r.Context())
	served.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	recorded := httptest.NewRecorder()
	l.devFunction.ServeHTTP(recorded, served)
	l.print(r, body, recorded)
	maps.Copy(w.Header(), recorded.Header())
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(recorded.Body.Bytes()) // the sender may be gone
}

// print prints a request, the verdict, the messages and the response.
func (l *devListener) print(r *http.Request, body []byte, res *httptest.ResponseRecorder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, show := l.current.Load(), printer{unmasked: l.unmasked}
	name, token, hasToken := strings.Cut(strings.TrimPrefix(r.URL.Path, hooksPath), "/")
	path := hooksPath + name
	if hasToken {
		path += "/" + show.mask("token", token)
	}
	show.line("", "%s  %s %s", time.Now().Format(time.TimeOnly), r.Method, path)
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		show.line("  ", "?%s=%s", name, show.mask(name, strings.Join(query[name], ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if !hopHeader.MatchString(name) {
			show.line("  ", "%s: %s", name, show.mask(name, strings.Join(r.Header[name], ", ")))
		}
	}
	if len(body) > 0 {
		show.line("", "")
		show.body(source.ContentType(r.Header), body)
	}
	show.line("", "")
	i := slices.IndexFunc(v.sources, func(s *source.Source) bool { return s.Name == name })
	switch {
	case i < 0:
		show.item("sender", "unknown source %q; expected one of %s", name, v.names())
	case r.Method == http.MethodPost && len(body) <= maxHook:
		l.result(&show, v, v.sources[i], &source.Request{Method: r.Method, Token: token, Query: r.URL.RawQuery, Header: r.Header, Body: body})
	}
	var told struct{ Code string }
	_ = json.Unmarshal(res.Body.Bytes(), &told) // a sender may expect another body
	show.item("response", "%d %s", res.Code, told.Code)
	fmt.Fprintf(l.std.out, "\n%s", show.String())
}

// result prints the verdict on the sender, and the messages of the event, and saves it.
func (l *devListener) result(show *printer, v *devVersion, s *source.Source, r *source.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	received, err := s.Receive(ctx, r, time.Now())
	switch {
	case received.Verified:
		show.item("sender", "verified: %s", s.Description())
	case err == nil:
		show.item("sender", "a test of the address, without a signature")
		return
	default:
		show.item("sender", "NOT VERIFIED: %v", err)
		show.item("", "%s: %s", s.Name, secretOrigin(s))
		if s.Config.URL != "" {
			show.item("", "The sender signs its URL, so url in the file has to be that of the tunnel.")
		}
	}
	if received.Reply != nil {
		show.item("messages", "none: the sender expects a reply")
		return
	}
	messages, err := v.checker.mapped(ctx, s, r, r.Body, time.Now())
	var list []any
	switch {
	case err != nil:
		show.item("map", "FAILS: %s", show.mask("", err.Error()))
	case json.Unmarshal(messages, &list) == nil && len(list) == 0:
		show.item("messages", "none: the map ignores this event")
	default:
		if show.whole = true; received.Verified {
			show.item("messages", "")
		} else {
			show.item("messages", "not sent:")
		}
		show.body("application/json", messages)
	}
	switch save := l.save; {
	case save == "" || v.caseSource(save) != s:
	case !received.Verified:
		show.item("case", "not saved: the sender is not verified")
	default:
		l.save = ""
		if err := v.saveCase(ctx, show, s, r, save); err != nil {
			show.item("case", "not saved: %v", err)
		}
	}
}

// names lists the sources of the file.
func (v *devVersion) names() string {
	var names []string
	for _, s := range v.sources {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// secretVariable is the environment variable with the secret of a source.
func secretVariable(name string) string {
	return "RCSHOOK_DEV_SECRET_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// secretOrigin describes where the secret of a source comes from.
func secretOrigin(s *source.Source) string {
	switch variable := secretVariable(s.Name); {
	case s.UsesGoogleTokens():
		return "accepts ID tokens of dev only"
	case !s.Config.Secrets[0].IsResource():
		return "its secret is the one in the file"
	case os.Getenv(variable) != "":
		return "its secret is that of " + variable
	default:
		return "dev generated its secret; set that of the sender with " + variable
	}
}

// caseSource returns the source whose cases are in the folder of a case, or nil.
func (f *devFile) caseSource(name string) *source.Source {
	folder, _ := filepath.Abs(filepath.Dir(name)) // fails only without a current folder
	for _, s := range f.sources {
		if own, _ := filepath.Abs(caseFolder(f.checker.dir, s.Name, s.Config)); own == folder {
			return s
		}
	}
	return nil
}

// checkSave reports why the next request cannot be saved under a name.
func (f *devFile) checkSave(name string) error {
	if f.caseSource(name) == nil || !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(filepath.Base(name)) {
		return usageError("-save: expected a name without extension in the cases of a source of the file, such as " +
			filepath.Join(caseFolder(f.checker.dir, f.sources[0].Name, f.sources[0].Config), "first"))
	}
	for _, kind := range []string{".json", ".http", ".want.json"} {
		if _, err := os.Lstat(name + kind); err == nil {
			return fmt.Errorf("%s exists, and -save overwrites nothing; choose another name", name+kind)
		}
	}
	return nil
}

// saveCase writes a request, and the messages that it becomes. It drops the headers with
// credentials, and those that only its way had.
func (f *devFile) saveCase(ctx context.Context, show *printer, s *source.Source, r *source.Request, name string) error {
	if err := f.checkSave(name); err != nil {
		return err
	}
	text := fmt.Appendf(nil, "Date: %s\n", time.Now().UTC().Format(http.TimeFormat))
	visible := s.Visible(r.Header)
	for _, header := range slices.Sorted(maps.Keys(visible)) {
		if header != "Date" && !hopHeader.MatchString(header) && (!credential.MatchString(header) || header == "Idempotency-Key") {
			text = fmt.Appendf(text, "%s: %s\n", header, strings.Join(visible[header], ", "))
		}
	}
	text = append(append(text, '\n'), r.Body...)
	if err := createPrivate(name+".http", text); err != nil {
		return err
	}
	if r.Query != "" {
		show.item("note", "a case has no query, so $query is empty in it")
	}
	show.item("case", "saved as %s.http, with the data of the event: replace names and numbers before you share it", name)
	c := f.checker
	messages, err := c.messages(ctx, s, text, "http")
	if err != nil {
		show.item("", "Fix the map, and run rcshook check -update.")
		return nil
	}
	if err := createPrivate(name+".want.json", messages); err != nil {
		return err
	}
	var out bytes.Buffer
	c.out = &out
	err = c.runCase(ctx, s, filepath.Dir(name), filepath.Base(name), "http")
	show.item("check", "%s", out.String())
	return err
}

// createPrivate writes a file that does not exist, for this user only.
func createPrivate(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// printer collects the lines about a request. Everything in them comes from strangers.
type printer struct {
	strings.Builder
	unmasked bool
	whole    bool // long texts too
}

// line adds a line without characters that a terminal would interpret.
func (p *printer) line(indent, format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.WriteString(strings.TrimRight(indent+strings.ReplaceAll(text, "\n", "\n"+indent), " ") + "\n")
}

// item adds a label and text, in lines of at most 80 characters.
func (p *printer) item(label, format string, args ...any) {
	const width = 66
	var text strings.Builder
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		column := len(line) - len(strings.TrimLeft(line, " "))
		text.WriteString(line[:column])
		for word := range strings.FieldsSeq(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case strings.TrimSpace(line[:min(column, len(line))]) == "":
			case column+1+n > width:
				text.WriteByte('\n')
				column = 0
			default:
				text.WriteByte(' ')
				column++
			}
			text.WriteString(word)
			column += n
		}
		text.WriteByte('\n')
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	p.line("  ", "%-10s %s", label, lines[0])
	for _, line := range lines[1:] {
		p.line("  ", "%-10s %s", "", line)
	}
}

const (
	maxShown = 60 // characters of a value
	maxLines = 80 // of a body
)

// body prints JSON and forms as masked JSON, and the start of other text.
func (p *printer) body(contentType string, data []byte) {
	text := p.mask("", string(data))
	if body, err := payload.ParseBody(contentType, data); err == nil {
		var v any
		d := json.NewDecoder(bytes.NewReader(body.Text))
		d.UseNumber()
		if body.IsForm && !body.IsJSON {
			fields := make(map[string]any)
			for _, f := range body.Fields {
				fields[f.Name] = f.Value
			}
			v = fields
		} else if d.Decode(&v) != nil {
			v = nil
		}
		if v != nil {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			_ = e.Encode(p.maskJSON("", v)) // it was decoded before
			text = strings.TrimRight(b.String(), "\n")
		}
	}
	lines := strings.Split(text, "\n")
	if more := len(lines) - maxLines; more > 0 && !p.unmasked {
		lines = append(lines[:maxLines], fmt.Sprintf("... and %d more lines", more))
	}
	p.line("  ", "%s", strings.Join(lines, "\n"))
}

// maskJSON masks the values of a JSON value. Name is that of the field that has it.
func (p *printer) maskJSON(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if !credential.MatchString(name) {
				v[key] = p.maskJSON(key, value)
			} else {
				v[key] = p.maskJSON(name, value)
			}
		}
	case []any:
		for i, value := range v {
			v[i] = p.maskJSON(name, value)
		}
	case string:
		masked := p.mask(name, v)
		if n := utf8.RuneCountInString(masked); n > maxShown && !p.whole && !p.unmasked {
			masked = string([]rune(masked)[:maxShown-20]) + fmt.Sprintf("... [%d characters]", n)
		}
		return masked
	case json.Number:
		if masked := p.mask(name, v.String()); masked != v.String() {
			return masked
		}
	}
	return v
}

var (
	// hopHeader matches headers that the connection, a proxy or a tunnel adds.
	hopHeader = regexp.MustCompile(`(?i)^(accept|accept-encoding|connection|content-length|forwarded|via|x-forwarded-.*|x-real-ip|cf-.*|cdn-loop|ngrok-.*|traceparent|tracestate|x-cloud-trace-context)$`)

	// credential matches the names of headers and fields with signatures and secrets.
	credential = regexp.MustCompile(`(?i)sign|token|secret|authori[sz]|auth$|cookie|passw|passcode|hmac|digest|session|credential|jwt|otp|api.?key|(^|[-_.])(key|sig|pin|hash|mac)$`)

	credentialPart = regexp.MustCompile(`[^\s,;]+`)
	credentialName = regexp.MustCompile(`^([A-Za-z0-9_]{1,9}=)(.{8,})$`)
	publicPart     = regexp.MustCompile(`^(Bearer|Basic|v\d[a-z]?)$`)

	digits    = regexp.MustCompile(`\+?\d{5,}|\+?\d(?:[ ()./-]{0,2}\d){6,}`)
	date      = regexp.MustCompile(`^\d{4}-\d\d-\d\d`)
	address   = regexp.MustCompile(`[^\s"@<>]+(@[^\s"@<>]+)`)
	parameter = regexp.MustCompile(`([?&][\w.-]+=)[^&\s"]+`)
)

// mask hides numbers, addresses, credentials and long values, and keeps their form.
func (p *printer) mask(name, value string) string {
	if p.unmasked {
		return value
	}
	if credential.MatchString(name) {
		return credentialPart.ReplaceAllStringFunc(value, func(part string) string {
			if publicPart.MatchString(part) {
				return part
			}
			if m := credentialName.FindStringSubmatch(part); m != nil {
				return m[1] + form(m[2])
			}
			return form(part)
		})
	}
	if utf8.RuneCountInString(value) > maxShown && !strings.Contains(value, " ") {
		return form(value)
	}
	value = address.ReplaceAllString(value, "***$1")
	value = parameter.ReplaceAllString(value, "$1***")
	return digits.ReplaceAllStringFunc(value, func(number string) string {
		if date.MatchString(number) {
			return number
		}
		hide := len(number) - 2
		return strings.Map(func(r rune) rune {
			if hide--; hide >= 0 && r >= '0' && r <= '9' {
				return '*'
			}
			return r
		}, number)
	})
}

// form describes a value without a part of it.
func form(value string) string {
	_, notHex := hex.DecodeString(value)
	_, notBase64 := base64.StdEncoding.DecodeString(value)
	switch n := utf8.RuneCountInString(value); {
	case strings.Trim(value, "0123456789") == "":
		return fmt.Sprintf("[%d digits]", n)
	case notHex == nil:
		return fmt.Sprintf("[%d hex digits]", n)
	case notBase64 == nil && n >= 20:
		return fmt.Sprintf("[%d characters of base64]", n)
	default:
		return fmt.Sprintf("[%d characters]", n)
	}
}
