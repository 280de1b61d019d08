package imap

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

// streamed is a message of two bytes as a stream brings it.
func streamed(uid int, body string) string {
	return fmt.Sprintf("* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE \"01-Feb-2012 03:04:05 +0100\" RFC822.SIZE 2 BODY[] {%d}\r\n%s)\r\n", uid, uid, len(body), body)
}

func streamCommand(set string) string { return "UID FETCH " + set + " " + wholeMessage }

func TestReadInOneStream(t *testing.T) {
	t.Parallel()
	s := streamedSource(t, selectAnswer(3, 9),
		answer{streamCommand("3:4,8"), streamed(3, "ab") + "* 9 FETCH (FLAGS (\\Flagged))\r\n* 4 EXISTS\r\n" + streamed(4, "cd") + streamed(3, "ab") + streamed(8, "ef") + ok})
	want := []string{`9.3 "ab" 2 [\Seen] <nil>`, `9.4 "cd" 2 [\Seen] <nil>`, `9.8 "ef" 2 [\Seen] <nil>`}
	if diff := cmp.Diff(want, readAll(t, s, "9.3", "9.4", "9.8")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// What does not come as it should in a stream is asked for with care, and what follows
// comes none the less.
func TestAStreamThatFalters(t *testing.T) {
	t.Parallel()
	describe := func(set string, uids ...int) answer {
		say := ""
		for _, uid := range uids {
			say += fmt.Sprintf("* %d FETCH (UID %d FLAGS (\\Seen) RFC822.SIZE 2)\r\n", uid, uid)
		}
		return answer{"UID FETCH " + set + describeItems, say + ok}
	}
	bodies := func(set string, uids ...int) answer {
		say := ""
		for _, uid := range uids {
			say += fmt.Sprintf("* %d FETCH (UID %d BODY[] {2}\r\n%s)\r\n", uid, uid, strings.Repeat(fmt.Sprint(uid), 2))
		}
		return answer{"UID FETCH " + set + " (UID BODY.PEEK[])", say + ok}
	}
	careful := []answer{describe("4:5", 4, 5), bodies("4:5", 4, 5)}
	three, four, five := streamed(3, "33"), streamed(4, "44"), streamed(5, "55")
	for name, test := range map[string]struct {
		say    string
		answer []answer
		want   string
	}{
		"one left out":         {three + five + ok, careful, "345"},
		"the last left out":    {three + four + ok, []answer{describe("5", 5), bodies("5", 5)}, "345"},
		"refused":              {three + no, careful, "345"},
		"one without a body":   {three + strings.Replace(four, "{2}\r\n44", "NIL", 1) + five + ok, careful, "345"},
		"one too short":        {three + streamed(4, "4") + five + ok, careful, "345"},
		"one malformed":        {three + "* 4 FETCH (UID 4 FLAGS (\\Seen\r\n" + five + ok, careful, "345"},
		"one that is gone":     {three + five + ok, []answer{describe("4:5", 5), {"UID FETCH 4" + describeItems, ok}, bodies("5", 5)}, "35"},
		"answered out of turn": {five + three + four + ok, []answer{describe("3:5", 3, 4, 5), bodies("3:5", 3, 4, 5)}, "345"},
	} {
		s := streamedSource(t, append([]answer{selectAnswer(3, 9), {streamCommand("3:5"), test.say}}, test.answer...)...)
		var got strings.Builder
		for _, line := range readAll(t, s, "9.3", "9.4", "9.5") {
			if strings.HasSuffix(line, "<nil>") {
				got.WriteString(line[2:3])
			}
		}
		if got.String() != test.want {
			t.Errorf("%s: read %s, want %s", name, got.String(), test.want)
		}
	}
}

// A server that sends a body before its date is asked for dates first, from then on.
func TestAServerThatSendsBodiesFirst(t *testing.T) {
	t.Parallel()
	describe := answer{"UID FETCH 3" + describeItems, isThree + ok}
	s := streamedSource(t, selectAnswer(1, 9),
		answer{streamCommand("3"), "* 1 FETCH (UID 3 BODY[] {2}\r\nok FLAGS () INTERNALDATE \"01-Feb-2012 03:04:05 +0100\" RFC822.SIZE 2)\r\n" + ok},
		describe, answer{bodyThree, okThree + ok},
		describe, answer{bodyThree, okThree + ok})
	for range 2 {
		if diff := cmp.Diff([]string{`9.3 "ok" 2 [] <nil>`}, readAll(t, s, "9.3")); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	}
}

// The next command is sent before the present one is answered, and none is larger than
// a window, nor is its set.
func TestAStreamInWindows(t *testing.T) {
	t.Parallel()
	s := streamedSource(t, selectAnswer(4, 9), answer{streamCommand("3:4"), ""},
		answer{streamCommand("5"), "* OK on my way\r\n" + streamed(3, "33") + streamed(4, "44")})
	s.listed = listing{"F", 9, []sized{{3, firstWindow / 2}, {4, firstWindow / 2}, {5, 3 * firstWindow}}}
	var got []migrate.ItemID
	for item, err := range s.Read(t.Context(), "F", []migrate.ItemID{"9.3", "9.4", "9.5"}, migrate.MIME) {
		if err != nil {
			break // the script ends here
		}
		_, _ = io.ReadAll(item.Body)
		got = append(got, item.ID)
	}
	if diff := cmp.Diff([]migrate.ItemID{"9.3", "9.4"}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	var uids []uint32
	for n := range uint32(3000) {
		uids = append(uids, 1_000_000_000+2*n)
	}
	f := &flow{reader: &reader{}, bytes: 1 << 40}
	if n := f.together(uids); n < 100 || len(uidSet(uids[:n])) > maxSetText {
		t.Errorf("%d scattered messages make a set of %d bytes", n, len(uidSet(uids[:n])))
	}
	for i := range uids {
		uids[i] = uint32(i + 1)
	}
	if n := f.together(uids); n != maxWindow {
		t.Errorf("a window holds %d messages, want %d", n, maxWindow)
	}
}

// A reader that stops early leaves the connection free for the next command.
func TestAStreamThatIsStoppedEarly(t *testing.T) {
	t.Parallel()
	s := streamedSource(t, selectAnswer(2, 9), answer{streamCommand("3:4"), streamed(3, "33") + streamed(4, "44") + ok}, answer{"NOOP", ok})
	for item, err := range s.Read(t.Context(), "F", []migrate.ItemID{"9.3", "9.4"}, migrate.MIME) {
		if err != nil || item.ID != "9.3" {
			t.Errorf("first item %+v, %v; want 9.3", item, err)
		}
		break
	}
	if st, err := s.conn.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !st.ok() {
		t.Errorf("NOOP after an early stop: %v, %v", st, err)
	}
}
