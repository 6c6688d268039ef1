package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
)

// callers checks who may send through the function.
func (e *examination) callers(ctx context.Context) {
	if e.cfg.AllowUnauthenticated {
		policy := strings.Replace(e.Service.update(), "services update", "services get-iam-policy", 1)
		steps, secret := e.makeKey()
		next := []string{"See that Cloud Run lets only your callers through, and not allUsers: " + policy, "Or have keys checked. " + steps[0]}
		next = append(next, steps[1:]...)
		next = append(next, "Set it: "+e.Service.update()+" --remove-env-vars=RCSHOOK_ALLOW_UNAUTHENTICATED --update-env-vars=RCSHOOK_API_KEYS="+secret)
		e.add(Warning, Callers, "", "rcshook checks no key (RCSHOOK_ALLOW_UNAUTHENTICATED): whoever reaches the function can send", next...)
		return
	}
	var found []string
	if e.cfg.APIKeys != "" {
		text, ok := e.value(Callers, "", e.cfg.APIKeys)
		if !ok {
			return
		}
		keys := source.ParseKeys(text)
		if keys.Empty() {
			e.add(Fault, Callers, "", "the secret of the API keys holds no key", "Store a key, as: openssl rand -base64 32 | "+addVersion(e.cfg.APIKeys.String())+" --data-file=-")
			return
		}
		found = append(found, count(keys.Len(), "API key"))
	}
	if len(e.cfg.Audience) > 0 {
		if !e.googleKeys(ctx, Callers, "") {
			return
		}
		found = append(found, "ID tokens of "+count(len(e.cfg.Emails), "account"))
	}
	e.add(OK, Callers, "", strings.Join(found, ", "))
}

// makeKey makes the first key for callers, stores it, and lets the function read it.
// Secret is the name of the secret that then holds it.
func (e *examination) makeKey() (steps []string, secret string) {
	name := cmp.Or(e.Service.Name, "rcshook") + "-api-keys" // as deploy.sh calls it
	project := cmp.Or(e.Service.Project, "PROJECT")
	return []string{
		"Make a key for callers, which is any long random text, and store it: openssl rand -base64 32 | gcloud secrets create " + name + " --project=" + project + " --data-file=-",
		"Let the function read it: gcloud secrets add-iam-policy-binding " + name + " --project=" + project +
			" --member=serviceAccount:" + cmp.Or(e.Service.Account, "SERVICE_ACCOUNT") + " --role=roles/secretmanager.secretAccessor",
	}, "projects/" + project + "/secrets/" + name
}

// addVersion is the command that adds a version to a secret, given by its name.
func addVersion(resource string) string {
	parts := strings.Split(resource, "/")
	if len(parts) < 4 {
		return "gcloud secrets versions add SECRET"
	}
	return "gcloud secrets versions add " + parts[3] + " --project=" + parts[1]
}

// googleKeys checks that ID tokens can be checked: one that is not Google's must be
// found out, for which Google's public keys are fetched. If not it enters a fault.
func (e *examination) googleKeys(ctx context.Context, name, subject string) bool {
	const audience, email = "doctor", "doctor@example.com"
	issuer, err := token.NewIssuer()
	if err == nil {
		bound, cancel := e.bound(ctx)
		defer cancel()
		now := time.Now()
		header := http.Header{"Authorization": {"Bearer " + issuer.Token(audience, email, now)}}
		tokens := source.NewGoogleTokens(e.cfg.OIDCEndpoint, e.watch, []string{audience}, []string{email})
		err = tokens.Verify(bound, header, now)
	}
	if errors.Is(err, source.ErrSignature) {
		return true
	}
	if e.cfg.OIDCEndpoint == "" {
		e.add(Fault, name, subject, "ID tokens cannot be checked: "+source.ErrKeys.Error(), "Let the network reach www.googleapis.com at port 443: curl -sS https://www.googleapis.com/oauth2/v3/certs")
	} else {
		e.add(Fault, name, subject, "ID tokens cannot be checked: "+source.ErrKeys.Error(), "Remove RCSHOOK_OIDC_ENDPOINT to fetch them from Google: "+e.Service.update()+" --remove-env-vars=RCSHOOK_OIDC_ENDPOINT")
	}
	return false
}
