package imap_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

const longKeyword = "a-keyword-of-61-characters-which-some-servers-find-too-long-x"

// hardMailbox is a mailbox that movers stumble over.
func hardMailbox() []migratetest.Folder {
	var folders []migratetest.Folder
	for n, path := range append(hardNames(),
		[]string{"Case"}, []string{"case"}, []string{"trailing "}, []string{"a=2Fb"}, []string{"empty"}, []string{"INBOX", "below", "deeper"}, []string{"Sent"},
	) {
		f := migratetest.Folder{Path: path, Subscribed: n%3 != 0}
		if path[0] != "empty" {
			f.Messages = []migratetest.Message{{Body: mail(n), Received: time.Date(2019, 3, 31, 2, n, 0, 0, time.FixedZone("", 3600))}}
		}
		folders = append(folders, f)
	}
	return append(folders, migratetest.Folder{Path: []string{"odd"}, Subscribed: true, Messages: oddMessages()})
}

// headless is the date of the message that Cyrus does not take.
var headless = time.Date(1998, 7, 20, 20, 17, 40, 0, time.FixedZone("", -5*3600))

func oddMessages() []migratetest.Message {
	const id = "Message-ID: <same@alpine.test>\r\n"
	at := func(n int) time.Time {
		return time.Date(2011, 12, 31, 23, 59, n, 0, time.FixedZone("", (n%27-12)*3600+n%4*900))
	}
	messages := []migratetest.Message{
		{Body: id + "Subject: twice\r\n\r\none\r\n", Flags: []string{`\Seen`}},
		{Body: id + "Subject: twice\r\n\r\nother\r\n", Flags: []string{`\Flagged`}},
		{Body: id + "Subject: twice\r\n\r\none\r\n"},
		{Body: "Subject: no Message-ID\r\n\r\nx\r\n", Flags: []string{`\Answered`, `\Deleted`, `\Draft`}},
		{Body: "Subject: only a header\r\n\r\n", Flags: []string{"$Forwarded", "$MDNSent", "NonJunk"}},
		{Body: "Subject: raw \xe4\xf6\xfc\r\n\r\n\x80\x81\xff no text\r\n"},
		{Body: "Subject: no line end\r\n\r\n.\r\n..\r\n)\r\n* BYE\r\nA1 OK"},
		{Body: "Subject: a long line\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\n"},
		{Body: "Subject: bare CR\r\n\r\none\rline\r\n"},
		{Body: "Subject: keywords\r\n\r\n", Flags: []string{longKeyword, "Ende"}},
		{Body: "no header\r\n\r\nat all\r\n"},
	}
	for n := range messages {
		messages[n].Received = at(n)
	}
	messages[7].Received = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)
	messages[10].Received = headless
	return messages
}

// stock fills a mailbox as far as the server takes it, and returns what it refuses.
func stock(t *testing.T, account imaptest.Account, folders []migratetest.Folder) (refused []string) {
	t.Helper()
	for _, f := range folders {
		words, made := account.Offer(t, f)
		if !made {
			refused = append(refused, strings.Join(f.Path, "→"))
		}
		for i := range words {
			refused = append(refused, fmt.Sprintf("%s %d", strings.Join(f.Path, "→"), i))
		}
	}
	return refused
}

// A place is where a folder of the source came to lie.
type placed struct {
	path   []string
	mapped string
}

// placesIn returns where the folders of the source lie, by their paths.
func placesIn(t *testing.T, source, target peer, user string, j *migratetest.Journal) map[string]placed {
	t.Helper()
	paths := map[string][]string{}
	there, err := openSource(t, target.config(user)).Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		paths[string(f.ID)] = f.Path
	}
	here, err := openSource(t, source.config(user)).Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]placed{}
	for _, f := range here {
		state, err := j.Folder(t.Context(), f.ID)
		if err != nil || paths[string(state.Ref)] == nil {
			t.Fatalf("folder %q lies nowhere: %+v, %v", f.Path, state, err)
		}
		places[strings.Join(f.Path, "→")] = placed{paths[string(state.Ref)], state.Mapped}
	}
	return places
}

// content returns what a mailbox holds, by the paths of its folders.
func content(folders []migratetest.Folder, stores func(string) string) map[string]migratetest.Content {
	all := map[string]migratetest.Content{}
	for _, f := range folders {
		key := strings.Join(f.Path, "→")
		f.Path = []string{"folder"} // its name may be another
		for i := range f.Messages {
			m := &f.Messages[i]
			m.Body, m.Received = stores(m.Body), m.Received.UTC() // servers keep the instant
		}
		all[key] = migratetest.ContentOf([]migratetest.Folder{f})
	}
	return all
}

