package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/doctor"
)

func TestParseEnviron(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
		service    doctor.Service
		err        string
	}{
		{name: "empty"},
		{
			name: "lines",
			text: "\uFEFF# of the shop\n\nRCSHOOK_REGION=us\r\nexport RCSHOOK_TTL='4h'\nRCSHOOK_API_KEYS=\"a=b\"\nRCSHOOK_COUNTRY=\nX=\"\n",
			want: []string{"RCSHOOK_REGION=us", "RCSHOOK_TTL=4h", "RCSHOOK_API_KEYS=a=b", "RCSHOOK_COUNTRY=", `X="`},
		},
		{name: "UTF-16", text: "\xff\xfeA\x00=\x00b\x00\r\x00\n\x00", want: []string{"A=b"}},
		{name: "not text", text: "A=\xff", err: "not text in UTF-8; save it as UTF-8"},
		{name: "no name", text: "A=b\n=sesame", err: "line 2: expected NAME=value"},
		{name: "YAML", text: "env:\n- name: A", err: "line 1: expected NAME=value"},
		{
			name: "a deployment",
			text: `{"apiVersion": "serving.knative.dev/v1", "kind": "Service",
				"metadata": {"name": "rcshook", "namespace": "123456789012", "labels": {"cloud.googleapis.com/location": "us-central1"}},
				"spec": {"template": {"spec": {"serviceAccountName": "rcshook-run@p.iam.gserviceaccount.com", "containers": [
					{"env": [{"name": "HTTP_PROXY", "value": "x"}]},
					{"env": [{"name": "RCSHOOK_REGION", "value": "us"}, {"name": "RCSHOOK_TTL"},
						{"name": "RCSHOOK_API_KEYS", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "latest"}}}]}]}}}}`,
			want: []string{"RCSHOOK_REGION=us", "RCSHOOK_TTL=", "RCSHOOK_API_KEYS=projects/123456789012/secrets/keys/versions/latest"},
			service: doctor.Service{
				Name: "rcshook", Project: "123456789012", Region: "us-central1", Account: "rcshook-run@p.iam.gserviceaccount.com",
			},
		},
		{name: "truncated", text: `{"kind": "Service"`, err: "invalid JSON"},
		{name: "other JSON", text: `{"type": "service_account", "private_key": "sesame"}`, err: "expected the output of gcloud run services describe --format=json, got other JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, service, err := doctor.ParseEnviron([]byte(tt.text))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err || service != tt.service {
				t.Errorf("service %+v, error %q, want %+v, %q", service, text, tt.service, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseEnviron checks that an error does not quote the file.
func FuzzParseEnviron(f *testing.F) {
	f.Add("RCSHOOK_REGION=us\n")
	f.Add(`{"kind": "Service", "spec": {"template": {"spec": {"containers": [{"env": [{"name": "RCSHOOK_TTL"}]}]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		environ, _, err := doctor.ParseEnviron([]byte(text + "\nsesame"))
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("the error quotes the file: %v", err)
		}
		for _, entry := range environ {
			if !strings.Contains(entry, "=") {
				t.Errorf("%q is not NAME=value", entry)
			}
		}
	})
}
