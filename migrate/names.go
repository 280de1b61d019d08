package migrate

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A SID is a security identifier in its text form, S-1-5-21-… (MS-DTYP 2.4.2.1).
// Authorities above 2^32 are written in hexadecimal, as Windows does.
type SID string

// maxSubAuthorities is the most a SID can hold (MS-DTYP 2.4.2.2).
const maxSubAuthorities = 15

// ParseSID reads the text form and returns it in canonical spelling.
func ParseSID(text string) (SID, error) {
	s := SID(strings.ToUpper(text))
	b, err := s.Bytes()
	if err != nil {
		return "", err
	}
	return SIDFromBytes(b)
}

// SIDFromBytes reads the binary form (MS-DTYP 2.4.2.2). The whole of b must be
// the SID.
func SIDFromBytes(b []byte) (SID, error) {
	if len(b) < 8 || b[0] != 1 {
		return "", fmt.Errorf("parse SID: %d bytes, revision must be 1", len(b))
	}
	n := int(b[1])
	if n > maxSubAuthorities || len(b) != 8+4*n {
		return "", fmt.Errorf("parse SID: %d bytes for %d sub-authorities", len(b), n)
	}
	var authority uint64
	for _, c := range b[2:8] {
		authority = authority<<8 | uint64(c)
	}
	text := "S-1-" + strconv.FormatUint(authority, 10)
	if authority > 1<<32-1 {
		text = fmt.Sprintf("S-1-0x%012X", authority)
	}
	for i := range n {
		text += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10)
	}
	return SID(text), nil
}

// Bytes returns the binary form (MS-DTYP 2.4.2.2).
func (s SID) Bytes() ([]byte, error) {
	parts := strings.Split(string(s), "-")
	if len(parts) < 3 || parts[0] != "S" || parts[1] != "1" || len(parts)-3 > maxSubAuthorities {
		return nil, fmt.Errorf("parse SID %q: want S-1-authority-…", string(s))
	}
	authority, err := parseAuthority(parts[2])
	if err != nil {
		return nil, fmt.Errorf("parse SID %q: %w", string(s), err)
	}
	b := []byte{1, byte(len(parts) - 3)}
	b = append(b, binary.BigEndian.AppendUint64(nil, authority)[2:]...)
	for _, p := range parts[3:] {
		sub, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse SID %q: %w", string(s), err)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(sub))
	}
	return b, nil
}

func parseAuthority(text string) (uint64, error) {
	if hexText, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		return strconv.ParseUint(hexText, 16, 48)
	}
	return strconv.ParseUint(text, 10, 48)
}

// Domain returns the SID without its last sub-authority: the domain that issued
// it. A SID without sub-authorities is returned as it is.
func (s SID) Domain() SID {
	i := strings.LastIndexByte(string(s), '-')
	if strings.Count(string(s), "-") < 3 {
		return s
	}
	return s[:i]
}

// Self is the well-known SID that stands for the object itself; a shared mailbox
// carries it as msExchMasterAccountSid (MS-DTYP 2.4.2.4).
const Self SID = "S-1-5-10"

// A GUID is 16 bytes in Active Directory's wire order: the first three fields
// little-endian (MS-DTYP 2.3.4.2).
type GUID [16]byte

// ParseGUID reads 01234567-89ab-cdef-0123-456789abcdef, with or without braces.
func ParseGUID(text string) (GUID, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
	parts := strings.Split(bare, "-")
	if len(bare) != 36 || len(parts) != 5 {
		return GUID{}, fmt.Errorf("parse GUID %q: want 8-4-4-4-12 hexadecimal digits", text)
	}
	b, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil || len(b) != 16 {
		return GUID{}, fmt.Errorf("parse GUID %q: want 8-4-4-4-12 hexadecimal digits", text)
	}
	return swapGUID(GUID(b)), nil
}

// GUIDFromBytes reads the 16 bytes of an octet string such as objectGUID.
func GUIDFromBytes(b []byte) (GUID, error) {
	if len(b) != 16 {
		return GUID{}, errors.New("parse GUID: want 16 bytes, have " + strconv.Itoa(len(b)))
	}
	return GUID(b), nil
}

func (g GUID) String() string {
	t := swapGUID(g)
	return fmt.Sprintf("%x-%x-%x-%x-%x", t[0:4], t[4:6], t[6:8], t[8:10], t[10:16])
}

// IsZero reports whether no GUID is set.
func (g GUID) IsZero() bool { return g == GUID{} }

func swapGUID(g GUID) GUID {
	return GUID{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}

// A LegacyDN is a legacyExchangeDN, or the value of an X500 proxy address:
// /o=Org/ou=Group/cn=Recipients/cn=Name.
type LegacyDN string

// Key returns the form under which two legacy DNs are the same: Exchange compares
// them whole and without regard to case.
func (d LegacyDN) Key() string { return strings.ToLower(string(d)) }

// An SMTPAddress is local@domain, without a type prefix.
type SMTPAddress string

// Key returns the form under which two addresses are the same in Exchange.
func (a SMTPAddress) Key() string { return strings.ToLower(string(a)) }

// Domain returns what follows the last @, in lower case; "" if there is none.
func (a SMTPAddress) Domain() string {
	i := strings.LastIndexByte(string(a), '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(string(a[i+1:]))
}
