package compose

import (
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// raw reads an AgentMessage in the API's own form and checks it by the same
// rules.
func (c *composer) raw(d Defaults) *rbm.AgentMessage {
	raw := c.payload.Raw
	data := raw.JSON
	if raw.Content {
		data = `{"contentMessage":` + data + `}`
	}
	m, violations := rbm.CheckAgentMessage([]byte(data), c.now)
	for _, v := range violations {
		pointer := v.Pointer
		if raw.Content {
			pointer = strings.TrimPrefix(pointer, "/contentMessage")
		}
		f := raw.ErrorBelow(pointer, "%s", v.Detail)
		f.Limit, f.Actual = v.Limit, v.Actual
		c.faults = append(c.faults, f)
	}
	if m == nil {
		return nil
	}
	c.single()
	for _, extra := range []payload.Buttons{c.payload.Top.Buttons, c.payload.Chips} {
		if extra.Sent() {
			c.fault(extra.Position, "%q is the whole message; put its suggestions into it", raw.Name())
		}
	}
	c.delivery(m, d)
	if len(violations) == 0 {
		c.hold(m) // with what the payload added
	}
	return m
}
