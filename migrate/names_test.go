package migrate

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestSIDRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		subs := rapid.IntRange(0, maxSubAuthorities).Draw(t, "subs")
		b := append([]byte{1, byte(subs)}, rapid.SliceOfN(rapid.Byte(), 6+4*subs, 6+4*subs).Draw(t, "rest")...)
		sid, err := SIDFromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := sid.Bytes()
		if err != nil || !bytes.Equal(b, back) {
			t.Fatalf("%x → %s → %x, %v", b, sid, back, err)
		}
		if parsed, err := ParseSID(string(sid)); err != nil || parsed != sid {
			t.Fatalf("%s parses as %s, %v", sid, parsed, err)
		}
	})
}

func TestSIDDomain(t *testing.T) {
	t.Parallel()
	for sid, want := range map[SID]SID{
		"S-1-5-21-1-2-3-1104": "S-1-5-21-1-2-3",
		"S-1-5-10":            "S-1-5",
		"S-1-5":               "S-1-5",
	} {
		if got := sid.Domain(); got != want {
			t.Errorf("%s: domain %s, want %s", sid, got, want)
		}
	}
}

func TestBadSIDs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "S-1", "S-2-5-21", "X-1-5", "S-1-5-", "S-1-5-4294967296", "S-1-99999999999999999-1"} {
		if sid, err := ParseSID(text); err == nil {
			t.Errorf("%q parsed as %s", text, sid)
		}
	}
	if _, err := SIDFromBytes([]byte{1, 16, 0, 0, 0, 0, 0, 5}); err == nil {
		t.Error("16 sub-authorities accepted")
	}
}

func TestGUID(t *testing.T) {
	t.Parallel()
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	g, err := ParseGUID("{" + text + "}")
	if err != nil || g.String() != text || g[0] != 0x33 || g[15] != 0xff {
		t.Errorf("ParseGUID: %x %s, %v", g[:], g, err)
	}
	for _, bad := range []string{"", "00112233445566778899aabbccddeeff", text + "0", "zz112233-4455-6677-8899-aabbccddeeff"} {
		if _, err := ParseGUID(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestDigestIsOfTheCanonicalForm(t *testing.T) {
	t.Parallel()
	digest := func(parts ...string) (Digest, int64) {
		d := NewDigester(MIME)
		for _, p := range parts {
			_, _ = d.Write([]byte(p))
		}
		return d.Digest(), d.Size()
	}
	want, size := digest("a\r\nb\x80c\r\n")
	for _, parts := range [][]string{{"a\nb\x00c\n"}, {"a\r", "\nb\x00", "c", "\n"}} {
		if got, n := digest(parts...); got != want || n != size {
			t.Errorf("%q: digest %s of %d bytes, want %s of %d", parts, got, n, want, size)
		}
	}
	if other, _ := digest("a\rb\x80c\r\n"); other == want {
		t.Error("a bare CR reads as a line's end")
	}
}
