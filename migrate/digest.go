package migrate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// A Digest is the SHA-256 of an item's canonical form.
//
// Servers normalise what they store: Dovecot turns a bare LF into CRLF and NUL
// into 0x80, both before it counts the size. So that an item is known again after
// it has been stored, size and digest of a MIME item are those of the form in
// which every line ends in CRLF and NUL reads 0x80. The bytes that travel are
// never changed.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// head returns the first eight bytes, which tell most digests apart.
func (d Digest) head() uint64 { return binary.BigEndian.Uint64(d[:8]) }

// MarshalText writes the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err == nil {
		copy(d[:], b)
	}
	return err
}

// A Digester computes the Digest and the canonical size of what is written to it.
type Digester struct {
	sum  hash.Hash
	size int64
	last byte
	mime bool
	buf  []byte
}

// NewDigester returns a Digester for bytes in the given format.
func NewDigester(format Format) *Digester {
	return &Digester{sum: sha256.New(), mime: format == MIME}
}

// Write adds p; it never fails.
func (d *Digester) Write(p []byte) (int, error) {
	if !d.mime {
		d.size += int64(len(p))
		return d.sum.Write(p)
	}
	out := d.buf[:0]
	for _, c := range p {
		switch {
		case c == '\n' && d.last != '\r':
			out = append(out, '\r', '\n')
		case c == 0:
			out = append(out, 0x80)
		default:
			out = append(out, c)
		}
		d.last = c
	}
	d.buf = out
	d.size += int64(len(out))
	d.sum.Write(out)
	return len(p), nil
}

// Digest returns the digest of what has been written so far.
func (d *Digester) Digest() (digest Digest) {
	d.sum.Sum(digest[:0])
	return digest
}

// Size returns the canonical size of what has been written so far, in bytes.
func (d *Digester) Size() int64 { return d.size }
