package imapd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// A Folder is one folder of a mailbox, as it is seeded or as a snapshot shows it.
type Folder struct {
	Path        []string // names from the root, Unicode; the inbox is {"INBOX"}
	Subscribed  bool
	Container   bool   // holds folders only (\Noselect)
	SpecialUse  string // RFC 6154 attribute such as \Sent; "" if none
	UIDValidity uint32 // in snapshots only
	Messages    []Message
	Grants      []Grant // who else may do what with it, in the order of giving
}

// A Message is one message of a folder.
type Message struct {
	UID      uint32 // in snapshots only
	Body     []byte
	Received time.Time // to the second, with its zone
	Flags    []string  // system flags and keywords
}

// Put creates the folder in the user's mailbox where it is missing, and adds the
// messages to it. What a client could not store cannot be put either.
func (s *Server) Put(user string, want Folder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[user]
	if b == nil {
		return fmt.Errorf("put folder: there is no user %q", user)
	}
	delim := string(s.config.Delimiter)
	if slices.ContainsFunc(want.Path, func(part string) bool { return strings.Contains(part, delim) }) || len(want.Path) == 0 {
		return fmt.Errorf("put folder %q: no name may hold %q", want.Path, delim)
	}
	f, err := s.have(b, strings.Join(want.Path, delim), want.Container)
	if err != nil {
		return fmt.Errorf("put folder %q: %w", want.Path, err)
	}
	if want.Subscribed {
		b.subscribed[f.name] = true
	}
	if want.SpecialUse != "" {
		f.specialUse = imap.MailboxAttr(want.SpecialUse)
	}
	for _, g := range want.Grants {
		f.set(g)
	}
	for i, m := range want.Messages {
		if _, err := s.add(f, m.Body, m.Received, imapFlags(m.Flags)); err != nil {
			return fmt.Errorf("put message %d into folder %q: %w", i, want.Path, err)
		}
	}
	return nil
}

func (s *Server) have(b *box, name string, container bool) (*folder, error) {
	if f := b.find(name); f != nil && (container || !f.container) {
		return f, nil
	}
	return s.create(b, name, container)
}

// Snapshot returns the user's whole mailbox, folders in the order of their names.
func (s *Server) Snapshot(user string) []Folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[user]
	if b == nil {
		return nil
	}
	var all []Folder
	for _, f := range b.folders {
		snap := Folder{
			Path: strings.Split(f.name, string(s.config.Delimiter)), Subscribed: b.subscribed[f.name], Container: f.container,
			SpecialUse: string(f.specialUse), UIDValidity: f.validity, Grants: f.grants,
		}
		for _, m := range f.messages {
			snap.Messages = append(snap.Messages, Message{
				UID: uint32(m.uid), Body: bytes.Clone(m.body), Received: m.received, Flags: stringFlags(m.flags),
			})
		}
		all = append(all, snap)
	}
	slices.SortFunc(all, func(a, b Folder) int { return slices.Compare(a.Path, b.Path) })
	return all
}

// Subscribe subscribes to a name, which need not exist.
func (s *Server) Subscribe(user string, path ...string) error {
	return s.change(user, func(b *box, name string) error {
		b.subscribed[name] = true
		return nil
	}, path)
}

// Remove deletes a message by its UID.
func (s *Server) Remove(user string, uid uint32, path ...string) error {
	return s.changeFolder(user, func(f *folder) error {
		before := len(f.messages)
		f.messages = slices.DeleteFunc(f.messages, func(m *message) bool { return uint32(m.uid) == uid })
		if len(f.messages) == before {
			return fmt.Errorf("there is no message %d", uid)
		}
		return nil
	}, path)
}

// Renumber gives the folder a new UIDVALIDITY and its messages new UIDs, as a
// server does that has lost its index.
func (s *Server) Renumber(user string, path ...string) error {
	return s.changeFolder(user, func(f *folder) error {
		s.validity++
		f.validity, f.uidNext = 1_000_000+s.validity, 1
		for i, m := range f.messages {
			// Sessions may hold the old ones.
			f.messages[i] = &message{uid: f.uidNext, body: m.body, received: m.received, flags: m.flags}
			f.uidNext++
		}
		return nil
	}, path)
}

func (s *Server) changeFolder(user string, do func(*folder) error, path []string) error {
	return s.change(user, func(b *box, name string) error {
		f := b.find(name)
		if f == nil {
			return fmt.Errorf("there is no folder %q", name)
		}
		return do(f)
	}, path)
}

func (s *Server) change(user string, do func(b *box, name string) error, path []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[user]
	if b == nil {
		return fmt.Errorf("change mailbox: there is no user %q", user)
	}
	if err := do(b, strings.Join(path, string(s.config.Delimiter))); err != nil {
		return fmt.Errorf("change mailbox of %q: %w", user, err)
	}
	s.announce()
	return nil
}

func imapFlags(flags []string) []imap.Flag {
	out := make([]imap.Flag, len(flags))
	for i, f := range flags {
		out[i] = imap.Flag(f)
	}
	return out
}

func stringFlags(flags []imap.Flag) []string {
	var out []string
	for _, f := range flags {
		out = append(out, string(f))
	}
	return out
}
