package rbm

import (
	"reflect"
	"strings"
	"sync"
)

// Names, types and nesting of the messages are in the Go types. This file holds
// what those cannot say.

// A trait is something that the API asks of one field.
type trait struct {
	union    string // the group of which only one field may be given
	output   bool   // only the platform fills the field in
	required bool   // absent and zero are not the same
}

var traits = map[reflect.Type]map[string]trait{
	reflect.TypeFor[AgentMessage](): {
		"ttl":                       {union: "expiration"},
		"expireTime":                {union: "expiration"},
		"name":                      {output: true},
		"sendTime":                  {output: true},
		"richMessageClassification": {output: true},
		"totalPayloadSizeBytes":     {output: true},
		"carrier":                   {output: true},
	},
	reflect.TypeFor[AgentContentMessage](): {
		"text":            {union: "content"},
		"fileName":        {union: "content"},
		"uploadedRbmFile": {union: "content"},
		"richCard":        {union: "content"},
		"contentInfo":     {union: "content"},
	},
	reflect.TypeFor[RichCard](): {
		"standaloneCard": {union: "card"},
		"carouselCard":   {union: "card"},
	},
	reflect.TypeFor[Media](): {
		"fileName":        {union: "content"},
		"uploadedRbmFile": {union: "content"},
		"contentInfo":     {union: "content"},
	},
	reflect.TypeFor[Suggestion](): {
		"reply":  {union: "option"},
		"action": {union: "option"},
	},
	reflect.TypeFor[SuggestedAction](): {
		"dialAction":                {union: "action"},
		"viewLocationAction":        {union: "action"},
		"createCalendarEventAction": {union: "action"},
		"openUrlAction":             {union: "action"},
		"shareLocationAction":       {union: "action"},
		"composeAction":             {union: "action"},
	},
	reflect.TypeFor[ComposeAction](): {
		"composeTextMessage":      {union: "action"},
		"composeRecordingMessage": {union: "action"},
	},
	reflect.TypeFor[LatLng](): {
		"latitude":  {required: true},
		"longitude": {required: true},
	},
}

// words holds the closed enums, each in the order of its numbers.
//
// Assumption: the numbers follow the order in which the reference lists the
// words, beginning with 0.
var words = map[reflect.Type][]string{
	reflect.TypeFor[TrafficType](): {
		string(TrafficUnspecified), string(TrafficAuthentication), string(TrafficTransaction),
		string(TrafficPromotion), string(TrafficServiceRequest), string(TrafficAcknowledgement),
	},
	reflect.TypeFor[CardOrientation]():         {string(OrientationUnspecified), string(OrientationHorizontal), string(OrientationVertical)},
	reflect.TypeFor[ThumbnailImageAlignment](): {string(AlignUnspecified), string(AlignLeft), string(AlignRight)},
	reflect.TypeFor[CardWidth]():               {string(WidthUnspecified), string(WidthSmall), string(WidthMedium)},
	reflect.TypeFor[MediaHeight]():             {string(HeightUnspecified), string(HeightShort), string(HeightMedium), string(HeightTall)},
	reflect.TypeFor[OpenURLApplication]():      {string(ApplicationUnspecified), string(ApplicationBrowser), string(ApplicationWebview)},
	reflect.TypeFor[WebviewViewMode]():         {string(WebviewUnspecified), string(WebviewFull), string(WebviewHalf), string(WebviewTall)},
}

// A schema is what the decoder knows about one struct.
type schema struct {
	fields []schemaField
	byName map[string]int // lower camel and snake case
}

type schemaField struct {
	trait
	name  string // lower camel case, as in the reference
	index int    // of the Go field
}

// names lists the fields as the reference writes them.
func (s *schema) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// members lists the fields of a union.
func (s *schema) members(union string) []string {
	var names []string
	for _, f := range s.fields {
		if f.union == union {
			names = append(names, f.name)
		}
	}
	return names
}

var schemas sync.Map // reflect.Type to *schema

func schemaOf(t reflect.Type) *schema {
	if s, ok := schemas.Load(t); ok {
		return s.(*schema)
	}
	s := &schema{byName: make(map[string]int)}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		s.byName[name] = len(s.fields)
		s.byName[snakeCase(name)] = len(s.fields)
		s.fields = append(s.fields, schemaField{trait: traits[t][name], name: name, index: i})
	}
	schemas.Store(t, s)
	return s
}

func snakeCase(camel string) string {
	var b strings.Builder
	for _, c := range []byte(camel) {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
