package directory_test

import (
	"encoding/base64"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func each(changes []directory.Change) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func ldif(t *testing.T, changes []directory.Change, o directory.LDIF) string {
	t.Helper()
	var b strings.Builder
	if err := directory.WriteLDIF(&b, each(changes), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readLDIF is a reader of change records as RFC 2849 describes them, which knows nothing
// of how they were written.
func readLDIF(t *testing.T, text string) []directory.Change {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 76 {
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
	}
	text = strings.ReplaceAll(text, "\n ", "")
	head, rest, _ := strings.Cut(text, "\n")
	if head != "version: 1" {
		t.Fatalf("the file begins with %q", head)
	}
	var changes []directory.Change
	for _, record := range strings.Split(rest, "\n\n") {
		var lines [][2]string
		for _, line := range strings.Split(record, "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, ldifLine(t, line))
			}
		}
		if len(lines) > 0 {
			changes = append(changes, readRecord(t, lines))
		}
	}
	return changes
}

func ldifLine(t *testing.T, line string) [2]string {
	t.Helper()
	if line == "-" {
		return [2]string{"-", ""}
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		t.Fatalf("no line of LDIF: %q", line)
	}
	if encoded, is := strings.CutPrefix(value, ":"); is {
		octets, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return [2]string{name, string(octets)}
	}
	return [2]string{name, strings.TrimLeft(value, " ")}
}

func readRecord(t *testing.T, lines [][2]string) directory.Change {
	t.Helper()
	if len(lines) < 2 || lines[0][0] != "dn" || lines[1][0] != "changetype" {
		t.Fatalf("no change record: %q", lines)
	}
	change := directory.Change{DN: directory.DN(lines[0][1]), Op: directory.Op(lines[1][1])}
	var mod *directory.Mod
	for _, line := range lines[2:] {
		switch {
		case change.Op == directory.Add:
			at := slices.IndexFunc(change.Mods, func(m directory.Mod) bool { return m.Attr == line[0] })
			if at < 0 {
				change.Mods, at = append(change.Mods, directory.Mod{Op: directory.AddValues, Attr: line[0]}), len(change.Mods)
			}
			change.Mods[at].Values = append(change.Mods[at].Values, []byte(line[1]))
		case mod == nil:
			mod = &directory.Mod{Op: directory.ModOp(line[0]), Attr: line[1]}
		case line[0] == "-":
			change.Mods, mod = append(change.Mods, *mod), nil
		case line[0] != mod.Attr:
			t.Fatalf("%q among the values of %s", line, mod.Attr)
		default:
			mod.Values = append(mod.Values, []byte(line[1]))
		}
	}
	if mod != nil {
		t.Fatalf("%s of %q does not end", mod.Attr, change.DN)
	}
	return change
}

// TestLDIFLeadsThereAndBack: played to a forest as it was before, the changes make of it
// what they made of ours; and undone in ours they make it what it was.
func TestLDIFLeadsThereAndBack(t *testing.T) {
	t.Parallel()
	hostile := map[string][]string{
		"description": {" begins with a space"}, "title": {":colon"}, "info": {"line\r\nline\x00", "ends with a space "},
		"department": {"Grüße, 東京 " + strings.Repeat("and so on ", 30)}, "thumbnailPhoto": {string([]byte{0xff, 0xd8, 0})}, "company": {"<url"},
	}
	l, j := newTraveller(t, with(travellers()["person"], hostile))
	source, target := l.source.dump(), l.target.dump()
	fresh, _ := newTraveller(t, with(travellers()["person"], hostile))
	first := len(j.committed())
	l.mustTravel(t, j, l.there()...)
	l.mustTravel(t, j, l.back()...)
	l.mustTravel(t, j, l.there()...)
	changes := j.committed()[first:]
	for _, side := range []struct {
		side       directory.Side
		ours, anew *memory
		before     map[string][]string
	}{{directory.Source, l.source, fresh.source, source}, {directory.Target, l.target, fresh.target, target}} {
		for _, change := range readLDIF(t, ldif(t, changes, directory.LDIF{Side: side.side})) {
			if err := side.anew.write(change); err != nil {
				t.Fatalf("%s: %v", side.side, err)
			}
		}
		if diff := cmp.Diff(leaving(side.ours.dump(), "pwdlastset"), leaving(side.anew.dump(), "pwdlastset")); diff != "" {
			t.Errorf("%s: %s", side.side, diff)
		}
		for _, change := range readLDIF(t, ldif(t, changes, directory.LDIF{Side: side.side, Undo: true})) {
			if err := side.ours.write(change); err != nil {
				t.Fatalf("%s, undone: %v", side.side, err)
			}
		}
		if diff := cmp.Diff(leaving(side.before, "pwdlastset"), leaving(side.ours.dump(), "pwdlastset")); diff != "" {
			t.Errorf("%s, undone: %s", side.side, diff)
		}
	}
}

// TestLDIFOfStaging: what was made is deleted, what was deleted is made again without what
// only a server can give, and hostile values arrive as they are.
func TestLDIFOfStaging(t *testing.T) {
	t.Parallel()
	dn := directory.DN("CN=Ünal\\, \"X\",OU=Staff,DC=baltic,DC=test")
	values := [][]byte{[]byte("plain"), []byte(" x"), []byte("x "), []byte(":x"), []byte("<x"), []byte("a\nb"), {0}, []byte("é"), []byte(strings.Repeat("long ", 40) + "x")}
	made := directory.Change{Forest: directory.Target, Op: directory.Add, DN: dn, Why: "make\nit", Person: migrate.GUID{1}, Mods: []directory.Mod{
		{Op: directory.AddValues, Attr: "objectClass", Values: [][]byte{[]byte("contact")}}, {Op: directory.AddValues, Attr: "description", Values: values},
	}}
	gone := directory.Change{Forest: directory.Target, Op: directory.Delete, DN: dn, Why: "delete it", Before: []directory.Mod{
		{Op: directory.ReplaceValues, Attr: "objectClass", Values: [][]byte{[]byte("contact")}},
		{Op: directory.ReplaceValues, Attr: "description", Values: values},
		{Op: directory.ReplaceValues, Attr: "objectGUID", Values: [][]byte{[]byte("0123456789abcdef")}},
		{Op: directory.ReplaceValues, Attr: "memberOf", Values: [][]byte{[]byte("CN=X")}},
		{Op: directory.ReplaceValues, Attr: "authOrigBL", Values: [][]byte{[]byte("CN=X")}},
	}}
	elsewhere := directory.Change{Forest: directory.Source, Op: directory.Delete, DN: "CN=Source", Why: "not of this side"}
	mods := made.Mods
	for _, test := range []struct {
		undo bool
		want []directory.Change
	}{
		{want: []directory.Change{{Op: directory.Add, DN: dn, Mods: mods}, {Op: directory.Delete, DN: dn}}},
		{undo: true, want: []directory.Change{{Op: directory.Add, DN: dn, Mods: mods}, {Op: directory.Delete, DN: dn}}},
	} {
		got := readLDIF(t, ldif(t, []directory.Change{made, elsewhere, gone}, directory.LDIF{Side: directory.Target, Undo: test.undo}))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("undo %v: %s", test.undo, diff)
		}
	}
}

// TestLDIFHasNoPasswords: where one was set, a comment says so.
func TestLDIFHasNoPasswords(t *testing.T) {
	t.Parallel()
	change := directory.Change{ID: 7, Forest: directory.Target, Op: directory.Modify, DN: "CN=X", Why: "enable", Mods: []directory.Mod{
		{Op: directory.RandomPassword, Attr: "unicodePwd"}, {Op: directory.ReplaceValues, Attr: "unicodePwd", Values: [][]byte{[]byte("secret")}},
	}}
	for _, undo := range []bool{false, true} {
		text := ldif(t, []directory.Change{change}, directory.LDIF{Side: directory.Target, Undo: undo})
		if strings.Contains(text, "secret") || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("secret"))) ||
			!strings.Contains(text, "# change 7 in the target forest: enable") || !strings.Contains(text, "# unicodePwd was set to a password that is not on record") {
			t.Error(text)
		}
		if got := readLDIF(t, text); len(got) != 0 {
			t.Errorf("got %+v, want comments alone", got)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errKilled }

func TestLDIFFails(t *testing.T) {
	t.Parallel()
	broken := func(yield func(directory.Change, error) bool) { yield(directory.Change{}, errKilled) }
	if err := directory.WriteLDIF(&strings.Builder{}, broken, directory.LDIF{Side: directory.Source}); !errors.Is(err, errKilled) {
		t.Errorf("a journal that cannot be read: %v", err)
	}
	if err := directory.WriteLDIF(fullDisk{}, each(nil), directory.LDIF{Side: directory.Source}); !errors.Is(err, errKilled) {
		t.Errorf("a file that cannot be written: %v", err)
	}
}
