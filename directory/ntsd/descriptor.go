// Package ntsd reads and writes security descriptors in their self-relative form
// (MS-DTYP 2.4.6), as Active Directory keeps them in nTSecurityDescriptor.
//
// What is read is written back octet by octet: the order of the parts, gaps between
// them, control bits, slack inside lists and entries of unknown type are all kept.
// Only a list that is changed is laid out anew, and everything that follows it is
// moved along.
//
//	header (20) │ owner │ group │ SACL │ DACL │    in any order, with gaps
//	              ▲        offsets in the header point at the parts
package ntsd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"reforest/migrate"
)

// The control bits that matter here (MS-DTYP 2.4.6).
const (
	controlDACLPresent  = 0x0004
	controlSACLPresent  = 0x0010
	controlSelfRelative = 0x8000
)

// headerSize is the size of the fixed part in bytes.
const headerSize = 20

// The offsets' places in the header.
const (
	atOwner = 4
	atGroup = 8
	atSACL  = 12
	atDACL  = 16
)

// A Descriptor is one security descriptor. Owner and Group are changed by SetOwner and
// SetGroup, the lists by their own methods.
type Descriptor struct {
	Control uint16
	Owner   migrate.SID // "" if there is none
	Group   migrate.SID // "" if there is none
	SACL    *ACL        // nil: none, or a null list
	DACL    *ACL        // nil: none, or a null list, which lets everyone in

	raw []byte // as it was read; the lists in it may be out of date
}

// Parse reads a self-relative descriptor. Anything that points outside of b, or that
// overlaps something else, is an error. b is not kept.
func Parse(b []byte) (*Descriptor, error) {
	if len(b) < headerSize || b[0] != 1 {
		return nil, fmt.Errorf("parse security descriptor: %d bytes, revision must be 1", len(b))
	}
	d := &Descriptor{Control: binary.LittleEndian.Uint16(b[2:]), raw: slices.Clone(b)}
	if d.Control&controlSelfRelative == 0 {
		return nil, errors.New("parse security descriptor: it is not self-relative")
	}
	if err := d.parseParts(); err != nil {
		return nil, fmt.Errorf("parse security descriptor: %w", err)
	}
	if err := d.checkOverlap(); err != nil {
		return nil, fmt.Errorf("parse security descriptor: %w", err)
	}
	return d, nil
}

func (d *Descriptor) parseParts() (err error) {
	if d.Owner, err = d.parseSID(atOwner); err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if d.Group, err = d.parseSID(atGroup); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	if d.SACL, err = d.parseACL(atSACL, controlSACLPresent); err != nil {
		return fmt.Errorf("SACL: %w", err)
	}
	if d.DACL, err = d.parseACL(atDACL, controlDACLPresent); err != nil {
		return fmt.Errorf("DACL: %w", err)
	}
	return nil
}

// part returns what the offset at the given place of the header points at, up to the
// end of the descriptor; nil if the offset is 0.
func (d *Descriptor) part(at int) ([]byte, error) {
	offset := uint64(binary.LittleEndian.Uint32(d.raw[at:]))
	if offset == 0 {
		return nil, nil
	}
	if offset < headerSize || offset >= uint64(len(d.raw)) {
		return nil, fmt.Errorf("offset %d is outside of %d bytes", offset, len(d.raw))
	}
	return d.raw[offset:], nil
}

func (d *Descriptor) parseSID(at int) (migrate.SID, error) {
	b, err := d.part(at)
	if err != nil || b == nil {
		return "", err
	}
	size, err := sidSize(b)
	if err != nil {
		return "", err
	}
	return migrate.SIDFromBytes(b[:size])
}

func (d *Descriptor) parseACL(at int, present uint16) (*ACL, error) {
	b, err := d.part(at)
	if err != nil || b == nil || d.Control&present == 0 {
		return nil, err
	}
	return parseACL(b)
}

// A span is the room that one part takes in the descriptor.
type span struct{ at, start, end int }

