package ldapd

import (
	"encoding/binary"
	"slices"

	"reforest/migrate"
)

// Control bits of a security descriptor (MS-DTYP 2.4.6).
const (
	daclPresent   = 0x0004
	saclPresent   = 0x0010
	daclInherited = 0x0400
	daclProtected = 0x1000
	selfRelative  = 0x8000

	daclBits = daclPresent | 0x0008 | 0x0100 | daclInherited | daclProtected
	saclBits = saclPresent | 0x0020 | 0x0200 | 0x0800 | 0x2000
)

// Parts of a security descriptor as the SD flags control names them
// (MS-ADTS 3.1.1.3.4.1.11).
const (
	ownerPart = 1 << iota
	groupPart
	daclPart
	saclPart

	allParts = ownerPart | groupPart | daclPart | saclPart
)

// aceInherited is the flag of an ACE that comes from above (MS-DTYP 2.4.4.1).
const aceInherited = 0x10

// A descriptor is a self-relative security descriptor in its parts
// (MS-DTYP 2.4.6). Nil parts are absent.
type descriptor struct {
	control uint16
	owner   []byte
	group   []byte
	sacl    *acl
	dacl    *acl // nil with daclPresent set is a NULL DACL: everyone may do all
}

// An acl is an access control list (MS-DTYP 2.4.5) of ACEs as they came.
type acl struct {
	revision byte
	aces     [][]byte
}

func badSD() *fault {
	return refuse(unwilling, "0000053A: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), invalid security descriptor, data 0")
}

func parseSD(raw []byte) (*descriptor, *fault) {
	if len(raw) < 20 || raw[0] != 1 {
		return nil, badSD()
	}
	d := &descriptor{control: binary.LittleEndian.Uint16(raw[2:])}
	if d.control&selfRelative == 0 {
		return nil, badSD()
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint32(raw[i:])) }
	var ok [4]bool
	d.owner, ok[0] = sidAt(raw, at(4))
	d.group, ok[1] = sidAt(raw, at(8))
	d.sacl, ok[2] = aclAt(raw, at(12), d.control&saclPresent != 0)
	d.dacl, ok[3] = aclAt(raw, at(16), d.control&daclPresent != 0)
	if slices.Contains(ok[:], false) {
		return nil, badSD()
	}
	return d, nil
}

func sidAt(raw []byte, at int) ([]byte, bool) {
	if at == 0 {
		return nil, true
	}
	if at < 20 || at+8 > len(raw) {
		return nil, false
	}
	end := at + 8 + 4*int(raw[at+1])
	if end > len(raw) {
		return nil, false
	}
	_, err := migrate.SIDFromBytes(raw[at:end])
	return slices.Clone(raw[at:end]), err == nil
}

func aclAt(raw []byte, at int, present bool) (*acl, bool) {
	if !present || at == 0 {
		return nil, true
	}
	if at < 20 || at+8 > len(raw) || raw[at] != 2 && raw[at] != 4 {
		return nil, false
	}
	size := int(binary.LittleEndian.Uint16(raw[at+2:]))
	if size < 8 || at+size > len(raw) {
		return nil, false
	}
	list, rest := &acl{revision: raw[at]}, raw[at+8:at+size]
	for range binary.LittleEndian.Uint16(raw[at+4:]) {
		if len(rest) < 8 {
			return nil, false
		}
		n := int(binary.LittleEndian.Uint16(rest[2:]))
		if n < 8 || n%4 != 0 || n > len(rest) {
			return nil, false
		}
		list.aces = append(list.aces, slices.Clone(rest[:n]))
		rest = rest[n:]
	}
	return list, true
}

// bytes writes the parts in the order owner, group, SACL, DACL.
func (d *descriptor) bytes() []byte {
	raw := make([]byte, 20)
	raw[0] = 1
	binary.LittleEndian.PutUint16(raw[2:], d.control|selfRelative)
	for i, part := range [][]byte{d.owner, d.group, d.sacl.bytes(), d.dacl.bytes()} {
		if part != nil {
			binary.LittleEndian.PutUint32(raw[4+4*i:], uint32(len(raw)))
			raw = append(raw, part...)
		}
	}
	return raw
}

func (l *acl) bytes() []byte {
	if l == nil {
		return nil
	}
	raw := make([]byte, 8)
	raw[0] = l.revision
	for _, ace := range l.aces {
		raw = append(raw, ace...)
	}
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	binary.LittleEndian.PutUint16(raw[4:], uint16(len(l.aces)))
	return raw
}

