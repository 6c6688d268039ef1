package rbmtest_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// upload posts bytes and returns the response.
func (g *rig) upload(t *testing.T, query, contentType, body string) response {
	t.Helper()
	req := g.request(t, "POST", "/upload/v1/files?agentId="+agent+query, body)
	req.Header.Set("Content-Type", contentType)
	return g.send(t, req)
}

// named checks that an response names a file, and that the file holds the uploaded content.
func (g *rig) named(t *testing.T, a response, contentType, want string) string {
	t.Helper()
	equal(t, "status", a.status, 200)
	name, _ := a.decoded(t)["name"].(string)
	gotType, data, ok := g.File(name)
	equal(t, "known", ok, true)
	equal(t, "content type", gotType, contentType)
	equal(t, "content", string(data), want)
	return name
}

func TestFileByURL(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	create := func(query, body string) response { return g.do(t, "POST", "/v1/files"+query, body) }
	g.named(t, create("", `{"fileUrl":"https://example.com/a.png","thumbnailUrl":"http://example.com/b.png","agentId":"`+agent+`"}`), "", "")
	g.named(t, create("?agentId="+agent, `{"file_url":"https://example.com/a.png","contentDescription":"A"}`), "", "")
	equal(t, "no agent", create("", `{"fileUrl":"https://example.com/a.png"}`).status, 403)
	equal(t, "no URL", create("?agentId="+agent, `{}`).message(t), "The file_url is missing.")
	equal(t, "bad URL", create("?agentId="+agent, `{"fileUrl":"ftp://example.com/a"}`).message(t), "The fileUrl is not a valid URL.")
	equal(t, "bad thumbnail", create("?agentId="+agent, `{"fileUrl":"https://example.com/a","thumbnailUrl":"b.png"}`).message(t), "The thumbnailUrl is not a valid URL.")
}

func TestUpload(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.named(t, g.upload(t, "", "image/png", "PNG"), "image/png", "PNG")
	g.named(t, g.upload(t, "&uploadType=media", "application/pdf", "PDF"), "application/pdf", "PDF")

	const boundary = `multipart/related; boundary="b"`
	const head, middle, tail = "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n", "\r\n--b\r\nContent-Type: image/gif\r\n\r\n", "\r\n--b--\r\n"
	g.named(t, g.upload(t, "&uploadType=multipart", boundary, head+`{}`+middle+"GIF\r\n--x"+tail), "image/gif", "GIF\r\n--x")
	req := g.request(t, "POST", "/upload/v1/files?upload_protocol=multipart", head+`{"agentId":"`+agent+`"}`+middle+"GIF"+tail)
	req.Header.Set("Content-Type", boundary)
	g.named(t, g.send(t, req), "image/gif", "GIF")

	tests := []struct{ name, query, contentType, body, message string }{
		{"type", "", "text/html", "x", "The content type of the file is not supported."},
		{"no type", "", "", "x", "The content type of the file is not supported."},
		{"empty", "", "image/png", "", "The file is empty."},
		{"parameter", "&foo=1", "image/png", "x", "Invalid JSON payload received. Unknown name \"foo\": Cannot bind query parameter. Field 'foo' could not be found in request message."},
		{"no boundary", "&uploadType=multipart", "multipart/related", "x", "A multipart upload must have the content type multipart/related and a boundary."},
		{"one part", "&uploadType=multipart", boundary, head + `{}` + tail, "A multipart upload must have exactly two parts."},
		{"three parts", "&uploadType=multipart", boundary, head + `{}` + middle + "a" + middle + "b" + tail, "A multipart upload must have exactly two parts."},
		{"malformed parts", "&uploadType=multipart", boundary, head + `{}`, "The multipart body is malformed."},
		{"malformed head", "&uploadType=multipart", boundary, "nothing", "The multipart body is malformed."},
		{"bad JSON", "&uploadType=multipart", boundary, head + `{"x":1}` + middle + "GIF" + tail, `Invalid JSON payload received. Unknown name "x": Cannot find field.`},
		{"broken JSON", "&uploadType=multipart", boundary, head + `{` + middle + "GIF" + tail, "Invalid JSON payload received. unexpected end of the document (line 1, column 2)"},
		{"URL and bytes", "&uploadType=multipart", boundary, head + `{"fileUrl":"https://example.com"}` + middle + "GIF" + tail, "The file_url must be left out of an upload."},
		{"type of the part", "&uploadType=multipart", boundary, head + `{}` + strings.Replace(middle, "gif", "tiff", 1) + "TIFF" + tail, "The content type of the file is not supported."},
		{"large JSON", "&uploadType=resumable", "application/json", strings.Repeat(" ", 10<<20) + "{}", "Request payload size exceeds the limit: 10485760 bytes."},
	}
	for _, tt := range tests {
		a := g.upload(t, tt.query, tt.contentType, tt.body)
		equal(t, tt.name+" status", a.status, 400)
		equal(t, tt.name+" message", a.message(t), tt.message)
	}
	noAgent := g.request(t, "POST", "/upload/v1/files", "PNG")
	noAgent.Header.Set("Content-Type", "image/png")
	equal(t, "no agent", g.send(t, noAgent).status, 403)
	noToken := g.request(t, "POST", "/upload/v1/files?agentId="+agent, "PNG")
	noToken.Header.Del("Authorization")
	equal(t, "no token", g.send(t, noToken).status, 401)
	equal(t, "wrong method", g.do(t, "GET", "/upload/v1/files?agentId="+agent, "").status, 404)
	g.Fail(rbmtest.Failure{Method: "files.create", Status: 503, Count: 1})
	equal(t, "in trouble", g.upload(t, "", "image/png", "PNG").status, 503)
}

