package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/directory/snapshot"
	"reforest/internal/lab/ldapd"
)

func unpack(t *testing.T, packed []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// Every file that is not exactly what Save has written is refused, with words that say
// what is wrong with it.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	whole := mustRead(t, save(t, startForest(t).conn, config()))
	text := unpack(t, whole)
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	head, last := lines[0], lines[len(lines)-1]
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // the checksum that gzip ends with
	for name, test := range map[string]struct {
		content []byte
		says    string
	}{
		"nothing":                {nil, "no file that reforest collected"},
		"a text":                 {[]byte("dn: CN=Ada\n"), "no file that reforest collected"},
		"another packed file":    {pack(t, `{"hello":"world"}`), "no file that reforest collected"},
		"packed, but no JSON":    {pack(t, "dn: CN=Ada\n"), "damaged"},
		"a header alone":         {pack(t, head), "ends too early"},
		"a header without parts": {pack(t, `{"format":"reforest forest","version":1,"side":"source","at":"2026-01-02T03:04:05Z"}`), "its header lacks"},
		"a side of neither":      {pack(t, strings.Replace(text, `"side":"source"`, `"side":"middle"`, 1)), "its header lacks"},
		"a newer version":        {pack(t, strings.Replace(text, `"version":1`, `"version":2`, 1)), "version 2"},
		"without a trailer":      {pack(t, strings.TrimSuffix(text, last+"\n")), "ends too early"},
		"one entry less":         {pack(t, head+strings.Join(lines[2:], "")), "and should hold"},
		"one entry twice":        {pack(t, head+lines[1]+strings.Join(lines[1:], "")), "and should hold"},
		"something after the end": {
			pack(t, text+lines[1]), "something follows its end",
		},
		"another file after it":    {append(bytes.Clone(whole), whole...), "something follows its end"},
		"dirt after it":            {append(bytes.Clone(whole), "dirt, and more of it"...), "damaged"},
		"an entry of no search":    {pack(t, strings.Replace(text, `"part":0`, `"part":99`, 1)), "no name or place"},
		"cut in the middle":        {whole[:len(whole)/2], "ends too early"},
		"cut by one octet":         {whole[:len(whole)-1], "ends too early"},
		"a checksum that is wrong": {flipped, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "torn.forest")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := snapshot.Open(path); err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want it to say %q and to name the file", err, test.says)
			}
		})
	}
	if _, err := snapshot.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The file says where it comes from, is its owner's alone, and holds no secret.
func TestFile(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	f.seed(t, f.server.BaseDN().Child("CN", "Users").Child("CN", "Ada"), ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {"ada"}})
	password := directory.Change{
		Op: directory.Modify, DN: f.server.BaseDN().Child("CN", "Users").Child("CN", "Ada"), Why: "test",
		Mods: []directory.Mod{{Op: directory.ReplaceValues, Attr: "unicodePwd", Values: [][]byte{utf16le(`"Geheim-2009!"`)}}},
	}
	if err := f.conn.Write(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	c := config()
	c.At = time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("CET", 3600))
	entries := 0
	c.Progress = func(n int) { entries = n }
	path := filepath.Join(t.TempDir(), "alpine.forest")
	summary, err := snapshot.Save(t.Context(), f.conn, path, c)
	if err != nil {
		t.Fatal(err)
	}
	if summary.Entries != entries || entries < 300 || summary.Domain != "alpine.test" {
		t.Errorf("got %+v after progress up to %d", summary, entries)
	}
	want := snapshot.Origin{
		Path: path, Side: directory.Source, Domain: "alpine.test", At: time.Date(2026, 3, 4, 4, 6, 7, 0, time.UTC),
		Account: `ALPINE\Administrator`, Server: f.conn.Server(),
	}
	origin, err := snapshot.OriginOf(path)
	if diff := cmp.Diff(want, origin); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if r := open(t, path); r.Origin() != want || r.Server() != path {
		t.Errorf("got %+v", r.Origin())
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text := unpack(t, mustRead(t, path))
	if strings.Contains(text, `"unicodePwd":`) || strings.Contains(text, "Geheim") || strings.Contains(text, labPassword) {
		t.Error("the file holds a secret")
	}
}

func utf16le(text string) (b []byte) {
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return b
}

// No attribute that is asked for is a secret, and none can be asked for.
func TestSecretsAreNotCollected(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	asked := &recording{Reader: f.conn}
	open(t, save(t, asked, config()))
	if len(asked.attrs) < 100 {
		t.Fatalf("only %d attributes were asked for", len(asked.attrs))
	}
	secrets := []string{"unicodePwd", "UNICODEPWD", "ms-Mcs-AdmPwd", "msLAPS-Password", "trustAuthOutgoing", "msFVE-RecoveryPassword", "userPassword"}
	for _, secret := range secrets {
		if asked.attrs[strings.ToLower(secret)] {
			t.Errorf("%s was asked for", secret)
		}
		c := config()
		c.Attrs = []string{"title", secret}
		if _, err := snapshot.Collect(t.Context(), f.conn, io.Discard, c); err == nil || !strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", secret, err)
		}
	}
	if asked.all {
		t.Error("an entry was read with all its attributes")
	}
}

