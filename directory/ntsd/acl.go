package ntsd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// aclHeader is the size of an ACL's fixed part in bytes.
const aclHeader = 8

// maxACL is the most octets that an ACL's size field can name (MS-DTYP 2.4.5).
const maxACL = 0xffff

// The revisions of an ACL: the second is needed for object ACEs (MS-DTYP 2.4.5).
const (
	revision       = 2
	revisionObject = 4
)

// ErrFull says that an ACL has no room for another entry.
var ErrFull = errors.New("the access control list is full: 64 KB")

// An ACL is one access control list (MS-DTYP 2.4.5).
type ACL struct {
	Revision byte
	ACEs     []ACE

	header   [aclHeader]byte // as read, for the bytes that must be zero
	slack    []byte          // what follows the last entry within the list
	readSize int
}

func parseACL(b []byte) (*ACL, error) {
	if len(b) < aclHeader {
		return nil, fmt.Errorf("%d bytes cannot hold an ACL", len(b))
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if size < aclHeader || size > len(b) {
		return nil, fmt.Errorf("ACL of %d bytes in %d", size, len(b))
	}
	a := &ACL{Revision: b[0], header: [aclHeader]byte(b[:aclHeader]), readSize: size}
	rest := b[aclHeader:size]
	for n := range int(binary.LittleEndian.Uint16(b[4:])) {
		ace, err := parseACE(rest)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", n, err)
		}
		a.ACEs = append(a.ACEs, ace)
		rest = rest[len(ace.raw):]
	}
	a.slack = slices.Clone(rest)
	return a, nil
}

func (a *ACL) bytes() []byte {
	out := slices.Clone(a.header[:])
	out[0] = a.Revision
	for _, ace := range a.ACEs {
		out = append(out, ace.raw...)
	}
	out = append(out, a.slack...)
	binary.LittleEndian.PutUint16(out[2:], uint16(len(out)))
	binary.LittleEndian.PutUint16(out[4:], uint16(len(a.ACEs)))
	return out
}

// Explicit returns the entries that were set on the object itself.
func (a *ACL) Explicit() []ACE {
	return slices.DeleteFunc(slices.Clone(a.ACEs), ACE.Inherited)
}

// Inherited returns the entries that come from objects above.
func (a *ACL) Inherited() []ACE {
	return slices.DeleteFunc(slices.Clone(a.ACEs), func(e ACE) bool { return !e.Inherited() })
}

// Remove takes out the entries for which drop is true and returns how many they
// were. The others keep their order.
func (a *ACL) Remove(drop func(ACE) bool) int {
	before := len(a.ACEs)
	a.ACEs = slices.DeleteFunc(slices.Clone(a.ACEs), drop)
	return before - len(a.ACEs)
}

// Add puts the entry at its canonical place (MS-DTYP 2.4.5): a denial before the
// first entry that is no explicit denial, anything else before the first inherited
// entry. An inherited entry goes last. The other entries keep their order. ErrFull is
// returned, and nothing is added, where the list would grow past 64 KB.
func (a *ACL) Add(ace ACE) error {
	at := slices.IndexFunc(a.ACEs, func(other ACE) bool { return rank(other) > rank(ace) })
	if at < 0 {
		at = len(a.ACEs)
	}
	return a.Insert(at, ace)
}

// Insert puts the entry before the one at the index, or last where that is the number
// of entries. It returns ErrFull as Add does.
func (a *ACL) Insert(at int, ace ACE) error {
	return a.Set(slices.Insert(slices.Clone(a.ACEs), at, ace))
}

// Set makes the entries all that the list has. ErrFull is returned, and nothing is
// changed, where they would take more than 64 KB.
func (a *ACL) Set(aces []ACE) error {
	size := aclHeader + len(a.slack)
	for _, ace := range aces {
		size += len(ace.raw)
	}
	if size > maxACL {
		return ErrFull
	}
	a.ACEs = slices.Clone(aces)
	if slices.ContainsFunc(aces, ACE.isObject) {
		a.Revision = max(a.Revision, revisionObject)
	}
	return nil
}

// Canonical reports whether explicit denials come first, then what is explicit
// besides, then what is inherited.
func (a *ACL) Canonical() bool {
	return slices.IsSortedFunc(a.ACEs, func(x, y ACE) int { return rank(x) - rank(y) })
}

// Contains reports whether one of the entries is ace, octet by octet.
func (a *ACL) Contains(ace ACE) bool {
	return slices.ContainsFunc(a.ACEs, func(e ACE) bool { return bytes.Equal(e.raw, ace.raw) })
}

// rank orders entries canonically.
func rank(e ACE) int {
	switch {
	case e.Inherited():
		return 2
	case e.Denies():
		return 0
	}
	return 1
}
