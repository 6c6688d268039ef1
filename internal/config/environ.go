package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/typo"
)

// prefix starts the names of all settings.
const prefix = "RCSHOOK_"

// The environment variables.
const (
	envAgentID              = prefix + "AGENT_ID"
	envCredentials          = prefix + "CREDENTIALS"
	envAPIKeys              = prefix + "API_KEYS"
	envAllowUnauthenticated = prefix + "ALLOW_UNAUTHENTICATED"
	envRegion               = prefix + "REGION"
	envCountry              = prefix + "COUNTRY"
	envTraffic              = prefix + "TRAFFIC"
	envTTL                  = prefix + "TTL"
	envTimeout              = prefix + "TIMEOUT"
	envRate                 = prefix + "MESSAGES_PER_SECOND"
	envRBM                  = prefix + "RBM_ENDPOINT"
	envSecretManager        = prefix + "SECRETMANAGER_ENDPOINT"
	envConfig               = prefix + "CONFIG"
	envAudience             = prefix + "OIDC_AUDIENCE"
	envEmails               = prefix + "OIDC_EMAILS"
	envOIDC                 = prefix + "OIDC_ENDPOINT"
	envQueue                = prefix + "QUEUE"
	envQueueAccount         = prefix + "QUEUE_ACCOUNT"
	envURL                  = prefix + "URL"
	envAllowPremium         = prefix + "ALLOW_PREMIUM_NUMBERS"
	envTasks                = prefix + "TASKS_ENDPOINT"
	envWebhookToken         = prefix + "WEBHOOK_TOKEN"
	envEventsQueue          = prefix + "EVENTS_QUEUE"
	envEventsURL            = prefix + "EVENTS_URL"
	envEventsSecret         = prefix + "EVENTS_SECRET"
	envPubSub               = prefix + "PUBSUB_ENDPOINT"
	envOptOutStore          = prefix + "OPT_OUT_STORE"
	envOptOutKey            = prefix + "OPT_OUT_KEY"
	envStorage              = prefix + "STORAGE_ENDPOINT"
)

// envProject is the variable that Google's own libraries read.
const envProject = "GOOGLE_CLOUD_PROJECT"

var settings = []string{
	envAgentID, envCredentials, envAPIKeys, envAllowUnauthenticated, envRegion, envCountry, envTraffic, envTTL, envTimeout, envRate,
	envRBM, envSecretManager, envConfig, envAudience, envEmails, envOIDC, envQueue, envQueueAccount, envURL, envTasks,
	envWebhookToken, envEventsQueue, envEventsURL, envEventsSecret, envPubSub, envAllowPremium, envOptOutStore, envOptOutKey, envStorage,
}

