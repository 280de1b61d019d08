package imap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

const (
	inbox   = "INBOX"
	maxName = 100 // bytes of a component that has to be cut, on the wire
)

// candidates returns the names under which a folder may be tried at the target,
// best first: as it is; with the characters that servers dislike written as =XX;
// with all but letters and digits so; cut, with a hash of the whole name. The
// second and third can be read back.
func candidates(name, delim string) []string {
	var all []string
	if plainName(name, delim) {
		all = append(all, name)
	}
	mild := escapeName(name, func(r rune) bool { return disliked(r, delim) })
	strict := escapeName(name, func(r rune) bool { return !alphanumeric(r) && r != ' ' && r != '-' && r != '_' })
	all = append(all, mild, strict, cutName(name, mild), cutName(name, strict))
	return slices.Compact(all)
}

// plainName reports whether a name can be asked for as it is.
func plainName(name, delim string) bool {
	if name == "" || delim != "" && strings.Contains(name, delim) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

func disliked(r rune, delim string) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' || strings.ContainsRune(`%*"\;{}[]~/`, r) || strings.ContainsRune(delim, r)
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// escapeName writes bad characters, the escape itself, a space at either end and
// the names . and .. as =XX.
func escapeName(name string, bad func(rune) bool) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "=2E")
	}
	var out strings.Builder
	for i, r := range name {
		atEnd := r == ' ' && (i == 0 || i == len(name)-1)
		if r != '=' && !bad(r) && !atEnd {
			out.WriteRune(r)
			continue
		}
		for _, b := range []byte(string(r)) {
			fmt.Fprintf(&out, "=%02X", b)
		}
	}
	if out.Len() == 0 {
		return "=" // no escape at all: the empty name
	}
	return out.String()
}

// cutName shortens the escaped form of name and adds a hash of the whole, so that
// two long names stay two.
func cutName(name, escaped string) string {
	sum := sha256.Sum256([]byte(name))
	runes := []rune(escaped)
	for len(encodeUTF7(string(runes))) > maxName {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " =") + "-" + hex.EncodeToString(sum[:4])
}
