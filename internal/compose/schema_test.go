package compose_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
)

// schemaVariable is the environment variable with the path of a JSON Schema of the
// AgentMessage. The schema was written independently of package rbm, so that the two check
// each other. Without it, messages are not validated.
const schemaVariable = "RCSHOOKTEST_SCHEMA"

var agentMessageSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	file := os.Getenv(schemaVariable)
	if file == "" {
		return nil, nil
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c.Compile(file)
})

// checkSchema validates a message with the schema, if there is one.
func checkSchema(t *testing.T, message []byte) {
	t.Helper()
	schema, err := agentMessageSchema()
	if err != nil {
		t.Fatalf("%s: %v", schemaVariable, err)
	}
	if schema == nil {
		return
	}
	if err := validate(schema, message); err != nil {
		t.Errorf("%s\ndoes not satisfy the schema: %v", message, err)
	}
}

func validate(s *jsonschema.Schema, message []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func needSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := agentMessageSchema()
	if err != nil {
		t.Fatalf("%s: %v", schemaVariable, err)
	}
	if schema == nil {
		t.Skipf("no independent schema: %s, the absolute path of one, is not set", schemaVariable)
	}
	return schema
}

// The messages of all cases satisfy the schema.
func TestSchema_cases(t *testing.T) {
	t.Parallel()
	schema := needSchema(t)
	messages := 0
	for _, file := range glob(t, "../../testdata/cases/*/*/sent.json") {
		var sent []struct {
			AgentMessage json.RawMessage `json:"agent_message"`
		}
		if err := json.Unmarshal(lengthen(read(t, file)), &sent); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, m := range sent {
			messages++
			if err := validate(schema, m.AgentMessage); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if messages < 100 {
		t.Errorf("%d messages in the cases, want many", messages)
	}
}

// The messages of generated payloads satisfy the schema. [checkMessage] validates those of
// the other tests.
func TestSchema_generated(t *testing.T) {
	t.Parallel()
	needSchema(t)
	messages := 0
	for seed := range uint64(20_000) {
		body := generator{rand.New(rand.NewPCG(seed, 1))}.payload()
		p, err := payload.Decode(asJSON, body, payload.Options{Country: "DE"})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if c, err := compose.Message(p, compose.Defaults{}, now); err == nil {
			messages++
			checkSchema(t, c.Encoded)
		}
		if t.Failed() {
			t.Fatalf("from %s", body)
		}
	}
	if messages < 1000 {
		t.Errorf("%d messages, want many", messages)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, error %v", pattern, len(files), err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var repetition = regexp.MustCompile(`\[\[(.+?)\*([0-9]+)\]\]`)

// lengthen expands [[x*300]] in the files of cases to 300 x.
func lengthen(text []byte) []byte {
	return repetition.ReplaceAllFunc(text, func(s []byte) []byte {
		parts := repetition.FindSubmatch(s)
		n, _ := strconv.Atoi(string(parts[2]))
		return []byte(strings.Repeat(string(parts[1]), n))
	})
}
