package rbmtest

import (
	"io"
	"net/http"
)

const frontPage = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>RBM simulator</title>
<h1>RBM simulator</h1>
<p>This is not Google: it imitates the RCS Business Messaging API for tests and rehearsals. Nothing reaches a phone.
<ul>
<li><a href="/_sim/messages">Messages that were accepted</a>
<li><a href="/_sim/requests">Requests that were made</a>
<li><a href="/_sim/events">Everything that happened</a>
<li><a href="/_sim/key">Service account key file</a> for any client of the API
</ul>
`

func (s *Simulator) servePage(w http.ResponseWriter, r *http.Request) {
	if s.Page != nil {
		s.Page.ServeHTTP(w, r)
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, frontPage)
}
