package rbmtest

// getCapabilities is phones.getCapabilities. A request ID that was used before is
// answered like any other: what "ignored" returns is not known.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (s *Simulator) getCapabilities(c *call) (*node, *apiError) {
	if refusal := s.reach(c, nil); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behaviors[c.phone]
	features := b.Features
	if features == nil && b.Refusal != FeatureUnsupported {
		features = AllFeatures()
	}
	out := &node{kind: objectNode}
	if len(features) > 0 {
		out.set("features", stringsOf(features))
	}
	if isUS(c.phone) {
		out.set("carrier", stringOf(s.carrier(c.phone)))
	}
	return out, nil
}

func stringsOf(list []string) *node {
	out := &node{kind: listNode}
	for _, item := range list {
		out.list = append(out.list, stringOf(item))
	}
	return out
}
