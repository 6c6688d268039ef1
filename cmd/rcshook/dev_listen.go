package main

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
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
	outcome := l.outcomeOf(res.Header(), res.Body.Bytes())
	var told response.Response
	if json.Unmarshal(outcome, &told) != nil {
		_ = json.Unmarshal(res.Body.Bytes(), &told) // a sender may expect another body
	}
	v, show := l.current.Load(), printer{unmasked: l.unmasked, limit: maxShown}
	parts := strings.FieldsFunc(strings.TrimPrefix(r.URL.Path, hooksPath), func(r rune) bool { return r == '/' })
	name, token := "", ""
	if len(parts) > 0 {
		name, token = parts[0], strings.Join(parts[1:], "/")
	}
	show.line("", "%s  %s %s", time.Now().Format(time.TimeOnly), r.Method, hooksPath+strings.TrimSuffix(name+"/"+show.mask("token", token), "/"))
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		show.line("  ", "?%s=%s", name, show.mask(name, strings.Join(query[name], ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if !hopHeader.MatchString(name) {
			show.line("  ", "%s: %s", name, show.mask(name, strings.Join(r.Header[name], ", ")))
		}
	}
	if len(body) > maxHook {
		show.line("", "")
		show.line("  ", "[more than %d KiB]", maxHook>>10)
	} else if len(body) > 0 {
		show.line("", "")
		show.body(source.ContentType(r.Header), body)
	}
	show.line("", "")
	i := slices.IndexFunc(v.sources, func(s *source.Source) bool { return s.Name == name })
	switch {
	case i < 0:
		show.item("sender", "unknown source %q; expected one of %s", name, v.names())
	case v.sources[i].HasToken() && token == "":
		show.item("sender", "this source needs the path %s%s/TOKEN", hooksPath, name)
	case !v.sources[i].HasToken() && token != "":
		show.item("sender", "this source needs the path %s%s", hooksPath, name)
	case r.Method == http.MethodPost && len(body) <= maxHook:
		l.result(&show, v, v.sources[i], &source.Request{Method: r.Method, Token: token, Query: r.URL.RawQuery, Header: r.Header, Body: body}, &told)
	}
	show.item("response", "%d %s", res.Code, told.Code)
	if told.Detail != "" && res.Code != http.StatusUnauthorized { // the reason is shown above
		show.item("", "%s", show.mask("", told.Message))
	}
	for _, w := range told.Warnings {
		show.item("", "%s", strings.TrimPrefix(w.Pointer+": "+w.Detail, ": "))
	}
	switch {
	case res.Body.Len() == 0:
		show.item("", "without a body")
	case outcome != nil || told.Code == "":
		show.body(res.Header().Get("Content-Type"), res.Body.Bytes())
	}
	fmt.Fprintf(l.std.out, "\n%s", show.String())
}

// result prints the verdict on the sender, and the messages of the event, and saves it.
func (l *devListener) result(show *printer, v *devVersion, s *source.Source, r *source.Request, told *response.Response) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	received, err := s.Receive(ctx, r, time.Now())
	switch {
	case received.Verified:
		sender := s.Description()
		if s.Group() == "any" { // an instruction for the file
			sender = "by the secret of " + s.Name
		}
		show.item("sender", "verified: %s", sender)
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
	show.limit = maxHook
	messages, err := v.checker.file.Map(ctx, s, r, r.Body, time.Now())
	var list []any
	switch {
	case err != nil:
		show.item("map", "FAILS: %s", show.mask("", err.Error()))
	case json.Unmarshal(messages, &list) == nil && len(list) == 0:
		show.item("messages", "none: the map ignores this event")
	default:
		note := ""
		if !received.Verified {
			note = "not sent:"
		} else if told.Code == code.Duplicate && told.Detail != "" {
			note = "not sent: " + told.Detail
		}
		show.item("messages", "%s", note)
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
	case len(s.Config.Secrets) == 0:
		return "dev accepts only its own samples, not the real sender"
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
		value := strings.Join(visible[header], ", ")
		secret := credential.MatchString(header) && header != "Idempotency-Key" || random.MatchString(strings.ReplaceAll(value, "/", ""))
		if header == "Content-Type" || header != "Date" && !hopHeader.MatchString(header) && !secret {
			text = fmt.Appendf(text, "%s: %s\n", header, value)
		}
	}
	text = append(append(text, '\n'), r.Body...)
	if err := createFile(name+".http", text, 0o600); err != nil {
		return err
	}
	if r.Query != "" {
		show.item("note", "a case has no query, so $query is empty in it")
	}
	show.item("case", "saved as %s.http, with the data of the event: replace names and numbers before you share it", name)
	if len(show.secrets) > 0 {
		show.item("note", "its body may have secrets; replace them too: %s", strings.Join(show.secrets, ", "))
	}
	c := f.checker
	messages, err := c.file.Messages(ctx, s, text, "http")
	if err != nil {
		show.item("", "Fix the map, and run rcshook check -update.")
		return nil
	}
	if err := createFile(name+".want.json", messages, 0o600); err != nil {
		return err
	}
	var out bytes.Buffer
	c.out = &out
	err = c.runCase(ctx, s, filepath.Dir(name), filepath.Base(name), "http")
	show.item("check", "%s", out.String())
	return err
}
