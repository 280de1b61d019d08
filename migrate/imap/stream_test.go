package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
)

// letters makes messages of one byte.
func letters(names string) (items []*migrate.Item) {
	for _, name := range names {
		i := oneByte(string(name))
		i.Digest = digestOf(string(name))
		items = append(items, i)
	}
	return items
}

// appends is an APPEND of messages of one byte and what the server says to it.
func appends(folder, names, say string) []answer {
	lines := multi(names)
	lines[0].expect = strings.Replace(lines[0].expect, `"F"`, `"`+folder+`"`, 1)
	lines[len(lines)-1].say = say
	return lines
}

// streamTo returns a target that streams to a server with the capabilities, and where its
// folders stand.
func streamTo(t *testing.T, caps string, answers ...[]answer) *Target {
	t.Helper()
	var all []answer
	for _, a := range answers {
		all = append(all, a...)
	}
	c := script(t, all...)
	c.setCaps(strings.Fields(caps))
	return &Target{session: &session{conn: c}, stands: map[migrate.Ref]place{"F": {9, 7}, "G": {9, 7}}}
}

const allCaps = "UIDPLUS LITERAL+ MULTIAPPEND"

func begin(t *testing.T, target *Target, ref migrate.Ref, names string) migrate.Writing {
	t.Helper()
	w, err := target.Begin(t.Context(), ref, letters(names))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// outcome writes down what became of a chunk.
func outcome(ctx context.Context, w migrate.Writing) string {
	done, err := w.Wait(ctx)
	var all []string
	for _, d := range done {
		at := string(d.Ref)
		if d.Skip != nil {
			at = d.Skip.Reason
		}
		all = append(all, string(d.Item)+" "+at)
	}
	if e := migrate.AsError(err); err != nil {
		all = append(all, fmt.Sprintf("error of %v, %v", e.Reach, e.Retry))
	}
	return strings.Join(all, ", ")
}

func checkOutcome(t *testing.T, w migrate.Writing, want string) {
	t.Helper()
	for range 2 {
		if got := outcome(t.Context(), w); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
}

// The server says nothing until it has read both chunks.
func TestTwoChunksAreOnTheirWay(t *testing.T) {
	t.Parallel()
	for _, second := range []migrate.Ref{"F", "G"} {
		both := "TAG OK [APPENDUID 9 9] done\r\nr1 OK [APPENDUID 9 7:8] done\r\n"
		target := streamTo(t, allCaps, appends("F", "ab", ""), appends(string(second), "c", both))
		one, two := begin(t, target, "F", "ab"), begin(t, target, second, "c")
		checkOutcome(t, one, "a 9.7, b 9.8")
		checkOutcome(t, two, "c 9.9")
		if after := two.(*writing).Mark(); after != "9.10" {
			t.Errorf("folder %s stands at %q", second, after)
		}
	}
}

func TestAChunkIsRefusedWhileTheNextIsOnItsWay(t *testing.T) {
	t.Parallel()
	target := streamTo(t, allCaps,
		appends("F", "abc", ""), appends("G", "de", "r1 NO one of them\r\nTAG OK [APPENDUID 8 3:4] done\r\n"),
		appends("F", "a", "TAG OK [APPENDUID 9 7] done\r\n"), appends("F", "bc", "TAG NO one of them\r\n"),
		appends("F", "b", "TAG NO [TOOBIG] never\r\n"), appends("F", "c", "TAG OK [APPENDUID 9 8] done\r\n"))
	one, two := begin(t, target, "F", "abc"), begin(t, target, "G", "de")
	checkOutcome(t, one, "a 9.7, b [TOOBIG] never, c 9.8")
	checkOutcome(t, two, "d 8.3, e 8.4")
}

// The server is out of service for the first and has stored the second.
func TestPushbackWhileTheNextChunkIsOnItsWay(t *testing.T) {
	t.Parallel()
	target := streamTo(t, allCaps,
		appends("F", "ab", ""), appends("F", "cd", "r1 NO [OVERQUOTA] full\r\nTAG OK [APPENDUID 9 7:8] done\r\n"))
	one, two := begin(t, target, "F", "ab"), begin(t, target, "F", "cd")
	checkOutcome(t, one, "error of one mailbox, later")
	checkOutcome(t, two, "c 9.7, d 9.8")
}

func TestTheConnectionIsLostWithTwoChunksOnTheirWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ say, one, two string }{
		"nothing said":        {"", "error of one server, later", "error of one server, later"},
		"the first confirmed": {"r1 OK [APPENDUID 9 7:8] done\r\n", "a 9.7, b 9.8", "error of one server, later"},
		"the last confirmed":  {"TAG OK [APPENDUID 9 9] done\r\n", "error of one server, later", "c 9.9"},
	} {
		target := streamTo(t, allCaps, appends("F", "ab", ""), appends("F", "c", test.say))
		one, two := begin(t, target, "F", "ab"), begin(t, target, "F", "c")
		_, _ = one.(*writing).flights[0].sent.wait(t.Context()) // what is lost is known to be so
		_, _ = two.(*writing).flights[0].sent.wait(t.Context())
		if _, err := target.Begin(t.Context(), "F", letters("d")); migrate.AsError(err) == nil {
			t.Errorf("%s: a third chunk: %v, want an error until the two are accounted for", name, err)
		}
		checkOutcome(t, one, test.one)
		checkOutcome(t, two, test.two)
	}
}

