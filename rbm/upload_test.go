package rbm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const unit = 256 << 10

// onlyReader hides the other methods of a reader, such as Len.
type onlyReader struct{ io.Reader }

func bytesOf(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	return data
}

func TestUploadFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		size      int
		chunkSize int
		described bool
		progress  []int64
		form      string // of the first request
	}{
		{"small", 10, 0, false, []int64{10}, ""},
		{"small, described", 10, 0, true, []int64{10}, "multipart"},
		{"one whole chunk", unit, unit, false, []int64{unit}, ""},
		{"one byte more", unit + 1, unit, false, []int64{unit, unit + 1}, "resumable"},
		{"two whole chunks", 2 * unit, 1, false, []int64{unit, 2 * unit}, "resumable"},
		{"many chunks, described", 3*unit + 7, unit - 1, true, []int64{unit, 2 * unit, 3 * unit, 3*unit + 7}, "resumable"},
	}
	for _, test := range tests {
		for _, hidden := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, length hidden %t", test.name, hidden), func(t *testing.T) {
				t.Parallel()
				sim := new(rbmtest.Simulator)
				client, requests := record(t, sim)
				content := bytesOf(test.size)
				var progress []int64
				upload := &rbm.Upload{
					Content: bytes.NewReader(content), ContentType: "image/png", ChunkSize: test.chunkSize,
					Progress: func(n int64) { progress = append(progress, n) },
				}
				if hidden {
					upload.Content = onlyReader{upload.Content}
				}
				if test.described {
					upload.ContentDescription, upload.ThumbnailURL = "A picture", "https://a.example/t.png"
				}
				file, err := client.UploadFile(t.Context(), upload)
				if err != nil {
					t.Fatal(err)
				}
				mediaType, got, ok := sim.File(file.Name)
				if !ok || mediaType != "image/png" || !bytes.Equal(got, content) {
					t.Errorf("file %s is %s of %d bytes, %t; want image/png of %d", file.Name, mediaType, len(got), ok, len(content))
				}
				if diff := cmp.Diff(test.progress, progress); diff != "" {
					t.Errorf("progress (-want +got):\n%s", diff)
				}
				_, form, _ := strings.Cut(requests.lines[0], "&uploadType=")
				if form != test.form {
					t.Errorf("first request %s, want upload type %q", requests.lines[0], test.form)
				}
			})
		}
	}
}

