package e2e

import (
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// verifyStandard checks a signature with the official library. The clock of the
// cases is not that of the library, so the time is not checked here.
func verifyStandard(h http.Header, body []byte) error {
	wh, err := standardwebhooks.NewWebhook(fallbackSecret)
	if err != nil {
		return err
	}
	return wh.VerifyIgnoringTimestamp(body, h)
}
