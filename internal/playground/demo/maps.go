package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/starter"
)

const (
	// maxTrial limits the bytes of a request, as the function limits those of a webhook.
	maxTrial = 256 << 10

	fileName = "rcshook.yaml"
)

// A mapTrial asks for the messages that an event becomes: by the mapping of a preset, or by a
// source in a file.
type mapTrial struct {
	Preset string `json:"preset"`
	File   string `json:"file"`
	Source string `json:"source"` // in the file

	// Map replaces the mapping of the preset, and Event the sample event.
	Map   *string `json:"map"`
	Event *string `json:"event"`

	// Download asks for the files with which rcshook check runs this trial.
	Download bool `json:"download"`
}

// mapResult is what becomes of an event.
type mapResult struct {
	Map      string           `json:"map"`
	Event    string           `json:"event"`
	Problems []problem        `json:"problems"`
	Reply    json.RawMessage  `json:"reply,omitempty"` // to the sender, in place of messages
	Messages []mapMessage     `json:"messages"`
	Nulls    []check.NullText `json:"nulls"`
	Files    []textFile       `json:"files,omitempty"`
}

// problem is a problem with a text of the page. Line and Column count from 1; zero if the
// problem has no place.
type problem struct {
	In     string `json:"in"` // map, event, file or preset
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"` // in the file
	Detail string `json:"detail"`
}

// mapMessage is a payload that a mapping made.
type mapMessage struct {
	Payload json.RawMessage `json:"payload"`

	// Response is the function's response to a dry run, and Status that of HTTP.
	Response json.RawMessage `json:"response"`
	Status   int             `json:"status"`

	// Send is the payload of the same message for a direct call; nil if it is invalid.
	Send *directPayload `json:"send"`
}

type directPayload struct {
	To  []string        `json:"to"`
	Raw json.RawMessage `json:"raw"`
}

type textFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// problemsOf returns the problems of a configuration. Those of programs without a file are in
// the mapping.
func problemsOf(err error) (problems []problem) {
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []problem{{In: "file", Detail: err.Error()}}
	}
	for _, p := range invalid.Problems {
		in := "file"
		if p.File == "" {
			in = "map"
		}
		problems = append(problems, problem{in, p.Line, p.Column, p.Path, p.Detail})
	}
	return problems
}

// trial is an opened source with its file.
type trial struct {
	file   *check.File
	source *source.Source
	sample []byte
}

// open opens the preset or the file of a trial.
func (m *mapTrial) open() (t trial, problems []problem) {
	if m.File != "" {
		file, err := check.Open(fileName, []byte(m.File), check.Settings{})
		if err != nil {
			return t, problemsOf(err)
		}
		for _, s := range file.Sources {
			if s.Name == m.Source || m.Source == "" {
				sample, _ := check.FormatEvent(s.Sample("0001"))
				return trial{file, s, sample}, nil
			}
		}
		return t, []problem{{In: "file", Detail: "the file has no source of that name"}}
	}
	first, err := starter.New(starter.Options{Preset: m.Preset})
	if err == nil && first.Source == nil {
		err = errors.New("expected a preset or a file")
	}
	if err != nil {
		return t, []problem{{In: "preset", Detail: err.Error()}}
	}
	t.sample = first.Event
	parsed, err := config.ParseFile(fileName, first.Text)
	if err != nil {
		return t, problemsOf(err)
	}
	c := parsed.Sources[m.Preset]
	c.Map = config.Program{Text: first.Source.Map.Text} // without a place in the file
	if m.Map != nil {
		c.Map.Text = *m.Map
	}
	parsed.Sources[m.Preset] = c
	t.file = check.New(parsed, check.Settings{})
	opened, err := source.Open(parsed.Sources, source.Options{Agents: []string{config.DefaultAgent}, Phone: t.file.Phone()})
	switch {
	case err != nil && strings.TrimSpace(c.Map.Text) == "":
		return t, []problem{{In: "map", Line: 1, Column: 1, Detail: `is empty; write a jq program that returns a payload, such as {to: .phone, text: "Hello"}`}}
	case err != nil:
		return t, problemsOf(err)
	}
	t.source = opened.All()[0]
	return t, nil
}

// run maps the event of a trial. Nothing is sent.
func (m *mapTrial) run(ctx context.Context, now time.Time, maxVariants time.Duration) (result mapResult) {
	result = mapResult{Problems: []problem{}, Messages: []mapMessage{}, Nulls: []check.NullText{}}
	if m.Map != nil {
		result.Map = *m.Map
	}
	t, problems := m.open()
	result.Event = string(t.sample)
	if m.Event != nil {
		result.Event = *m.Event
	}
	if len(problems) > 0 {
		result.Problems = problems
		return result
	}
	result.Map = t.source.Config.Map.Text
	event := []byte(result.Event)
	r, err := check.ParseEvent(event, "")
	if err != nil {
		result.Problems = append(result.Problems, problem{In: "event", Line: 1, Column: 1, Detail: err.Error()})
		return result
	}
	received, err := t.source.Map(ctx, r, now)
	if err != nil {
		result.Problems = append(result.Problems, mapProblem(err, event, r.Body))
		return result
	}
	result.Reply = received.Reply
	invalid := false
	for _, message := range received.Messages {
		made := t.rehearse(ctx, message, now)
		result.Messages = append(result.Messages, made)
		invalid = invalid || made.Send == nil
	}
	if invalid {
		return result
	}
	variants, cancel := context.WithTimeout(ctx, maxVariants)
	defer cancel()
	result.Nulls = append(result.Nulls, check.NullTexts(variants, t.source, event, "")...)
	if m.Download {
		result.Files, err = m.files(ctx, t, event)
		if err != nil {
			result.Problems = append(result.Problems, problemsOf(err)...)
		}
	}
	return result
}

