package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Service is a deployment on Cloud Run, as far as it is known. The zero value is one
// of which nothing is.
type Service struct {
	Name, Project, Region string

	// Account is the service account that it runs as.
	Account string
}

// update is the beginning of a command that changes the settings.
func (s Service) update() string {
	or := func(value, name string) string {
		if value == "" {
			return name
		}
		return value
	}
	return "gcloud run services update " + or(s.Name, "SERVICE") + " --project=" + or(s.Project, "PROJECT") + " --region=" + or(s.Region, "REGION")
}

// service is what "gcloud run services describe --format=json" prints, as far as it
// is read here.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/reference/rest/v1/namespaces.services
type service struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Template struct {
			Spec struct {
				Account    string `json:"serviceAccountName"`
				Containers []struct {
					Env []struct {
						Name  string `json:"name"`
						Value string `json:"value"`
						From  struct {
							Secret struct {
								Name    string `json:"name"`
								Version string `json:"key"`
							} `json:"secretKeyRef"`
						} `json:"valueFrom"`
					} `json:"env"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// ParseEnviron reads settings from a file: a line NAME=value each, with comments
// after #, or what "gcloud run services describe --format=json" prints. The
// service is known from the latter only.
//
// A variable that Cloud Run fills from a secret becomes the name of that secret,
// which rcshook reads by itself. The error quotes nothing of the file.
func ParseEnviron(data []byte) ([]string, Service, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(data), "\uFEFF"))
	if strings.HasPrefix(text, "{") {
		return parseService(text)
	}
	var environ []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"':{") {
			return nil, Service{}, fmt.Errorf("line %d is not of the form NAME=value", number)
		}
		environ = append(environ, name+"="+unquote(value))
	}
	return environ, Service{}, nil
}

// unquote takes off the quotes that a shell would.
func unquote(value string) string {
	for _, q := range []string{`"`, `'`} {
		if len(value) >= 2 && strings.HasPrefix(value, q) && strings.HasSuffix(value, q) {
			return value[1 : len(value)-1]
		}
	}
	return value
}

func parseService(text string) ([]string, Service, error) {
	var s service
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, Service{}, errors.New("it begins as JSON and is none")
	}
	if s.Kind != "Service" || len(s.Spec.Template.Spec.Containers) == 0 {
		return nil, Service{}, errors.New("it is JSON, and not what gcloud run services describe --format=json prints")
	}
	found := Service{
		Name: s.Metadata.Name, Project: s.Metadata.Namespace,
		Region: s.Metadata.Labels["cloud.googleapis.com/location"], Account: s.Spec.Template.Spec.Account,
	}
	var environ []string
	for _, container := range s.Spec.Template.Spec.Containers {
		for _, v := range container.Env {
			value := v.Value
			if from := v.From.Secret; from.Name != "" {
				value = "projects/" + found.Project + "/secrets/" + from.Name + "/versions/" + from.Version
			}
			if strings.HasPrefix(strings.ToUpper(v.Name), "RCSHOOK_") { // others are of that machine, such as paths
				environ = append(environ, v.Name+"="+value)
			}
		}
	}
	return environ, found, nil
}
