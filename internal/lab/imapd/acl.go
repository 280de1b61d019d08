package imapd

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/emersion/go-imap/v2"
)

// capACL is the capability of access control lists (RFC 4314 3).
const capACL imap.Cap = "ACL"

// allRights are the rights of an owner, which nobody can take away (RFC 4314 2.1).
const allRights = "lrswipkxtea"

// A Grant is one entry of a folder's access control list.
type Grant struct {
	Who    string // with "-" before it, the rights are taken away
	Rights string
}

// offersACL reports whether connections understand ACL: those that begin with TLS.
func (s *Server) offersACL() bool {
	return !s.config.StartTLS && !slices.Contains(s.config.Without, capACL)
}

// SetGrant puts an entry on the folder's list, without asking whether a client could;
// no rights take it off.
func (s *Server) SetGrant(user string, grant Grant, path ...string) error {
	return s.changeFolder(user, func(f *folder) error {
		f.set(grant)
		return nil
	}, path)
}

func (f *folder) set(grant Grant) {
	i := slices.IndexFunc(f.grants, func(g Grant) bool { return g.Who == grant.Who })
	switch {
	case grant.Rights == "" && i >= 0:
		f.grants = slices.Delete(slices.Clone(f.grants), i, i+1)
	case grant.Rights == "":
	case i >= 0:
		f.grants = slices.Clone(f.grants)
		f.grants[i] = grant
	default:
		f.grants = append(slices.Clone(f.grants), grant)
	}
}

// rightsOf returns what the user may do with somebody else's folder.
func (f *folder) rightsOf(user string) string {
	var given, taken string
	for _, g := range f.grants {
		who, denied := strings.CutPrefix(g.Who, "-")
		switch {
		case who != "anyone" && !strings.EqualFold(who, user):
		case denied:
			taken += g.Rights
		default:
			given += g.Rights
		}
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(taken, r) {
			return -1
		}
		return r
	}, given)
}

// foreign finds a folder of another user, by ~user/name, that this one may read.
func (s *session) foreign(name string) *folder {
	delim := string(s.server.config.Delimiter)
	user, rest, found := strings.Cut(strings.TrimPrefix(name, "~"), delim)
	b := s.server.boxes[user]
	if !strings.HasPrefix(name, "~") || !found || b == nil {
		return nil
	}
	f := b.find(rest)
	if f == nil || f.container || !strings.Contains(f.rightsOf(s.user), "r") {
		return nil
	}
	return f
}

var aclCommand = regexp.MustCompile(`(?i)^(\S+) (GETACL|SETACL|DELETEACL|LISTRIGHTS|MYRIGHTS) `)

// answerACL carries out a command about lists, whose first line is given.
func (c *quotaConn) answerACL(tag, name string, line []byte) error {
	words, err := c.words(line)
	if err != nil {
		return err
	}
	answer := tag + " BAD Wrong number of arguments\r\n"
	if len(words) == map[string]int{"GETACL": 1, "MYRIGHTS": 1, "DELETEACL": 2, "LISTRIGHTS": 2, "SETACL": 3}[name] {
		c.server.mu.Lock()
		answer = c.server.acl(*c.user.Load(), tag, name, words)
		c.server.mu.Unlock()
	}
	_, err = io.WriteString(c.Conn, answer)
	return err
}

// acl returns the answer to a command of the mailbox's owner.
func (s *Server) acl(user, tag, name string, words []string) string {
	mailbox, delim := words[0], string(s.config.Delimiter)
	var f *folder
	for _, other := range s.boxes[user].folders {
		if encodeName(other.name) == mailbox || other.name == "INBOX" && strings.EqualFold(mailbox, "INBOX") {
			f = other
		}
	}
	if f == nil || strings.HasPrefix(mailbox, "~") && strings.Contains(mailbox, delim) {
		return tag + " NO [NONEXISTENT] Mailbox doesn't exist\r\n"
	}
	done := tag + " OK " + name + " completed\r\n"
	switch name {
	case "GETACL":
		answer := "* ACL " + spelt(mailbox) + " " + spelt(user) + " " + allRights + "cd"
		for _, g := range f.grants {
			answer += " " + spelt(g.Who) + " " + spelt(g.Rights)
		}
		return answer + "\r\n" + done
	case "MYRIGHTS":
		return "* MYRIGHTS " + spelt(mailbox) + " " + allRights + "cd\r\n" + done
	case "LISTRIGHTS":
		return "* LISTRIGHTS " + spelt(mailbox) + " " + spelt(words[1]) + ` "" l r s w i p k x t e a` + "\r\n" + done
	}
	if why := s.refuses(words[1]); why != "" {
		return tag + " " + why + "\r\n"
	}
	grant := Grant{Who: s.folded(words[1])}
	if name == "SETACL" {
		rights, fault := changedRights(f, grant.Who, words[2])
		if fault != "" {
			return tag + " BAD " + fault + "\r\n"
		}
		grant.Rights = rights
	}
	f.set(grant)
	s.announce()
	return done
}

