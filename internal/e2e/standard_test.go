package e2e

import (
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// verifyStandard verifies a signature with the official library. It ignores the timestamp,
// because the library has no clock for tests.
func verifyStandard(h http.Header, body []byte) error {
	wh, err := standardwebhooks.NewWebhook(fallbackSecret)
	if err != nil {
		return err
	}
	return wh.VerifyIgnoringTimestamp(body, h)
}
