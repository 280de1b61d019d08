package imapd

import (
	"maps"
	"slices"
)

// A Saved is what every mailbox of a server held at one moment.
type Saved struct{ boxes map[string]*box }

// Save returns what every mailbox holds now.
func (s *Server) Save() *Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Saved{copyBoxes(s.boxes)}
}

// Restore makes every mailbox what it was, with its UIDs and UIDVALIDITY. Sessions that
// are open keep what they have selected: it is for between two of them.
func (s *Server) Restore(from *Saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes = copyBoxes(from.boxes)
}

func copyBoxes(boxes map[string]*box) map[string]*box {
	all := make(map[string]*box, len(boxes))
	for user, b := range boxes {
		c := &box{subscribed: maps.Clone(b.subscribed)}
		for _, f := range b.folders {
			c.folders = append(c.folders, f.copied())
		}
		all[user] = c
	}
	return all
}

func (f *folder) copied() *folder {
	c := *f
	c.messages = make([]*message, len(f.messages))
	for i, m := range f.messages {
		one := *m
		one.flags = slices.Clone(m.flags)
		c.messages[i] = &one
	}
	return &c
}
