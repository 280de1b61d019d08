package imap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

func digestOf(body string) migrate.Digest {
	d := migrate.NewDigester(migrate.MIME)
	_, _ = d.Write([]byte(body))
	return d.Digest()
}

// day is a date that tells equal messages apart; 0 is none.
func day(n int) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Date(2011, 2, n, 4, 5, 6, 0, time.UTC)
}

func TestMatchLandings(t *testing.T) {
	t.Parallel()
	type message struct {
		body string
		day  int
	}
	for name, test := range map[string]struct {
		planned, found []message
		want           []string
	}{
		"all":                   {[]message{{"a", 1}, {"b", 2}}, []message{{"a", 1}, {"b", 2}}, []string{"0 at 1", "1 at 2"}},
		"some, among others":    {[]message{{"a", 1}, {"b", 2}, {"c", 3}}, []message{{"x", 1}, {"c", 3}, {"a", 1}}, []string{"0 at 3", "2 at 2"}},
		"fewer than planned":    {[]message{{"a", 1}, {"a", 1}, {"a", 1}}, []message{{"a", 1}, {"a", 1}}, []string{"0 at 1", "1 at 2"}},
		"the same date first":   {[]message{{"a", 1}, {"a", 2}}, []message{{"a", 2}, {"a", 3}, {"a", 1}}, []string{"0 at 3", "1 at 1"}},
		"one, of the last date": {[]message{{"a", 1}, {"a", 2}}, []message{{"a", 2}}, []string{"1 at 1"}},
		"dates that are lost":   {[]message{{"a", 1}, {"a", 2}}, []message{{"a", 9}, {"a", 9}}, []string{"0 at 1", "1 at 2"}},
		"no date was planned":   {[]message{{"a", 0}}, []message{{"b", 1}, {"a", 1}}, []string{"0 at 2"}},
		"none":                  {[]message{{"a", 1}}, []message{{"b", 1}}, nil},
	} {
		var planned []migrate.Planned
		for i, m := range test.planned {
			planned = append(planned, migrate.Planned{Item: migrate.ItemID(fmt.Sprint(i)), Digest: digestOf(m.body), Received: day(m.day)})
		}
		var found []landing
		for i, m := range test.found {
			found = append(found, landing{fetched{uid: uint32(i + 1), received: day(m.day)}, digestOf(m.body)})
		}
		var got []string
		for _, d := range matchLandings(9, planned, found) {
			got = append(got, fmt.Sprintf("%s at %s", d.Item, strings.TrimPrefix(string(d.Ref), "9.")))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A chunk of one message, many times over, and a folder full of it.
func TestMatchLandingsOfManyThatAreEqual(t *testing.T) {
	t.Parallel()
	planned, found := make([]migrate.Planned, 500), make([]landing, 200_000)
	for i := range planned {
		planned[i] = migrate.Planned{Item: migrate.ItemID(fmt.Sprint(i)), Received: day(1 + i%20)}
	}
	for i := range found {
		found[i] = landing{fetched: fetched{uid: uint32(i + 1), received: day(1 + i%28)}}
	}
	done := matchLandings(9, planned, found)
	if len(done) != len(planned) {
		t.Errorf("%d of %d landed", len(done), len(planned))
	}
	seen := map[migrate.ItemRef]bool{}
	for _, d := range done {
		seen[d.Ref] = true
	}
	if len(seen) != len(done) {
		t.Errorf("%d items share %d messages", len(done), len(seen))
	}
}

// What other chunks are known to have written past the mark is not even read.
func TestLandedPassesOverOtherChunks(t *testing.T) {
	t.Parallel()
	three := "* 1 FETCH (UID 5 RFC822.SIZE 1)\r\n* 2 FETCH (UID 6 RFC822.SIZE 1)\r\n* 3 FETCH (UID 7 RFC822.SIZE 1)\r\n"
	target := scriptedTarget(t, script(t, selectAnswer(3, 8),
		answer{"UID FETCH 5:*" + describeItems, three + ok},
		answer{"UID FETCH 6 (UID BODY.PEEK[])", "* 2 FETCH (UID 6 BODY[] {1}\r\na)\r\n" + ok},
		answer{"CLOSE", ok}))
	in := migrate.Intent{
		Ref: "F", Mark: "9.5", Others: map[migrate.ItemRef]bool{"9.5": true, "9.7": true, "8.6": true},
		Items: []migrate.Planned{{Item: "1", Size: 1, Digest: digestOf("a")}, {Item: "2", Size: 1, Digest: digestOf("a")}},
	}
	done, err := target.Landed(t.Context(), in)
	if err != nil || len(done) != 1 || done[0].Item != "1" || done[0].Ref != "9.6" {
		t.Errorf("got %+v, %v; want the first at 9.6", done, err)
	}
}
