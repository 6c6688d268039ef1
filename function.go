// Package rcshook turns webhooks into RCS messages: one HTTP function for Cloud Run
// functions.
//
// A request passes these packages, in this order:
//
//	internal/server    routes, authentication, one response and one log line
//	internal/source    webhooks of third parties: verify the sender, map the event
//	internal/prepare   payload + settings -> a message that is ready to send:
//	internal/payload     decodes the body, and reports every error in it
//	internal/compose     builds the AgentMessage within the limits of RBM
//	internal/agent     the agent's ID and credentials; internal/google reads and caches
//	                   the secrets and tokens
//	internal/queue     Cloud Tasks, for messages that wait
//	internal/send      each message to its recipients, once; rbm is the API client
//	internal/response  results and errors -> status, code, retry advice, body
//
// What becomes of a message comes back from RBM, to POST /events:
//
//	internal/events    verify the event, and give it one flat shape
//	internal/optout    STOP, START and HELP; who opted out, which send asks too
//	internal/target    a signed request, a message to Pub/Sub, or a payload for the user
//
// Only server, prepare and response depend on packages at other stages; the others share
// the types of payload and compose. Phone numbers are read by internal/phonenumber. The
// limits of RBM, such as that of ttl, are in rbm.
// Settings come from the environment and from rcshook.yaml (internal/config). Importing
// the package only registers the function.
package rcshook

import (
	"net/http"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/rcshook/rcshook/internal/server"
)

func init() {
	functions.HTTP("Send", Send)
}

// function reads the environment when the first request arrives.
var function = server.Function{Environ: os.Environ, Log: os.Stderr}

// Send is the entry point of the deployed function. On Cloud Run, SIGTERM ends the
// process after the requests in flight, within the time that the platform allows.
func Send(w http.ResponseWriter, r *http.Request) { function.ServeHTTP(w, r) }
