// Package memory holds mailboxes and journals in memory. It is the reference: it
// passes the same conformance suite as the adapters of real servers.
package memory

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Message is one item of a Mailbox.
type Message struct {
	UID      int64 // given by the mailbox
	Body     []byte
	Received time.Time
	Flags    []string
	Broken   string // why reading it fails; "" if it does not
}

// A Folder is one folder of a Mailbox.
type Folder struct {
	Path       []string
	Subscribed bool
	Messages   []Message
	next       int64
}

// A Mailbox is a tree of folders. It may be used by several goroutines.
type Mailbox struct {
	mu      sync.Mutex
	folders []*Folder // in the order of creation
}

// NewMailbox returns a mailbox with an inbox.
func NewMailbox() *Mailbox {
	m := &Mailbox{}
	m.PutFolder([]string{"INBOX"}, true)
	return m
}

// PutFolder creates the folder and its parents, or completes the one that is there.
func (m *Mailbox) PutFolder(path []string, subscribed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 1; n < len(path); n++ {
		m.ensure(path[:n])
	}
	f := m.ensure(path)
	f.Subscribed = f.Subscribed || subscribed
}

// Add appends messages to the folder, which must exist, and returns their UIDs.
func (m *Mailbox) Add(path []string, messages ...Message) (uids []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.find(key(path))
	for _, msg := range messages {
		f.next++
		msg.UID = f.next
		msg.Body = bytes.Clone(msg.Body)
		msg.Flags = slices.Clone(msg.Flags)
		f.Messages = append(f.Messages, msg)
		uids = append(uids, msg.UID)
	}
	return uids
}

// Remove deletes a message.
func (m *Mailbox) Remove(path []string, uid int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.find(key(path))
	f.Messages = slices.DeleteFunc(slices.Clone(f.Messages), func(msg Message) bool { return msg.UID == uid })
}

// Folders returns a copy of all folders, in the order of creation.
func (m *Mailbox) Folders() []Folder {
	m.mu.Lock()
	defer m.mu.Unlock()
	folders := make([]Folder, len(m.folders))
	for i, f := range m.folders {
		folders[i] = *f
		folders[i].Messages = slices.Clone(f.Messages)
	}
	return folders
}

// ensure returns the folder, new if need be. The caller holds the lock.
func (m *Mailbox) ensure(path []string) *Folder {
	if f := m.find(key(path)); f != nil {
		return f
	}
	f := &Folder{Path: slices.Clone(path)}
	m.folders = append(m.folders, f)
	return f
}

func (m *Mailbox) find(k string) *Folder {
	for _, f := range m.folders {
		if key(f.Path) == k {
			return f
		}
	}
	return nil
}

// look runs fn on the folder under the lock.
func (m *Mailbox) look(k string, fn func(*Folder) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.find(k)
	if f == nil {
		return fmt.Errorf("no folder %q", k)
	}
	return fn(f)
}

// message returns the one with the UID, which is written in decimal. UIDs ascend.
func (f *Folder) message(uid string) (Message, bool) {
	n, err := strconv.ParseInt(uid, 10, 64)
	if err != nil {
		return Message{}, false
	}
	i, found := slices.BinarySearchFunc(f.Messages, n, func(m Message, uid int64) int { return cmp.Compare(m.UID, uid) })
	if !found {
		return Message{}, false
	}
	return f.Messages[i], true
}

// key joins a path; NUL stands in no folder name.
func key(path []string) string { return strings.Join(path, "\x00") }

func unkey(k string) []string { return strings.Split(k, "\x00") }