func (l *acl) with(inherited bool) [][]byte {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.aces), func(ace []byte) bool {
		return ace[1]&aceInherited != 0 != inherited
	})
}

// only returns the parts that flags name.
func (d *descriptor) only(flags int) *descriptor {
	out := &descriptor{control: d.control}
	if flags&ownerPart != 0 {
		out.owner = d.owner
	}
	if flags&groupPart != 0 {
		out.group = d.group
	}
	if flags&saclPart != 0 {
		out.sacl = d.sacl
	} else {
		out.control &^= saclBits
	}
	if flags&daclPart != 0 {
		out.dacl = d.dacl
	} else {
		out.control &^= daclBits
	}
	return out
}

// merge returns d with the parts of written that flags name. Inherited ACEs are the
// server's own: it keeps those of d, whatever written says, unless written is
// protected. An absent or NULL DACL becomes standard's.
func (d *descriptor) merge(written, standard *descriptor, flags int) *descriptor {
	out := *d
	if flags&ownerPart != 0 && written.owner != nil {
		out.owner = written.owner
	}
	if flags&groupPart != 0 && written.group != nil {
		out.group = written.group
	}
	if flags&saclPart != 0 {
		out.sacl, out.control = written.sacl, out.control&^saclBits|written.control&saclBits
	}
	if flags&daclPart != 0 {
		out.control = out.control&^daclBits | written.control&daclBits | daclPresent
		out.dacl = mergeDACL(d.dacl, written, standard)
	}
	return &out
}

func mergeDACL(present *acl, written, standard *descriptor) *acl {
	explicit := written.dacl
	if explicit == nil {
		explicit = standard.dacl
	}
	merged := &acl{revision: explicit.revision, aces: explicit.with(false)}
	if written.control&daclProtected != 0 {
		return merged
	}
	inherited := present.with(true)
	if len(inherited) > 0 {
		merged.revision = max(merged.revision, present.revision)
	}
	merged.aces = append(merged.aces, inherited...)
	return merged
}

// Rights of directory objects (MS-ADTS 5.1.3.2).
const (
	fullControl = 0x000f01ff
	genericRead = 0x00020094
)

// standardSD is the descriptor of an object that is added without one: the domain's
// administrators own it, everyone who has logged on may read it.
func standardSD(domain migrate.SID) (*descriptor, error) {
	admins, err := (domain + "-512").Bytes()
	if err != nil {
		return nil, err
	}
	list := &acl{revision: 4}
	for _, grant := range []struct {
		sid    migrate.SID
		rights uint32
	}{
		{domain + "-512", fullControl},
		{"S-1-5-18", fullControl}, // SYSTEM
		{"S-1-5-11", genericRead}, // authenticated users
		{migrate.Self, genericRead},
	} {
		trustee, err := grant.sid.Bytes()
		if err != nil {
			return nil, err
		}
		ace := binary.LittleEndian.AppendUint16([]byte{0, 0}, uint16(8+len(trustee)))
		ace = binary.LittleEndian.AppendUint32(ace, grant.rights)
		list.aces = append(list.aces, append(ace, trustee...))
	}
	return &descriptor{control: selfRelative | daclPresent | daclInherited, owner: admins, group: admins, dacl: list}, nil
}

// writeSD takes a security descriptor; its bytes reach the object by way of merge.
func (d *draft) writeSD(a *attribute, raws [][]byte) *fault {
	if len(raws) != 1 {
		return badSD()
	}
	if len(raws[0]) == 0 {
		return badSyntax(a, "empty value")
	}
	written, f := parseSD(raws[0])
	if f != nil {
		return f
	}
	merged := written
	if !d.system {
		merged = d.descriptor().merge(written, d.s.standard, d.sdParts)
	}
	for _, l := range []*acl{merged.dacl, merged.sacl} {
		if len(l.bytes()) > 0xffff {
			return badSD()
		}
	}
	d.setSD(a, merged)
	return nil
}

func (d *draft) setSD(a *attribute, sd *descriptor) { d.attrs[a.key] = sd.values() }

// values returns the descriptor as the only value of an attribute.
func (d *descriptor) values() []value {
	raw := d.bytes()
	return []value{{raw: raw, key: string(raw)}}
}

// descriptor returns the object's security descriptor, the standard one if it has
// none yet.
func (d *draft) descriptor() *descriptor {
	values := d.now("ntsecuritydescriptor")
	if len(values) == 0 {
		return d.s.standard
	}
	present, f := parseSD(values[0].raw)
	if f != nil {
		return d.s.standard
	}
	return present
}