// FromEnviron reads the settings in environ, a list of NAME=value such as
// [os.Environ] returns. An empty variable counts as not set.
//
// The error is an [*Error] with every missing, invalid or unknown setting. Unknown
// variables that start with RCSHOOK_ are errors because a misspelled one could
// silently turn authentication off.
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
	cfg := Config{
		Agents:                r.agents(),
		Region:                r.region(),
		Traffic:               r.traffic(),
		TTL:                   r.ttl(),
		Country:               r.country(),
		Timeout:               r.duration(envTimeout, MaxTimeout, "Cloud Run ends a request after one hour"),
		RBMEndpoint:           r.endpoint(envRBM),
		SecretManagerEndpoint: r.endpoint(envSecretManager),
		OIDCEndpoint:          r.endpoint(envOIDC),
		TasksEndpoint:         r.endpoint(envTasks),
		PubSubEndpoint:        r.endpoint(envPubSub),
		StorageEndpoint:       r.endpoint(envStorage),
		WebhookToken:          r.secret(envWebhookToken),
		Events:                r.events(),
		File:                  r.secret(envConfig),
		Project:               project,
	}
	if a, ok := cfg.Agents[DefaultAgent]; ok {
		a.Region, a.Traffic, a.TTL = cfg.Region, cfg.Traffic, cfg.TTL
		cfg.Agents[DefaultAgent] = a
	}
	cfg.Brands = map[string]*Brand{DefaultBrand: {Name: DefaultBrand, Agents: slices.Sorted(maps.Keys(cfg.Agents)), OptOut: r.optOut()}}
	cfg.Audience, cfg.Emails = r.readTokenClaims()
	cfg.Queue, cfg.EventsQueue, cfg.QueueAccount, cfg.URL = r.queues()
	cfg.APIKeys, cfg.AllowUnauthenticated = r.readCallerAuth()
	cfg.AllowPremiumNumbers, _ = r.boolean(envAllowPremium)
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if !slices.Contains(settings, name) {
			short := strings.TrimPrefix(strings.ToUpper(name), prefix)
			near := typo.Nearest(prefix+short, settings, len(short)/2+1)
			r.problems = append(r.problems, unknown(Position{Path: name}, near, "is not a setting of rcshook", "remove it"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if detail := findPlaceholder(r.values[name]); detail != "" {
			p := Position{Path: name}.Problemf("%s", detail)
			p.placeholder = true
			r.problems = append(r.problems, p)
		}
	}
	if len(r.problems) > 0 {
		return Config{}, &Error{onlyCauses(r.problems)}
	}
	return cfg, nil
}

// unknown returns the problem of an unknown setting. The fix is to use suggestion
// or, without one, the given fix.
func unknown(at Position, suggestion, detail, fix string) Problem {
	if suggestion != "" {
		fix = "did you mean " + suggestion + "?"
	}
	p := at.Problemf("%s; %s", detail, fix)
	p.Unknown, p.Suggestion = true, suggestion
	return p
}

// reader checks settings one by one and collects the problems with them.
type reader struct {
	values   map[string]string // by environment variable
	problems []Problem
}

func (r *reader) has(setting string) bool { return r.values[setting] != "" }

func (r *reader) problem(setting, detail string) {
	r.problems = append(r.problems, Position{Path: setting}.Problemf("%s", detail))
}

// missing adds the problem that a required setting is not set.
func (r *reader) missing(setting, fix string) { r.problems = append(r.problems, missing(setting, fix)) }

func missing(setting, fix string) Problem {
	p := Position{Path: setting}.Problemf("is missing; %s", fix)
	p.Missing = true
	return p
}

// The problems of callers that the file can solve too.
var (
	missingKeys = missing(envAPIKeys, "set it to a long random key, or to the secret that contains the keys, projects/PROJECT/secrets/SECRET; "+
		"to allow all callers, as behind Cloud Run IAM, set "+envAllowUnauthenticated+"=true")
	missingEmails = missing(envEmails, "list the service accounts that may call this function; any account can get a token for an audience")
)

// boolean reads true or false; false is the default.
func (r *reader) boolean(setting string) (value, ok bool) {
	switch strings.ToLower(r.values[setting]) {
	case "", "false", "0":
		return false, true
	case "true", "1":
		return true, true
	}
	r.problem(setting, "must be true or false")
	return false, false
}

// secret reads a value or the name of the secret that contains it.
func (r *reader) secret(setting string) Secret {
	s := Secret(r.values[setting])
	if err := s.Check(); err != nil {
		r.problem(setting, err.Error())
		return ""
	}
	return s
}

// agents reads the agent that the environment describes. It is optional if there is
// a file, which can describe agents too.
func (r *reader) agents() map[string]Agent {
	if r.has(envConfig) && !r.has(envAgentID) {
		if r.has(envCredentials) {
			r.problem(envCredentials, "is set without "+envAgentID+"; set both, or neither and describe the agents in the file")
		}
		if r.has(envRate) {
			r.problem(envRate, "is set without "+envAgentID+"; set messages_per_second of the agents in the file")
		}
		return map[string]Agent{}
	}
	return map[string]Agent{DefaultAgent: {ID: r.agentID(), Credentials: r.credentials(), MessagesPerSecond: r.rate()}}
}

func (r *reader) agentID() Secret {
	if !r.has(envAgentID) {
		r.missing(envAgentID, "set it to the agent ID from the RCS for Business console, or to the secret that contains it, projects/PROJECT/secrets/SECRET")
		return ""
	}
	s := r.secret(envAgentID)
	if s == "" || s.IsResource() {
		return s
	}
	_, err := ParseAgentID(string(s))
	switch {
	case errors.Is(err, ErrKeyForAgentID):
		r.problem(envAgentID, err.Error()+"; it may be swapped with "+envCredentials)
	case err != nil:
		r.problem(envAgentID, err.Error()+", or the name of a secret, projects/PROJECT/secrets/SECRET")
	}
	return s
}

func (r *reader) credentials() Secret {
	s := r.secret(envCredentials)
	switch value := s.Literal(); {
	case value == "" || json.Valid([]byte(value)) && strings.HasPrefix(value, "{"):
	case strings.HasPrefix(value, "{"):
		r.problem(envCredentials, "contains invalid JSON, perhaps because of shell quoting; store the key file in Secret Manager and set this to projects/PROJECT/secrets/SECRET")
	default:
		r.problem(envCredentials, "must be the name of a secret, projects/PROJECT/secrets/SECRET, or a service account key as JSON; for a file, leave it empty and set GOOGLE_APPLICATION_CREDENTIALS")
	}
	return s
}

// readTokenClaims reads the claims of accepted Google ID tokens. An audience alone would
// accept every service account of Google Cloud.
func (r *reader) readTokenClaims() (audience, emails []string) {
	list := func(setting string) []string {
		if !r.has(setting) {
			return nil
		}
		return strings.FieldsFunc(r.values[setting], func(c rune) bool { return c == ',' || c == ' ' || c == '\n' })
	}
	audience, emails = list(envAudience), list(envEmails)
	switch {
	case len(audience) > 0 && len(emails) == 0 && !r.has(envConfig): // callers in the file may have emails
		r.problems = append(r.problems, missingEmails)
	case len(audience) == 0 && len(emails) > 0:
		r.missing(envAudience, "set it to the audience of the tokens, usually the address of this function")
	}
	return audience, emails
}

// readCallerAuth reads the settings for authentication. Exactly one of keys, tokens or
// both, and no authentication must be chosen.
func (r *reader) readCallerAuth() (keys Secret, allow bool) {
	keys = r.secret(envAPIKeys)
	if value := keys.Literal(); value != "" && strings.Trim(value, ", \t\r\n") == "" {
		r.problem(envAPIKeys, "does not contain a key; set it to a key, or to the secret that contains the keys, one per line")
	}
	allow, ok := r.boolean(envAllowUnauthenticated)
	if !ok {
		return keys, false
	}
	if allow && r.has(envWebhookToken) {
		r.problem(envWebhookToken, tokenBehindIAM)
	}
	tokens := r.has(envAudience) || r.has(envEmails)
	switch {
	case allow && tokens:
		r.problem(envAllowUnauthenticated, "is true while "+envAudience+" is set, so tokens would not be checked; set only one of the two")
	case allow && r.has(envAPIKeys):
		r.problem(envAllowUnauthenticated, "is true while "+envAPIKeys+" is set, so keys would not be checked; set only one of the two")
	case !allow && !tokens && !r.has(envAPIKeys) && !r.has(envConfig): // the file may have callers
		r.problems = append(r.problems, missingKeys)
	}
	return keys, allow
}

func (r *reader) region() string {
	region := strings.ToLower(r.values[envRegion])
	switch region {
	case "", "us", "europe", "asia":
	case "eu":
		r.problem(envRegion, "must be us, europe or asia; write europe")
	default:
		r.problem(envRegion, "must be us, europe or asia; leave it empty for the global host")
	}
	return region
}

func (r *reader) country() string {
	text := r.values[envCountry]
	country, ok := phonenumber.Country(text)
	switch {
	case text == "":
		return ""
	case strings.EqualFold(text, "UK"):
		r.problem(envCountry, "must be an ISO 3166 country code; write GB")
	case !ok:
		r.problem(envCountry, "must be the ISO 3166 code of a country with phone numbers: two letters, such as US or DE")
	}
	return country
}

// trafficTypes maps our names of the traffic types to the API's.
var trafficTypes = map[string]string{
	"otp":             "AUTHENTICATION",
	"authentication":  "AUTHENTICATION",
	"transaction":     "TRANSACTION",
	"promotion":       "PROMOTION",
	"service":         "SERVICEREQUEST",
	"servicerequest":  "SERVICEREQUEST",
	"acknowledgement": "ACKNOWLEDGEMENT",
}

func (r *reader) traffic() string {
	traffic, ok := trafficTypes[strings.ToLower(r.values[envTraffic])]
	if !ok && r.has(envTraffic) {
		r.problem(envTraffic, "must be otp, transaction, promotion, service or acknowledgement")
	}
	return traffic
}

func (r *reader) ttl() time.Duration {
	return r.duration(envTTL, MaxTTL, "RCS keeps a message for at most 15 days")
}

// badDuration is the detail of a value that [parseDuration] does not accept.
const badDuration = "must be a duration; write 10m, 90s, or a whole number of seconds"

// notPositive is the detail of a duration of zero or less.
const notPositive = "must be greater than zero; leave it empty for the default"

// parseDuration accepts 10m, 3600s or a plain number of seconds.
func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	return time.ParseDuration(text)
}

