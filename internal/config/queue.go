package config

import (
	"regexp"
	"strings"
)

// NoQueue is the queue of sources whose messages are sent at once, although those
// of others go through a queue.
const NoQueue = "none"

// Of names of queues and of accounts. Counted repetitions would cost time at every
// start; Cloud Tasks refuses longer names by itself.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues
var (
	queueForm   = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]+$`)
	accountForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*@[a-z0-9.-]+\.[a-z]+$`)
)

func checkQueue(name string) string {
	if !queueForm.MatchString(name) {
		return "is not the name of a queue: write projects/PROJECT/locations/LOCATION/queues/QUEUE"
	}
	return ""
}

// queue reads the queue, whose tasks come back to the function. An account and an
// address alone are enough to take them, so that a queue which is not used any more
// can run empty.
func (r *reader) queue() (name, account, address string) {
	name, account, address = r.values[envQueue], strings.ToLower(r.values[envQueueAccount]), r.address()
	if r.has(envQueue) {
		if problem := checkQueue(name); problem != "" {
			r.fault(envQueue, problem)
		}
	}
	switch {
	case account != "" && !accountForm.MatchString(account):
		r.fault(envQueueAccount, "is not a service account: write NAME@PROJECT.iam.gserviceaccount.com")
	case account == "" && r.has(envQueue):
		r.missing(envQueueAccount, ": name the service account that tasks of the queue come from; the function takes the ID tokens of no other one")
	}
	if (r.has(envQueue) || account != "") && !r.has(envURL) {
		r.missing(envURL, ": it is the public address of this function, such as https://rcshook-123456789012.us-central1.run.app, to which the queue sends its tasks")
	}
	return name, account, address
}

// address reads the function's own URL. It is a setting and not taken from requests:
// a caller could make the queue send its tokens elsewhere.
func (r *reader) address() string {
	if !r.has(envURL) {
		return ""
	}
	text := strings.TrimRight(r.values[envURL], "/")
	if problem := checkURL(text); problem != "" || strings.Contains(text, "?") {
		r.fault(envURL, "must be the public address of this function, such as https://rcshook-123456789012.us-central1.run.app, without a query")
	}
	return text
}
