package ntsd_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

const (
	alice   migrate.SID = "S-1-5-21-1-2-3-1104"
	bob     migrate.SID = "S-1-5-21-4000000000-2-3-1105"
	builtin migrate.SID = "S-1-5-32-544"
)

// unhex reads hexadecimal digits with spaces and line ends between them.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// handmade is written out after MS-DTYP 2.4.6, not by this package: the DACL lies
// before owner and group, there are gaps of odd octets, an entry of a type that does
// not exist, and slack at the list's end.
const handmade = `
	01 00 0480  58000000 6a000000 00000000 18000000
	aabbccdd
	04 00 4000 0300 0000
	01 00 1400 00010000 010100000000000510000000
	fe 03 0800 deadbeef
	00 10 1400 ff010f00 010100000000000512000000
	0badf00d 11223344
	0102000000000005 20000000 20020000
	eeee
	0101000000000005 12000000
	77`

func TestHandmadeKeepsEveryOctet(t *testing.T) {
	t.Parallel()
	b := unhex(t, handmade)
	d, err := ntsd.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Bytes(); !bytes.Equal(got, b) {
		t.Errorf("round trip:\n got %x\nwant %x", got, b)
	}
	if d.Owner != builtin || d.Group != "S-1-5-18" {
		t.Errorf("got owner %s, group %s", d.Owner, d.Group)
	}
	var got []string
	for _, ace := range d.DACL.ACEs {
		got = append(got, string(ace.SID))
	}
	if diff := cmp.Diff([]string{"S-1-5-16", "", "S-1-5-18"}, got); diff != "" {
		t.Error(diff)
	}
	if d.DACL.ACEs[0].Type != ntsd.Deny || d.DACL.ACEs[0].Mask != 0x100 || !d.DACL.ACEs[2].Inherited() {
		t.Errorf("got entries %+v", d.DACL.ACEs)
	}
}

func TestHandmadeChangesOnlyWhatIsChanged(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(unhex(t, handmade))
	if err != nil {
		t.Fatal(err)
	}
	if n := d.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == "S-1-5-16" }); n != 1 {
		t.Fatalf("removed %d entries", n)
	}
	want := unhex(t, `
		01 00 0480  44000000 56000000 00000000 18000000
		aabbccdd
		04 00 2c00 0200 0000
		fe 03 0800 deadbeef
		00 10 1400 ff010f00 010100000000000512000000
		0badf00d 11223344
		0102000000000005 20000000 20020000
		eeee
		0101000000000005 12000000
		77`)
	if got := d.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("after removal:\n got %x\nwant %x", got, want)
	}
}

// golden returns the descriptors that Samba's directory gave its objects.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sd")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d descriptors: %v", len(files), err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = b
	}
	return found
}

func TestGoldenRoundTrip(t *testing.T) {
	t.Parallel()
	for name, b := range golden(t) {
		d, err := ntsd.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(d.Bytes(), b) {
			t.Errorf("%s: is not written as it was read", name)
		}
		if d.DACL == nil || len(d.DACL.ACEs) == 0 || d.Owner == "" {
			t.Errorf("%s: has no owner or no DACL", name)
		}
	}
}

func TestGoldenUser(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(golden(t)["user-dacl.sd"])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(d.DACL.Explicit()), 24; got != want {
		t.Errorf("got %d explicit entries, want %d", got, want)
	}
	if got := len(d.DACL.Inherited()) + 24; got != len(d.DACL.ACEs) {
		t.Errorf("explicit and inherited are %d of %d", got, len(d.DACL.ACEs))
	}
	self := slices.ContainsFunc(d.DACL.ACEs, func(e ntsd.ACE) bool {
		return e.Type == ntsd.AllowObject && e.ObjectType == ntsd.SendAs() && e.SID == migrate.Self &&
			e.Mask == ntsd.MaskControlAccess
	})
	if !self {
		t.Error("the user may not send in their own name")
	}
}