// Messages that go one by one are on their way together, but not too many.
func TestSingleMessagesAreOnTheirWayTogether(t *testing.T) {
	t.Parallel()
	var answers [][]answer
	want := make([]string, maxUnanswered+6)
	says := ""
	for i := range want {
		says += fmt.Sprintf("r%d OK [APPENDUID 9 %d] done\r\n", i+1, i+7)
		want[i] = fmt.Sprintf("a 9.%d", i+7)
		say := ""
		if i == 2 || i == maxUnanswered-1 || i == len(want)-1 {
			say, says = says, ""
		}
		answers = append(answers, appends("F", "a", say))
	}
	target := streamTo(t, "UIDPLUS LITERAL+", answers...)
	w := begin(t, target, "F", strings.Repeat("a", len(want)))
	if n := len(target.conn.unanswered); n > maxUnanswered {
		t.Errorf("%d are on their way", n)
	}
	checkOutcome(t, w, strings.Join(want, ", "))
}

// One of several is refused, and sent again behind the others.
func TestASingleMessageIsRefusedAmongOthers(t *testing.T) {
	t.Parallel()
	rest := "r1 OK [APPENDUID 9 7] done\r\nr2 NO Server stumbled\r\nTAG OK [APPENDUID 9 8] done\r\n"
	target := streamTo(t, "UIDPLUS LITERAL+ APPENDLIMIT=1",
		appends("F", "a", ""), appends("F", "b", ""), appends("F", "c", rest), appends("F", "b", "TAG OK [APPENDUID 9 9] done\r\n"))
	items := append(letters("abc"), &migrate.Item{ID: "d", Size: 2, Body: strings.NewReader("dd")})
	w, err := target.Begin(t.Context(), "F", items)
	if err != nil {
		t.Fatal(err)
	}
	checkOutcome(t, w, "a 9.7, b 9.9, c 9.8, d the message has 2 bytes and the target takes at most 1 (APPENDLIMIT)")
}

// Small ones need not be asked for under LITERAL-; nothing is left to be waited for.
func TestSmallMessagesUnderLiteralMinus(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", minimalLiteral+1)
	target := streamTo(t, "UIDPLUS LITERAL-",
		appends("F", "a", ""), appends("F", "b", "r1 OK [APPENDUID 9 7] done\r\nTAG OK [APPENDUID 9 8] done\r\n"),
		[]answer{{`APPEND "F" {4097}`, "+ go on\r\n"}, {large, "TAG OK [APPENDUID 9 9] done\r\n"}})
	items := append(letters("ab"), &migrate.Item{ID: "c", Size: int64(len(large)), Body: strings.NewReader(large)})
	w, err := target.Begin(t.Context(), "F", items)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(target.conn.unanswered); n > 0 {
		t.Errorf("%d are on their way", n)
	}
	checkOutcome(t, w, "a 9.7, b 9.8, c 9.9")
}

