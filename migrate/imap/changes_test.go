package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

// examineModSeq opens folder F, with UIDVALIDITY 9 and a HIGHESTMODSEQ.
func examineModSeq(exists, modSeq int) answer {
	a := selectAnswer(exists, 20)
	a.say = fmt.Sprintf("* OK [HIGHESTMODSEQ %d] x\r\n", modSeq) + a.say
	return a
}

// changesOf asks a scripted server and writes down each change.
func changesOf(t *testing.T, caps, since, seen string, answers ...answer) ([]string, error) {
	t.Helper()
	s := streamedSource(t, answers...)
	s.conn.setCaps(strings.Fields(caps))
	var got []string
	for change, err := range s.Changes(t.Context(), "F", migrate.Cursor(since), seen) {
		switch {
		case err != nil:
			return got, err
		case change.Every:
			got = append(got, fmt.Sprintf("every, renumbered %t", change.Renumbered))
		case change.Gone:
			got = append(got, string(change.Item)+" gone")
		default:
			got = append(got, fmt.Sprint(change.Item, " ", change.Flags))
		}
	}
	return got, nil
}

func TestChangesByWhatTheServerCan(t *testing.T) {
	t.Parallel()
	const (
		condstore = "CONDSTORE"
		qresync   = "CONDSTORE QRESYNC ENABLE"
		first     = "* 1 FETCH (UID 3 FLAGS (\\Seen \\Recent))\r\n"
		listing   = first + "* 2 FETCH (UID 5 FLAGS ())\r\n" + ok
	)
	enable := answer{"ENABLE QRESYNC", "* ENABLED QRESYNC\r\n" + ok}
	flag := "* 1 FETCH (UID 3 FLAGS ($A) MODSEQ (50))\r\n"
	arrived := "* 3 FETCH (UID 21 FLAGS () MODSEQ (51))\r\n"
	since := "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 40)"
	vanished := "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 40 VANISHED)"
	all := "UID FETCH 1:* (UID FLAGS)"
	everything := []string{"every, renumbered false", "9.3 [\\Seen]", "9.5 []"}
	for name, test := range map[string]struct {
		caps, seen string
		answers    []answer
		want       []string
	}{
		"nothing is offered":  {"", "9.20.2.40", []answer{selectAnswer(2, 20), {all, listing}}, everything},
		"never seen":          {condstore, "", []answer{examineModSeq(2, 50), {all, listing}}, everything},
		"flags by CONDSTORE":  {condstore, "9.20.2.40", []answer{examineModSeq(2, 50), {since, flag + ok}}, []string{"9.3 [$A]"}},
		"and new mail":        {condstore, "9.20.2.40", []answer{examineModSeq(3, 51), {since, flag + arrived + ok}}, []string{"9.3 [$A]", "9.21 []"}},
		"and something gone":  {condstore, "9.20.3.40", []answer{examineModSeq(2, 50), {since, flag + ok}, {all, listing}}, everything},
		"gone, and new mail":  {condstore, "9.20.3.40", []answer{examineModSeq(2, 51), {since, arrived + ok}, {all, listing}}, everything},
		"NOMODSEQ":            {condstore, "9.20.2.40", []answer{selectAnswer(2, 20), {since, ok}, {all, listing}}, everything},
		"CHANGEDSINCE is BAD": {condstore, "9.20.2.40", []answer{examineModSeq(2, 50), {since, "TAG BAD what\r\n"}, {all, listing}}, everything},
		"by QRESYNC": {
			qresync, "9.20.9.40",
			[]answer{enable, examineModSeq(2, 50), {vanished, "* VANISHED (EARLIER) 4,7:6\r\n" + flag + "* 2 FETCH (FLAGS (\\Seen))\r\n" + ok}},
			[]string{"9.3 [$A]", "9.4 gone", "9.6 gone", "9.7 gone"},
		},
		"QRESYNC is not enabled": {
			qresync, "9.20.2.40",
			[]answer{{"ENABLE QRESYNC", no}, examineModSeq(2, 50), {vanished, "TAG BAD what\r\n"}, {all, listing}},
			everything,
		},
		"more is gone than can be": {
			qresync, "9.20.2.40",
			[]answer{enable, examineModSeq(2, 50), {vanished, "* VANISHED (EARLIER) 1:4294967295\r\n" + ok}, {all, listing}},
			everything,
		},
		"malformed": {
			qresync, "9.20.2.40",
			[]answer{enable, examineModSeq(2, 50), {vanished, "* 1 FETCH (UID x)\r\n" + ok}, {all, listing}},
			everything,
		},
		"renumbered": {
			qresync, "8.20.2.40",
			[]answer{enable, examineModSeq(2, 50), {vanished, flag + ok}, {all, listing}},
			append([]string{"every, renumbered true"}, everything[1:]...),
		},
		"there again": {
			qresync, "9.20.0.40",
			[]answer{enable, examineModSeq(2, 50), {vanished, "* VANISHED (EARLIER) 1:2\r\n" + ok}, {all, listing}},
			everything,
		},
		"cut short": {"", "9.20.2.40", []answer{selectAnswer(2, 20), {all, first + ok}, selectAnswer(2, 20), {all, listing}}, everything},
		"cut short, but one was told twice": {
			condstore, "",
			[]answer{examineModSeq(2, 50), {all, first + first + ok}, examineModSeq(2, 50), {all, listing}},
			everything,
		},
		"expunged while it was listed": {"", "9.20.2.40", []answer{selectAnswer(3, 20), {all, listing}, selectAnswer(2, 20), {all, listing}}, everything},
		"emptied":                      {condstore, "9.20.2.40", []answer{examineModSeq(0, 50), {since, "TAG BAD empty\r\n"}}, []string{"every, renumbered false"}},
	} {
		got, err := changesOf(t, test.caps, "", test.seen, test.answers...)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	got, err := changesOf(t, "", "8.4", "", selectAnswer(2, 20), answer{all, listing})
	if err != nil || len(got) == 0 || got[0] != "every, renumbered true" {
		t.Errorf("a cursor of another UIDVALIDITY: %q, %v", got, err)
	}
	got, err = changesOf(t, "", "", "", selectAnswer(2, 20), answer{all, first + ok}, selectAnswer(2, 20), answer{all, first + ok})
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || len(got) != 0 {
		t.Errorf("cut short twice: %q, %v; want to try later", got, err)
	}
	if _, err := changesOf(t, qresync, "", "9.20.2.40", enable, answer{`EXAMINE "F"`, no}, answer{vanished, "TAG BAD closed\r\n"}); migrate.AsError(err) == nil {
		t.Errorf("a folder that is refused: %v, want an error", err)
	}
}

func TestStateOfAFolder(t *testing.T) {
	t.Parallel()
	told := map[string]uint64{"MESSAGES": 2, "UIDVALIDITY": 9, "UIDNEXT": 20, "HIGHESTMODSEQ": 40}
	if got := stateOf(told).String(); got != "9.20.2.40" || parseState(got) != stateOf(told) {
		t.Errorf("state %q, read back %+v", got, parseState(got))
	}
	subscribed := stateOf(told)
	subscribed.subscribed = true
	if got := subscribed.String(); got != "9.20.2.40.s" || parseState(got) != subscribed {
		t.Errorf("state %q, read back %+v", got, parseState(got))
	}
	for _, key := range []string{"MESSAGES", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"} {
		less := map[string]uint64{}
		for k, n := range told {
			if k != key {
				less[k] = n
			}
		}
		if got := stateOf(less).String(); got != "" {
			t.Errorf("without %s: state %q, want none", key, got)
		}
	}
	for _, text := range []string{"", "9.20.2", "9.20.2.40.1", "x", "0.0.0.0", "09.20.2.40", "99999999999.1.1.1"} {
		if got := parseState(text); got != (folderState{}) {
			t.Errorf("parseState(%q) = %+v, want none", text, got)
		}
	}
}

// One command tells how all folders stand.
func TestFoldersWithTheirStates(t *testing.T) {
	t.Parallel()
	s := streamedSource(t, answer{"NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" + ok},
		answer{
			`LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES SIZE UIDNEXT UIDVALIDITY HIGHESTMODSEQ))`,
			"* LIST (\\Subscribed) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 2 SIZE 60 UIDNEXT 20 UIDVALIDITY 9 HIGHESTMODSEQ 40)\r\n" +
				"* LIST () \"/\" Old\r\n* STATUS Old (MESSAGES 1 SIZE 30 UIDNEXT 2 UIDVALIDITY 9 HIGHESTMODSEQ 0)\r\n" + ok,
		})
	s.conn.setCaps([]string{"NAMESPACE", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "CONDSTORE"})
	folders, err := s.Folders(t.Context())
	var got []string
	for _, f := range folders {
		got = append(got, fmt.Sprint(f.ID, " ", f.Items, " ", f.Bytes, " ", f.State))
	}
	if want := []string{"INBOX 2 60 9.20.2.40.s", "Old 1 30 "}; err != nil || !slices.Equal(got, want) {
		t.Errorf("folders %q, %v; want %q", got, err, want)
	}
}
