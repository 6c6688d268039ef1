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
	next := e.settle(faults)
	for _, f := range faults {
		e.add(Fault, Environment, f.Path, f.String(), next...)
	}
	for _, name := range []string{Platform, Clock, Identity, Secret, Callers, Credentials, Agent, Source} {
		e.skip(name, "", Environment, "")
	}
	return false
}

// settle mends all settings with one command, and one deployment.
func (e *examination) settle(faults []config.Problem) (next []string) {
	var set, remove []string
	for _, f := range faults {
		switch {
		case f.Unknown:
			remove = append(remove, f.Path)
			if f.Suggestion != "" {
				set = append(set, f.Suggestion+"=VALUE")
			}
		case f.Missing && f.Path == "RCSHOOK_API_KEYS":
			steps, secret := e.makeKey()
			next = append(next, steps...)
			set = append(set, f.Path+"="+secret)
		default:
			set = append(set, f.Path+"=VALUE")
		}
	}
	words, change := "Set it: ", ""
	if len(remove) > 0 {
		words, change = "Remove it: ", " --remove-env-vars="+strings.Join(remove, ",")
	}
	if len(set) > 0 {
		change += " --update-env-vars=" + strings.Join(set, ",")
	}
	if len(faults) > 1 {
		words = "Mend the settings: "
	}
	next = append(next, words+e.Service.update()+change)
	if len(names(e.Environ)) == 0 {
		next = append(next,
			"Or let deploy/deploy.sh do all of this: deploy/deploy.sh --help",
			"Or look at what a deployment has: rcshook doctor -env FILE; rcshook help doctor says where FILE comes from",
			"Or try it without an account: rcshook dev prints how to examine it")
	}
	return next
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
func faultsOf(err error) []config.Problem {
	if e, ok := errors.AsType[*config.Error](err); ok {
		return e.Problems
	}
	return nil
}
