package source_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
)

// A forge makes tokens of headers and claims, valid ones and the forgeries that an
// attacker might try. In a header, {kid} is replaced by the ID of the key.
type forge struct {
	known, stranger *token.Issuer
	genuine         string // a valid token
}

// make returns a token, and whether Google's key signed its claims.
func (f forge) make(how uint8, header, claims, signature string) (token string, signed bool) {
	encode := base64.RawURLEncoding.EncodeToString
	public, id := f.known.PublicKey()
	header = strings.ReplaceAll(header, "{kid}", id)
	content := encode([]byte(header)) + "." + encode([]byte(claims))
	good := strings.Split(f.genuine, ".")
	how %= 8
	if h := (struct{ Alg string }{}); json.Unmarshal([]byte(header), &h) != nil || h.Alg != "RS256" && how < 5 {
		how = max(how&3, 2) // it is rejected before the signature is checked, and signing is slow
	}
	if how == 1 && !allowed(claims) {
		how = 2 // the claims are invalid anyway, and signing is slow
	}
	switch how {
	case 0:
		return f.known.SignText(header, claims), true
	case 1:
		return f.stranger.SignText(header, claims), false
	case 2: // the public key as the secret of an HMAC
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(content))
		return content + "." + encode(mac.Sum(nil)), false
	case 3: // the signature of another token
		return content + "." + good[2], f.genuine == content+"."+good[2]
	case 4: // the JSON form of a JWS, with an unsigned header
		parts := strings.Split(f.known.SignText(header, claims), ".")
		return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q,"header":%s}`, parts[0], parts[1], parts[2], signature), true
	case 5: // two signatures, one of them valid
		return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":%q}]}`,
			encode([]byte(claims)), good[0], good[2], encode([]byte(header)), signature), false
	case 6: // a valid token with a suffix
		return f.genuine + signature, true
	default:
		return signature, false
	}
}

// allowed reports whether the claims are valid now.
func allowed(claims string) bool {
	var c struct {
		Iss      string          `json:"iss"`
		Aud      json.RawMessage `json:"aud"`
		Email    string          `json:"email"`
		Verified bool            `json:"email_verified"`
		Exp      json.Number     `json:"exp"`
		Nbf      json.Number     `json:"nbf"`
	}
	if json.Unmarshal([]byte(claims), &c) != nil {
		return false
	}
	var one string
	var many []string
	if json.Unmarshal(c.Aud, &one) == nil {
		many = []string{one}
	} else if json.Unmarshal(c.Aud, &many) != nil {
		return false
	}
	const leeway = 300
	exp, _ := c.Exp.Float64()
	nbf, _ := c.Nbf.Float64()
	return strings.TrimPrefix(c.Iss, "https://") == "accounts.google.com" && slices.Contains(many, audience) &&
		c.Verified && c.Email == robot && exp >= float64(now.Unix()) && nbf <= float64(now.Unix()+leeway)
}