// TestUploadFile_resumed checks that an upload continues after a failure, whether or not
// the platform got the bytes.
func TestUploadFile_resumed(t *testing.T) {
	t.Parallel()
	for _, failure := range []rbmtest.Failure{
		{Status: 503}, {Break: rbmtest.BreakBefore}, {Break: rbmtest.BreakAfter}, {Truncate: true},
	} {
		t.Run(fmt.Sprintf("%+v", failure), func(t *testing.T) {
			t.Parallel()
			sim := new(rbmtest.Simulator)
			client := simulate(t, sim, rbm.Config{})
			content := bytesOf(4*unit + 9)
			var confirmed int64
			file, err := client.UploadFile(t.Context(), &rbm.Upload{
				Content: bytes.NewReader(content), ContentType: "image/png", ChunkSize: unit,
				Progress: func(n int64) {
					if n < confirmed {
						t.Errorf("progress decreases from %d to %d", confirmed, n)
					}
					if confirmed = n; n != int64(len(content)) && len(sim.Failures()) == 0 {
						once := failure
						once.Count = 1
						sim.Fail(once)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, got, _ := sim.File(file.Name); !bytes.Equal(got, content) {
				t.Errorf("the %d bytes that arrived differ from those that were sent", len(got))
			}
		})
	}
}

// TestUploadFile_metadata checks the metadata in each form of upload.
func TestUploadFile_metadata(t *testing.T) {
	t.Parallel()
	type request struct{ Target, Type, MediaType, Body string }
	var got []request
	client := serve(t, rbm.Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		text := string(body)
		if boundary := params["boundary"]; boundary != "" {
			text = strings.ReplaceAll(text, boundary, "BOUNDARY")
		}
		if r.Method == http.MethodPost {
			got = append(got, request{
				r.RequestURI, mediaType, r.Header.Get("X-Upload-Content-Type"),
				text,
			})
		}
		w.Header().Set("Location", "/put?upload_id=1")
		respond200(w, `{"name":"files/1"}`)
	})
	for _, size := range []int{2, unit + 1} {
		for _, description := range []string{"", "A & B"} {
			upload := &rbm.Upload{Content: strings.NewReader(strings.Repeat("x", size)), ContentType: "image/png", ContentDescription: description, ChunkSize: unit}
			if _, err := client.UploadFile(t.Context(), upload); err != nil {
				t.Fatal(err)
			}
		}
	}
	const target = "/base/upload/v1/files?agentId=" + agentID
	want := []request{
		{target, "image/png", "", "xx"},
		{target + "&uploadType=multipart", "multipart/related", "", "--BOUNDARY\r\nContent-Type: application/json\r\n\r\n" +
			`{"contentDescription":"A & B"}` + "\r\n--BOUNDARY\r\nContent-Type: image/png\r\n\r\nxx\r\n--BOUNDARY--\r\n"},
		{target + "&uploadType=resumable", "application/json", "image/png", "{}"},
		{target + "&uploadType=resumable", "application/json", "image/png", `{"contentDescription":"A & B"}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// resumable starts a server for resumable uploads with the given location, where HOST
// stands for the host of the server.
func resumable(t *testing.T, location string, put func(w http.ResponseWriter, r *http.Request)) *rbm.Client {
	t.Helper()
	return serve(t, rbm.Config{}, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost {
			w.Header().Set("Location", strings.Replace(location, "HOST", r.Host, 1))
			return
		}
		put(w, r)
	})
}

func TestUploadFile_untrustedLocation(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"", "?", "https://evil.example/upload?id=1", "//evil.example/upload?id=1", "http://user@HOST/?id=1",
		"http://storage.googleapis.com/?id=1", "https://HOST/?id=1", "http://HOST.evil.example/?id=1", "http://[::1", "/upload",
	} {
		client := resumable(t, location, func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%s: request %s %s", location, r.Method, r.RequestURI)
		})
		_, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(unit + 1)), ContentType: "image/png", ChunkSize: unit})
		if !errors.Is(err, rbm.ErrUnavailable) || !strings.Contains(err.Error(), "the platform returned an invalid upload URL") {
			t.Errorf("%s: error %v", location, err)
		}
	}
}

func TestUploadFile_googleLocation(t *testing.T) {
	t.Parallel()
	var hosts []string
	client := newClient(t, rbm.Config{Region: rbm.RegionUS, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		if r.Method == http.MethodPost {
			return response(200, http.Header{"Location": {"https://storage.googleapis.com/upload?upload_id=1"}}, ""), nil
		}
		return response(200, nil, `{"name":"files/1"}`), nil
	})}})
	file, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(unit + 1)), ContentType: "image/png", ChunkSize: unit})
	if err != nil || file.Name != "files/1" {
		t.Fatalf("UploadFile = %v, %v", file, err)
	}
	if diff := cmp.Diff([]string{"us-rcsbusinessmessaging.googleapis.com", "storage.googleapis.com"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// TestUploadFile_invalidRange checks that impossible ranges do not cause a loop.
func TestUploadFile_invalidRange(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "bytes=0-99999999", "bytes=7-9", "bytes=0-x", "nonsense"} {
		client := resumable(t, "/upload?id=1", func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Range", header)
			}
			w.WriteHeader(http.StatusPermanentRedirect)
		})
		_, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(unit + 1)), ContentType: "image/png", ChunkSize: unit})
		const want = "rbm: files.create: the platform lost a part of the upload, after 4 attempts"
		got := strings.Replace(fmt.Sprint(err), ": 308", "", 1)
		if !errors.Is(err, rbm.ErrUnavailable) || got != want {
			t.Errorf("Range %q: error %v, want %s", header, err, want)
		}
	}

	// The platform confirms every byte but never returns the file.
	client := resumable(t, "/upload?id=1", func(w http.ResponseWriter, r *http.Request) {
		var from, to int
		fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d", &from, &to)
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", to))
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	_, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(unit + 1)), ContentType: "image/png", ChunkSize: unit})
	if !errors.Is(err, rbm.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, rbm.ErrUnavailable)
	}
}

// TestUploadFile_hangs tests that an attempt has a second more for each 128 KiB.
func TestUploadFile_hangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := play(hangs)
		client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: script}, Retry: rbm.Retry{MaxAttempts: 1, AttemptTimeout: 5 * time.Second}})
		_, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(256 << 10)), ContentType: "image/png"})
		if took := time.Since(script.start); !errors.Is(err, rbm.ErrTimeout) || took != 7*time.Second {
			t.Errorf("error %v after %v, want a timeout after 7 s", err, took)
		}
	})
}

func TestUploadFile_rejected(t *testing.T) {
	t.Parallel()
	client := simulate(t, new(rbmtest.Simulator), rbm.Config{})
	for _, size := range []int{10, unit + 1} {
		_, err := client.UploadFile(t.Context(), &rbm.Upload{Content: bytes.NewReader(bytesOf(size)), ContentType: "text/html", ChunkSize: unit})
		var rejected *rbm.Error
		if !errors.Is(err, rbm.ErrInvalidArgument) || !errors.As(err, &rejected) || rejected.Method != "files.create" {
			t.Errorf("%d bytes: error %v, want %v of files.create", size, err, rbm.ErrInvalidArgument)
		}
	}
}

func TestUploadFile_readError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	for _, size := range []int{10, unit + 1} {
		client := simulate(t, new(rbmtest.Simulator), rbm.Config{})
		content := io.MultiReader(bytes.NewReader(bytesOf(size)), iotest.ErrReader(broken))
		if _, err := client.UploadFile(t.Context(), &rbm.Upload{Content: content, ContentType: "image/png", ChunkSize: unit}); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: error %v, want %v", size, err, broken)
		}
	}
}
