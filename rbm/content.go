package rbm

import (
	"bytes"
	"encoding/json"
	"time"
)

// sameContent reports whether the content in a response is that of the message that was
// sent. Without a content that this package can read, it reports true.
func sameContent(message []byte, content string) bool {
	if content == "" || startsWithContent(message, content) { // the usual cases
		return true
	}
	var sent struct{ ContentMessage json.RawMessage }
	if json.Unmarshal(message, &sent) != nil {
		return true
	}
	want, wantOK := canonicalContent(sent.ContentMessage)
	got, gotOK := canonicalContent([]byte(content))
	return !wantOK || !gotOK || equalJSON(want, got)
}

// startsWithContent reports whether a message in the form of [AgentMessage.Encode] has a
// content, whatever white space that has between its values.
func startsWithContent(message []byte, content string) bool {
	sent, ok := bytes.CutPrefix(message, []byte(`{"contentMessage":`))
	next, inText, escaped := 0, false, false
	for i := 0; ok && i < len(content); i++ {
		switch c := content[i]; {
		case next < len(sent) && sent[next] == c:
			next++
			inText = inText != (c == '"' && !escaped)
			escaped = c == '\\' && !escaped
		case inText || c > ' ': // other control characters are not valid there
			return false
		}
	}
	return ok
}

// canonicalContent returns the known fields of a content with other than zero values.
func canonicalContent(content []byte) (any, bool) {
	var known AgentContentMessage
	if json.Unmarshal(content, &known) != nil {
		return nil, false
	}
	data, err := json.Marshal(known)
	var v any
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	return v, err == nil
}

// equalJSON compares two JSON values. Times are equal if they are the same instant,
// because the platform may write them in another way.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if other, ok := b[name]; !ok || !equalJSON(v, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i, v := range a {
			if !equalJSON(v, b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		if !ok || a == b {
			return ok
		}
		t, err := time.Parse(time.RFC3339Nano, a)
		u, otherErr := time.Parse(time.RFC3339Nano, b)
		return err == nil && otherErr == nil && t.Equal(u)
	}
	return a == b
}
