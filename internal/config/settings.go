package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// agents reads the agent that the environment describes. With a file there may be
// none: the file has them then.
func (r *reader) agents() map[string]Agent {
	if r.has(envConfig) && !r.has(envAgentID) {
		if r.has(envCredentials) {
			r.fault(envCredentials, "is set without "+envAgentID+": set both, or none and describe the agents in the file")
		}
		if r.has(envPace) {
			r.fault(envPace, "is the pace of the agent that "+envAgentID+" names, and there is none: write messages_per_second at the agents of the file")
		}
		return map[string]Agent{}
	}
	return map[string]Agent{DefaultAgent: {ID: r.agentID(), Credentials: r.credentials(), MessagesPerSecond: r.pace()}}
}

func (r *reader) agentID() Secret {
	if !r.has(envAgentID) {
		r.missing(envAgentID, ": set it to the agent's ID from the RCS for Business console, or to the secret that holds it, projects/PROJECT/secrets/SECRET")
		return ""
	}
	s := r.secret(envAgentID)
	if s == "" || s.IsResource() {
		return s
	}
	_, err := ParseAgentID(string(s))
	switch {
	case errors.Is(err, ErrKeyForAgentID):
		r.fault(envAgentID, err.Error()+": it seems to be swapped with "+envCredentials)
	case err != nil:
		r.fault(envAgentID, err.Error()+", or the name of a secret, projects/PROJECT/secrets/SECRET")
	}
	return s
}

func (r *reader) credentials() Secret {
	s := r.secret(envCredentials)
	switch value := s.Literal(); {
	case value == "" || json.Valid([]byte(value)) && strings.HasPrefix(value, "{"):
	case strings.HasPrefix(value, "{"):
		r.fault(envCredentials, "holds broken JSON, perhaps by quoting in a shell: put the key file into Secret Manager and set this to projects/PROJECT/secrets/SECRET")
	default:
		r.fault(envCredentials, "is neither the name of a secret, projects/PROJECT/secrets/SECRET, nor a service account key as JSON; for a file, leave it out and set GOOGLE_APPLICATION_CREDENTIALS")
	}
	return s
}

// tokens reads whose ID tokens of Google are taken. One setting without the other
// would let in nobody, or anybody with a service account.
func (r *reader) tokens() (audience, emails []string) {
	audience, emails = r.list(envAudience), r.list(envEmails)
	switch {
	case len(audience) > 0 && len(emails) == 0:
		r.missing(envEmails, ": name the service accounts whose tokens are taken; any account can have a token for an audience")
	case len(audience) == 0 && len(emails) > 0:
		r.missing(envAudience, ": it is the address of this function, unless the tokens are made for something else")
	}
	return audience, emails
}

// list takes values with commas or blanks between them.
func (r *reader) list(setting string) []string {
	if !r.has(setting) {
		return nil
	}
	return strings.FieldsFunc(r.values[setting], func(c rune) bool { return c == ',' || c == ' ' || c == '\n' })
}

// callers reads who may call. At least one way must be chosen, and an open door is
// the only one.
func (r *reader) callers() (keys Secret, allow bool) {
	keys = r.secret(envAPIKeys)
	if value := keys.Literal(); value != "" && strings.Trim(value, ", \t\r\n") == "" {
		r.fault(envAPIKeys, "holds no key: write one key, or several with a comma between, or the secret that holds them")
	}
	switch strings.ToLower(r.values[envAllow]) {
	case "", "false", "0":
	case "true", "1":
		allow = true
	default:
		r.fault(envAllow, "must be true or false")
		return keys, false
	}
	tokens := r.has(envAudience) || r.has(envEmails)
	switch {
	case allow && tokens:
		r.fault(envAllow, "is true while "+envAudience+" is set, so tokens would not be checked: keep one of the two")
	case allow && r.has(envAPIKeys):
		r.fault(envAllow, "is true while "+envAPIKeys+" is set, so the keys would not be checked: keep one of the two")
	case !allow && !tokens && !r.has(envAPIKeys):
		r.missing(envAPIKeys, ", so nobody may call: set it to a key, which is any long random text, or to the secret that holds the keys, projects/PROJECT/secrets/SECRET; to let everybody call, as behind Cloud Run IAM, set "+envAllow+"=true")
	}
	return keys, allow
}

func (r *reader) region() string {
	region := strings.ToLower(r.values[envRegion])
	switch region {
	case "", "us", "europe", "asia":
	case "eu":
		r.fault(envRegion, "must be us, europe or asia: write europe")
	default:
		r.fault(envRegion, "must be us, europe or asia; leave it out for the global host")
	}
	return region
}

// countries are the codes of ISO 3166-1, and three more that telephone numbers
// use: Ascension, Tristan da Cunha and Kosovo.
const countries = "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF " +
	"GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW " +
	"KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL " +
	"NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST " +
	"SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

func (r *reader) country() string {
	country := strings.ToUpper(r.values[envCountry])
	switch {
	case country == "" || len(country) == 2 && slices.Contains(strings.Fields(countries), country):
	case country == "UK":
		r.fault(envCountry, "must be a code of ISO 3166: write GB")
	default:
		r.fault(envCountry, "must be a code of two letters of ISO 3166, such as US or DE")
	}
	return country
}

// trafficTypes are our names of the traffic types and, by them, the API's.
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
		r.fault(envTraffic, "must be otp, transaction, promotion, service or acknowledgement")
	}
	return traffic
}

// duration takes 10m, 3600s or a plain number of seconds, above zero and at most
// limit.
func (r *reader) duration(setting string, limit time.Duration, why string) time.Duration {
	if !r.has(setting) {
		return 0
	}
	d, err := parseDuration(r.values[setting])
	switch {
	case err != nil:
		r.fault(setting, "is not a length of time: write 10m, 90s, or a number of seconds")
	case d <= 0:
		r.fault(setting, "must be more than zero; leave it out for the default")
	case d > limit:
		r.fault(setting, "is too long: "+why)
	}
	return d
}

// slowest and fastest are no limits of the platform: they tell a pace from a slip
// of the hand.
const (
	slowest = 1.0 / 3600
	fastest = 1000
)

// pace takes a number of messages a second, which may be a fraction.
func (r *reader) pace() float64 {
	if !r.has(envPace) {
		return 0
	}
	perSecond, err := strconv.ParseFloat(r.values[envPace], 64)
	switch {
	case err != nil || math.IsNaN(perSecond):
		r.fault(envPace, "is not a number of messages a second: write 5, or 0.5 for one in two seconds")
	case perSecond <= 0:
		r.fault(envPace, "must be more than zero; leave it out to hold nothing back")
	case perSecond < slowest:
		r.fault(envPace, "is less than one message an hour")
	case perSecond > fastest:
		r.fault(envPace, fmt.Sprintf("is more than %d messages a second: leave it out to hold nothing back", fastest))
	}
	return perSecond
}

func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	return time.ParseDuration(text)
}

// endpoint takes a base URL. Plain HTTP stays on this machine, because access
// tokens and secrets travel there.
func (r *reader) endpoint(setting string) string {
	if !r.has(setting) {
		return ""
	}
	u, err := url.Parse(r.values[setting])
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		r.fault(setting, "must be a URL such as https://proxy.example.com or http://localhost:8081")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.fault(setting, "must be a base URL: scheme, host and path, without a user, a query or a fragment")
	case u.Scheme == "http" && !IsLoopback(r.values[setting]):
		r.fault(setting, "must begin with https:// unless it is on this machine (localhost), because access tokens are sent there")
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