// A recording notes which attributes are asked for.
type recording struct {
	directory.Reader
	attrs map[string]bool
	all   bool // an entry other than the rootDSE was read whole
}

func (r *recording) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	if r.attrs == nil {
		r.attrs = map[string]bool{}
	}
	r.all = r.all || len(query.Attrs) == 0
	for _, attr := range query.Attrs {
		r.attrs[strings.ToLower(attr)] = true
	}
	return r.Reader.Find(ctx, query)
}

// A hiding reader does not find some entries, as if they were of another class.
type hiding struct {
	directory.Reader
	hidden []directory.DN
}

func (h hiding) Find(ctx context.Context, query directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) {
		for entry, err := range h.Reader.Find(ctx, query) {
			if err == nil && slices.ContainsFunc(h.hidden, entry.DN.Equal) {
				continue
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// Whatever holds an entry is in the file, of what class it may be.
func TestParentsAreCollected(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	fill(t, f)
	people := f.server.BaseDN().Child("OU", "People")
	hidden := []directory.DN{people, people.Child("OU", "Deep, deeper")}
	r := open(t, save(t, hiding{f.conn, hidden}, config()))
	for _, dn := range hidden {
		sameEntry(t, f, r, dn, "ou", "nTSecurityDescriptor", "objectClass")
	}
}

// What fails on the way leaves neither a file nor a part of one, and an older file as it
// was.
func TestSaveIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "alpine.forest")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the operator stops")
	broken := config()
	broken.Progress = func(entries int) {
		if entries == 100 {
			cancel(stop)
		}
	}
	if _, err := snapshot.Save(ctx, f.conn, path, broken); !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	wantFiles(t, dir)
	if _, err := snapshot.Save(t.Context(), f.conn, path, config()); err != nil {
		t.Fatal(err)
	}
	before := mustRead(t, path)
	if _, err := snapshot.Save(ctx, f.conn, path, config()); err == nil {
		t.Error("saved although the context had ended")
	}
	if !bytes.Equal(before, mustRead(t, path)) {
		t.Error("a failed attempt changed the older file")
	}
	wantFiles(t, dir, "alpine.forest")
	if _, err := snapshot.Save(t.Context(), f.conn, filepath.Join(dir, "none", "alpine.forest"), config()); err == nil {
		t.Error("saved in a directory that is not there")
	}
	none := config()
	none.Side = ""
	if _, err := snapshot.Save(t.Context(), f.conn, path, none); err == nil || !strings.Contains(err.Error(), "want source or target") {
		t.Errorf("no side: %v", err)
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What the forest may have and the file does not hold is an error, never an absence.
func TestNotHeld(t *testing.T) {
	t.Parallel()
	f := startForest(t)
	c := config()
	c.Attrs = nil
	r := open(t, save(t, f.conn, c))
	users := f.server.BaseDN().Child("CN", "Users")
	for _, filter := range []directory.Filter{"(jpegPhoto=*)", "(&(cn=Administrator)(|(mail=x)(!(JPEGPHOTO=x))))"} {
		var last error
		for _, err := range r.Find(t.Context(), directory.Query{Filter: filter, Attrs: []string{"cn"}}) {
			last = err
		}
		if !errors.Is(last, snapshot.ErrNotHeld) || !strings.Contains(last.Error(), "jpegphoto") {
			t.Errorf("%s: got %v", filter, last)
		}
	}
	for _, attr := range []string{"jpegPhoto", "lastLogon"} {
		if _, err := r.Get(t.Context(), users.Child("CN", "Administrator"), "cn", attr); !errors.Is(err, snapshot.ErrNotHeld) {
			t.Errorf("get %s: %v", attr, err)
		}
	}
	// The right to create something below a user is not computed; below a container it is.
	if _, err := r.Get(t.Context(), users.Child("CN", "Administrator"), "allowedChildClassesEffective"); !errors.Is(err, snapshot.ErrNotHeld) {
		t.Errorf("rights below a user: %v", err)
	}
	entry, err := r.Get(t.Context(), users, "allowedChildClassesEffective")
	if err != nil || !entry.Has("allowedChildClassesEffective") {
		t.Errorf("rights below a container: %v", err)
	}
	if entry, err = r.Get(t.Context(), users, "noSuchAttribute"); err != nil || entry.Has("noSuchAttribute") {
		t.Errorf("what no schema has: %v", err)
	}
}