// TestGoldenAddAndRemove leaves the octets as they were.
func TestGoldenAddAndRemove(t *testing.T) {
	t.Parallel()
	for name, b := range golden(t) {
		d, err := ntsd.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.DACL.Add(mustACE(t, ntsd.AllowObject, ntsd.SendAs(), alice)); err != nil {
			t.Fatal(err)
		}
		grown, err := ntsd.Parse(d.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := len(d.Bytes()), len(b)+0x38; got != want {
			t.Errorf("%s: has %d bytes with one more entry, want %d", name, got, want)
		}
		if n := grown.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == alice }); n != 1 {
			t.Errorf("%s: removed %d entries, want 1", name, n)
		}
		if !bytes.Equal(grown.Bytes(), b) {
			t.Errorf("%s: adding and removing an entry changes the rest", name)
		}
	}
}

func mustACE(t testing.TB, kind ntsd.ACEType, object migrate.GUID, sid migrate.SID) ntsd.ACE {
	t.Helper()
	ace, err := ntsd.NewACE(kind, ntsd.MaskControlAccess, object, sid)
	if err != nil {
		t.Fatal(err)
	}
	return ace
}

func TestSendAs(t *testing.T) {
	t.Parallel()
	if got := ntsd.SendAs().String(); got != "ab721a54-1e2f-11d0-9819-00aa0040529b" {
		t.Errorf("got %s", got)
	}
}

func TestNewACE(t *testing.T) {
	t.Parallel()
	ace := mustACE(t, ntsd.DenyObject, ntsd.SendAs(), builtin)
	want := unhex(t, `06 00 2c00 00010000 01000000
		541a72ab2f1ed011981900aa0040529b 0102000000000005 20000000 20020000`)
	want[2] = byte(len(want))
	if !bytes.Equal(ace.Raw(), want) {
		t.Errorf("got %x, want %x", ace.Raw(), want)
	}
	for _, wrong := range []struct {
		kind   ntsd.ACEType
		object migrate.GUID
		sid    migrate.SID
	}{
		{ntsd.Allow, ntsd.SendAs(), alice},
		{ntsd.AllowObject, migrate.GUID{}, alice},
		{ntsd.Audit, migrate.GUID{}, alice},
		{ntsd.Allow, migrate.GUID{}, "alice"},
	} {
		if ace, err := ntsd.NewACE(wrong.kind, 1, wrong.object, wrong.sid); err == nil {
			t.Errorf("%+v: got %x, want an error", wrong, ace.Raw())
		}
	}
}

// TestWithSID keeps what follows the trustee: the condition of a callback entry.
func TestWithSID(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(descriptor(t, unhex(t, `09 02 1800 ff000000 010100000000000512000000 61727478`)))
	if err != nil {
		t.Fatal(err)
	}
	ace := d.DACL.ACEs[0]
	if !ace.Conditional() || !ace.Allows() || ace.SID != "S-1-5-18" {
		t.Fatalf("got %+v", ace)
	}
	twin, err := ace.WithSID(bob)
	if err != nil {
		t.Fatal(err)
	}
	trustee, _ := bob.Bytes()
	want := slices.Concat(unhex(t, "09 02 2800 ff000000"), trustee, []byte("artx"))
	if !bytes.Equal(twin.Raw(), want) || twin.SID != bob {
		t.Errorf("got %x, want %x", twin.Raw(), want)
	}
	if ace.SID != "S-1-5-18" || len(ace.Raw()) != 0x18 {
		t.Error("the entry itself was changed")
	}
	unknown := ntsd.ACE{Type: 0xfe}
	if _, err := unknown.WithSID(bob); err == nil {
		t.Error("an entry without a trustee got one")
	}
}

// descriptor wraps entries in a descriptor that has nothing but a DACL.
func descriptor(t testing.TB, aces ...[]byte) []byte {
	t.Helper()
	body := slices.Concat(aces...)
	b := unhex(t, "01000480 00000000 00000000 00000000 14000000 04000000 00000000")
	binary.LittleEndian.PutUint16(b[22:], uint16(8+len(body)))
	binary.LittleEndian.PutUint16(b[24:], uint16(len(aces)))
	return append(b, body...)
}

func TestAddKeepsCanonicalOrder(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(golden(t)["user-dacl.sd"])
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(d.DACL.ACEs)
	allow, deny := mustACE(t, ntsd.Allow, migrate.GUID{}, alice), mustACE(t, ntsd.Deny, migrate.GUID{}, bob)
	for _, ace := range []ntsd.ACE{allow, deny} {
		if err := d.DACL.Add(ace); err != nil {
			t.Fatal(err)
		}
	}
	if !d.DACL.Canonical() || !d.DACL.ACEs[0].Denies() {
		t.Error("the list is not in canonical order")
	}
	d.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == alice || e.SID == bob })
	for i, ace := range d.DACL.ACEs {
		if !bytes.Equal(ace.Raw(), before[i].Raw()) {
			t.Fatalf("entry %d has changed its place", i)
		}
	}
}

