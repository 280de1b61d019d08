package directory

import (
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// An LDIF says what of a journal WriteLDIF writes.
type LDIF struct {
	Side Side // of whose forest; required: a file is for one directory
	// Undo writes what leads back, from the before-images, the newest change first.
	Undo bool
}

// foldAt is how long a line of LDIF gets before it is folded (RFC 2849, note 2).
const foldAt = 76

// WriteLDIF writes the changes of one side, which come oldest first, as change records
// (RFC 2849) with what is known of each as a comment. A password is never written: a
// comment says where there was one. What servers set by themselves, or let nobody write, is
// left out of what is added again.
func WriteLDIF(w io.Writer, changes iter.Seq2[Change, error], o LDIF) error {
	l := &ldifWriter{w: w}
	l.line("version: 1")
	var all []Change
	for change, err := range changes {
		if err != nil {
			return fmt.Errorf("read the changes: %w", err)
		}
		switch {
		case change.Forest != o.Side:
		case o.Undo: // the last comes first: all have to be there
			all = append(all, change)
		default:
			l.record(change, change)
		}
	}
	for _, change := range slices.Backward(all) {
		l.record(change, change.undo())
	}
	if l.err != nil {
		return fmt.Errorf("write LDIF: %w", l.err)
	}
	return nil
}

// undo returns the change that leads back from the one that was carried out. One that has
// neither mods nor before-image has no way back.
func (c Change) undo() Change {
	back := c
	back.Mods = nil
	switch c.Op {
	case Add:
		back.Op = Delete
	case Delete:
		back.Op = Add
		for _, m := range c.Before {
			if !ownedByServer[strings.ToLower(m.Attr)] && !isBackLink(m.Attr) {
				back.Mods = append(back.Mods, Mod{Op: AddValues, Attr: m.Attr, Values: m.Values})
			}
		}
	case Modify:
		for _, m := range slices.Backward(c.Mods) {
			back.Mods = append(back.Mods, c.undoMod(m)...)
		}
	}
	return back
}

// undoMod returns what leads back from one mod of the change.
func (c Change) undoMod(m Mod) []Mod {
	was := c.was(m.Attr)
	switch {
	case m.Op == RandomPassword:
		return []Mod{{Op: RandomPassword, Attr: m.Attr}}
	case strings.EqualFold(m.Attr, attrPasswordSet):
		return nil // no time of the past can be written to it (MS-ADA3 2.175)
	case m.Op == AddValues:
		fresh := slices.DeleteFunc(slices.Clone(m.Values), among(m.Attr, was.Values))
		return someMods(DeleteValues, m.Attr, fresh)
	case m.Op == DeleteValues && len(m.Values) > 0:
		there := among(m.Attr, m.Values)
		gone := slices.DeleteFunc(slices.Clone(was.Values), func(v []byte) bool { return !there(v) })
		return someMods(AddValues, m.Attr, gone)
	}
	return []Mod{{Op: ReplaceValues, Attr: m.Attr, Values: was.Values}}
}

func someMods(op ModOp, attr string, values [][]byte) []Mod {
	if len(values) == 0 {
		return nil
	}
	return []Mod{{Op: op, Attr: attr, Values: values}}
}

// ownedByServer are attributes of a deleted entry that cannot be given to a new one
// (MS-ADTS 3.1.1.5.2.2).
var ownedByServer = lowerSet(
	"objectGUID", attrSID, "objectCategory", "distinguishedName", "name", "cn", "instanceType", "whenCreated", "whenChanged",
	"uSNCreated", "uSNChanged", "sAMAccountType", "primaryGroupID", "badPasswordTime", "badPwdCount", "lastLogoff", "lastLogon",
	"lastLogonTimestamp", "logonCount", attrPasswordSet, "dSCorePropagationData", "replPropertyMetaData", "replUpToDateVector", attrSIDHistory,
	"memberOf",
)

// An ldifWriter keeps the first error of a row of lines.
type ldifWriter struct {
	w   io.Writer
	err error
}

// record writes what is to be done, with comments on the change that is on record.
func (l *ldifWriter) record(of, do Change) {
	l.line("")
	l.comment(fmt.Sprintf("change %d in the %s forest: %s", of.ID, of.Forest, of.Why))
	if !of.Person.IsZero() {
		l.comment("for the source object with objectGUID " + of.Person.String())
	}
	var mods []Mod
	for _, m := range do.Mods {
		if m.Op == RandomPassword || strings.EqualFold(m.Attr, attrPassword) {
			l.comment(m.Attr + " was set to a password that is not on record")
			continue
		}
		mods = append(mods, m)
	}
	if do.Op != Delete && len(mods) == 0 {
		return
	}
	l.value("dn", []byte(do.DN))
	l.line("changetype: " + string(do.Op))
	for _, m := range mods {
		l.mod(do.Op, m)
	}
}

// mod writes one attribute, in an entry to be added or as a modification.
func (l *ldifWriter) mod(op Op, m Mod) {
	if op == Modify {
		l.line(string(m.Op) + ": " + m.Attr)
	}
	for _, v := range m.Values {
		l.value(m.Attr, v)
	}
	if op == Modify {
		l.line("-")
	}
}

func (l *ldifWriter) comment(text string) {
	l.line("# " + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text))
}

// value writes a value as it is where that is safe, else in base64.
func (l *ldifWriter) value(attr string, value []byte) {
	if safeString(value) {
		l.line(attr + ": " + string(value))
		return
	}
	l.line(attr + ":: " + base64.StdEncoding.EncodeToString(value))
}

// safeString reports whether the value is a SAFE-STRING (RFC 2849) without a space at its
// end, which readers may cut.
func safeString(value []byte) bool {
	if len(value) == 0 {
		return true
	}
	if first := value[0]; first == ' ' || first == ':' || first == '<' || value[len(value)-1] == ' ' {
		return false
	}
	return !slices.ContainsFunc(value, func(b byte) bool { return b == 0 || b == '\n' || b == '\r' || b >= utf8.RuneSelf })
}

// line writes a line, folded where it is long. What a comment has beyond ASCII is not cut
// in two.
func (l *ldifWriter) line(text string) {
	var b strings.Builder
	room := foldAt
	for _, r := range text {
		if n := utf8.RuneLen(r); n > room {
			b.WriteString("\n ")
			room = foldAt - 1
		}
		b.WriteRune(r)
		room -= utf8.RuneLen(r)
	}
	b.WriteByte('\n')
	if l.err == nil {
		_, l.err = io.WriteString(l.w, b.String())
	}
}
