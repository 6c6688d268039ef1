package google

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// APIError is an error response of a Google API.
//
// Google docs: https://docs.cloud.google.com/apis/design/errors
type APIError struct {
	Code    int      // HTTP status
	Status  string   // such as NOT_FOUND, or notFound by Cloud Storage; "" if the response is not from a Google API
	Message string   // of the response, shortened
	Reasons []string // of the details, such as SERVICE_DISABLED, and of the errors, such as notFound
}

// Words of [APIError.Reasons].
const (
	ReasonDisabled = "SERVICE_DISABLED"
	ReasonScope    = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
)

// ParseAPIError returns the error in a response with this HTTP status and body. A
// body of another form, such as the page of a proxy, is not kept. The older form of
// Cloud Storage has no status; the reason of its first error takes that place.
//
// Google docs: https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes
func ParseAPIError(code int, body []byte) *APIError {
	var response struct {
		Error struct {
			Code    int    `json:"code"`
			Status  string `json:"status"`
			Message string `json:"message"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &response) != nil {
		return &APIError{Code: code}
	}
	if old := response.Error.Errors; response.Error.Status == "" && response.Error.Code == code && len(old) > 0 {
		response.Error.Status = old[0].Reason
	}
	if response.Error.Status == "" {
		return &APIError{Code: code}
	}
	e := &APIError{Code: code, Status: response.Error.Status, Message: strings.ToValidUTF8(response.Error.Message, "")}
	if runes := []rune(e.Message); len(runes) > maxMessage {
		e.Message = string(runes[:maxMessage]) + "..."
	}
	for _, d := range append(response.Error.Details, response.Error.Errors...) {
		if d.Reason != "" {
			e.Reasons = append(e.Reasons, d.Reason)
		}
	}
	return e
}

const maxMessage = 300 // characters

func (e *APIError) Error() string {
	if e.Status == "" {
		return fmt.Sprintf("HTTP %d without the JSON error of a Google API", e.Code)
	}
	return fmt.Sprintf("HTTP %d %s: %s", e.Code, e.Status, e.Message)
}

// HasReason reports whether the response contains reason.
func (e *APIError) HasReason(reason string) bool { return slices.Contains(e.Reasons, reason) }
