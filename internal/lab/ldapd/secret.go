package ldapd

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
)

// minPassword is the shortest password, in characters, of the default domain policy.
const minPassword = 7

// A digest is what is kept of a password.
type digest struct {
	salt [16]byte
	sum  [sha256.Size]byte
}

func digestOf(password string) *digest {
	d := new(digest)
	_, _ = rand.Read(d.salt[:]) // crypto/rand.Read never fails: it ends the program instead
	d.sum = sha256.Sum256(append(d.salt[:], password...))
	return d
}

func (d *digest) matches(password string) bool {
	if d == nil {
		return false
	}
	sum := sha256.Sum256(append(d.salt[:], password...))
	return subtle.ConstantTimeCompare(sum[:], d.sum[:]) == 1
}

// EncodePassword returns the value of unicodePwd that sets a password: in quotes,
// UTF-16LE (MS-ADTS 3.1.1.3.1.5).
func EncodePassword(password string) []byte {
	var raw []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		raw = binary.LittleEndian.AppendUint16(raw, unit)
	}
	return raw
}

func decodePassword(raw []byte) (string, bool) {
	if len(raw)%2 != 0 {
		return "", false
	}
	var units []uint16
	for i := 0; i < len(raw); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(raw[i:]))
	}
	quoted := string(utf16.Decode(units))
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	return quoted[1 : len(quoted)-1], true
}

// setPassword takes a value of unicodePwd.
func (d *draft) setPassword(raw []byte) *fault {
	password, ok := decodePassword(raw)
	if !ok {
		return refuse(unwilling, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0, unicodePwd must be quoted UTF-16LE")
	}
	if guessable(password, d.text("samaccountname")) {
		return refuse(constraintViolation, "0000052D: AtrErr: DSID-03190F80, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att unicodePwd")
	}
	d.secret = digestOf(password)
	return nil
}

// guessable applies the default policy: seven characters, of three of four kinds, and
// not the account's name (MS-SAMR 3.1.1.7.2).
func guessable(password, sam string) bool {
	kinds := 0
	for _, kind := range []func(rune) bool{unicode.IsUpper, unicode.IsLower, unicode.IsDigit, isOther} {
		if strings.ContainsFunc(password, kind) {
			kinds++
		}
	}
	holdsName := len(sam) > 2 && strings.Contains(strings.ToLower(password), strings.ToLower(sam))
	return len([]rune(password)) < minPassword || kinds < 3 || holdsName
}

func isOther(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// changePassword takes the modifications of unicodePwd in a request: a replace by
// an administrator, or the old value deleted and the new one added.
func (d *draft) changePassword(mods []modification) *fault {
	if len(mods) == 1 && mods[0].op == modReplace && len(mods[0].values) == 1 {
		return d.setPassword(mods[0].values[0])
	}
	if len(mods) != 2 || mods[0].op != modDelete || mods[1].op != modAdd || len(mods[0].values) != 1 || len(mods[1].values) != 1 {
		return refuse(unwilling, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0, unicodePwd")
	}
	old, ok := decodePassword(mods[0].values[0])
	if !ok || !d.o.password.matches(old) {
		return refuse(constraintViolation, "00000056: AtrErr: DSID-03190F80, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att unicodePwd")
	}
	return d.setPassword(mods[1].values[0])
}
