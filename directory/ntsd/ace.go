package ntsd

import (
	"encoding/binary"
	"fmt"
	"slices"

	"reforest/migrate"
)

// An ACEType is the kind of an entry (MS-DTYP 2.4.4.1).
type ACEType byte

// The kinds of entries that are read. Entries of any other kind are kept as they are.
const (
	Allow               ACEType = 0x00
	Deny                ACEType = 0x01
	Audit               ACEType = 0x02
	AllowObject         ACEType = 0x05
	DenyObject          ACEType = 0x06
	AuditObject         ACEType = 0x07
	AllowCallback       ACEType = 0x09
	DenyCallback        ACEType = 0x0a
	AllowCallbackObject ACEType = 0x0b
	DenyCallbackObject  ACEType = 0x0c
	AuditCallback       ACEType = 0x0d
	AuditCallbackObject ACEType = 0x0f
	MandatoryLabel      ACEType = 0x11
)

// FlagInherited marks an entry that comes from an object above (MS-DTYP 2.4.4.1).
const FlagInherited byte = 0x10

// The bits that say which of the two GUIDs an object entry carries (MS-DTYP 2.4.4.3).
const (
	objectPresent    uint32 = 1
	inheritedPresent uint32 = 2
)

// MaskControlAccess is the right that an extended right such as SendAs qualifies
// (MS-ADTS 5.1.3.2).
const MaskControlAccess uint32 = 0x100

// An ACE is one entry of an access control list. The fields tell what it says;
// changing them does not change what is written, WithSID does.
type ACE struct {
	Type                ACEType
	Flags               byte
	Mask                uint32       // 0 where the type is unknown
	ObjectType          migrate.GUID // the right or attribute it is about; zero if all
	InheritedObjectType migrate.GUID // the class it is inherited by; zero if all
	SID                 migrate.SID  // the trustee; "" where the type is unknown

	sidAt, sidEnd int
	raw           []byte // never changed, so copies of the ACE may share it
}

// SendAs is the extended right to send in the name of the object.
func SendAs() migrate.GUID {
	// ab721a54-1e2f-11d0-9819-00aa0040529b
	return migrate.GUID{0x54, 0x1a, 0x72, 0xab, 0x2f, 0x1e, 0xd0, 0x11, 0x98, 0x19, 0x00, 0xaa, 0x00, 0x40, 0x52, 0x9b}
}

// ReceiveAs is the extended right to read what the object receives.
func ReceiveAs() migrate.GUID {
	// ab721a56-1e2f-11d0-9819-00aa0040529b
	right := SendAs()
	right[0] = 0x56
	return right
}

