package migrate

import (
	"bytes"
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
}

// NewDigester returns a Digester for bytes in the given format.
func NewDigester(format Format) *Digester {
	return &Digester{sum: sha256.New(), mime: format == MIME}
}

// reset makes the Digester one to which nothing has been written.
func (d *Digester) reset() {
	d.sum.Reset()
	d.size, d.last = 0, 0
}

// What stands for a bare LF and for NUL.
var (
	crlf = []byte("\r\n")
	nul  = []byte{0x80}
)

// Write adds p; it never fails. Spans that are as they should be, which nearly all are,
// are hashed where they lie.
func (d *Digester) Write(p []byte) (int, error) {
	if !d.mime {
		d.add(p)
		return len(p), nil
	}
	// The nearest NUL is remembered, so that a text with none is searched for it once.
	start, zero := 0, next(p, 0, 0)
	for at := 0; at < len(p); {
		lf := next(p, at, '\n')
		if zero < at {
			zero = next(p, at, 0)
		}
		switch {
		case zero < lf:
			d.add(p[start:zero])
			d.add(nul)
			at, start = zero+1, zero+1
		case lf < len(p) && d.before(p, lf) != '\r':
			d.add(p[start:lf])
			d.add(crlf)
			at, start = lf+1, lf+1
		default:
			at = lf + 1
		}
	}
	d.add(p[min(start, len(p)):])
	if len(p) > 0 {
		d.last = p[len(p)-1]
	}
	return len(p), nil
}

// next returns where c stands in p at or after at; len(p) if it does not.
func next(p []byte, at int, c byte) int {
	if i := bytes.IndexByte(p[at:], c); i >= 0 {
		return at + i
	}
	return len(p)
}

// before returns the byte that was written before p[i].
func (d *Digester) before(p []byte, i int) byte {
	if i == 0 {
		return d.last
	}
	return p[i-1]
}

func (d *Digester) add(span []byte) {
	d.size += int64(len(span))
	d.sum.Write(span)
}

// Digest returns the digest of what has been written so far.
func (d *Digester) Digest() (digest Digest) {
	d.sum.Sum(digest[:0])
	return digest
}

// Size returns the canonical size of what has been written so far, in bytes.
func (d *Digester) Size() int64 { return d.size }
