package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// errOthers refuses a change of somebody else's folder.
var errOthers = refusal(imap.ResponseCodeNoPerm, "The folder is another user's")

// Store is STORE.
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, change *imap.StoreFlags, _ *imap.StoreOptions) error {
	if s.others {
		return errOthers
	}
	s.server.mu.Lock()
	for _, m := range s.pick(set) {
		m.message.flags = changedFlags(m.flags, change)
	}
	picked := s.pick(set)
	s.server.announce()
	s.server.mu.Unlock()
	if change.Silent {
		return nil
	}
	for _, m := range picked {
		if err := writeMessage(w.CreateMessage(m.seq), m, &imap.FetchOptions{Flags: true}); err != nil {
			return err
		}
	}
	return nil
}

func changedFlags(have []imap.Flag, change *imap.StoreFlags) []imap.Flag {
	switch change.Op {
	case imap.StoreFlagsSet:
		return tidyFlags(change.Flags)
	case imap.StoreFlagsAdd:
		return tidyFlags(append(slices.Clone(have), change.Flags...))
	case imap.StoreFlagsDel:
		return slices.DeleteFunc(slices.Clone(have), func(f imap.Flag) bool { return hasFlag(change.Flags, f) })
	}
	return have
}

// Expunge removes what is flagged \Deleted, and of that only uids if they are given.
func (s *session) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	if s.others {
		return errOthers
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.remove(func(m *message) bool {
		return hasFlag(m.flags, imap.FlagDeleted) && (uids == nil || uids.Contains(m.uid))
	})
	return nil
}

// remove deletes messages; Poll tells the client.
func (s *session) remove(gone func(*message) bool) {
	s.folder.messages = slices.DeleteFunc(s.folder.messages, gone)
	s.server.announce()
}

// Copy is COPY.
func (s *session) Copy(set imap.NumSet, name string) (*imap.CopyData, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	data, _, err := s.copy(set, name)
	return data, err
}

func (s *session) copy(set imap.NumSet, name string) (*imap.CopyData, []numbered, error) {
	f, err := s.mustFind(name, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, nil, err
	}
	picked := s.pick(set)
	data := &imap.CopyData{UIDValidity: f.validity}
	for _, m := range picked {
		added, err := s.server.add(f, m.body, m.received, m.flags)
		if err != nil {
			return nil, nil, err
		}
		data.SourceUIDs.AddNum(m.uid)
		data.DestUIDs.AddNum(added.uid)
	}
	return data, picked, nil
}

// Move is MOVE (RFC 6851).
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, name string) error {
	if s.others {
		return errOthers
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	data, picked, err := s.copy(set, name)
	if err != nil {
		return err
	}
	s.remove(func(m *message) bool {
		return slices.ContainsFunc(picked, func(p numbered) bool { return p.message == m })
	})
	return w.WriteCopyData(data)
}

// Poll tells the client what has changed since it last heard.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if s.folder == nil {
		return nil
	}
	s.server.mu.Lock()
	now := slices.Clone(s.folder.messages)
	s.server.mu.Unlock()
	if slices.Equal(now, s.view) {
		return nil
	}
	if allowExpunge {
		if err := s.tellExpunged(w, now); err != nil {
			return err
		}
	}
	before := len(s.view)
	seen := asSet(s.view)
	for _, m := range now {
		if !seen[m] {
			s.view = append(s.view, m)
		}
	}
	if len(s.view) == before {
		return nil
	}
	return w.WriteNumMessages(uint32(len(s.view)))
}

func (s *session) tellExpunged(w *imapserver.UpdateWriter, now []*message) error {
	alive := asSet(now)
	for i := len(s.view) - 1; i >= 0; i-- {
		if alive[s.view[i]] {
			continue
		}
		if err := w.WriteExpunge(uint32(i) + 1); err != nil {
			return err
		}
		s.view = slices.Delete(s.view, i, i+1)
	}
	return nil
}

func asSet(messages []*message) map[*message]bool {
	set := make(map[*message]bool, len(messages))
	for _, m := range messages {
		set[m] = true
	}
	return set
}

// Idle tells the client of changes until it has had enough (RFC 2177).
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		s.server.mu.Lock()
		changed := s.server.changed
		s.server.mu.Unlock()
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		}
	}
}

// Search is SEARCH by numbers, flags, dates, sizes and text.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, _ *imap.SearchOptions) (*imap.SearchData, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	var seqs imap.SeqSet
	var uids imap.UIDSet
	data := &imap.SearchData{}
	for _, m := range s.pick(imap.SeqSet{{Start: 1}}) {
		if !s.meets(m, criteria) {
			continue
		}
		number := m.seq
		if kind == imapserver.NumKindUID {
			number = uint32(m.uid)
		}
		seqs.AddNum(m.seq)
		uids.AddNum(m.uid)
		data.Count++
		data.Max = number
		if data.Min == 0 {
			data.Min = number
		}
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data, nil
}

func (s *session) meets(m numbered, c *imap.SearchCriteria) bool {
	for _, set := range c.SeqNum {
		if !inSet(set, m.seq, m.uid, s.view) {
			return false
		}
	}
	for _, set := range c.UID {
		if !inSet(set, m.seq, m.uid, s.view) {
			return false
		}
	}
	for i := range c.Not {
		if s.meets(m, &c.Not[i]) {
			return false
		}
	}
	for i := range c.Or {
		if !s.meets(m, &c.Or[i][0]) && !s.meets(m, &c.Or[i][1]) {
			return false
		}
	}
	return meetsFlags(m, c) && meetsDates(m, c) && meetsText(m, c)
}

func meetsFlags(m numbered, c *imap.SearchCriteria) bool {
	lacks := func(f imap.Flag) bool { return !hasFlag(m.flags, f) }
	has := func(f imap.Flag) bool { return hasFlag(m.flags, f) }
	return !slices.ContainsFunc(c.Flag, lacks) && !slices.ContainsFunc(c.NotFlag, has)
}

func meetsDates(m numbered, c *imap.SearchCriteria) bool {
	size, day := int64(len(m.body)), m.received.Format("2006-01-02")
	switch {
	case !c.Since.IsZero() && day < c.Since.Format("2006-01-02"),
		!c.Before.IsZero() && day >= c.Before.Format("2006-01-02"),
		c.Larger > 0 && size <= c.Larger,
		c.Smaller > 0 && size >= c.Smaller:
		return false
	}
	return true
}

// meetsText looks for the texts anywhere in the message, headers included, and
// without regard to case.
func meetsText(m numbered, c *imap.SearchCriteria) bool {
	whole := strings.ToLower(string(m.body))
	header, body, _ := strings.Cut(whole, "\r\n\r\n")
	absent := func(in string) func(string) bool {
		return func(text string) bool { return !strings.Contains(in, strings.ToLower(text)) }
	}
	if slices.ContainsFunc(c.Text, absent(whole)) || slices.ContainsFunc(c.Body, absent(body)) {
		return false
	}
	return !slices.ContainsFunc(c.Header, func(h imap.SearchCriteriaHeaderField) bool {
		return !headerHolds(header, strings.ToLower(h.Key), strings.ToLower(h.Value))
	})
}

func headerHolds(header, key, value string) bool {
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(header)
	for line := range strings.SplitSeq(unfolded, "\r\n") {
		name, text, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == key && strings.Contains(text, value) {
			return true
		}
	}
	return false
}
