package ntsd_test

import (
	"bytes"
	"testing"

	"reforest/directory/ntsd"
	"reforest/migrate"
)

// TestSetOwnerMovesTheRest: the SID is of another length, and everything behind it is
// still where the header says.
func TestSetOwnerMovesTheRest(t *testing.T) {
	t.Parallel()
	for name, b := range golden(t) {
		d, err := ntsd.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if d.Owner == "" || d.Group == "" {
			continue
		}
		owner, group := d.Owner, d.Group
		for _, set := range []struct{ owner, group migrate.SID }{
			{migrate.Self, group}, {migrate.Self, migrate.Self}, {bob, migrate.Self}, {bob, alice}, {owner, alice},
		} {
			setBoth(t, d, set.owner, set.group)
			again, err := ntsd.Parse(d.Bytes())
			if err != nil {
				t.Fatalf("%s: %+v: %v", name, set, err)
			}
			if again.Owner != set.owner || again.Group != set.group || !bytes.Equal(raws(again.DACL), raws(d.DACL)) {
				t.Errorf("%s: got %s and %s, want %+v", name, again.Owner, again.Group, set)
			}
			setBoth(t, again, owner, group)
			if got := again.Bytes(); !bytes.Equal(got, b) {
				t.Errorf("%s: %+v: back again it is\n     %x\nwant %x", name, set, got, b)
			}
		}
	}
}

func setBoth(t *testing.T, d *ntsd.Descriptor, owner, group migrate.SID) {
	t.Helper()
	if err := d.SetOwner(owner); err != nil {
		t.Fatal(err)
	}
	if err := d.SetGroup(group); err != nil {
		t.Fatal(err)
	}
}

func raws(acl *ntsd.ACL) []byte {
	var b []byte
	for _, ace := range acl.ACEs {
		b = append(b, ace.Raw()...)
	}
	return b
}

// TestSetOwnerWhereItIsTheGroup: both point at one SID, and only one of them changes.
func TestSetOwnerWhereItIsTheGroup(t *testing.T) {
	t.Parallel()
	b := unhex(t, `01000480 14000000 14000000 00000000 20000000
		0101000000000005 12000000
		0200 1c00 0100 0000 00 00 1400 01000000 0101000000000005 12000000`)
	for _, want := range [][2]migrate.SID{{bob, "S-1-5-18"}, {"S-1-5-18", bob}, {bob, bob}} {
		d, err := ntsd.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		setBoth(t, d, want[0], want[1])
		again, err := ntsd.Parse(d.Bytes())
		if err != nil {
			t.Fatalf("%v: %v", want, err)
		}
		if again.Owner != want[0] || again.Group != want[1] || len(again.DACL.ACEs) != 1 {
			t.Errorf("got %s and %s, want %v", again.Owner, again.Group, want)
		}
	}
}

func TestSetOwnerRefuses(t *testing.T) {
	t.Parallel()
	d, err := ntsd.Parse(descriptor(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.SetOwner(alice) == nil || d.SetGroup(alice) == nil {
		t.Error("a descriptor without an owner got one")
	}
	if d, err = ntsd.Parse(unhex(t, handmade)); err != nil {
		t.Fatal(err)
	}
	if d.SetOwner("alice") == nil || !bytes.Equal(d.Bytes(), unhex(t, handmade)) {
		t.Error("something that is no SID became the owner")
	}
}

func TestReceiveAs(t *testing.T) {
	t.Parallel()
	if got := ntsd.ReceiveAs().String(); got != "ab721a56-1e2f-11d0-9819-00aa0040529b" {
		t.Errorf("got %s", got)
	}
}
