package doctor

import (
	"errors"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
)

// essential are the variables without which, or with another value of which, another
// set-up would be examined.
var essential = []string{
	"RCSHOOK_AGENT_ID", "RCSHOOK_CREDENTIALS", "RCSHOOK_CONFIG",
	"RCSHOOK_RBM_ENDPOINT", "RCSHOOK_SECRETMANAGER_ENDPOINT", "RCSHOOK_OIDC_ENDPOINT",
}

// admission are the variables that say who may call.
var admission = []string{
	"RCSHOOK_API_KEYS", "RCSHOOK_ALLOW_UNAUTHENTICATED", "RCSHOOK_OIDC_AUDIENCE", "RCSHOOK_OIDC_EMAILS",
}

// environment checks the variables, and reports whether it can go on. With a fault
// in them the function answers every request with that; the rest of the set-up is
// examined all the same, as if the variables with faults were not there.
func (e *examination) environment() bool {
	var err error
	if e.cfg, err = config.FromEnviron(e.Environ); err == nil {
		e.add(OK, Environment, "", strings.Join(names(e.Environ), ", "))
		return true
	}
	faults := faultsOf(err)
	for i, f := range faults {
		next := []string{"Set it: " + e.Service.update() + " --update-env-vars=" + f.Setting + "=VALUE"}
		if unknown, near, _ := strings.Cut(f.Detail, ": did you mean "); strings.HasPrefix(unknown, "is not a setting") {
			change := " --remove-env-vars=" + f.Setting
			if near = strings.TrimSuffix(near, "?"); near != "" {
				change += " --update-env-vars=" + near + "=VALUE"
			}
			next = []string{"Remove it: " + e.Service.update() + change}
		}
		if i == len(faults)-1 && len(names(e.Environ)) == 0 {
			next = append(next,
				"Or look at what a deployment has: rcshook doctor -env FILE; rcshook help doctor says where FILE comes from",
				"Or try it without an account: rcshook dev prints how to examine it")
		}
		e.add(Fault, Environment, f.Setting, f.String(), next...)
	}
	if e.without(faults) {
		return true
	}
	for _, name := range []string{Platform, Clock, Identity, Secret, Callers, Credentials, Agent, Source} {
		e.skip(name, "", Environment, "")
	}
	return false
}

// without takes the settings without those that have faults, if they are still those
// of the same set-up.
func (e *examination) without(faults []config.Fault) bool {
	wrong := make(map[string]bool)
	for _, f := range faults {
		wrong[f.Setting] = true
		if slices.Contains(essential, f.Setting) {
			return false
		}
	}
	nobody := slices.ContainsFunc(admission, func(name string) bool { return wrong[name] })
	var rest []string
	for _, entry := range e.Environ {
		name, _, _ := strings.Cut(entry, "=")
		if !wrong[name] && !(nobody && slices.Contains(admission, name)) {
			rest = append(rest, entry)
		}
	}
	if nobody { // which callers says
		rest = append(rest, "RCSHOOK_ALLOW_UNAUTHENTICATED=true")
	}
	var err error
	e.cfg, err = config.FromEnviron(rest)
	return err == nil
}

// names returns which of rcshook's variables have a value, sorted.
func names(environ []string) []string {
	var all []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(strings.ToUpper(name), "RCSHOOK_") && config.Trim(value) != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// faultsOf returns the faults of settings.
func faultsOf(err error) []config.Fault {
	if e := (*config.Error)(nil); errors.As(err, &e) {
		return e.Faults
	}
	return nil
}