// A server that does not say where, in spite of UIDPLUS, is looked at, and then written to
// one chunk after another.
func TestAServerThatDoesNotSayWhere(t *testing.T) {
	t.Parallel()
	describe := "UID FETCH %s:*" + describeItems
	all := "* 1 FETCH (UID 7 RFC822.SIZE 1)\r\n* 2 FETCH (UID 8 RFC822.SIZE 1)\r\n* 3 FETCH (UID 9 RFC822.SIZE 1)\r\n"
	bodies := func(names string) (say string) {
		for i, name := range names {
			say += fmt.Sprintf("* %d FETCH (UID %d BODY[] {1}\r\n%c)\r\n", i+1, i+7, name)
		}
		return say + ok
	}
	target := streamTo(t, allCaps,
		appends("F", "ab", ""), appends("F", "a", "r1 OK done\r\nTAG OK done\r\n"),
		[]answer{
			selectAnswer(3, 10),
			{fmt.Sprintf(describe, "7"), all + ok},
			{fmt.Sprintf(describe, "7"), all + ok},
			{"UID FETCH 7:9 (UID BODY.PEEK[])", bodies("aba")},
			{"CLOSE", ok},
			selectAnswer(3, 10),
			{fmt.Sprintf(describe, "7"), all + ok},
			{"CLOSE", ok},
			{`STATUS "F" (UIDVALIDITY UIDNEXT)`, "* STATUS F (UIDVALIDITY 9 UIDNEXT 10)\r\n" + ok},
		},
		appends("F", "cd", "TAG OK done\r\n"),
		[]answer{
			selectAnswer(5, 12),
			{fmt.Sprintf(describe, "10"), "* 4 FETCH (UID 10 RFC822.SIZE 1)\r\n* 5 FETCH (UID 11 RFC822.SIZE 1)\r\n" + ok},
			{"CLOSE", ok},
		})
	one, two := begin(t, target, "F", "ab"), begin(t, target, "F", "a")
	checkOutcome(t, one, "a 9.7, b 9.8")
	checkOutcome(t, two, "a 9.9")
	three := begin(t, target, "F", "cd")
	if n := len(target.conn.unanswered); n > 0 {
		t.Errorf("%d are on their way", n)
	}
	checkOutcome(t, three, "c 9.10, d 9.11")
}

// Where the folder stands is asked for once, and then known.
func TestAFolderOfWhichNothingIsKnown(t *testing.T) {
	t.Parallel()
	target := streamTo(t, allCaps,
		[]answer{{`STATUS "H" (UIDVALIDITY UIDNEXT)`, "* STATUS H (UIDVALIDITY 9 UIDNEXT 3)\r\n" + ok}},
		appends("H", "ab", "TAG OK [APPENDUID 9 3:4] done\r\n"), appends("H", "c", "TAG OK [APPENDUID 9 5] done\r\n"))
	checkOutcome(t, begin(t, target, "H", "ab"), "a 9.3, b 9.4")
	if at := target.stands["H"]; at != (place{9, 5}) {
		t.Errorf("the folder is said to stand at %v", at)
	}
	checkOutcome(t, begin(t, target, "H", "c"), "c 9.5")
}

func TestWaitObeysTheContext(t *testing.T) {
	t.Parallel()
	target := streamTo(t, allCaps, appends("F", "ab", ""), []answer{{"never sent", ""}})
	w := begin(t, target, "F", "ab")
	cause := errors.New("the window has closed")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if done, err := w.Wait(ctx); !errors.Is(err, cause) || len(done) > 0 {
		t.Errorf("got %v, %v; want %v", done, err, cause)
	}
}

