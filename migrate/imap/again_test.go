package imap

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

const no = "TAG NO Server stumbled\r\n"

func oneByte(id string) *migrate.Item {
	return &migrate.Item{ID: migrate.ItemID(id), Size: 1, Body: strings.NewReader(id)}
}

// appendOne is an APPEND of one byte and what the server says to it.
func appendOne(letter, say string) []answer {
	return []answer{{`APPEND "F" {1}`, "+ go on\r\n"}, {letter, say}}
}

func TestAMessageIsGivenUpAfterTheSecondRefusal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		says []string // what the server says to each APPEND
		skip string   // the reason of the skip; "" is none
		err  bool
	}{
		"once":                {says: []string{no, "TAG OK done\r\n"}},
		"once, in its words":  {says: []string{"TAG NO [SERVERBUG] x\r\n"}, err: true},
		"BAD once":            {says: []string{"TAG BAD what\r\n", "TAG OK done\r\n"}},
		"twice":               {says: []string{no, "TAG NO never\r\n"}, skip: "never"},
		"then out of service": {says: []string{no, "TAG NO [UNAVAILABLE] x\r\n"}, err: true},
		"too large":           {says: []string{"TAG NO [TOOBIG] x\r\n"}, skip: "[TOOBIG] x"},
	} {
		var answers []answer
		for _, say := range test.says {
			answers = append(answers, appendOne("a", say)...)
		}
		done, err := scriptedTarget(t, script(t, answers...)).Write(t.Context(), "F", []*migrate.Item{oneByte("a")})
		if (err != nil) != test.err {
			t.Errorf("%s: %v, want an error: %t", name, err, test.err)
		}
		if test.err {
			continue
		}
		reason := ""
		if len(done) == 1 && done[0].Skip != nil {
			reason = done[0].Skip.Reason
		}
		if len(done) != 1 || reason != test.skip {
			t.Errorf("%s: got %+v, want it skipped for %q", name, done, test.skip)
		}
	}
}

func TestMultiAppendOutlivesOneRefusal(t *testing.T) {
	t.Parallel()
	var answers []answer
	for _, send := range []struct{ names, say string }{{"ab", no}, {"a", no}, {"a", "TAG OK done\r\n"}, {"b", "TAG OK done\r\n"}} {
		lines := multi(send.names)
		lines[len(lines)-1].say = send.say
		answers = append(answers, lines...)
	}
	c := script(t, answers...)
	c.setCaps([]string{"MULTIAPPEND", "LITERAL+"})
	done, err := scriptedTarget(t, c).Write(t.Context(), "F", []*migrate.Item{oneByte("a"), oneByte("b")})
	if err != nil || len(done) != 2 || done[0].Skip != nil || done[1].Skip != nil {
		t.Errorf("got %+v, %v; want both written", done, err)
	}
}

func TestTheSecondTryObeysTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped by the operator")
	cancel(cause)
	if err := breathe(ctx, "imap.Append"); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

const (
	askThree  = "UID FETCH 3" + describeItems
	isThree   = "* 1 FETCH (UID 3 RFC822.SIZE 2)\r\n"
	bodyThree = "UID FETCH 3 (UID BODY.PEEK[])"
	okThree   = "* 1 FETCH (UID 3 BODY[] {2}\r\nok)\r\n"
	ok        = "TAG OK done\r\n"
)