// spans returns the parts in the order in which they lie.
func (d *Descriptor) spans() []span {
	var spans []span
	for _, at := range []int{atOwner, atGroup, atSACL, atDACL} {
		if start := int(binary.LittleEndian.Uint32(d.raw[at:])); start != 0 {
			spans = append(spans, span{at, start, start + d.partSize(at, start)})
		}
	}
	slices.SortStableFunc(spans, func(a, b span) int { return a.start - b.start })
	return spans
}

// partSize returns the size of a part as it was read. A list without its present bit
// is not read and takes no room.
func (d *Descriptor) partSize(at, start int) int {
	switch {
	case at == atOwner || at == atGroup:
		size, _ := sidSize(d.raw[start:])
		return size
	case at == atSACL && d.SACL != nil:
		return d.SACL.readSize
	case at == atDACL && d.DACL != nil:
		return d.DACL.readSize
	}
	return 0
}

// checkOverlap refuses parts that share octets: a change of one would be a change of
// the other. Owner and group alone may be the very same SID.
func (d *Descriptor) checkOverlap() error {
	spans := d.spans()
	for i := 1; i < len(spans); i++ {
		before, s := spans[i-1], spans[i]
		same := before.start == s.start && before.at == atOwner && s.at == atGroup
		if s.start < before.end && !same {
			return fmt.Errorf("the parts at %d and %d overlap", before.start, s.start)
		}
	}
	return nil
}

// Bytes returns the self-relative form. If nothing has been changed since Parse, it
// is what Parse was given.
func (d *Descriptor) Bytes() []byte {
	out := slices.Clone(d.raw[:headerSize])
	binary.LittleEndian.PutUint16(out[2:], d.Control)
	copied := headerSize
	for _, s := range d.spans() {
		if s.start > copied {
			out = append(out, d.raw[copied:s.start]...)
		}
		if s.start < copied && d.Group == d.Owner { // the group that is also the owner
			copy(out[s.at:s.at+4], out[atOwner:atOwner+4])
			continue
		}
		binary.LittleEndian.PutUint32(out[s.at:], uint32(len(out)))
		out = append(out, d.partBytes(s)...)
		copied = max(copied, s.end)
	}
	return append(out, d.raw[copied:]...)
}

func (d *Descriptor) partBytes(s span) []byte {
	switch {
	case s.at == atOwner:
		return d.sidBytes(s, d.Owner)
	case s.at == atGroup:
		return d.sidBytes(s, d.Group)
	case s.at == atSACL && d.SACL != nil:
		return d.SACL.bytes()
	case s.at == atDACL && d.DACL != nil:
		return d.DACL.bytes()
	}
	return d.raw[s.start:s.end]
}

// sidBytes returns the SID that the part is to hold.
func (d *Descriptor) sidBytes(s span, want migrate.SID) []byte {
	read := d.raw[s.start:s.end]
	if sid, err := migrate.SIDFromBytes(read); err == nil && sid == want {
		return read
	}
	b, err := want.Bytes()
	if err != nil { // not one that SetOwner or SetGroup took
		return read
	}
	return b
}

// SetOwner gives the descriptor another owner. One that has none is refused.
func (d *Descriptor) SetOwner(sid migrate.SID) error { return setSID(&d.Owner, sid) }

// SetGroup gives the descriptor another group. One that has none is refused.
func (d *Descriptor) SetGroup(sid migrate.SID) error { return setSID(&d.Group, sid) }

func setSID(part *migrate.SID, sid migrate.SID) error {
	if *part == "" {
		return errors.New("set owner or group: the descriptor has none")
	}
	if _, err := sid.Bytes(); err != nil {
		return fmt.Errorf("set owner or group: %w", err)
	}
	*part = sid
	return nil
}

// sidSize returns the size of the SID at the beginning of b (MS-DTYP 2.4.2.2).
func sidSize(b []byte) (int, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("%d bytes cannot hold a SID", len(b))
	}
	size := 8 + 4*int(b[1])
	if b[0] != 1 || b[1] > 15 || size > len(b) {
		return 0, fmt.Errorf("no SID: revision %d, %d sub-authorities, %d bytes", b[0], b[1], len(b))
	}
	return size, nil
}
