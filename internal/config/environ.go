package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/typo"
)

// prefix begins the names of all settings.
const prefix = "RCSHOOK_"

// The environment variables.
const (
	envAgentID       = prefix + "AGENT_ID"
	envCredentials   = prefix + "CREDENTIALS"
	envAPIKeys       = prefix + "API_KEYS"
	envAllow         = prefix + "ALLOW_UNAUTHENTICATED"
	envRegion        = prefix + "REGION"
	envCountry       = prefix + "COUNTRY"
	envTraffic       = prefix + "TRAFFIC"
	envTTL           = prefix + "TTL"
	envTimeout       = prefix + "TIMEOUT"
	envPace          = prefix + "MESSAGES_PER_SECOND"
	envRBM           = prefix + "RBM_ENDPOINT"
	envSecretManager = prefix + "SECRETMANAGER_ENDPOINT"
	envConfig        = prefix + "CONFIG"
	envAudience      = prefix + "OIDC_AUDIENCE"
	envEmails        = prefix + "OIDC_EMAILS"
	envOIDC          = prefix + "OIDC_ENDPOINT"
	envQueue         = prefix + "QUEUE"
	envQueueAccount  = prefix + "QUEUE_ACCOUNT"
	envURL           = prefix + "URL"
	envTasks         = prefix + "TASKS_ENDPOINT"
)

// envProject is the name that Google's own libraries read.
const envProject = "GOOGLE_CLOUD_PROJECT"

var settings = []string{
	envAgentID, envCredentials, envAPIKeys, envAllow, envRegion, envCountry,
	envTraffic, envTTL, envTimeout, envPace, envRBM, envSecretManager, envConfig, envAudience, envEmails, envOIDC,
	envQueue, envQueueAccount, envURL, envTasks,
}

// FromEnviron reads the settings in environ, a list of NAME=value such as
// [os.Environ] returns. A setting without a value counts as absent.
//
// The error is an [*Error] with a fault for every setting that is missing or
// malformed, and for every variable that begins with RCSHOOK_ and is no setting: a
// misspelt one would otherwise leave a door open, or shut, without a word.
func FromEnviron(environ []string) (Config, error) {
	r := reader{values: make(map[string]string)}
	project := ""
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if name == envProject {
			project = value
		}
		if value = Trim(value); strings.HasPrefix(strings.ToUpper(name), prefix) && value != "" {
			r.values[name] = value
		}
	}
	cfg := r.config()
	cfg.Project = project
	r.unknown()
	if len(r.problems) > 0 {
		return Config{}, &Error{r.problems}
	}
	return cfg, nil
}

// reader takes settings one by one and collects what is wrong with them.
type reader struct {
	values   map[string]string
	problems []Problem
}

func (r *reader) config() Config {
	cfg := Config{
		Agents:                r.agents(),
		Region:                r.region(),
		Traffic:               r.traffic(),
		TTL:                   r.duration(envTTL, MaxTTL, "RCS keeps a message for at most 15 days"),
		Country:               r.country(),
		Timeout:               r.duration(envTimeout, MaxTimeout, "Cloud Run ends a request after an hour"),
		RBMEndpoint:           r.endpoint(envRBM),
		SecretManagerEndpoint: r.endpoint(envSecretManager),
		OIDCEndpoint:          r.endpoint(envOIDC),
		TasksEndpoint:         r.endpoint(envTasks),
		File:                  r.secret(envConfig),
	}
	if a, ok := cfg.Agents[DefaultAgent]; ok {
		a.Region, a.Traffic, a.TTL = cfg.Region, cfg.Traffic, cfg.TTL
		cfg.Agents[DefaultAgent] = a
	}
	cfg.Audience, cfg.Emails = r.tokens()
	cfg.Queue, cfg.QueueAccount, cfg.URL = r.queue()
	cfg.APIKeys, cfg.AllowUnauthenticated = r.callers()
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	return cfg
}

func (r *reader) fault(setting, detail string) {
	r.problems = append(r.problems, Position{Path: setting}.Problemf("%s", detail))
}

// missing adds the problem that a required setting is not set.
func (r *reader) missing(setting, detail string) {
	p := Position{Path: setting}.Problemf("is missing%s", detail)
	p.Missing = true
	r.problems = append(r.problems, p)
}

// secret takes a setting that may be the name of a secret.
func (r *reader) secret(setting string) Secret {
	s := Secret(r.values[setting])
	if err := s.check(); err != nil {
		r.fault(setting, err.Error())
		return ""
	}
	return s
}

func (r *reader) has(setting string) bool { return r.values[setting] != "" }

// unknown finds the variables that look like settings and are none.
func (r *reader) unknown() {
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if slices.Contains(settings, name) {
			continue
		}
		p := Position{Path: name}.Problemf("is not a setting of rcshook: remove it")
		p.Unknown = true
		if p.Suggestion = nearest(name); p.Suggestion != "" {
			p.Detail = "is not a setting of rcshook: did you mean " + p.Suggestion + "?"
		}
		r.problems = append(r.problems, p)
	}
}

// nearest returns the setting that name was probably meant to be, or "".
func nearest(name string) string {
	name = strings.TrimPrefix(strings.ToUpper(name), prefix)
	best, least := "", len(name)/2+1
	for _, setting := range settings {
		if n := typo.Count(name, strings.TrimPrefix(setting, prefix), least); n < least {
			best, least = setting, n
		}
	}
	return best
}
