package rbmtest

import (
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// isUS reports whether a number gets the fields that the platform fills in for the
// United States. The simulator takes all of +1 for it.
func isUS(phone string) bool { return strings.HasPrefix(phone, "+1") }

// addUSFields adds the fields that only numbers of the United States get. s.mu is
// held.
//
// Assumption: the names of the classes, that a basic message has none, and the
// name of the carrier.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#RichMessageClassification
func (s *Simulator) addUSFields(out *node, m *message) {
	if class := classification(m.Detail.Billing); class != nil {
		out.set("richMessageClassification", class)
	}
	if size := s.attachedBytes(m.content); size > 0 {
		out.set("totalPayloadSizeBytes", stringOf(strconv.FormatInt(size, 10)))
	}
	out.set("carrier", stringOf(s.carrier(m.To)))
}

func classification(b rbm.Billing) *node {
	name := map[rbm.BillingClass]string{rbm.BillingRich: "RICH_MESSAGE", rbm.BillingRichMedia: "RICH_MEDIA_MESSAGE"}[b.Class]
	if name == "" {
		return nil
	}
	out := &node{kind: objectNode}
	out.set("classificationType", stringOf(name))
	if b.Segments > 0 {
		out.set("segmentCount", &node{kind: numberNode, text: strconv.Itoa(b.Segments)})
	}
	return out
}

// carrier returns the network of a number. s.mu is held.
func (s *Simulator) carrier(phone string) string {
	if c := s.behaviors[phone].Carrier; c != "" {
		return c
	}
	return "example-us"
}
