package rbm

import (
	"bytes"
	"encoding/json"
)

// Encode returns m as the JSON that is sent: lower camel case names, no field
// that is not set, and no escapes that only HTML needs. The limit
// [MaxMessageBytes] is about this form.
//
// It fails if m holds what JSON cannot say, such as a latitude that is not a
// number; [AgentMessage.Check] reports those too.
func (m *AgentMessage) Encode() ([]byte, error) {
	return encode(m)
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