// NewACE makes an explicit entry. With a zero object GUID it is one of the plain type
// (Allow, Deny), else one of the object type (AllowObject, DenyObject). Other types
// are refused.
func NewACE(kind ACEType, mask uint32, object migrate.GUID, sid migrate.SID) (ACE, error) {
	b := []byte{byte(kind), 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, mask)
	switch {
	case (kind == Allow || kind == Deny) && object.IsZero():
	case (kind == AllowObject || kind == DenyObject) && !object.IsZero():
		b = binary.LittleEndian.AppendUint32(b, objectPresent)
		b = append(b, object[:]...)
	default:
		return ACE{}, fmt.Errorf("make entry of type %d with object %s: the types are not for each other", kind, object)
	}
	trustee, err := sid.Bytes()
	if err != nil {
		return ACE{}, fmt.Errorf("make entry: %w", err)
	}
	b = append(b, trustee...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return parseACE(b)
}

// parseACE reads the entry at the beginning of b. An entry of a known type whose
// inside makes no sense is kept raw, as an unknown one is: it is not ours to judge.
func parseACE(b []byte) (ACE, error) {
	if len(b) < 4 {
		return ACE{}, fmt.Errorf("%d bytes cannot hold an entry", len(b))
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if size < 4 || size > len(b) {
		return ACE{}, fmt.Errorf("entry of %d bytes in %d", size, len(b))
	}
	ace := ACE{Type: ACEType(b[0]), Flags: b[1], raw: slices.Clone(b[:size])}
	ace.readInside()
	return ace, nil
}

func (e *ACE) readInside() {
	if !e.known() || len(e.raw) < 8 {
		return
	}
	at := 8
	object, inherited := migrate.GUID{}, migrate.GUID{}
	if e.isObject() {
		var ok bool
		if object, inherited, at, ok = readGUIDs(e.raw); !ok {
			return
		}
	}
	size, err := sidSize(e.raw[at:])
	if err != nil {
		return
	}
	sid, err := migrate.SIDFromBytes(e.raw[at : at+size])
	if err != nil {
		return
	}
	e.Mask = binary.LittleEndian.Uint32(e.raw[4:])
	e.ObjectType, e.InheritedObjectType = object, inherited
	e.SID, e.sidAt, e.sidEnd = sid, at, at+size
}

// readGUIDs reads the head of an object entry and says where its SID begins
// (MS-DTYP 2.4.4.3).
func readGUIDs(raw []byte) (object, inherited migrate.GUID, sidAt int, ok bool) {
	if len(raw) < 12 {
		return object, inherited, 0, false
	}
	flags := binary.LittleEndian.Uint32(raw[8:])
	at := 12
	for _, g := range []struct {
		bit uint32
		to  *migrate.GUID
	}{{objectPresent, &object}, {inheritedPresent, &inherited}} {
		if flags&g.bit == 0 {
			continue
		}
		if len(raw) < at+16 {
			return object, inherited, 0, false
		}
		copy(g.to[:], raw[at:])
		at += 16
	}
	return object, inherited, at, true
}

// Inherited reports whether the entry comes from an object above.
func (e ACE) Inherited() bool { return e.Flags&FlagInherited != 0 }

// Allows reports whether the entry grants something.
func (e ACE) Allows() bool {
	return slices.Contains([]ACEType{Allow, AllowObject, AllowCallback, AllowCallbackObject}, e.Type)
}

// Denies reports whether the entry forbids something.
func (e ACE) Denies() bool {
	return slices.Contains([]ACEType{Deny, DenyObject, DenyCallback, DenyCallbackObject}, e.Type)
}

// Conditional reports whether the entry carries more than its trustee, such as a
// condition (MS-DTYP 2.4.4.17).
func (e ACE) Conditional() bool { return e.SID != "" && len(e.raw) > e.sidEnd }

// Raw returns a copy of the entry's octets.
func (e ACE) Raw() []byte { return slices.Clone(e.raw) }

// WithSID returns a copy of the entry for another trustee; whatever follows the
// trustee's SID is kept. An entry of unknown type has no trustee to replace.
func (e ACE) WithSID(sid migrate.SID) (ACE, error) {
	if e.SID == "" {
		return ACE{}, fmt.Errorf("replace trustee: entry of type %#x has none that is known", byte(e.Type))
	}
	trustee, err := sid.Bytes()
	if err != nil {
		return ACE{}, fmt.Errorf("replace trustee: %w", err)
	}
	raw := slices.Concat(e.raw[:e.sidAt], trustee, e.raw[e.sidEnd:])
	if len(raw) > maxACL {
		return ACE{}, ErrFull
	}
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	return parseACE(raw)
}

// WithFlags returns a copy of the entry with other flags (MS-DTYP 2.4.4.1).
func (e ACE) WithFlags(flags byte) (ACE, error) {
	raw := slices.Clone(e.raw)
	raw[1] = flags
	return parseACE(raw)
}

func (e ACE) known() bool {
	switch e.Type {
	case Allow, Deny, Audit, AllowObject, DenyObject, AuditObject, AllowCallback, DenyCallback,
		AllowCallbackObject, DenyCallbackObject, AuditCallback, AuditCallbackObject, MandatoryLabel:
		return true
	}
	return false
}

func (e ACE) isObject() bool {
	return slices.Contains([]ACEType{
		AllowObject, DenyObject, AuditObject, AllowCallbackObject, DenyCallbackObject, AuditCallbackObject,
	}, e.Type)
}
