package agent_test

import (
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/google"
)

// TestDirectory_Newest checks which version is suggested if the latest cannot be read: v is a
// readable version, d a disabled one, x a destroyed one, and b one that is not text.
func TestDirectory_Newest(t *testing.T) {
	t.Parallel()
	for versions, want := range map[string]string{
		"vd":      "1",
		"vvdxd":   "2",
		"d":       "",
		"dd":      "",
		"vvvdddd": "3",
		"vvddddd": "2",
		"vdddddd": "",
		"vbd":     "",
	} {
		w := loopback(t)
		w.store()
		d := w.open(t, w.config(), agent.Options{})
		const secret = "projects/p-1/secrets/s"
		for _, kind := range versions {
			text := "text"
			if kind == 'b' {
				text = "\xff"
			}
			version := w.secrets.AddVersion(secret, []byte(text))
			switch kind {
			case 'd':
				w.secrets.Disable(version)
			case 'x':
				w.secrets.Destroy(version)
			}
		}
		refused := &google.SecretError{Version: strconv.Itoa(len(versions))}
		if got := d.Newest(t.Context(), secret, refused); got != want {
			t.Errorf("Newest of %s = %q, want %q", versions, got, want)
		}
	}
}

func TestDirectory_PrefetchID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		d.PrefetchID("unknown")
		d.PrefetchID("default")
		synctest.Wait()
		if ids, keys := w.secrets.Accesses(idSecret), w.secrets.Accesses(keySecret); ids != 1 || keys != 0 {
			t.Errorf("%d accesses of the ID and %d of the key, want 1 and 0", ids, keys)
		}
	})
}
