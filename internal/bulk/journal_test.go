package bulk

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/racetest"
)

var (
	testHead = Head{"sale", "m1", "t1", "https://f1"}
	testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

const testJournal = `row,key,to,state,code,message_id,time,detail
,sale,,begun,,,2026-01-02T03:04:05Z,message m1 recipients t1 function https://f1
2,a,+12025550101,sent,accepted,id-1,2026-01-02T03:04:05Z,
3,"b,
""c""",+12025550102,open,rate_limited,id-2,2026-01-02T03:04:05Z,later
4,d,+12025550103,refused,recipient_unreachable,id-3,2026-01-02T03:04:05Z,cannot be reached
5,,,faulty,invalid_payload,,2026-01-02T03:04:05Z,no key
6,g,+12025550104,queued,queued,id-6,2026-01-02T03:04:05Z,
7,e,+12025550105,unreachable,recipient_unreachable,,2026-01-02T03:04:05Z,
8,h,+12025550106,opted_out,recipient_opted_out,,2026-01-02T03:04:05Z,
`

func record(t *testing.T, path string, entries ...Entry) *Journal {
	t.Helper()
	j, err := ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Start(testHead, testTime); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		e.Time = testTime
		if err := j.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return j
}

func isDone(t *testing.T, j *Journal, key string) bool {
	t.Helper()
	done, err := j.Done.Contains(key)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.csv")
	record(
		t, path,
		Entry{Row: 2, Key: "a", To: "+12025550101", State: Sent, Code: "accepted", MessageID: "id-1"},
		Entry{Row: 3, Key: "b,\n\"c\"", To: "+12025550102", State: Open, Code: "rate_limited", MessageID: "id-2", Detail: "later"},
		Entry{Row: 4, Key: "d", To: "+12025550103", State: Refused, Code: "recipient_unreachable", MessageID: "id-3", Detail: "cannot be reached"},
		Entry{Row: 5, State: Invalid, Code: "invalid_payload", Detail: "no key"},
		Entry{Row: 6, Key: "g", To: "+12025550104", State: Queued, Code: "queued", MessageID: "id-6"},
		Entry{Row: 7, Key: "e", To: "+12025550105", State: Unreachable, Code: "recipient_unreachable"},
		Entry{Row: 8, Key: "h", To: "+12025550106", State: OptedOut, Code: "recipient_opted_out"},
	)
	text, err := os.ReadFile(path)
	if diff := cmp.Diff(testJournal, string(text)); diff != "" || err != nil {
		t.Fatalf("journal: %v (-want +got):\n%s", err, diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v: others can read the numbers", info.Mode(), err)
	}
	j, err := ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"a": true, "b,\n\"c\"": false, "d": true, "": false, "e": true, "g": true, "h": true, "f": false, "sale": false} {
		if isDone(t, j, key) != want {
			t.Errorf("key %q is done: %v", key, !want)
		}
	}
	if j.Done.Len() != 5 {
		t.Errorf("%d rows are done, want 5", j.Done.Len())
	}
	for _, tt := range []struct {
		head Head
		want string
	}{
		{testHead, ""},
		{Head{"fair", "m1", "t1", "https://f2"}, "belongs to the campaign sale: choose another file with -results"},
		{Head{"sale", "m2", "t2", "https://f1"}, "was started with another message: recipients of that message do not get another one in this campaign. " +
			"Start a campaign with another name, or send the new message to the remaining rows with -force"},
		{Head{"sale", "m2", "t2", "https://f2"}, "has the results of the function https://f1, not of https://f2: its rows would not be sent. " +
			"Choose another file with -results; if both are the same function, continue with -force"},
		{Head{"sale", "m1", "t2", "https://f1"}, "was started with another table: continue with -force if rows were added or fixed, " +
			"or start a campaign with another name for other recipients"},
	} {
		switch err := j.Match(tt.head); {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || err.Error() != path+" "+tt.want):
			t.Errorf("%v: %v, want %q", tt.head, err, tt.want)
		}
	}
}

// TestJournal_withoutFunction continues a file that does not name the function.
func TestJournal_withoutFunction(t *testing.T) {
	t.Parallel()
	path := file(t, "results.csv", strings.Replace(testJournal, " function https://f1", "", 1))
	j, err := ReadJournal(path)
	if err != nil || !isDone(t, j, "a") || j.Match(testHead) != nil {
		t.Errorf("%v, %v", err, j.Match(testHead))
	}
}

