package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"

	"reforest/migrate"
)

// maxProxy is how many UTF-16 units a value of proxyAddresses may have, its type prefix
// included (MS-ADA3 2.169, rangeUpper); maxAlias is that of mailNickname.
const (
	maxProxy = 1123
	maxAlias = 64
)

// atext are the characters of a local part beside letters, digits and the dot
// (RFC 5322 3.2.3).
const atext = "!#$%&'*+-/=?^_`{|}~"

// addressLiteral is a domain that is given as an address (RFC 5321 4.1.3).
var addressLiteral = regexp.MustCompile(`^\[[0-9A-Za-z:.]+\]$`)

// illegal returns why mail cannot be sent to the address (RFC 5321 4.1.2, without the
// quoted form, which Exchange does not take); "" if it can.
func illegal(addr migrate.SMTPAddress) string {
	local, domain, found := strings.Cut(string(addr), "@")
	switch {
	case !found:
		return "it has no @"
	case strings.Contains(domain, "@"):
		return "it has more than one @"
	case local == "" || domain == "":
		return "it has nothing on one side of the @"
	case len(utf16.Encode([]rune("smtp:"+string(addr)))) > maxProxy:
		return fmt.Sprintf("it is longer than %d characters", maxProxy)
	}
	if i := strings.IndexFunc(local, func(r rune) bool { return !inLocal(r) }); i >= 0 {
		r := []rune(local[i:])[0]
		return fmt.Sprintf("%q must not be in it", r)
	}
	if tidyDots(local) != local {
		return "a dot stands at an end of its first part, or beside another"
	}
	if !legalDomain(domain) {
		return fmt.Sprintf("%q is no mail domain", domain)
	}
	return ""
}

func inLocal(r rune) bool {
	return r == '.' || alphanumeric(r) || r < unicode.MaxASCII && strings.ContainsRune(atext, r)
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// legalDomain takes the underscore for a letter: Windows lets domains have it.
func legalDomain(domain string) bool {
	if addressLiteral.MatchString(domain) {
		return true
	}
	for label := range strings.SplitSeq(domain, ".") {
		foreign := strings.ContainsFunc(label, func(r rune) bool { return !alphanumeric(r) && r != '-' && r != '_' })
		if label == "" || foreign || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// clean returns the address without what mail systems refuse, "/" and "\" among it. The
// domain stays: another one would be somebody else's. "" if no address is left.
func clean(addr migrate.SMTPAddress) migrate.SMTPAddress {
	at := strings.LastIndexByte(string(addr), '@')
	if at < 0 {
		return ""
	}
	form := migrate.SMTPAddress(cleanLocal(string(addr[:at])) + "@" + strings.Trim(string(addr[at+1:]), " ."))
	if illegal(form) != "" {
		return ""
	}
	return form
}

// cleanLocal returns the text as a local part: letters without their accents, nothing
// that is not allowed, no "/", and dots only between other characters.
func cleanLocal(text string) string {
	return tidyDots(strings.Map(func(r rune) rune {
		if r == '/' || !inLocal(r) {
			return -1
		}
		return r
	}, bare(text)))
}

// cleanAlias returns the alias as Exchange takes it (Set-Mailbox -Alias): letters, also
// of Latin-1, digits and the signs of a local part; dots between them, and no spaces.
func cleanAlias(alias string) string {
	alias = tidyDots(strings.Map(func(r rune) rune {
		if r == '\\' || inLocal(r) || r >= 0xa1 && r <= 0xff {
			return r
		}
		return -1
	}, norm.NFC.String(alias)))
	return tidyDots(cut(alias, maxAlias))
}

// tidyDots returns the text without dots at its ends, and without one beside another.
func tidyDots(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '.' }), ".")
}

// unaccented are letters that Unicode does not take apart into a letter and an accent.
var unaccented = strings.NewReplacer("ß", "ss", "æ", "ae", "Æ", "AE", "œ", "oe", "Œ", "OE",
	"ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D", "ð", "d", "Ð", "D", "þ", "th", "Þ", "Th", "ı", "i")

// bare returns the text without accents. Active Directory does not tell texts apart that
// differ in them alone.
func bare(text string) string {
	return unaccented.Replace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text)))
}

// collapse leaves out values that differ from another in case alone, of which Active
// Directory holds one. The primary's spelling stays, else the first alphabetically: the
// server's order of values is not stable.
func (p Proxies) collapse() Proxies {
	var out Proxies
	for _, value := range p {
		i := slices.IndexFunc(out, func(o string) bool { return sameProxy(o, value) })
		switch {
		case i < 0:
			out = append(out, value)
		case isPrimary(value) && !isPrimary(out[i]), isPrimary(value) == isPrimary(out[i]) && value < out[i]:
			out[i] = value
		}
	}
	return out
}

func isPrimary(value string) bool { return strings.HasPrefix(value, "SMTP:") }

// legal leaves out SMTP addresses that mail cannot be sent to. Of other types every value
// is carried along, whatever it is.
func (p Proxies) legal() Proxies {
	return slices.DeleteFunc(slices.Clone(p), func(v string) bool {
		kind, addr := splitProxy(v)
		return kind == "smtp" && illegal(migrate.SMTPAddress(addr)) != ""
	})
}