// put sends a part of a resumable upload, without a token.
func (g *rig) put(t *testing.T, location, contentRange, contentType, body string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", location, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentRange != "" {
		req.Header.Set("Content-Range", contentRange)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	// Status 308 is not a redirect here.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, string(data), resp.Header}
}

func (g *rig) begin(t *testing.T, header map[string]string, body string) response {
	t.Helper()
	req := g.request(t, "POST", "/upload/v1/files?uploadType=resumable&agentId="+agent, body)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return g.send(t, req)
}

func TestResumableUpload(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	begun := g.begin(t, map[string]string{"X-Upload-Content-Type": "video/mp4", "X-Upload-Content-Length": "6"}, `{}`)
	equal(t, "begin", begun.status, 200)
	at := begun.header.Get("Location")

	type step struct {
		contentRange, body string
		status             int
		rangeHeader        string
	}
	for i, s := range []step{
		{"bytes */6", "", 308, ""},
		{"bytes 0-2/6", "abc", 308, "bytes=0-2"},
		{"bytes 0-2/6", "abc", 400, ""},
		{"bytes 3-4/6", "d", 400, ""},
		{"bytes 3-4/7", "de", 400, ""},
		{"pages 3-4/6", "de", 400, ""},
		{"bytes 3-4/*", "de", 308, "bytes=0-4"},
		{"bytes */*", "", 308, "bytes=0-4"},
	} {
		a := g.put(t, at, s.contentRange, "", s.body)
		equal(t, "status of step "+strconv.Itoa(i), a.status, s.status)
		equal(t, "range of step "+strconv.Itoa(i), a.header.Get("Range"), s.rangeHeader)
	}
	done := g.put(t, at, "bytes 5-5/6", "", "f")
	name := g.named(t, done, "video/mp4", "abcdef")
	equal(t, "asked again", g.put(t, at, "bytes */6", "", "").body, done.body)

	whole := g.begin(t, nil, "")
	g.named(t, g.put(t, whole.header.Get("Location"), "", "image/png", "PNG"), "image/png", "PNG")

	equal(t, "empty", g.put(t, g.begin(t, nil, "").header.Get("Location"), "", "image/png", "").status, 400)
	equal(t, "late type", g.put(t, g.begin(t, nil, "").header.Get("Location"), "", "", "x").status, 400)
	equal(t, "total over the limit", g.put(t, at2(t, g), "bytes 0-0/999999999999", "", "x").status, 400)
	for header, value := range map[string]string{"X-Upload-Content-Length": "many", "X-Upload-Content-Type": "text/plain"} {
		equal(t, header, g.begin(t, map[string]string{header: value}, "").status, 400)
	}
	equal(t, "too large", g.begin(t, map[string]string{"X-Upload-Content-Length": "104857601"}, "").status, 400)
	equal(t, "unknown upload", g.put(t, g.url+"/upload/v1/files?upload_id=x", "", "", "x").status, 404)
	equal(t, "upload with POST", g.do(t, "POST", "/upload/v1/files?upload_id=x&agentId="+agent, "x").status, 404)

	sent := g.create(t, phone, "1", `{"contentMessage":{"uploadedRbmFile":{"fileName":"`+name+`"}}}`)
	equal(t, "size of the attachment", sent.decoded(t)["totalPayloadSizeBytes"], any("6"))

	g.Reset()
	for range 20 { // finished ones do not count
		equal(t, "finished", g.put(t, at2(t, g), "", "", "x").status, 200)
	}
	for range 16 {
		at = at2(t, g)
	}
	equal(t, "too many unfinished", g.begin(t, nil, "").status, 429)
	equal(t, "one of them goes on", g.put(t, at, "", "", "x").status, 200)
	equal(t, "and makes room", g.begin(t, nil, "").status, 200)
}

