package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// parseEvent reads an event: JSON alone, or lines of headers, an empty line, and a
// body of any kind.
func parseEvent(event []byte, kind string) (*source.Request, error) {
	r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: event}
	if kind == "json" {
		return r, nil
	}
	head, body, ok := strings.Cut(strings.ReplaceAll(string(event), "\r\n", "\n"), "\n\n")
	if !ok {
		return nil, errors.New("it has no empty line between the headers and the body")
	}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%q is no header, such as Content-Type: application/json", line)
		}
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	r.Body = []byte(body)
	return r, nil
}

// unreadable tells where in the event the JSON is broken, where that is its fault: the
// place in the body is not that in a file with headers.
func unreadable(event, body []byte, fault *payload.BodyError) error {
	before := bytes.Count(event, []byte("\n")) - bytes.Count(body, []byte("\n")) // the headers
	if syntaxOf(body) == fault.Detail {
		fault.Detail = syntaxOf(append(bytes.Repeat([]byte("\n"), before), body...))
	}
	return errors.New("the event cannot be read: " + fault.Detail)
}

func syntaxOf(body []byte) string {
	fault := (*payload.BodyError)(nil)
	if !errors.As(payload.CheckSyntax(body), &fault) {
		return ""
	}
	return fault.Detail
}
