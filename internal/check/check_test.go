package check_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/config"
)

const shop = `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
    map: '{to: .phone, text: "Thank you, \(.name)!"}'
`

func TestOpen_problems(t *testing.T) {
	t.Parallel()
	const file = `sources:
  shop:
    preset: shopfy
    secret: projects/p/secrets/shop
    map: "{to: .phone, text: .name}"
events:
  crm:
    url: ftp://crm.example.com
  log:
    url: https://log.example.com
    map: "{text: .text"
`
	_, err := check.Open("f.yaml", []byte(file), check.Settings{})
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("got error %v, want a *config.Error", err)
	}
	var got []string
	for _, p := range invalid.Problems {
		got = append(got, p.String())
	}
	want := []string{
		"f.yaml:3:5 sources.shop.preset is not a preset; did you mean shopify?",
		"f.yaml:8:5 events.crm.url must be a URL such as https://example.com/path",
		"f.yaml:11:11 events.log.map invalid jq: the { here is never closed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	f, err := check.Open("f.yaml", []byte(shop), check.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, event, kind, want, err string }{
		{
			name: "JSON", event: `{"phone": "+12025550123", "name": "Ada"}`, kind: "json",
			want: "[\n  {\n    \"message\": {\n      \"contentMessage\": {\n        \"text\": \"Thank you, Ada!\"\n      }\n    },\n    \"to\": [\n      \"+12025550123\"\n    ]\n  }\n]\n",
		},
		{name: "error below headers", event: "Content-Type: application/json\nX-Topic: paid\n\n{\n  \"phone\": ,\n}", err: "invalid event: invalid JSON at line 5, column 12: trailing comma before a closing bracket"},
		{name: "not JSON", event: "phone=1", err: "the empty line between headers and body is missing"},
		{name: "no number", event: `[{"name": "Ada"}]`, err: `f.yaml:5:16: the map fails: expected an object but got: array ([{"name":"Ada"}])`},
	} {
		got, err := f.Messages(t.Context(), f.Sources[0], []byte(test.event), test.kind)
		if text := errorText(err); string(got) != test.want || text != test.err {
			t.Errorf("%s: got %q, error %q; want %q, error %q", test.name, got, text, test.want, test.err)
		}
	}
	want := []check.NullText{{"/text", []string{"/name"}}}
	if got := check.NullTexts(t.Context(), f.Sources[0], []byte(`{"phone": "+12025550123", "name": "Ada"}`), "json"); !reflect.DeepEqual(got, want) {
		t.Errorf("null texts %v, want %v", got, want)
	}
	warnings := f.Warnings()
	if len(warnings) != 1 || warnings[0].String() != "f.yaml:2:3 sources.shop: messages without a traffic type count as promotions, which people who replied STOP do not get; set traffic here or for the agent" {
		t.Errorf("warnings %v, want the one of a source without a traffic type", warnings)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
