package compose_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm"
)

// The schema and package rbm accept the same complete messages and reject the same invalid
// ones.
func TestSchema_agrees(t *testing.T) {
	t.Parallel()
	schema := needSchema(t)
	for _, file := range glob(t, "../../rbm/testdata/messages/*.json") {
		if err := validate(schema, read(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range glob(t, "../../rbm/testdata/refused/*.json") {
		if err := validate(schema, read(t, file)); err == nil {
			t.Errorf("%s is accepted", file)
		}
	}
}

// The schema and package rbm agree about mutants of complete messages: with a member removed
// or misplaced, or with a text as long as a limit or one character longer.
func TestSchema_agreesOnMutants(t *testing.T) {
	t.Parallel()
	schema := needSchema(t)
	m := newMutator(t)
	var taken, refused int
	for seed := range uint64(10_000) {
		message := m.message(seed)
		_, violations := rbm.CheckAgentMessage(message, now)
		violations = slices.DeleteFunc(violations, ofTime)
		err := validate(schema, message)
		switch {
		case len(violations) == 0 && err != nil:
			t.Fatalf("seed %d: package rbm accepts %s\nthe schema does not: %v", seed, message, err)
		case len(violations) > 0 && err == nil:
			t.Fatalf("seed %d: the schema accepts %s\npackage rbm does not: %v", seed, message, violations)
		case err == nil:
			taken++
		default:
			refused++
		}
	}
	if taken < 1000 || refused < 1000 {
		t.Errorf("%d mutants accepted and %d rejected: expected more of both", taken, refused)
	}
}

// ofTime reports the violations that a schema cannot express, because they depend on the
// clock or compare two times.
func ofTime(v rbm.Violation) bool {
	return v.Rule == rbm.RuleRange && (strings.HasSuffix(v.Pointer, "/expireTime") || strings.HasSuffix(v.Pointer, "/endTime"))
}

// A mutator changes complete messages.
type mutator struct {
	*rand.Rand
	messages [][]byte
	names    []string // of members, without duplicates, in a fixed order
	values   []any    // of members, in a fixed order
}

func newMutator(t *testing.T) *mutator {
	t.Helper()
	m := new(mutator)
	names := map[string]bool{}
	for _, file := range glob(t, "../../rbm/testdata/messages/*.json") {
		message := read(t, file)
		m.messages = append(m.messages, message)
		for _, s := range spotsOf(decoded(message)) {
			if s.name != "" {
				names[s.name] = true
				m.values = append(m.values, s.get())
			}
		}
	}
	m.names = slices.Sorted(maps.Keys(names))
	return m
}

// message returns a mutant, which depends only on the seed.
func (m *mutator) message(seed uint64) []byte {
	m.Rand = rand.New(rand.NewPCG(seed, 2))
	message := decoded(one(m, m.messages))
	for range 1 + m.IntN(3) {
		if spots := spotsOf(message); len(spots) > 0 {
			m.mutate(one(m, spots))
		}
	}
	return encoded(message)
}

// The lengths are the limits of the platform and one more, with and without the start of a
// URL.
var lengths = []int{1, 25, 26, 100, 101, 200, 201, 500, 501, 2000, 2001, 2048, 2049, 3072, 3073}

var counts = []int{0, 1, 2, 4, 5, 10, 11, 12}

func (m *mutator) mutate(s spot) {
	object, inObject := s.in.(map[string]any)
	switch old := s.get(); m.IntN(5) {
	case 0:
		if inObject {
			delete(object, s.name)
		}
	case 1:
		if inObject {
			object[one(m, m.names)] = decoded(encoded(one(m, m.values)))
		}
	case 2:
		s.set(decoded(encoded(one(m, m.values))))
	case 3:
		if _, ok := old.(string); ok {
			text := one(m, []string{"", "https://a.example/"}) + strings.Repeat("x", 3073)
			s.set(text[:one(m, lengths)])
		}
	case 4:
		if items, ok := old.([]any); ok && len(items) > 0 {
			longer := make([]any, one(m, counts))
			for i := range longer {
				longer[i] = decoded(encoded(items[i%len(items)]))
			}
			s.set(longer)
		}
	}
}

func one[T any](m *mutator, from []T) T { return from[m.IntN(len(from))] }

// A spot is a member of an object or an item of a list.
type spot struct {
	in   any
	name string
	item int
}

func (s spot) get() any {
	if object, ok := s.in.(map[string]any); ok {
		return object[s.name]
	}
	return s.in.([]any)[s.item]
}

func (s spot) set(v any) {
	if object, ok := s.in.(map[string]any); ok {
		object[s.name] = v
		return
	}
	s.in.([]any)[s.item] = v
}

// spotsOf lists all spots of a document, in a fixed order.
func spotsOf(v any) []spot {
	var spots []spot
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			spots = append(append(spots, spot{in: v, name: name}), spotsOf(v[name])...)
		}
	case []any:
		for i := range v {
			spots = append(append(spots, spot{in: v, item: i}), spotsOf(v[i])...)
		}
	}
	return spots
}

func decoded(data []byte) (v any) {
	if err := json.Unmarshal(data, &v); err != nil {
		panic(err)
	}
	return v
}

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