// TestAddRaisesTheRevision: a list of revision 2 must not hold object entries
// (MS-DTYP 2.4.5).
func TestAddRaisesTheRevision(t *testing.T) {
	t.Parallel()
	b := descriptor(t)
	b[20] = 2
	d, err := ntsd.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range []byte{2, 4} {
		ace := mustACE(t, ntsd.Allow, migrate.GUID{}, alice)
		if kind == 1 {
			ace = mustACE(t, ntsd.AllowObject, ntsd.SendAs(), alice)
		}
		if err := d.DACL.Add(ace); err != nil {
			t.Fatal(err)
		}
		if got := d.Bytes()[20]; got != want {
			t.Errorf("got revision %d, want %d", got, want)
		}
	}
}

func TestAddToAFullList(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(descriptor(t))
	if err != nil {
		t.Fatal(err)
	}
	ace := mustACE(t, ntsd.Allow, migrate.GUID{}, alice)
	room := (0xffff - 8) / len(ace.Raw())
	for range room {
		if err := d.DACL.Add(ace); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.DACL.Add(ace); !errors.Is(err, ntsd.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	again, err := ntsd.Parse(d.Bytes())
	if err != nil || len(again.DACL.ACEs) != room {
		t.Errorf("the full list cannot be read: %v", err)
	}
}

func TestNullAndEmptyLists(t *testing.T) {
	t.Parallel()
	null := unhex(t, "01000480 00000000 00000000 00000000 00000000")
	d, err := ntsd.Parse(null)
	if err != nil || d.DACL != nil || !bytes.Equal(d.Bytes(), null) {
		t.Errorf("null DACL: got %+v, %v", d, err)
	}
	empty := descriptor(t)
	d, err = ntsd.Parse(empty)
	if err != nil || d.DACL == nil || len(d.DACL.ACEs) != 0 || !bytes.Equal(d.Bytes(), empty) {
		t.Errorf("empty DACL: got %+v, %v", d, err)
	}
}

func TestOwnerMayBeTheGroup(t *testing.T) {
	t.Parallel()
	b := unhex(t, `01000480 14000000 14000000 00000000 20000000
		0101000000000005 12000000
		0200 1c00 0100 0000 00 00 1400 01000000 0101000000000005 12000000`)
	d, err := ntsd.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Bytes(), b) || d.Owner != d.Group {
		t.Errorf("got %x", d.Bytes())
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":            "",
		"short":            "01000480",
		"revision":         "02000480 00000000 00000000 00000000 00000000",
		"absolute":         "01000400 00000000 00000000 00000000 00000000",
		"offset in header": "01000480 08000000 00000000 00000000 00000000",
		"offset beyond":    "01000480 ffffffff 00000000 00000000 00000000",
		"owner cut":        "01000480 14000000 00000000 00000000 00000000 0102000000000005 20000000",
		"ACL cut":          "01000480 00000000 00000000 00000000 14000000 0200 4000 0000 0000",
		"ACL too small":    "01000480 00000000 00000000 00000000 14000000 0200 0400 0000 0000",
		"too few entries":  "01000480 00000000 00000000 00000000 14000000 0200 0800 0100 0000",
		"entry of size 0":  "01000480 00000000 00000000 00000000 14000000 0200 0c00 0100 0000 00000000",
		"parts overlap": `01000480 24000000 00000000 00000000 14000000
			0200 1c00 0100 0000 00 00 1400 01000000 0101000000000005 12000000`,
	} {
		if d, err := ntsd.Parse(unhex(t, text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, d)
		}
	}
}

// FuzzParse: whatever is accepted is written back as it was, also after an entry has
// been added and removed again.
func FuzzParse(f *testing.F) {
	for _, b := range golden(f) {
		f.Add(b)
	}
	f.Add(unhex(f, handmade))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ntsd.Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(d.Bytes(), b) {
			t.Fatalf("got  %x\nwant %x", d.Bytes(), b)
		}
		ownedByOthers(t, d, b)
		if d.DACL == nil {
			return
		}
		revision, entries := d.DACL.Revision, d.DACL.ACEs
		if err := d.DACL.Add(mustACE(t, ntsd.DenyObject, ntsd.SendAs(), bob)); err != nil {
			return
		}
		again, err := ntsd.Parse(d.Bytes())
		if err != nil || len(again.DACL.ACEs) != len(entries)+1 {
			t.Fatalf("with one more entry: %v", err)
		}
		d.DACL.ACEs, d.DACL.Revision = entries, revision
		if !bytes.Equal(d.Bytes(), b) {
			t.Fatal("taking the entry out again changes the rest")
		}
	})
}

