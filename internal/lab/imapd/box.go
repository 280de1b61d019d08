package imapd

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// A box is one user's mailbox. All of it is guarded by the server's mutex.
type box struct {
	folders    []*folder
	subscribed map[string]bool // by name; a name outlives its folder (RFC 9051 6.3.7)
}

// A folder is one mailbox in IMAP's sense.
type folder struct {
	name       string // Unicode, components joined by the delimiter
	container  bool   // \Noselect
	specialUse imap.MailboxAttr
	validity   uint32
	uidNext    imap.UID
	messages   []*message
	grants     []Grant // everybody's but the owner's; replaced, never changed in place
}

// A message never changes but for its flags.
type message struct {
	uid      imap.UID
	body     []byte
	received time.Time
	flags    []imap.Flag
}

func (s *Server) newBox() *box {
	b := &box{subscribed: map[string]bool{}}
	b.folders = append(b.folders, s.newFolder("INBOX", false))
	return b
}

// newFolder makes a folder with a UIDVALIDITY that none has had before.
func (s *Server) newFolder(name string, container bool) *folder {
	s.validity++
	return &folder{name: name, container: container, validity: 1_000_000 + s.validity, uidNext: 1}
}

func (b *box) find(name string) *folder {
	if strings.EqualFold(name, "INBOX") {
		name = "INBOX"
	}
	for _, f := range b.folders {
		if f.name == name {
			return f
		}
	}
	return nil
}

// hasChildren reports whether a folder lies below name.
func (b *box) hasChildren(name, delim string) bool {
	return slices.ContainsFunc(b.folders, func(f *folder) bool { return strings.HasPrefix(f.name, name+delim) })
}

// hasUse reports whether a folder has the special use (RFC 6154).
func (b *box) hasUse(use imap.MailboxAttr) bool {
	return slices.ContainsFunc(b.folders, func(f *folder) bool { return f.specialUse == use })
}

// create makes a folder and, as containers, what it lies below.
func (s *Server) create(b *box, name string, container bool) (*folder, error) {
	delim := string(s.config.Delimiter)
	if err := checkName(name, delim); err != nil {
		return nil, err
	}
	if f := b.find(name); f != nil {
		if container || !f.container {
			return nil, refusal(imap.ResponseCodeAlreadyExists, "Mailbox already exists")
		}
		f.container = false
		return f, nil
	}
	parts := strings.Split(name, delim)
	for i := 1; i < len(parts); i++ {
		if above := strings.Join(parts[:i], delim); b.find(above) == nil {
			b.folders = append(b.folders, s.newFolder(above, true))
		}
	}
	f := s.newFolder(name, container)
	b.folders = append(b.folders, f)
	return f, nil
}

// checkName refuses what Dovecot refuses.
func checkName(name, delim string) error {
	if len(name) > 4096 {
		return refusal(imap.ResponseCodeCannot, "Mailbox name too long")
	}
	for _, part := range strings.Split(name, delim) {
		switch {
		case part == "":
			return refusal(imap.ResponseCodeCannot, "Invalid mailbox name: Has adjacent hierarchy separators")
		case part == "." || part == "..":
			return refusal(imap.ResponseCodeCannot, "Invalid mailbox name: Contains '"+part+"' part")
		case strings.HasPrefix(part, "~"):
			return refusal(imap.ResponseCodeCannot, "Invalid mailbox name: Begins with '~'")
		case len(part) > 255:
			return refusal(imap.ResponseCodeCannot, "Mailbox name too long")
		case strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return refusal(imap.ResponseCodeCannot, "Invalid mailbox name: Contains control characters")
		}
	}
	return nil
}

// add stores a message as a server does: checked, and with mended newlines.
func (s *Server) add(f *folder, body []byte, received time.Time, flags []imap.Flag) (*message, error) {
	if err := s.checkMessage(body, flags); err != nil {
		return nil, err
	}
	if received.IsZero() {
		received = time.Now()
	}
	m := &message{uid: f.uidNext, body: mendNewlines(body), received: received.Truncate(time.Second), flags: tidyFlags(flags)}
	f.uidNext++
	f.messages = append(f.messages, m)
	s.announce()
	return m, nil
}

// announce wakes the sessions that idle.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) checkMessage(body []byte, flags []imap.Flag) error {
	switch {
	case len(body) == 0:
		return refusal("", "Can't save a zero byte message")
	case bytes.IndexByte(body, 0) >= 0:
		return refusal("", "Message contains NUL characters")
	case s.config.Cyrus && bareNewline(body):
		return refusal("", "Message contains bare newlines")
	case s.config.Cyrus && !wellFormedHeader(body):
		return refusal("", "Message contains invalid header")
	}
	for _, f := range flags {
		if len(f) > 50 {
			return refusal(imap.ResponseCodeCannot, "Keyword length too long")
		}
	}
	return nil
}

func bareNewline(body []byte) bool {
	return bytes.Count(body, []byte("\n")) != bytes.Count(body, []byte("\r\n"))
}

// wellFormedHeader reports whether each header line is a field or continues one.
func wellFormedHeader(body []byte) bool {
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return true
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 || bytes.ContainsFunc(bytes.TrimRight(name, " \t"), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return false
		}
	}
	return true
}

// mendNewlines makes CRLF of bare LF.
func mendNewlines(body []byte) []byte {
	if !bareNewline(body) {
		return bytes.Clone(body)
	}
	out := make([]byte, 0, len(body)+len(body)/20)
	for i, c := range body {
		if c == '\n' && (i == 0 || body[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// tidyFlags drops \Recent and what is there twice in another case.
func tidyFlags(flags []imap.Flag) []imap.Flag {
	var out []imap.Flag
	for _, f := range flags {
		if !strings.EqualFold(string(f), `\Recent`) && !hasFlag(out, f) {
			out = append(out, f)
		}
	}
	return out
}

func hasFlag(flags []imap.Flag, flag imap.Flag) bool {
	return slices.ContainsFunc(flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(flag)) })
}

// refusal is a NO.
func refusal(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}
