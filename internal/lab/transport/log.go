package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An Event is what happened to a message.
type Event string

// The events.
const (
	Accepted  Event = "accepted"  // it is in the queue, for the recipients To
	Delivered Event = "delivered" // it is in Mailbox
	Forwarded Event = "forwarded" // the other site has it, for Address
	Merged    Event = "merged"    // another of its recipients has the same place
	Bounced   Event = "bounced"   // with Text; the message is kept in bounced/
	Deferred  Event = "deferred"  // it waits because of Text; recorded once for each reason
	Rejected  Event = "rejected"  // a file in Pickup was no message; it is kept in badmail/
)

// A Record is one line of log.jsonl.
type Record struct {
	At        time.Time `json:"at"`
	Site      string    `json:"site"`
	Entry     string    `json:"entry"` // id in the queue
	Event     Event     `json:"event"`
	MessageID string    `json:"message_id,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	To        []string  `json:"to,omitempty"`
	Origin    string    `json:"origin,omitempty"`
	Mailbox   string    `json:"mailbox,omitempty"`
	Address   string    `json:"address,omitempty"`
	Hops      int       `json:"hops,omitempty"` // sites that have handled it, this one included
	Text      string    `json:"text,omitempty"`
	Found     bool      `json:"found,omitempty"` // it had arrived by an attempt that was cut short
}

// An Outcome is what became of one message at all sites.
type Outcome struct {
	Accepted  int      // how many sites' queues it entered, or Pickups
	Delivered []Record // one for each mailbox it reached and each address that led there
	Forwarded int
	Bounced   []Record
	Hops      int // most sites that any copy has passed
}

// A Summary adds up the logs of one or more sites.
type Summary struct {
	Messages map[string]*Outcome // by Message-ID
	Bounces  []Record
	Deferred map[string]int // recipients that waited, by reason
	Rejected []Record
	MaxHops  int
	Queued   int // files in queues and Pickups, at the time of reading
	Torn     int // last lines that a process died over
}

// ReadLog sums up what the transports on these spools have recorded. They may be
// running. What is recorded twice because a process died in between counts once.
func ReadLog(dirs ...string) (Summary, error) {
	s := Summary{Messages: map[string]*Outcome{}, Deferred: map[string]int{}}
	for _, dir := range dirs {
		if err := s.read(dir); err != nil {
			return Summary{}, fmt.Errorf("read log of %s: %w", dir, err)
		}
		queued, err := waiting(dir)
		if err != nil {
			return Summary{}, fmt.Errorf("read queue of %s: %w", dir, err)
		}
		s.Queued += queued
	}
	return s, nil
}

func (s *Summary) read(dir string) error {
	path := filepath.Join(dir, "log.jsonl")
	seen := map[string]bool{}
	for line, err := range readLines(path) {
		if err != nil {
			return err
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		key := strings.Join([]string{string(r.Event), r.Entry, r.Recipient, r.Mailbox, r.Address}, "\x00")
		if seen[key] && r.Event != Deferred {
			continue
		}
		seen[key] = true
		s.add(r)
	}
	torn, err := isTorn(path)
	if torn {
		s.Torn++
	}
	return err
}

func (s *Summary) add(r Record) {
	if r.Event == Rejected {
		s.Rejected = append(s.Rejected, r)
		return
	}
	o := s.Messages[r.MessageID]
	if o == nil {
		o = &Outcome{}
		s.Messages[r.MessageID] = o
	}
	o.Hops, s.MaxHops = max(o.Hops, r.Hops), max(s.MaxHops, r.Hops)
	switch r.Event {
	case Accepted:
		o.Accepted++
	case Delivered:
		o.Delivered = append(o.Delivered, r)
	case Forwarded:
		o.Forwarded++
	case Bounced:
		o.Bounced = append(o.Bounced, r)
		s.Bounces = append(s.Bounces, r)
	case Deferred:
		s.Deferred[r.Text]++
	case Merged, Rejected:
	}
}

// isTorn reports whether the last line of a file has no end.
func isTorn(path string) (bool, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return len(text) > 0 && text[len(text)-1] != '\n', nil
}

// waiting counts the messages in a spool's queue and Pickup.
func waiting(dir string) (int, error) {
	n := 0
	for _, sub := range []string{"pickup", "queue"} { // the way that mail goes, so that none is missed
		files, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			if isMessage(sub, file) {
				n++
			}
		}
	}
	return n, nil
}

func isMessage(sub string, file fs.DirEntry) bool {
	name := file.Name()
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, stateSuffix) {
		return false
	}
	return sub == "queue" || strings.HasSuffix(name, pickupSuffix)
}
