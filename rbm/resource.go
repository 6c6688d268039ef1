package rbm

import (
	"net/url"
	"strings"
)

// checkAddress lets through only what cannot change the path of a URL.
func checkAddress(phone, id string) error {
	if err := checkPhone(phone); err != nil {
		return err
	}
	return checkID(id)
}

func checkPhone(phone string) error {
	number, ok := strings.CutPrefix(phone, "+")
	if !ok || !digits(number, 15) || number[0] == '0' {
		return ErrInvalidPhone
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, notInID) {
		return ErrInvalidID
	}
	return nil
}

func notInID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// phoneURL returns the URL of something under a phone number, up to the query
// that selects the agent.
func (c *Client) phoneURL(phone, resource string) string {
	return c.base + "/v1/phones/" + escapePhone(phone) + "/" + resource + "?agentId=" + url.QueryEscape(c.agentID)
}

// escapePhone escapes phone for a path. The plus sign is escaped too: the path
// may hold it as it is, but some servers on the way read it as a blank.
func escapePhone(phone string) string {
	return strings.ReplaceAll(url.PathEscape(phone), "+", "%2B")
}