// FuzzGoogleTokens checks that a token is accepted only if Google's key signed it and its
// audience, account and time are right; that every error blames the sender and quotes
// nothing; and that a valid token is still accepted afterwards.
func FuzzGoogleTokens(f *testing.F) {
	const (
		header = `{"alg":"RS256","typ":"JWT","kid":"{kid}"}`
		claims = `{"iss":"https://accounts.google.com","sub":"1","aud":"https://example.com/hooks/it","email":"robot@example.iam.gserviceaccount.com","email_verified":true,"iat":1796115600,"exp":1796119200}`
	)
	changed := func(from, to string) string { return strings.Replace(claims, from, to, 1) }
	for _, c := range []string{
		claims, "", "{}", "[]", "null", claims + claims, claims[:40],
		changed("https://accounts", "accounts"), changed("https://accounts", "http://accounts"), changed("accounts", "fetching keys malformed"),
		changed(`"https://example.com/hooks/it"`, `["x","https://example.com/hooks/it"]`), changed(`"https://example.com/hooks/it"`, `[]`),
		changed("robot@", "Robot@"), changed("robot@", `\u0072obot@`), changed(`"email":`, `"email":"x","Email":`), changed("true", `"true"`), changed("true", "false"),
		changed("1796119200", "1796115600"), changed("1796119200", "1796115599"), changed("1796119200", "1.796119200e9"), changed("1796119200", "1e300"),
		changed("1796119200", "-1e300"), changed("1796119200", "null"), changed("1796119200", `"1796119200"`), changed(`"iat"`, `"nbf"`), changed(`"iat":17`, `"nbf":18`),
		changed(`{`, `{"_claim_names":{"email":"s"},"_claim_sources":{"s":{"endpoint":"http://127.0.0.1"}},`), changed(`{`, `{"_claim_names":{"email":"s"},`),
	} {
		f.Add(uint8(0), header, c, "")
	}
	for _, h := range []string{
		`{"alg":"none"}`, `{"alg":"None","kid":"{kid}"}`, `{"alg":"HS256","kid":"{kid}"}`, `{"alg":"RS512","kid":"{kid}"}`, `{"alg":"PS256","kid":"{kid}"}`,
		`{"alg":"RS256"}`, `{"alg":"RS256","kid":"unknown"}`, `{"alg":"RS256","kid":1}`, `{"alg":["RS256"]}`, `{"alg":"fetching keys"}`, "{}", "", "[",
		`{"alg":"RS256","kid":"{kid}","crit":["exp"],"exp":1}`, `{"alg":"RS256","kid":"{kid}","b64":false,"crit":["b64"]}`, `{"alg":"RS256","alg":"none"}`,
		`{"alg":"RS256","jwk":{"kty":"oct","k":"AAAA"}}`, `{"alg":"RS256","jku":"http://127.0.0.1/","x5u":"http://127.0.0.1/","x5c":["AAAA"]}`,
		`{"alg":"RS256","kid":"../../etc/passwd","zip":"DEF","enc":"A128GCM"}`,
	} {
		for how := range uint8(4) {
			f.Add(how, h, claims, "")
		}
		f.Add(uint8(5), h, claims, "AAAA")
	}
	for _, unsigned := range []string{"{}", "null", `{"alg":"none"}`, `{"kid":"x","alg":"RS256"}`, `{"crit":["a"]}`} {
		f.Add(uint8(4), header, claims, unsigned)
	}
	for _, raw := range []string{"", ".", "..", "...", "....", "ey.ey.ey", "eyJhbGciOiJub25lIn0.e30.", "{", `{"payload":"e30","signatures":[]}`, " ", "\x00", strings.Repeat("a.", 500)} {
		f.Add(uint8(6), "", "", raw)
		f.Add(uint8(7), "", "", raw)
	}
	known := newIssuer(f)
	forger := forge{known, newIssuer(f), known.Token(audience, robot, now)}
	tokens := source.NewGoogleTokens("", direct{known}, []string{"other", audience}, []string{robot})
	verify := func(t *testing.T, token string) error {
		return tokens.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, now)
	}
	f.Fuzz(func(t *testing.T, how uint8, header, claims, signature string) {
		token, signed := forger.make(how, header, claims, signature)
		err := verify(t, token)
		switch {
		case err == nil && !signed:
			t.Errorf("a token that Google did not sign is accepted: %s", token)
		case err == nil && how%8 != 6 && !allowed(claims):
			t.Errorf("invalid claims are accepted: %s", claims)
		case err != nil && !errors.Is(err, source.ErrUnauthorized) && !errors.Is(err, source.ErrSignature) && !errors.Is(err, source.ErrStale):
			t.Errorf("the error for %s is %v", token, err)
		case err != nil && len(err.Error()) > 80:
			t.Errorf("the error for %s is too long: %v", token, err)
		}
		if err := verify(t, forger.genuine); err != nil {
			t.Errorf("after %s a valid token is rejected: %v", token, err)
		}
	})
}