// mapProblem returns the problem of a mapping, or of the event, which may have headers above its
// body.
func mapProblem(err error, event, body []byte) problem {
	p := problem{In: "event", Detail: err.Error()}
	if invalid, ok := errors.AsType[*payload.BodyError](err); ok {
		invalid = check.BelowHeaders(invalid, event, body)
		p.Line, p.Column, p.Detail = invalid.Line, invalid.Column, invalid.Detail
	}
	if failed, ok := errors.AsType[*source.MappingError](err); ok {
		p.Detail = failed.Unredacted()
		if failed.Name == "map" {
			p.In, p.Line, p.Column = "map", failed.At.Line, failed.At.Column
		}
		if failed.At.File == fileName {
			p.In, p.Line, p.Column = "file", failed.At.Line, failed.At.Column
		}
	}
	return p
}

// rehearse prepares a payload as the function does, in a dry run.
func (t *trial) rehearse(ctx context.Context, mapped source.Message, now time.Time) mapMessage {
	made := mapMessage{Payload: mapped.Body}
	if !json.Valid(mapped.Body) { // the sender posts a form
		made.Payload, _ = json.Marshal(string(mapped.Body))
	}
	in := prepare.Input{ContentType: mapped.ContentType, Body: mapped.Body, Key: mapped.Key, Warnings: mapped.Warnings}
	message, err := t.file.Prepare(in, t.source.Config, now)
	var result *response.Response
	if err != nil {
		result = response.FromError(err)
	} else {
		message.DryRun, message.Agent = true, &send.Agent{Name: message.AgentName, ID: agentID}
		sender := send.New(send.Options{Now: func() time.Time { return now }})
		result = response.FromResults(sender.Send(ctx, message), nil)
		made.Send = &directPayload{Raw: message.Message.Encoded}
		for _, to := range message.To {
			made.Send.To = append(made.Send.To, to.E164)
		}
	}
	w := httptest.NewRecorder()
	_ = result.Write(w, new(http.Request)) // a recorder accepts all
	made.Status, made.Response = w.Code, w.Body.Bytes()
	return made
}

// files returns the files with which rcshook check runs a trial.
func (m *mapTrial) files(ctx context.Context, t trial, event []byte) ([]textFile, error) {
	text := []byte(m.File)
	if m.File == "" {
		first, err := starter.New(starter.Options{Preset: m.Preset, Map: t.source.Config.Map.Text})
		if err != nil {
			return nil, err
		}
		text = first.Text
	}
	file, err := check.Open(fileName, text, check.Settings{})
	if err != nil {
		return nil, err
	}
	kind := check.KindOf(event)
	for _, s := range file.Sources {
		if s.Name != t.source.Name {
			continue
		}
		want, err := file.Messages(ctx, s, event, kind)
		if err != nil {
			return nil, err
		}
		folder := cmp.Or(s.Config.Cases, path.Join("cases", s.Name))
		if !filepath.IsLocal(folder) || strings.ContainsAny(folder, `\:`) { // the archive may be unpacked on Windows
			return nil, errors.New("cases must be a folder below that of the file, with slashes")
		}
		return []textFile{
			{fileName, string(text)},
			{path.Join(folder, "sample."+kind), string(event)},
			{path.Join(folder, "sample.want.json"), string(want)},
		}, nil
	}
	return nil, errors.New("the file has no source of that name")
}

// fileResult is the result of a check of a file.
type fileResult struct {
	Problems []problem    `json:"problems"`
	Warnings []problem    `json:"warnings"`
	Sources  []fileSource `json:"sources"`
}

type fileSource struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// checkFile checks a file as rcshook check does, without its cases.
func checkFile(ctx context.Context, text string) fileResult {
	result := fileResult{[]problem{}, []problem{}, []fileSource{}}
	file, err := check.Open(fileName, []byte(text), check.Settings{})
	if err != nil {
		result.Problems = problemsOf(err)
		return result
	}
	mapping.Limited(ctx, func(ctx context.Context) { // all samples of all targets together
		failed, _ := file.Targets(ctx)
		result.Problems = append(result.Problems, findings(failed)...)
	})
	result.Warnings = append(result.Warnings, findings(file.Warnings())...)
	for _, s := range file.Sources {
		result.Sources = append(result.Sources, fileSource{s.Name, s.Description()})
	}
	return result
}

func findings(all []check.Finding) (problems []problem) {
	for _, f := range all {
		problems = append(problems, problem{"file", f.At.Line, f.At.Column, f.At.Path, f.Detail})
	}
	return problems
}

// mapsHandler serves the tab for mappings: POST /_play/map and POST /_play/check.
func mapsHandler(now func() time.Time, maxVariants time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_play/map", func(w http.ResponseWriter, r *http.Request) {
		var trial mapTrial
		if readJSON(w, r, &trial) {
			writeJSON(w, http.StatusOK, trial.run(r.Context(), now(), maxVariants))
		}
	})
	mux.HandleFunc("POST /_play/check", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			File string `json:"file"`
		}
		if readJSON(w, r, &in) {
			writeJSON(w, http.StatusOK, checkFile(r.Context(), in.File))
		}
	})
	return mux
}

// readJSON decodes a request. If it returns false, it has served an error.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTrial)).Decode(v)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"error": "the texts are larger than 256 KiB; make them shorter"})
	} else if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the request is not valid JSON"})
	}
	return err == nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the page may be gone
}
