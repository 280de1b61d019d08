package store

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// encapsulated returns the name that an IMCEA address holds (MS-OXCMAIL 2.1.3.1.8):
// IMCEAEX-_O=ALPINE_OU=SITE_CN=RECIPIENTS_CN=J+2EDOE@alpine.test is
// /O=ALPINE/OU=SITE/CN=RECIPIENTS/CN=J.DOE. Such addresses are pasted out of bounces:
// line breaks within, a domain that is missing, digits in lower case and the percent
// signs of a link do no harm. False: address is none, or not whole.
func encapsulated(address string) (name string, ok bool) {
	kind, encoded, found := strings.Cut(strings.Join(strings.Fields(address), ""), "-")
	if !found || !isEncapsulated(kind) {
		return "", false
	}
	if at := strings.LastIndexByte(encoded, '@'); at >= 0 {
		encoded = encoded[:at]
	}
	// A percent sign of the name itself is +25, so those that are left are a link's.
	encoded, ok = unescape(encoded, '%')
	if !ok {
		return "", false
	}
	name, ok = unescape(strings.ReplaceAll(encoded, "_", "/"), '+')
	return name, ok && name != "" && utf8.ValidString(name)
}

// isEncapsulated reports whether kind is IMCEA with a type that holds X500 names.
func isEncapsulated(kind string) bool {
	return strings.EqualFold(kind, "IMCEAEX") || strings.EqualFold(kind, "IMCEAX500")
}

// unescape replaces the mark and two hexadecimal digits after it by the octet they
// stand for. False: a mark has no digits.
func unescape(text string, mark byte) (string, bool) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != mark {
			out = append(out, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		octet, err := hex.DecodeString(text[i+1 : i+3])
		if err != nil {
			return "", false
		}
		out = append(out, octet...)
		i += 2
	}
	return string(out), true
}
