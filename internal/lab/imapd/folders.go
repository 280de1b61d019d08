package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Create makes a folder; a delimiter at the end makes a container (RFC 9051 6.3.4).
func (s *session) Create(name string, options *imap.CreateOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if len(options.SpecialUse) > 0 && s.box.hasUse(options.SpecialUse[0]) {
		return refusal("USEATTR", "There is such a mailbox already")
	}
	bare := strings.TrimSuffix(name, string(s.server.config.Delimiter))
	f, err := s.server.create(s.box, bare, bare != name)
	if err == nil && len(options.SpecialUse) > 0 {
		f.specialUse = options.SpecialUse[0]
	}
	return err
}

// Delete deletes a folder; one with children becomes a container.
func (s *session) Delete(name string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	f := s.box.find(name)
	switch {
	case f == nil:
		return refusal(imap.ResponseCodeNonExistent, "Mailbox doesn't exist: "+name)
	case f.name == "INBOX":
		return refusal(imap.ResponseCodeCannot, "INBOX can't be deleted")
	case s.box.hasChildren(f.name, string(s.server.config.Delimiter)):
		f.container, f.messages = true, nil
		return nil
	}
	s.box.folders = slices.DeleteFunc(s.box.folders, func(other *folder) bool { return other == f })
	return nil
}

// Rename renames a folder and what lies below it.
func (s *session) Rename(name, newName string, _ *imap.RenameOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	delim := string(s.server.config.Delimiter)
	f := s.box.find(name)
	switch {
	case f == nil || f.name == "INBOX":
		return refusal(imap.ResponseCodeNonExistent, "Mailbox can't be renamed: "+name)
	case s.box.find(newName) != nil:
		return refusal(imap.ResponseCodeAlreadyExists, "Target mailbox already exists")
	case strings.HasPrefix(newName, f.name+delim):
		return refusal(imap.ResponseCodeCannot, "A mailbox can't lie below itself")
	}
	if err := checkName(newName, delim); err != nil {
		return err
	}
	for _, other := range s.box.folders {
		if rest, below := strings.CutPrefix(other.name, f.name+delim); below {
			other.name = newName + delim + rest
		}
	}
	f.name = newName
	return nil
}

// Subscribe subscribes to a name, which need not exist (RFC 9051 6.3.7).
func (s *session) Subscribe(name string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.box.subscribed[name] = true
	return nil
}

// Unsubscribe is Subscribe's opposite.
func (s *session) Unsubscribe(name string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	delete(s.box.subscribed, name)
	return nil
}

// List is LIST with the options of RFC 5258, RFC 5819 and RFC 6154, and LSUB.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	s.server.mu.Lock()
	list := s.listed(ref, patterns, options)
	s.server.mu.Unlock()
	if len(patterns) == 0 {
		list = []imap.ListData{{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: s.server.config.Delimiter}}
	}
	for i := range list {
		if err := w.WriteList(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) listed(ref string, patterns []string, options *imap.ListOptions) []imap.ListData {
	var list []imap.ListData
	for _, f := range s.box.folders {
		if s.matches(f.name, ref, patterns) && s.wanted(f, options) {
			list = append(list, s.listData(f, options))
		}
	}
	if options.SelectSubscribed {
		for name := range s.box.subscribed {
			if s.box.find(name) == nil && s.matches(name, ref, patterns) {
				attrs := []imap.MailboxAttr{imap.MailboxAttrNonExistent, imap.MailboxAttrSubscribed}
				list = append(list, imap.ListData{Attrs: attrs, Delim: s.server.config.Delimiter, Mailbox: name})
			}
		}
	}
	slices.SortFunc(list, func(a, b imap.ListData) int { return strings.Compare(a.Mailbox, b.Mailbox) })
	return list
}

func (s *session) matches(name, ref string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return imapserver.MatchList(name, s.server.config.Delimiter, ref, p)
	})
}

func (s *session) wanted(f *folder, options *imap.ListOptions) bool {
	return (!options.SelectSubscribed || s.box.subscribed[f.name]) && (!options.SelectSpecialUse || f.specialUse != "")
}

func (s *session) listData(f *folder, options *imap.ListOptions) imap.ListData {
	data := imap.ListData{Delim: s.server.config.Delimiter, Mailbox: f.name}
	if f.container {
		data.Attrs = append(data.Attrs, imap.MailboxAttrNoSelect)
	}
	if (options.SelectSubscribed || options.ReturnSubscribed) && s.box.subscribed[f.name] {
		data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
	}
	children := imap.MailboxAttrHasNoChildren
	if s.box.hasChildren(f.name, string(data.Delim)) {
		children = imap.MailboxAttrHasChildren
	}
	data.Attrs = append(data.Attrs, children)
	if f.specialUse != "" {
		data.Attrs = append(data.Attrs, f.specialUse)
	}
	if options.ReturnStatus != nil && !f.container {
		data.Status = statusData(f)
	}
	return data
}

// Status is STATUS.
func (s *session) Status(name string, _ *imap.StatusOptions) (*imap.StatusData, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	f, err := s.mustFind(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return nil, err
	}
	return statusData(f), nil
}

func statusData(f *folder) *imap.StatusData {
	var unseen, deleted, recent uint32
	var size int64
	for _, m := range f.messages {
		size += int64(len(m.body))
		if !hasFlag(m.flags, imap.FlagSeen) {
			unseen++
		}
		if hasFlag(m.flags, imap.FlagDeleted) {
			deleted++
		}
	}
	count := uint32(len(f.messages))
	return &imap.StatusData{
		Mailbox: f.name, NumMessages: &count, NumRecent: &recent, UIDNext: f.uidNext, UIDValidity: f.validity,
		NumUnseen: &unseen, NumDeleted: &deleted, Size: &size, DeletedStorage: new(int64),
	}
}