// dovecotChunks are two chunks, each with messages that Dovecot refuses or that are equal.
func dovecotChunks() [2][]*migrate.Item {
	var chunks [2][]*migrate.Item
	for i := range 90 {
		text := fmt.Sprintf("Subject: %d\r\n\r\n%s", i%40, strings.Repeat("line\r\n", i*40))
		if i%30 == 7 {
			text = ""
		}
		item := &migrate.Item{ID: migrate.ItemID(fmt.Sprint(i)), Size: int64(len(text)), Body: strings.NewReader(text), Received: day(1 + i%20), Digest: digestOf(text)}
		chunks[i/50] = append(chunks[i/50], item)
	}
	return chunks
}

func TestStreamingToDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	for user, without := range map[string]string{
		"all": "", "single": "MULTIAPPEND", "ask": "LITERAL+", "askforlarge": "LITERAL+ LITERAL-",
		"nouids": "UIDPLUS", "singleask": "MULTIAPPEND LITERAL+", "minus": "MULTIAPPEND LITERAL+ LITERAL-", "nothing": "MULTIAPPEND LITERAL+ UIDPLUS",
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			config := Config{Address: d.Address, CAFile: d.CAFile, Mailbox: user, Admin: d.Admin, Password: d.AdminPassword}
			streamToDovecot(t, config, strings.Fields(without))
		})
	}
}

func streamToDovecot(t *testing.T, config Config, without []string) {
	t.Helper()
	target, err := OpenTarget(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	for _, name := range without {
		target.conn.caps[name] = false
		if name == "LITERAL-" {
			target.conn.caps[name] = true // which Dovecot takes, though it does not say so
		}
	}
	folders := []migrate.Ref{"one", "two"}
	for _, f := range folders {
		if _, err := target.PutFolder(t.Context(), migrate.Folder{Path: []string{string(f)}}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, second := range folders {
		chunks := dovecotChunks()
		one, err1 := target.Begin(t.Context(), "one", chunks[0])
		two, err2 := target.Begin(t.Context(), second, chunks[1])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		checkStored(t, config, "one", chunks[0], one)
		checkStored(t, config, second, chunks[1], two)
	}
}

// checkStored reads back what was written from where it is said to lie.
func checkStored(t *testing.T, config Config, ref migrate.Ref, items []*migrate.Item, w migrate.Writing) {
	t.Helper()
	done, err := w.Wait(t.Context())
	if err != nil || len(done) != len(items) {
		t.Fatalf("%d of %d done, %v", len(done), len(items), err)
	}
	var uids []migrate.ItemID
	var want []string
	for i, d := range done {
		if (items[i].Size == 0) != (d.Skip != nil) {
			t.Errorf("item %s: skip %v", items[i].ID, d.Skip)
		}
		if d.Skip == nil {
			text, _ := io.ReadAll(io.NewSectionReader(items[i].Body.(*strings.Reader), 0, items[i].Size))
			uids, want = append(uids, migrate.ItemID(d.Ref)), append(want, items[i].Received.String()+string(text))
		}
	}
	source, err := OpenSource(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	var got []string
	for item, err := range source.Read(t.Context(), migrate.FolderID(ref), uids, migrate.MIME) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(item.Body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item.Received.UTC().String()+string(text))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folder %s (-want +got):\n%s", ref, diff)
	}
}

// A chunk that its owner has given up stands in nobody's way, and never counts as written.
func TestAChunkIsGivenUp(t *testing.T) {
	t.Parallel()
	target := streamTo(t, allCaps, appends("F", "ab", ""))
	w := begin(t, target, "F", "ab")
	_, _ = w.(*writing).flights[0].sent.wait(t.Context())
	again := streamTo(t, allCaps,
		[]answer{selectAnswer(0, 7), {"CLOSE", ok}}, appends("F", "ab", "TAG OK [APPENDUID 9 7:8] done\r\n"))
	target.conn = again.conn
	in := migrate.Intent{Ref: "F", Mark: "9.7", Items: []migrate.Planned{{Item: "a", Size: 1}}}
	if done, err := target.Landed(t.Context(), in); err != nil || len(done) > 0 {
		t.Errorf("landed %+v, %v; want nothing", done, err)
	}
	checkOutcome(t, begin(t, target, "F", "ab"), "a 9.7, b 9.8")
	checkOutcome(t, w, "error of one server, later")
}
