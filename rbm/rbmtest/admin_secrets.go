package rbmtest

import (
	"maps"
	"slices"
)

// secretInfo is an entry of GET /_sim/secrets. Values are not among it.
type secretInfo struct {
	Name     string `json:"name"`
	Versions int    `json:"versions"`
	Accesses int    `json:"accesses"`
}

func (s *Simulator) secretNames() []secretInfo {
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	out := []secretInfo{}
	for _, name := range slices.Sorted(maps.Keys(s.secrets.secrets)) {
		secret := s.secrets.secrets[name]
		out = append(out, secretInfo{name, len(secret.versions), secret.accesses})
	}
	return out
}