// Wherever a server stumbles once, the message is read, and one that is gone is no
// skip.
func TestAReadOutlivesOneRefusal(t *testing.T) {
	t.Parallel()
	gone := "9.3: " + migrate.ErrGone.Error()
	for name, test := range map[string]struct {
		answers []answer
		want    string
	}{
		"describing": {[]answer{{askThree, no}, {askThree, isThree + ok}, {bodyThree, okThree + ok}}, `9.3 "ok" 2 [] <nil>`},
		"describing one that was left out": {
			[]answer{{askThree, ok}, {askThree, no}, {askThree, isThree + ok}, {bodyThree, okThree + ok}}, `9.3 "ok" 2 [] <nil>`,
		},
		"describing one that is gone": {[]answer{{askThree, ok}, {askThree, no}, {askThree, ok}}, gone},
		"its body":                    {[]answer{{askThree, isThree + ok}, {bodyThree, no}, {bodyThree, okThree + ok}}, `9.3 "ok" 2 [] <nil>`},
		"a body that was left out": {
			[]answer{{askThree, isThree + ok}, {bodyThree, ok}, {bodyThree, no}, {bodyThree, okThree + ok}}, `9.3 "ok" 2 [] <nil>`,
		},
		"a body of estimated size": {
			[]answer{{askThree, "* 1 FETCH (UID 3 RFC822.SIZE 4)\r\n" + ok}, {bodyThree, no}, {bodyThree, okThree + ok}, {bodyThree, okThree + ok}},
			`9.3 "ok" 2 [] <nil>`,
		},
		"a body that is gone": {
			[]answer{{askThree, isThree + ok}, {bodyThree, ok}, {bodyThree, ok}, {"UID FETCH 3 (UID)", no}, {"UID FETCH 3 (UID)", ok}}, gone,
		},
	} {
		s := scriptedSource(t, append([]answer{selectAnswer(1, 9)}, test.answers...)...)
		if diff := cmp.Diff([]string{test.want}, readAll(t, s, "9.3")); diff != "" {
			t.Errorf("one refusal of %s (-want +got):\n%s", name, diff)
		}
	}
}

// A refusal of many may be about another of them.
func TestARefusalOfManyIsNoneOfEach(t *testing.T) {
	t.Parallel()
	s := scriptedSource(t, selectAnswer(2, 9),
		answer{"UID FETCH 3:4" + describeItems, isThree + "* 2 FETCH (UID 4 RFC822.SIZE 2)\r\n" + ok},
		answer{"UID FETCH 3:4 (UID BODY.PEEK[])", no}, answer{bodyThree, no}, answer{bodyThree, okThree + ok},
		answer{"UID FETCH 4 (UID BODY.PEEK[])", no}, answer{"UID FETCH 4 (UID BODY.PEEK[])", no},
		answer{"UID FETCH 4 (UID)", "* 2 FETCH (UID 4)\r\n" + ok})
	want := []string{`9.3 "ok" 2 [] <nil>`, "9.4: imap.Fetch: NO Server stumbled"}
	if diff := cmp.Diff(want, readAll(t, s, "9.3", "9.4")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// A folder that is refused without a code is gone only if it is not listed.
func TestLandedInAFolderThatIsRefusedWithoutACode(t *testing.T) {
	t.Parallel()
	refusal := answer{`EXAMINE "F"`, "TAG NO Mailbox trouble\r\n"}
	listing := func(names ...string) answer {
		say := ""
		for _, name := range names {
			say += "* LIST () \"/\" " + name + "\r\n"
		}
		return answer{`LIST "" "*"`, say + ok}
	}
	lsub, status := answer{`LSUB "" "*"`, ok}, answer{`STATUS "G" (UIDVALIDITY)`, "* STATUS G (UIDVALIDITY 8)\r\n" + ok}
	in := migrate.Intent{Ref: "F", Mark: "9.5", Items: []migrate.Planned{{Item: "a", Size: 1}}}

	gone := scriptedTarget(t, script(t, refusal, listing("G"), lsub, listing("G"), lsub, status))
	if done, err := gone.Landed(t.Context(), in); err != nil || len(done) != 0 {
		t.Errorf("not listed: %+v, %v; want nothing landed", done, err)
	}
	here := scriptedTarget(t, script(t, refusal, listing("F", "G"), lsub))
	_, err := here.Landed(t.Context(), in)
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Later || !strings.Contains(err.Error(), "Mailbox trouble") {
		t.Errorf("listed: %v, want an error of the mailbox, to be tried later", err)
	}
}
