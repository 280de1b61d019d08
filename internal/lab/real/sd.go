package real

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Types of access control entries (MS-DTYP 2.4.4.1).
const (
	aceAllow       = 0
	aceDeny        = 1
	aceAllowObject = 5
)

const (
	aceContainerInherit = 0x02 // ACE flag: child objects get it (MS-DTYP 2.4.4.1)
	aceInherited        = 0x10 // ACE flag: it came from the parent

	daclPresent  = 0x0004 // control bits of a descriptor (MS-DTYP 2.4.6)
	selfRelative = 0x8000

	rightsFull     = 0x000f01ff // every right on a directory object
	rightReadProp  = 0x00000010 // ADS_RIGHT_DS_READ_PROP
	rightExtended  = 0x00000100 // ADS_RIGHT_DS_CONTROL_ACCESS
	sendAs         = "ab721a54-1e2f-11d0-9819-00aa0040529b"
	daclOnly       = 4 // SD flags: DACL_SECURITY_INFORMATION (MS-ADTS 3.1.1.3.4.1.11)
	headerSize     = 20
	aclHeaderSize  = 8
	daclOffsetAt   = 16
	aclRevisionDS  = 4 // an ACL with object ACEs
	objectTypeFlag = 1 // ACE_OBJECT_TYPE_PRESENT
)

// newACE returns an access control entry for the binary SID; object is the right's GUID
// for an object ACE, "" for a plain one.
func newACE(t testing.TB, kind, flags byte, rights uint32, object string, sid []byte) []byte {
	t.Helper()
	body := binary.LittleEndian.AppendUint32(nil, rights)
	if object != "" {
		body = binary.LittleEndian.AppendUint32(body, objectTypeFlag)
		body = append(body, guidBytes(t, object)...)
	}
	body = append(body, sid...)
	ace := binary.LittleEndian.AppendUint16([]byte{kind, flags}, uint16(4+len(body)))
	return append(ace, body...)
}

// guidBytes encodes a GUID as on the wire (MS-DTYP 2.3.4.2).
func guidBytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("read GUID %q: %v", text, err)
	}
	return []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

// grant puts explicit entries in front of the object's DACL; the server sorts them.
func (f Forest) grant(t testing.TB, conn *ldap.Conn, dn string, aces ...[]byte) {
	t.Helper()
	control := &ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: daclOnly}
	acl := dacl(t, f.read(t, conn, dn, "nTSecurityDescriptor", control))
	entries := acl[aclHeaderSize:]
	count := binary.LittleEndian.Uint16(acl[4:]) + uint16(len(aces))
	for i := range aces {
		entries = append(append([]byte{}, aces[i]...), entries...)
	}
	request := ldap.NewModifyRequest(dn, []ldap.Control{control})
	request.Replace("nTSecurityDescriptor", []string{string(descriptor(entries, count))})
	if err := conn.Modify(request); err != nil {
		t.Fatalf("grant rights on %s: %v", dn, err)
	}
}

// dacl returns the DACL of a self-relative descriptor (MS-DTYP 2.4.6, 2.4.5).
func dacl(t testing.TB, sd []byte) []byte {
	t.Helper()
	if len(sd) < headerSize {
		t.Fatalf("read a security descriptor: %d bytes", len(sd))
	}
	offset := int(binary.LittleEndian.Uint32(sd[daclOffsetAt:]))
	if offset == 0 || offset+aclHeaderSize > len(sd) {
		t.Fatalf("read a security descriptor: DACL at %d of %d bytes", offset, len(sd))
	}
	size := int(binary.LittleEndian.Uint16(sd[offset+2:]))
	if size < aclHeaderSize || offset+size > len(sd) {
		t.Fatalf("read a security descriptor: DACL of %d bytes at %d of %d", size, offset, len(sd))
	}
	return sd[offset : offset+size]
}

// descriptor returns a self-relative descriptor with a DACL and nothing else.
func descriptor(entries []byte, count uint16) []byte {
	sd := make([]byte, headerSize, headerSize+aclHeaderSize+len(entries))
	sd[0] = 1
	binary.LittleEndian.PutUint16(sd[2:], daclPresent|selfRelative)
	binary.LittleEndian.PutUint32(sd[daclOffsetAt:], headerSize)
	sd = append(sd, aclRevisionDS, 0)
	sd = binary.LittleEndian.AppendUint16(sd, uint16(aclHeaderSize+len(entries)))
	sd = binary.LittleEndian.AppendUint16(sd, count)
	sd = append(sd, 0, 0)
	return append(sd, entries...)
}

// An ACE is one entry of a DACL, as far as tests compare it.
type ACE struct {
	Type      byte
	Inherited bool
	SID       string // binary, as a string
	Raw       string // the whole entry
}

// DACL returns the entries of the object's DACL in their order.
func (f Forest) DACL(t testing.TB, dn string) []ACE {
	t.Helper()
	conn := f.Dial(t)
	defer func() { _ = conn.Close() }()
	control := &ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: daclOnly}
	acl := dacl(t, f.read(t, conn, dn, "nTSecurityDescriptor", control))
	var aces []ACE
	for rest := acl[aclHeaderSize:]; len(aces) < int(binary.LittleEndian.Uint16(acl[4:])); {
		size := 0
		if len(rest) >= 4 {
			size = int(binary.LittleEndian.Uint16(rest[2:]))
		}
		if size < 16 || size > len(rest) {
			t.Fatalf("read the DACL of %s: entry of %d bytes, %d left", dn, size, len(rest))
		}
		raw := rest[:size]
		aces = append(aces, ACE{Type: raw[0], Inherited: raw[1]&aceInherited != 0, SID: string(aceSID(raw)), Raw: string(raw)})
		rest = rest[size:]
	}
	return aces
}

// aceSID returns the SID of an entry; object ACEs have up to two GUIDs before it
// (MS-DTYP 2.4.4.3).
func aceSID(raw []byte) []byte {
	at := 8
	if raw[0] >= aceAllowObject && raw[0] <= 8 {
		flags := binary.LittleEndian.Uint32(raw[8:])
		at = 12 + 16*int(flags&1) + 16*int(flags>>1&1)
	}
	end := at + 8
	if end <= len(raw) {
		end += 4 * int(raw[at+1])
	}
	if end > len(raw) {
		return nil
	}
	return raw[at:end]
}