func (r *reader) duration(setting string, limit time.Duration, reason string) time.Duration {
	if !r.has(setting) {
		return 0
	}
	d, err := parseDuration(r.values[setting])
	switch {
	case err != nil:
		r.problem(setting, badDuration)
	case d <= 0:
		r.problem(setting, notPositive)
	case d > limit:
		r.problem(setting, "is too long: "+reason)
	}
	return d
}

// minRate and maxRate are not limits of the platform. They catch typos.
const (
	minRate = 1.0 / 3600
	maxRate = 1000
)

// rate reads a number of messages per second, which may be a fraction.
func (r *reader) rate() float64 {
	if !r.has(envRate) {
		return 0
	}
	perSecond, err := strconv.ParseFloat(r.values[envRate], 64)
	switch {
	case err != nil || math.IsNaN(perSecond):
		r.problem(envRate, "must be a number of messages per second; write 5, or 0.5 for one every two seconds")
	case perSecond <= 0:
		r.problem(envRate, "must be greater than zero; leave it empty for no limit")
	case perSecond < minRate:
		r.problem(envRate, "is less than one message per hour")
	case perSecond > maxRate:
		r.problem(envRate, fmt.Sprintf("is more than %d messages per second; leave it empty for no limit", maxRate))
	}
	return perSecond
}