// TestJournal_truncated truncates a journal at every byte. The rest can be continued, no
// row counts as done that is not, and at most the last one is lost.
func TestJournal_truncated(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	path := filepath.Join(t.TempDir(), "results.csv")
	for cut := range len(testJournal) + 1 {
		whole := testJournal[:cut]
		for _, tail := range []string{"", strings.Repeat("\x00", 500)} {
			if err := os.WriteFile(path, []byte(whole+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			j := record(t, path, Entry{Row: 7, Key: "f", To: "+12025550105", State: Sent, Code: "accepted", MessageID: "id-4"})
			for key, line := range map[string]string{"a": "\n3,", "d": "\n5,", "e": "\n8,", "h": "\x00"} {
				end := strings.Index(testJournal+"\x00", line)
				if line != "\x00" {
					end++
				}
				if want := cut >= end; isDone(t, j, key) != want {
					t.Fatalf("cut at %d: %q is done: %v", cut, key, !want)
				}
			}
			if j, err := ReadJournal(path); err != nil || !isDone(t, j, "f") {
				t.Fatalf("cut at %d, continued: %v", cut, err)
			}
			if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "\x00") {
				t.Fatalf("cut at %d: the incomplete line is still there: %v", cut, err)
			}
		}
	}
}

func TestJournal_damaged(t *testing.T) {
	t.Parallel()
	head := strings.SplitAfter(testJournal, "\n")[0]
	for name, tt := range map[string]struct{ text, want string }{
		"another CSV file": {"to,name\n+12025550101,Ada\n", "is not a results file of this command, or was saved by another program: choose another with -results"},
		"saved by a spreadsheet": {
			strings.ReplaceAll(testJournal, ",", ";"),
			"is not a results file of this command, or was saved by another program: choose another with -results",
		},
		"a short line":           {head + "2,a\n" + testJournal[len(head):], "is damaged at line 2: record on line 2: wrong number of fields"},
		"an unknown state":       {head + "2,a,,done,,,,\n" + testJournal[len(head):], `is damaged at line 2: unknown state "done"`},
		"a start without hashes": {head + ",sale,,begun,,,,x\n" + testJournal[len(head):], "is damaged at line 2: the hash of the message is missing: input does not match format"},
	} {
		path := file(t, "results.csv", tt.text)
		if _, err := ReadJournal(path); err == nil || err.Error() != path+" "+tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestReadJournal_otherFiles tests that files that are not journals are neither followed nor
// overwritten.
func TestReadJournal_otherFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"text": "Hello"}`, "-----BEGIN PRIVATE KEY-----", "row,key,to,state,code,message_id,time,detail,more", "\x00\x00x", "row,key\x00x",
		strings.Repeat("\x00", 1<<17),
	} {
		path := file(t, "results.csv", text)
		if _, err := ReadJournal(path); err == nil {
			t.Errorf("%.40q was taken for a journal", text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%.40q was changed", text)
		}
	}
	folder := t.TempDir()
	for name, target := range map[string]string{"link": file(t, "other.csv", testJournal), "dangling": filepath.Join(folder, "nothing")} {
		path := filepath.Join(folder, name)
		if err := os.Symlink(target, path); err != nil {
			t.Skip(err)
		}
		if _, err := ReadJournal(path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}

// TestJournal_formulas tests that a spreadsheet shows a key as text, and that it is still
// the key of its row.
func TestJournal_formulas(t *testing.T) {
	t.Parallel()
	keys := []string{"=cmd|' /C calc'!A0", "@SUM(A1)", "-1+1", "+1+1", "'quoted", "\tx", "+12025550101", "plain"}
	path := filepath.Join(t.TempDir(), "results.csv")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for i, key := range keys {
		entries = append(entries, Entry{Row: i + 2, Key: key, State: Sent, Detail: key})
	}
	record(t, path, entries...)
	j, err := ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !isDone(t, j, key) {
			t.Errorf("the row of %q is not done", key)
		}
		if strings.Contains(string(text), ","+key) && strings.Contains("=@-\t'", key[:1]) {
			t.Errorf("%q is a formula in\n%s", key, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		t.Errorf("the file has the mode %v, %v, want none for others", info.Mode(), err)
	}
}

func FuzzJournal(f *testing.F) {
	for cut := 0; cut <= len(testJournal); cut += 37 {
		f.Add([]byte(testJournal[:cut]))
	}
	path := filepath.Join(f.TempDir(), "results.csv")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := ReadJournal(path)
		if err != nil {
			return
		}
		record(t, path, Entry{Row: 7, Key: "f", State: Sent})
		after, err := ReadJournal(path)
		if err != nil || !isDone(t, after, "f") || after.Match(testHead) != nil {
			t.Fatalf("continued: %v", err)
		}
		if after.Done.Len() < before.Done.Len() {
			t.Fatalf("%d rows are done, but %d before", after.Done.Len(), before.Done.Len())
		}
	})
}

// Two concurrent runs with one file would overwrite each other's lines.
func TestJournal_twoRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.csv")
	open := func() *Journal {
		j, err := ReadJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	head := Head{Campaign: "c", Message: "m", Table: "t", Function: "f"}
	first, second := open(), open()
	if err := first.Start(head, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := open().Start(head, time.Now()); err == nil {
		t.Error("a second run started while the first wrote")
	}
	if err := first.Add(Entry{Row: 1, Key: "k", State: Sent}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	want := path + " was changed by another run: run the same command again when that has ended"
	if err := second.Start(head, time.Now()); err == nil || err.Error() != want {
		t.Errorf("Start = %v, want %s", err, want)
	}
	third := open()
	if !isDone(t, third, "k") {
		t.Error("the line of the first run is lost")
	}
	if err := third.Start(head, time.Now()); err != nil {
		t.Error(err)
	}
	third.Close()
}
