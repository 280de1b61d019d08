package migrate

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// canonical is the form that a digest is taken of, byte by byte.
func canonical(body []byte) []byte {
	out, last := []byte{}, byte(0)
	for _, c := range body {
		switch {
		case c == '\n' && last != '\r':
			out = append(out, '\r', '\n')
		case c == 0:
			out = append(out, 0x80)
		default:
			out = append(out, c)
		}
		last = c
	}
	return out
}

// FuzzDigest compares the digest with that of the canonical form, for a body that comes
// in two parts.
func FuzzDigest(f *testing.F) {
	for _, seed := range []string{"", "\n", "\r\n", "\x00", "a\nb\x00c\r", "\x00\n\x00\r\n\n", "plain\r\n\r\ntext\r\n", "\r", "\n\x00"} {
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