// endpoint reads a base URL. Plain HTTP is allowed only on loopback; elsewhere it would
// expose tokens and secrets.
func (r *reader) endpoint(setting string) string {
	if !r.has(setting) {
		return ""
	}
	u, err := url.Parse(r.values[setting])
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		r.problem(setting, "must be a URL such as https://proxy.example.com or http://localhost:8081")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.problem(setting, "must be a base URL: scheme, host and path, without a user, query or fragment")
	case u.Scheme == "http" && !IsLoopback(r.values[setting]):
		r.problem(setting, "must start with https:// unless it is on this machine (localhost), because access tokens are sent there")
	default:
		return strings.TrimRight(u.String(), "/")
	}
	return ""
}

// IsLoopback reports whether address is an HTTP URL on this machine: its host is
// localhost or a loopback address.
func IsLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// The forms of queue and account names. They do not limit the length, because
// counted repetitions take long to compile and Cloud Tasks rejects long names.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues
var (
	queueForm   = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]+$`)
	accountForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*@[a-z0-9.-]+\.[a-z]+$`)
)

// IsQueue reports whether a name has the form projects/*/locations/*/queues/*.
func IsQueue(name string) bool { return queueForm.MatchString(name) }

const badQueue = "must be the full name of a queue, projects/PROJECT/locations/LOCATION/queues/QUEUE"

// tokenBehindIAM is the problem of a webhook token without authentication: Cloud Run's IAM
// would reject the requests of RBM, so the function must be open to everyone.
const tokenBehindIAM = "is set while " + envAllowUnauthenticated + " is true; RBM cannot pass Cloud Run IAM, so authenticate callers with " + envAPIKeys + " instead"

// events reads the target that the environment describes.
func (r *reader) events() map[string]*Target {
	if !r.has(envEventsURL) {
		if r.has(envEventsSecret) {
			r.problem(envEventsSecret, "is set without "+envEventsURL+"; set both, or remove it")
		}
		return nil
	}
	t := &Target{Name: "events", URL: r.secret(envEventsURL), Secret: r.secret(envEventsSecret)}
	if detail := checkURL(t.URL.Literal()); t.URL.Literal() != "" && detail != "" {
		r.problem(envEventsURL, detail)
	}
	t.At = Positions{"": {Path: envEventsURL}, "url": {Path: envEventsURL}, "secret": {Path: envEventsSecret}}
	return map[string]*Target{t.Name: t}
}

// queues reads the queues and the settings for their tasks. The account and the address
// are useful without a queue: the function still accepts tasks that are left in one.
//
// The address is a setting and not taken from requests, because otherwise a caller could
// redirect the tasks and their tokens.
func (r *reader) queues() (messages, events, account, address string) {
	const example = "the public address of this function, such as https://rcshook-123456789012.us-central1.run.app"
	messages, events, account = r.values[envQueue], r.values[envEventsQueue], strings.ToLower(r.values[envQueueAccount])
	if r.has(envURL) {
		address = strings.TrimRight(r.values[envURL], "/")
		if checkURL(address) != "" || strings.Contains(address, "?") {
			r.problem(envURL, "must be "+example+", without a query")
		}
	}
	for _, setting := range []string{envQueue, envEventsQueue} {
		if name := r.values[setting]; name != "" && !IsQueue(name) {
			r.problem(setting, badQueue)
		}
	}
	if messages != "" && messages == events {
		r.problem(envEventsQueue, "must not be the queue of the messages, which would wait while a target fails; create another queue")
	}
	switch {
	case account != "" && !accountForm.MatchString(account):
		r.problem(envQueueAccount, "must be a service account, NAME@PROJECT.iam.gserviceaccount.com")
	case account == "" && (messages != "" || events != ""):
		r.missing(envQueueAccount, "set it to the service account of the queue's tasks; ID tokens of other accounts are rejected")
	}
	if (messages != "" || events != "" || account != "") && !r.has(envURL) {
		r.missing(envURL, "set it to "+example+"; the queue sends its tasks there")
	}
	return messages, events, account, address
}
