package imap_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// annotate brings the metadata, and returns what did not come along as "folder entry".
func annotate(t *testing.T, source, target peer, user string, j *migratetest.Journal, replace bool) (left map[string]string) {
	t.Helper()
	from, to, done := open(t, source.config(user), target.config(user))
	defer done()
	all, err := migrate.Annotate(t.Context(), from, to, j, replace)
	if err != nil {
		t.Fatal(err)
	}
	left = map[string]string{}
	for _, u := range all {
		left[strings.Join(u.Path, "/")+" "+u.Entry] = u.Why
	}
	return left
}

// Metadata of folders comes along, what the target refuses is named, and what its owner
// has set there since is left.
func TestFolderMetadata(t *testing.T) {
	t.Parallel()
	source, target := dovecotPeer(imaptest.NewDovecot(t, imaptest.DovecotConfig{Metadata: true})), dovecotPeer(imaptest.NewDovecot(t, imaptest.DovecotConfig{Metadata: true}))
	cyrus := cyrusIfThere(t)
	for _, tt := range []struct {
		name           string
		source, target peer
		own            string            // an entry that only the source's kind of server takes
		refused        map[string]string // what is told of the target's refusals
	}{
		{"Dovecot to Dovecot", source, target, "/private/vendor/acme/tint", nil},
		{"Dovecot to Cyrus", source, cyrus, "/private/vendor/acme/tint", map[string]string{"Akten /private/vendor/acme/tint": "Permission denied"}},
		{"Cyrus to Dovecot", cyrus, target, "/private/specialuse", map[string]string{"Akten /private/specialuse": "cannot be changed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			needs(t, tt.source, tt.target)
			user, j := newUser(), migratetest.NewJournal()
			owner := tt.source.account(t, user)
			tt.target.account(t, user)
			owner.Fill(t, []migratetest.Folder{{Path: []string{"Akten"}}})
			values := map[string]string{"/private/comment": `"meine" Akten`, "/shared/comment": "für\r\nalle"}
			for entry, value := range values {
				owner.SetMetadata(t, "Akten", entry, value)
			}
			owner.SetMetadata(t, "Akten", tt.own, `\Archive`)
			passes(t, tt.source.config(user), tt.target.config(user), j)
			there := tt.target.owner(user)
			for range 2 {
				checkLeft(t, annotate(t, tt.source, tt.target, user, j, true), tt.refused)
				for entry, want := range values {
					if got := there.Metadata(t, "Akten", entry); got != want {
						t.Errorf("%s is %q at the target, want %q", entry, got, want)
					}
				}
			}
			there.SetMetadata(t, "Akten", "/private/comment", "neu")
			left := annotate(t, tt.source, tt.target, user, j, false)
			if got := there.Metadata(t, "Akten", "/private/comment"); got != "neu" || left["Akten /private/comment"] == "" {
				t.Errorf("what was set at the target is %q, told %q; want it left and told", got, left)
			}
			annotate(t, tt.source, tt.target, user, j, true)
			if diff := cmp.Diff(values["/private/comment"], there.Metadata(t, "Akten", "/private/comment")); diff != "" {
				t.Errorf("before anybody works there (-want +got):\n%s", diff)
			}
		})
	}
}

func checkLeft(t *testing.T, left, want map[string]string) {
	t.Helper()
	for entry, words := range want {
		if !strings.Contains(left[entry], words) {
			t.Errorf("of %q is told %q, want words with %q", entry, left[entry], words)
		}
	}
	if len(left) != len(want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}

func TestMetadataWithNULIsNotSent(t *testing.T) {
	t.Parallel()
	p := dovecotPeer(imaptest.NewDovecot(t, imaptest.DovecotConfig{Metadata: true}))
	target := openTarget(t, p.config(newUser()))
	refused, err := target.Annotate(t.Context(), "INBOX", []migrate.Annotation{{Entry: "/private/comment", Value: "a\x00b"}, {Entry: "/shared/comment", Value: "c"}})
	if err != nil || len(refused) != 2 || refused[0] == nil || refused[1] != nil {
		t.Fatalf("refused %v, %v; want the one with a NUL", refused, err)
	}
	all, err := target.Annotations(t.Context(), []string{"INBOX", "nowhere"})
	if err != nil || all[1].Err == nil {
		t.Fatalf("read %+v, %v; want an error for the folder that is not there", all, err)
	}
	if diff := cmp.Diff([]migrate.Annotation{{Entry: "/shared/comment", Value: "c"}}, all[0].List); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
