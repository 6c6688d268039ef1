package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
)

// TestDocuments_browser opens pages in a narrow and in a wide window, light and dark: nothing
// is wider than the window, the contrast is enough, and the first key leads to the document.
func TestDocuments_browser(t *testing.T) {
	t.Parallel()
	icon, err := fs.ReadFile(phone.Files(), "favicon.svg")
	if err != nil {
		t.Fatal(err)
	}
	site := fstest.MapFS{"rcshook/favicon.svg": {Data: icon}}
	for name, text := range readPages(t) {
		site["rcshook/docs/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	server := httptest.NewServer(http.FileServerFS(site))
	defer server.Close()
	for _, test := range []struct {
		width  int64
		scheme string
	}{{320, "light"}, {320, "dark"}, {1280, "light"}, {1280, "dark"}} {
		tab := browsertest.Open(t, server.URL, test.width, 800)
		tab.Scheme(test.scheme)
		for _, name := range []string{"index.html", "sources.html", "recipes/zapier.html"} {
			tab.Do(chromedp.Navigate(server.URL + "/rcshook/docs/" + name))
			if wide := browsertest.Eval[int64](tab, `document.documentElement.scrollWidth`); wide > test.width {
				t.Errorf("%s is %d pixels wide in a window of %d", name, wide, test.width)
			}
			if name == "index.html" { // which has all elements
				for _, bad := range browsertest.Eval[[]string](tab, browsertest.Contrasts) {
					t.Errorf("%s: not enough contrast: %s", test.scheme, bad)
				}
			}
			tab.Do(chromedp.KeyEvent("\t"))
			if skip := browsertest.Eval[string](tab, `document.activeElement.getAttribute("href")`); skip != "#content" {
				t.Errorf("%s: the first key leads to %s", name, skip)
			}
			tab.Shot(fmt.Sprintf("documents-%s-%d-%s", strings.TrimSuffix(name, ".html"), test.width, test.scheme))
		}
		tab.Clean()
	}
}
