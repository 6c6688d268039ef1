package doctor

import (
	"errors"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
)

// environment checks the variables, and reports whether it is worth to go on: with a
// fault in them the function answers every request with that.
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
	for _, name := range []string{Platform, Clock, Identity, Secret, Callers, Credentials, Agent, Source} {
		e.skip(name, "", Environment, "")
	}
	return false
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