// refuses returns what Cyrus, or Dovecot without acl_anyone, says to an identifier; "" if
// it takes it.
func (s *Server) refuses(who string) string {
	bare := strings.TrimPrefix(who, "-")
	odd := func(r rune) bool { return r >= 0x7f || strings.ContainsRune("/%*", r) }
	switch {
	case bare == "", s.config.Cyrus && strings.ContainsFunc(bare, odd):
		return "NO Invalid identifier"
	case !s.config.Cyrus && (bare == "anyone" || bare == "authenticated"):
		return "BAD '" + bare + "' identifier is disallowed"
	}
	return ""
}

func (s *Server) folded(who string) string {
	if s.config.Cyrus {
		return strings.ToLower(who)
	}
	return who
}

// changedRights returns the identifier's rights after SETACL: + adds, - takes away, and
// the letters of RFC 2086 stand for others (RFC 4314 2.1.1, 3.1).
func changedRights(f *folder, who, change string) (rights, fault string) {
	sign := change[:min(len(change), 1)]
	letters := strings.NewReplacer("c", "kx", "d", "tex").Replace(strings.TrimLeft(change, "+-"))
	if strings.Trim(letters, allRights) != "" {
		return "", "Invalid rights"
	}
	have := ""
	if i := slices.IndexFunc(f.grants, func(g Grant) bool { return g.Who == who }); i >= 0 {
		have = f.grants[i].Rights
	}
	for _, r := range allRights {
		given, had := strings.ContainsRune(letters, r), strings.ContainsRune(have, r)
		if sign == "+" && (given || had) || sign == "-" && had && !given || sign != "+" && sign != "-" && given {
			rights += string(r)
		}
	}
	return rights, ""
}

// words reads the arguments of a command, literals included (RFC 9051 4.3).
func (c *quotaConn) words(line []byte) ([]string, error) {
	var all []string
	_, rest, _ := bytes.Cut(line, []byte(" ")) // the tag
	_, rest, _ = bytes.Cut(rest, []byte(" "))  // the command
	for {
		rest = bytes.TrimLeft(rest, " ")
		size := literalEnd.FindSubmatch(rest)
		switch {
		case len(bytes.TrimRight(rest, "\r\n")) == 0, rest[0] == '\r':
			return all, nil
		case size != nil && rest[0] == '{':
			text, more, err := c.literalWord(rest, size[1])
			if err != nil {
				return nil, err
			}
			all, rest = append(all, text), more
		case rest[0] == '"':
			text, more := quotedWord(rest[1:])
			all, rest = append(all, text), more
		default:
			end := bytes.IndexAny(rest, " \r\n")
			if end < 0 {
				end = len(rest)
			}
			all, rest = append(all, string(rest[:end])), rest[end:]
		}
	}
}

// literalWord reads a literal and the line that goes on after it.
func (c *quotaConn) literalWord(head, size []byte) (text string, rest []byte, err error) {
	n, err := strconv.ParseInt(string(size), 10, 16)
	if err != nil {
		return "", nil, fmt.Errorf("read literal: %w", err)
	}
	if !bytes.Contains(head, []byte("+}")) {
		if _, err := io.WriteString(c.Conn, "+ OK\r\n"); err != nil {
			return "", nil, err
		}
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return "", nil, err
	}
	rest, err = c.in.ReadBytes('\n')
	return string(b), rest, err
}

// quotedWord reads a quoted string behind its first quote.
func quotedWord(line []byte) (text string, rest []byte) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			return b.String(), line[i+1:]
		case line[i] == '\\' && i+1 < len(line):
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String(), nil
}

// spelt writes a text as a quoted string, or as a literal.
func spelt(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Sprintf("{%d}\r\n%s", len(text), text)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

var nameBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// encodeName writes a folder's name in modified UTF-7 (RFC 3501 5.1.3).
func encodeName(name string) string {
	var out strings.Builder
	var shifted []rune
	flush := func() {
		if len(shifted) == 0 {
			return
		}
		var b []byte
		for _, u := range utf16.Encode(shifted) {
			b = append(b, byte(u>>8), byte(u))
		}
		out.WriteString("&" + nameBase64.EncodeToString(b) + "-")
		shifted = nil
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			shifted = append(shifted, r)
			continue
		}
		flush()
		out.WriteRune(r)
		if r == '&' {
			out.WriteByte('-')
		}
	}
	flush()
	return out.String()
}