// checkPlaces compares the mailboxes folder by folder, and reads back what was mapped.
func checkPlaces(t *testing.T, places map[string]placed, want, got map[string]migratetest.Content, mapped map[string]string) {
	t.Helper()
	for key := range want {
		p, known := places[key]
		if !known {
			t.Errorf("folder %q was not placed", key)
			continue
		}
		at := strings.Join(p.path, "→")
		if diff := cmp.Diff(want[key], got[at]); diff != "" {
			t.Errorf("folder %q at %q (-want +got):\n%s", key, at, diff)
		}
		delete(got, at)
		why, differs := mapped[key]
		if differs != (p.mapped != "") || !strings.Contains(p.mapped, why) || at != key && !differs {
			t.Errorf("folder %q lies at %q: %q, want words with %q", key, at, p.mapped, why)
		}
		if back := unmapped(at); back != key && at != key && !hashed(at) {
			t.Errorf("%q cannot be read back: it is %q", at, back)
		}
	}
}

// spared checks what was skipped: nothing, or with words of the reason the message without
// a header. It returns what is wanted then.
func spared(t *testing.T, want migratetest.Content, skips []migrate.Skip, words string) migratetest.Content {
	t.Helper()
	if words == "" {
		if len(skips) > 0 {
			t.Errorf("skipped %+v, want nothing", skips)
		}
		return want
	}
	if len(skips) != 1 || !strings.Contains(skips[0].Reason, words) || skips[0].Folder[0] != "odd" || !skips[0].Received.Equal(headless) || skips[0].Size == 0 {
		t.Errorf("skipped %+v, want words with %q", skips, words)
	}
	want.Messages = slices.DeleteFunc(want.Messages, func(m string) bool { return strings.Contains(m, headless.UTC().Format(time.RFC3339)) })
	return want
}

// dropFlag takes a flag from what is wanted.
func dropFlag(want migratetest.Content, flag string) {
	if flag == "" {
		return
	}
	for i := range want.Messages {
		want.Messages[i] = strings.Replace(want.Messages[i], " "+flag, "", 1)
	}
}

// hashed reports whether a component of a name holds a hash, so that only the record tells
// what it stands for.
func hashed(at string) bool { return regexp.MustCompile("-[0-9a-f]{8}(→|$)").MatchString(at) }

// Everything a mailbox holds arrives, between every two real servers.
func TestFidelity(t *testing.T) {
	t.Parallel()
	slashes, target, dots := dovecotPeer(imaptest.StartDovecot(t, "/")), dovecotPeer(imaptest.StartDovecot(t, "/")), dovecotPeer(imaptest.StartDovecot(t, "."))
	cyrus := cyrusIfThere(t)
	const invalid, apart = "Invalid mailbox name", "separates folders there"
	const tilde, dotdot = "Begins with '~'", "Contains '..' part"
	for _, tt := range []struct {
		name           string
		source, target peer
		mapped         map[string]string // folders with another name, and words of the reason
		lost           string            // flags
		skipped        string            // words of the reason for the one message that is not taken; "" if all are
	}{
		{name: "Dovecot to Dovecot", source: slashes, target: target},
		{name: "slashes to dots", source: slashes, target: dots, mapped: map[string]string{"dots.in.name": apart}},
		{name: "dots to slashes", source: dots, target: slashes, mapped: map[string]string{"sl/ash": apart}},
		{name: "Dovecot to Cyrus", source: slashes, target: cyrus, skipped: "invalid header", mapped: map[string]string{
			"100% sure": invalid, "100% sure→~deep": invalid, `Quote"d`: invalid, `back\slash`: invalid, "semi;colon": invalid, "{5}": invalid,
		}},
		{name: "Cyrus to Dovecot", source: cyrus, target: target, lost: longKeyword, mapped: map[string]string{
			"~tilde": tilde, "~tilde→child": tilde, "..": dotdot, "..→x": dotdot,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			needs(t, tt.source, tt.target)
			user, j := newUser(), migratetest.NewJournal()
			tt.target.account(t, user)
			owner := tt.source.account(t, user)
			if owner.Admin != "" { // a Cyrus: the Dovecots are configured so
				owner.Create(t, "Sent", `\Sent`)
			}
			refused := stock(t, owner, hardMailbox())
			sum := passes(t, tt.source.config(user), tt.target.config(user), j)
			want := content(tt.source.owner(user).Held(t), tt.target.stores)
			got := content(tt.target.owner(user).Held(t), func(body string) string { return body })
			want["odd"] = spared(t, want["odd"], j.Skips(), tt.skipped)
			dropFlag(want["odd"], tt.lost)
			checkPlaces(t, placesIn(t, tt.source, tt.target, user, j), want, got, tt.mapped)
			if len(got) > 0 || len(want) < 30 || sum.Lost != tt.lost {
				t.Errorf("of %d folders %q are the target's alone; lost flags %q, want %q", len(want), slices.Collect(maps.Keys(got)), sum.Lost, tt.lost)
			}
			if uses := tt.target.owner(user).Uses(t); uses["Sent"] != `\Sent` {
				t.Errorf("the folders with a special use are %v, want Sent", uses)
			}
			t.Logf("the source takes none of %q", refused)
		})
	}
}
