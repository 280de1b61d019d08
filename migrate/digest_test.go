package migrate

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"testing"
)

// canonical is the form that a digest is taken of, step by step.
func canonical(body []byte) []byte {
	body = bytes.TrimRight(body, "\r")
	body = regexp.MustCompile(`\r*\n`).ReplaceAll(body, []byte("\r\n"))
	return bytes.ReplaceAll(body, []byte{0}, []byte{0x80})
}

// Every body of few bytes, in one part or two, has the digest of its canonical form, and
// so has what Dovecot makes of it.
func TestDigestOfShortBodies(t *testing.T) {
	t.Parallel()
	dropped := regexp.MustCompile(`\r(\r+\n)|\r$`)
	for n := range 1 << 12 {
		var body []byte
		for n |= 1 << 12; n > 1; n >>= 2 {
			body = append(body, "\r\n\x00a"[n&3])
		}
		for cut := range body {
			d, stored := NewDigester(MIME), NewDigester(MIME)
			_, _ = d.Write(body[:cut])
			_, _ = d.Write(body[cut:])
			want := canonical(body)
			if d.Digest() != sha256.Sum256(want) || d.Size() != int64(len(want)) {
				t.Fatalf("%q, cut at %d: digest of %d bytes, want that of %q", body, cut, d.Size(), want)
			}
			_, _ = stored.Write(dropped.ReplaceAll(body, []byte("$1")))
			if stored.Digest() != d.Digest() {
				t.Fatalf("%q has another digest once it is stored", body)
			}
		}
	}
}

// FuzzDigest compares the digest with that of the canonical form, for a body that comes
// in two parts.
func FuzzDigest(f *testing.F) {
	for _, seed := range []string{"", "\n", "\r\n", "\x00", "a\nb\x00c\r", "\x00\n\x00\r\n\n", "plain\r\n\r\ntext\r\n", "\r", "\n\x00", "\r\r\n\ra\r\r", "\r\x00\n", "\r\r"} {
		f.Add([]byte(seed), []byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, a, b []byte, cut int) {
		body := append(bytes.Clone(a), b...)
		cut = min(max(cut, 0), len(body))
		d := NewDigester(MIME)
		for range 2 { // used again it is as new
			d.reset()
			for _, part := range [][]byte{body[:cut], nil, body[cut:]} {
				if n, err := d.Write(part); n != len(part) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(part), err)
				}
			}
			want := canonical(body)
			if d.Digest() != sha256.Sum256(want) || d.Size() != int64(len(want)) {
				t.Fatalf("%q, cut at %d: digest of %d bytes, want that of %q", body, cut, d.Size(), want)
			}
		}
	})
}

func BenchmarkDigest(b *testing.B) {
	body := bytes.Repeat([]byte("a line of a message that somebody has written to somebody else, and an end\r\n"), 1000)
	d := NewDigester(MIME)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		d.reset()
		_, _ = d.Write(body)
	}
}
