package ldap

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// passwordAttr is the attribute that sets a password (MS-ADTS 3.1.1.3.1.5).
const passwordAttr = "unicodePwd"

// passwordLength is the characters of a password that is made up: 160 bits by its
// alphabets, and four kinds of characters for the complexity rule (MS-SAMR 3.1.1.7.2).
const passwordLength = 32

// The alphabets. The signs are none that an account name may have (MS-SAMR 3.1.1.6).
const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
	signs  = "=+:;|,?*"
)

var (
	errPasswordChange = errors.New("a random password goes with a change of userAccountControl, to " + passwordAttr + ", without values")
	errPasswordPlain  = errors.New("a password is set over TLS alone")
)

// setPassword adds a password that is made up here to the request. Nobody else ever
// knows it: it is in no journal, log or error.
func setPassword(request *goldap.ModifyRequest, change directory.Change, mod directory.Mod) error {
	if !strings.EqualFold(mod.Attr, passwordAttr) || len(mod.Values) > 0 || !names(attrsOf(change), "userAccountControl") {
		return errPasswordChange
	}
	password, err := makePassword()
	if err != nil {
		return fmt.Errorf("make up a password: %w", err)
	}
	request.Replace(passwordAttr, []string{string(encodePassword(password))})
	return nil
}

// makePassword returns passwordLength random characters. Every third is a sign, so that
// no three in a row can be part of the account's name, which the complexity rule refuses.
func makePassword() (string, error) {
	var password strings.Builder
	for i := range passwordLength {
		alphabet := upper + lower + digits
		switch {
		case i%3 == 2:
			alphabet = signs
		case i < 2:
			alphabet = [...]string{upper, lower}[i]
		case i == 3:
			alphabet = digits
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", err
		}
		password.WriteByte(alphabet[n.Int64()])
	}
	return password.String(), nil
}

// encodePassword returns the password in quotes, as UTF-16LE (MS-ADTS 3.1.1.3.1.5.1).
func encodePassword(password string) []byte {
	var raw []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		raw = binary.LittleEndian.AppendUint16(raw, unit)
	}
	return raw
}

// secured reports whether the connection is one over TLS.
func (w *wire) secured() bool {
	_, secured := w.stream.(*tls.Conn)
	return secured
}
