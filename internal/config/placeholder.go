package config

import (
	"regexp"
	"slices"
	"strings"
)

// placeholders are the words of our documents that stand for values of the user.
var placeholders = map[string]string{
	"PROJECT":         "the ID of your Google Cloud project",
	"PROJECT_ID":      "the ID of your Google Cloud project",
	"PROJECT_NUMBER":  "the number of your Google Cloud project",
	"LOCATION":        "the region of your queue, such as us-central1",
	"REGION":          "your region, such as us-central1",
	"SECRET":          "the name of your secret",
	"SECRET_ID":       "the name of your secret",
	"VERSION":         "the number of the version",
	"NUMBER":          "the number of the version",
	"QUEUE":           "the name of your queue",
	"TOPIC":           "the name of your topic",
	"BUCKET":          "the name of your bucket",
	"NAME":            "the name that you chose",
	"SERVICE_ACCOUNT": "the email of your service account",
	"ACCOUNT":         "the name of your service account",
	"AGENT":           "the agent's ID from the RCS for Business console",
	"AGENT_ID":        "the agent's ID from the RCS for Business console",
	"KEY":             "a long random key",
	"API_KEY":         "a long random key",
	"HOOK":            "the URL of your function",
	"FUNCTION":        "the name of your function",
	"FUNCTION_URL":    "the URL of your function",
	"SERVICE_URL":     "the URL of your function",
	"HOST":            "the host of your function",
	"DOMAIN":          "your domain",
}

// placeholderForm matches other words that stand for a value: YOUR-DOMAIN, <domain>.
var placeholderForm = regexp.MustCompile(`^(?i:your[-_][a-z0-9_-]+|[<\[{][a-z0-9 _-]+[>\]}]|\*|.*\.{3}|changeme|change-me)$`)

// markedForm matches a word of our documents with marks: your-project, <project-id>,
// ${PROJECT}.
var markedForm = regexp.MustCompile(`^(?i:your[-_]([a-z_-]+)|\$?[<\[{]([a-z _-]+)[>\]}]|\$([a-z_]+))$`)

// findPlaceholder returns a problem with a value that was copied from an example and not
// replaced, or "".
func findPlaceholder(value string) string {
	words := []string{value}
	if len(value) <= 300 && (strings.Contains(value, "://") || strings.HasPrefix(value, "projects/") || strings.Contains(value, "@")) {
		words = strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("/@.:?&=", r) })
	}
	for _, word := range words {
		plain := word
		if marked := markedForm.FindStringSubmatch(word); marked != nil {
			plain = strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(strings.Join(marked[1:], "")))
		}
		if meaning := placeholders[plain]; meaning != "" {
			return "contains a placeholder; replace " + word + " by " + meaning
		}
		if placeholderForm.MatchString(word) {
			return "contains a placeholder; replace it by your own value"
		}
	}
	return ""
}

// onlyCauses removes the problems that probably have another one as their cause: other
// problems of settings that contain a placeholder, and missing settings if keys are at the
// wrong level.
func onlyCauses(problems []Problem) []Problem {
	placeholders, misplaced := make(map[Position]bool), false
	for _, p := range problems {
		placeholders[p.Position] = placeholders[p.Position] || p.placeholder
		misplaced = misplaced || p.misplaced
	}
	return slices.DeleteFunc(problems, func(p Problem) bool {
		return !p.placeholder && placeholders[p.Position] || misplaced && p.unset
	})
}