// at2 begins an upload of a picture and returns its address.
func at2(t *testing.T, g *rig) string {
	t.Helper()
	return g.begin(t, map[string]string{"X-Upload-Content-Type": "image/png"}, "").header.Get("Location")
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now, Assume: rbmtest.Assumptions{RefuseUnknownFiles: true}})
	name := g.named(t, g.upload(t, "", "image/png", "PNG"), "image/png", "PNG")
	thumb := g.named(t, g.upload(t, "", "image/png", "P"), "image/png", "P")
	card := func(media string) string {
		return `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"t","media":{"height":"SHORT",` + media + `}}}}}}`
	}
	both := `"uploadedRbmFile":{"fileName":"` + name + `","thumbnailName":"` + thumb + `"}`
	equal(t, "file", g.create(t, phone, "1", content(both)).decoded(t)["totalPayloadSizeBytes"], any("4"))
	equal(t, "deprecated form", g.create(t, phone, "2", content(`"fileName":"`+name+`"`)).decoded(t)["totalPayloadSizeBytes"], any("3"))
	equal(t, "card", g.create(t, phone, "3", card(both)).decoded(t)["totalPayloadSizeBytes"], any("4"))
	equal(t, "unknown", g.create(t, phone, "4", content(`"fileName":"files/none"`)).message(t), "The file files/none does not exist.")
	equal(t, "unknown thumbnail", g.create(t, phone, "4", card(strings.Replace(both, thumb, "files/none", 1))).status, 400)

	got := g.do(t, "GET", "/_sim/"+name, "")
	equal(t, "content", got.body, "PNG")
	equal(t, "content type", got.header.Get("Content-Type"), "image/png")
	equal(t, "policy", got.header.Get("Content-Security-Policy"), "default-src 'none'; sandbox")
	pdf := g.named(t, g.upload(t, "", "application/pdf", "PDF"), "application/pdf", "PDF")
	equal(t, "no picture", g.do(t, "GET", "/_sim/"+pdf, "").header.Get("Content-Disposition"), "attachment")
	equal(t, "nothing", g.do(t, "GET", "/_sim/files/none", "").status, 404)

	c.now = c.now.Add(60*24*time.Hour - time.Second)
	equal(t, "on its last day", g.create(t, phone, "5", content(both)).status, 200)
	c.now = c.now.Add(time.Second)
	equal(t, "after 60 days", g.create(t, phone, "6", content(both)).status, 400)
	equal(t, "content after 60 days", g.do(t, "GET", "/_sim/"+name, "").status, 404)
}

// TestFiles_limit fills more than is kept: the first file loses its bytes only.
func TestFiles_limit(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	g := start(t, new(rbmtest.Simulator))
	big := strings.Repeat("x", 100<<20)
	for _, more := range []string{"x", big[:1<<20]} {
		equal(t, "too large", g.upload(t, "", "image/png", big+more).message(t), "The file is larger than the limit of 104857600 bytes.")
	}
	equal(t, "too many bytes at once", g.put(t, at2(t, g), "", "", big+"x").message(t), "The size of the file differs from the size announced before, or exceeds the limit.")
	var names []string
	for range 3 {
		name, _ := g.upload(t, "", "video/mp4", big).decoded(t)["name"].(string)
		names = append(names, name)
	}
	kept := func(name string) int {
		_, data, ok := g.File(name)
		equal(t, "known", ok, true)
		return len(data)
	}
	equal(t, "first", kept(names[0]), 0)
	equal(t, "last", kept(names[2]), 100<<20)
	equal(t, "size is remembered", g.create(t, phone, "1", content(`"fileName":"`+names[0]+`"`)).decoded(t)["totalPayloadSizeBytes"], any("104857600"))
}