// ownedByOthers gives the descriptor another owner and takes it back.
func ownedByOthers(t *testing.T, d *ntsd.Descriptor, b []byte) {
	owner := d.Owner
	if d.SetOwner(bob) != nil {
		return
	}
	again, err := ntsd.Parse(d.Bytes())
	if err != nil || again.Owner != bob || again.Group != d.Group {
		t.Fatalf("with another owner: %v", err)
	}
	if err := d.SetOwner(owner); err != nil || !bytes.Equal(d.Bytes(), b) {
		t.Fatalf("taking the owner back changes the rest: %v", err)
	}
}

// anyACE draws entries of all the kinds there are, and some there are not.
func anyACE(t *rapid.T) []byte {
	kind := rapid.SampledFrom([]byte{0, 1, 2, 5, 6, 9, 10, 11, 12, 0x13, 0xfe}).Draw(t, "type")
	b := []byte{kind, rapid.Byte().Draw(t, "flags"), 0, 0}
	b = binary.LittleEndian.AppendUint32(b, rapid.Uint32().Draw(t, "mask"))
	if slices.Contains([]byte{5, 6, 11, 12}, kind) {
		flags := rapid.Uint32Range(0, 3).Draw(t, "objects")
		b = binary.LittleEndian.AppendUint32(b, flags)
		for bit := uint32(1); bit <= 2; bit <<= 1 {
			if flags&bit != 0 {
				b = append(b, rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "guid")...)
			}
		}
	}
	sid, err := rapid.SampledFrom([]migrate.SID{alice, bob, builtin, migrate.Self}).Draw(t, "sid").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, sid...)
	b = append(b, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "tail")...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// TestWithSIDThereAndBack: a trustee that is replaced and put back leaves no trace.
func TestWithSIDThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		d, err := ntsd.Parse(descriptor(t, anyACE(r)))
		if err != nil {
			r.Fatal(err)
		}
		ace := d.DACL.ACEs[0]
		if ace.SID == "" {
			return
		}
		twin, err := ace.WithSID(bob)
		if err != nil {
			r.Fatal(err)
		}
		back, err := twin.WithSID(ace.SID)
		if err != nil {
			r.Fatal(err)
		}
		if twin.SID != bob || !bytes.Equal(back.Raw(), ace.Raw()) {
			r.Fatalf("got %x, want %x", back.Raw(), ace.Raw())
		}
	})
}

// TestRemoveAndAddAnyList: what is not removed keeps its octets and its order, and a
// canonical list stays canonical.
func TestRemoveAndAddAnyList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		d, err := ntsd.Parse(descriptor(t, rapid.SliceOfN(rapid.Custom(anyACE), 0, 12).Draw(r, "entries")...))
		if err != nil {
			r.Fatal(err)
		}
		var want []byte
		for _, ace := range d.DACL.ACEs {
			if ace.SID != alice {
				want = append(want, ace.Raw()...)
			}
		}
		d.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == alice })
		canonical := d.DACL.Canonical()
		if err := d.DACL.Add(mustACE(t, rapid.SampledFrom([]ntsd.ACEType{ntsd.Allow, ntsd.Deny}).Draw(r, "kind"), migrate.GUID{}, alice)); err != nil {
			r.Fatal(err)
		}
		if canonical && !d.DACL.Canonical() {
			r.Fatal("the order is no longer canonical")
		}
		d.DACL.Remove(func(e ntsd.ACE) bool { return e.SID == alice })
		var got []byte
		for _, ace := range d.DACL.ACEs {
			got = append(got, ace.Raw()...)
		}
		if !bytes.Equal(got, want) {
			r.Fatalf("got %x, want %x", got, want)
		}
	})
}
