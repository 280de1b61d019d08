package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pageOf reads the page back: its text without markup, and how many elements it has of each
// name. It is XML as well as HTML.
func pageOf(t *testing.T, page []byte) (text string, elements map[string]int) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(page))
	decoder.Entity = xml.HTMLEntity
	var all strings.Builder
	elements = map[string]int{}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all.String(), elements
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
		case xml.CharData:
			all.Write(token)
		}
	}
}

// Hostile names are text, on one line, and turn no other text around.
func TestHTMLIsEscaped(t *testing.T) {
	t.Parallel()
	r := report(t)
	r.Batch, r.Moves[0].Mail, r.Moves[0].Identity = hostile, hostile, hostile
	r.Moves[6].Rollback = "reforest rollback " + hostile
	page := write(t, r, HTML)
	text, elements := pageOf(t, page)
	for _, name := range []string{"script", "img", "iframe", "a", "form"} {
		if elements[name] != 0 {
			t.Errorf("the page has %d elements %s", elements[name], name)
		}
	}
	if n := strings.Count(text, `<script>alert("1")</script>`); n < 8 {
		t.Errorf("the hostile name is there as text %d times", n)
	}
	if strings.ContainsAny(text, "\x00\x1b\u202e\x07") {
		t.Error("control characters are left")
	}
	if bytes.Contains(page, []byte("http://")) || bytes.Contains(page, []byte("https://")) {
		t.Error("the page needs the network")
	}
}

// The page holds what the other formats do: every time, number and reason of every move.
func TestHTMLAgrees(t *testing.T) {
	t.Parallel()
	r := report(t)
	text, elements := pageOf(t, write(t, r, HTML))
	want := []string{"Run " + r.Run, "switch", r.Outcome, group(r.Totals.Items), group(r.Totals.Bytes)}
	rows := 1 // of the heads of both lists
	for _, m := range r.Moves {
		want = append(want, m.Mailbox(), m.State, oneLine(m.Reason), m.Timeline, m.Deadline, oneLine(m.Rollback))
		for _, f := range m.Facts {
			want = append(want, f.Kind, pageTime(f.At.Time, berlin), oneLine(f.Cause))
		}
		for _, s := range m.Skips {
			want = append(want, oneLine(s.Reason), s.On(), group(s.Size))
		}
		for _, n := range []int{len(m.Facts), len(m.Waits), len(m.Passes), len(m.Events), len(m.Findings), len(m.Skips), len(m.Folders), len(m.Changes)} {
			if n > 0 {
				rows += n + 1
			}
		}
		rows++
	}
	for _, state := range r.Totals.States {
		rows += min(state.Moves, 1)
	}
	rows += 8 // the other totals
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if elements["tr"] != rows {
		t.Errorf("the page has %d rows, want %d", elements["tr"], rows)
	}
}

// TestTimelinesAgree compares what each format tells of the switches.
func TestTimelinesAgree(t *testing.T) {
	t.Parallel()
	r := report(t)
	rows := csvRows(t, write(t, r, CSV))
	page, _ := pageOf(t, write(t, r, HTML))
	told := 0
	for i, m := range r.Moves {
		want := map[string]string{
			"RunKind": r.Kind, "Primary": m.Primary, "Timeline": guard(m.Timeline), "Deadline": m.Deadline, "Rollback": m.Rollback,
			"KeptUntil": m.KeptUntil.String(), "LateMessages": "", "MessagesCopiedBack": "",
		}
		columns := map[string]string{
			"target delivers": "TargetDelivers", "source forwards": "SourceForwards", "disconnected": "Disconnected",
			"stepped back": "SteppedBack", "source delivers": "SourceDelivers", "target closed": "TargetClosed",
		}
		for _, name := range columns {
			want[name] = ""
		}
		for _, f := range m.Facts {
			told++
			switch f.Kind {
			case "late mail fetched":
				want["LateMessages"] = number(f.Messages)
			case "mail copied back":
				want["MessagesCopiedBack"] = number(f.Messages)
			}
			if name := columns[f.Kind]; name != "" {
				want[name] = f.At.String()
			}
			if clock := f.At.In(berlin).Format("15:04:05"); !strings.Contains(m.Timeline, clock) {
				t.Errorf("move %d: %s at %s is not in %q", i, f.Kind, clock, m.Timeline)
			}
		}
		got := map[string]string{}
		for name := range want {
			got[name] = rows[i][name]
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("move %d in the CSV (-want +got):\n%s", i, d)
		}
		if !strings.Contains(page, m.Timeline) {
			t.Errorf("move %d: the page lacks %q", i, m.Timeline)
		}
	}
	if told < 16 {
		t.Errorf("%d facts in all", told)
	}
}

// Every timeline in a report has its day: nobody reads it on the day it was made.
func TestTimelinesHaveDays(t *testing.T) {
	t.Parallel()
	for _, m := range report(t).Moves {
		if m.Timeline != "" && !regexp.MustCompile(`^[^;.]* on 14 March 2026`).MatchString(m.Timeline) {
			t.Errorf("no day: %q", m.Timeline)
		}
	}
}
