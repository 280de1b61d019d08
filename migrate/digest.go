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
// Servers normalise what they store: Dovecot turns a bare LF into CRLF, NUL into 0x80,
// and takes one CR from several before an LF and from those at the very end, all before
// it counts the size. So that an item is known again after it has been stored, size and
// digest of a MIME item are those of the form in which every line ends in one CRLF,
// nothing ends in CR, and NUL reads 0x80. The bytes that travel are never changed.
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
	held int // CRs at the end of what was written, until it is known what follows
	mime bool
}

// NewDigester returns a Digester for bytes in the given format.
func NewDigester(format Format) *Digester {
	return &Digester{sum: sha256.New(), mime: format == MIME}
}

// reset makes the Digester one to which nothing has been written.
func (d *Digester) reset() {
	d.sum.Reset()
	d.size, d.held = 0, 0
}

// What stands for the end of a line and for NUL.
var (
	crlf = []byte("\r\n")
	nul  = []byte{0x80}
)

// Write adds p; it never fails. Spans that are as they should be, which nearly all are,
// are hashed where they lie.
func (d *Digester) Write(p []byte) (int, error) {
	if !d.mime {
		d.add(p)
	} else {
		d.addText(d.hold(d.release(p)))
	}
	return len(p), nil
}

// release adds the CRs that were held as soon as p says what they stand before, and
// returns the rest of p.
func (d *Digester) release(p []byte) []byte {
	if d.held == 0 {
		return p
	}
	for len(p) > 0 && p[0] == '\r' {
		d.held++
		p = p[1:]
	}
	switch {
	case len(p) == 0:
		return p
	case p[0] == '\n':
		d.add(crlf)
		p = p[1:]
	default:
		for range d.held {
			d.add(crlf[:1])
		}
	}
	d.held = 0
	return p
}

// hold keeps the CRs at the end of p back and returns the rest.
func (d *Digester) hold(p []byte) []byte {
	for len(p) > 0 && p[len(p)-1] == '\r' {
		d.held++
		p = p[:len(p)-1]
	}
	return p
}

// addText adds what neither follows a CR that was held nor ends in one.
func (d *Digester) addText(p []byte) {
	// The nearest NUL is remembered, so that a text with none is searched for it once.
	start, zero := 0, next(p, 0, 0)
	for at := 0; at < len(p); {
		lf := next(p, at, '\n')
		if zero < at {
			zero = next(p, at, 0)
		}
		if zero < lf {
			d.add(p[start:zero])
			d.add(nul)
			at, start = zero+1, zero+1
			continue
		}
		at = lf + 1
		if end := lineEnd(p, start, lf); lf < len(p) && end != lf-1 {
			d.add(p[start:end])
			d.add(crlf)
			start = at
		}
	}
	d.add(p[min(start, len(p)):])
}

// lineEnd returns where the CRs begin that stand before p[lf], from start on.
func lineEnd(p []byte, start, lf int) int {
	for lf > start && p[lf-1] == '\r' {
		lf--
	}
	return lf
}

// next returns where c stands in p at or after at; len(p) if it does not.
func next(p []byte, at int, c byte) int {
	if i := bytes.IndexByte(p[at:], c); i >= 0 {
		return at + i
	}
	return len(p)
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
