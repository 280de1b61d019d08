package transport

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A place is where one recipient's copy goes.
type place struct {
	Mailbox string `json:"mailbox,omitempty"`
	Hop     string `json:"hop,omitempty"` // an address at the other site
}

// The steps of a recipient that are written down.
const (
	stepTrying = "trying" // it is about to be handed over at the place
	stepFree   = "free"   // it was refused there, and is not there
	stepDone   = "done"   // it has arrived, was handed over, or has bounced
	stepAdded  = "added"  // a further recipient, of whom another's altRecipient told
	stepSplit  = "split"  // the further recipients of this one have been added
)

// A step is one line of an entry's state.
type step struct {
	Index   int    `json:"i"`
	Step    string `json:"step"`
	Address string `json:"address,omitempty"` // of stepAdded
	place
}

// A recipient is one of an entry's. What is written down is guarded by the entry.
type recipient struct {
	address  string
	done     bool
	split    bool
	trying   *place    // handed over there, outcome unknown
	since    time.Time // when that was last not known to be over
	deferred string    // the reason that was last recorded
}

// An entry is one message of the queue.
type entry struct {
	id      string
	env     envelope
	message string // Message-ID
	hops    int    // servers that have handled it, this one included
	sites   int    // and of these the rehearsal's sites
	state   string // path of its state file; opened for each line, for queues may be long

	mu         sync.Mutex
	recipients []*recipient
	claims     map[place]*recipient // who goes, or went, to a place
}

// newEntry is an entry of which nothing has been done yet.
func newEntry(id string, env envelope) *entry {
	e := &entry{id: id, env: env, claims: map[place]*recipient{}}
	for _, address := range env.To {
		if !e.has(address) {
			e.recipients = append(e.recipients, &recipient{address: address})
		}
	}
	return e
}

func (e *entry) has(address string) bool {
	for _, r := range e.recipients {
		if strings.EqualFold(r.address, address) {
			return true
		}
	}
	return false
}

// replay brings the entry to where its state file says. now stands for the time of what
// was interrupted: the process that did it is dead, and it died before now.
func (e *entry) replay(now time.Time) error {
	for line, err := range readLines(e.state) {
		if err != nil {
			return err
		}
		var s step
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("read state of %s: %w", e.id, err)
		}
		if s.Step == stepAdded {
			e.recipients = append(e.recipients, &recipient{address: s.Address})
			continue
		}
		if s.Index < 0 || s.Index >= len(e.recipients) {
			return fmt.Errorf("read state of %s: there is no recipient %d", e.id, s.Index)
		}
		e.recipients[s.Index].apply(s, now)
		if s.Step == stepTrying {
			e.claims[s.place] = e.recipients[s.Index]
		}
		if s.Step == stepFree {
			delete(e.claims, s.place)
		}
	}
	return nil
}

func (r *recipient) apply(s step, now time.Time) {
	switch s.Step {
	case stepTrying:
		r.trying, r.since = &s.place, now
	case stepFree:
		r.trying = nil
	case stepDone:
		r.done, r.trying = true, nil
	case stepSplit:
		r.split = true
	}
}

// pending returns the numbers of the recipients who are not done.
func (e *entry) pending() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	var open []int
	for i, r := range e.recipients {
		if !r.done {
			open = append(open, i)
		}
	}
	return open
}

// recipient returns a copy of how one stands.
func (e *entry) recipient(i int) recipient {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.recipients[i]
}

// claim notes that the recipient is about to be handed over at a place. taken: another
// recipient of this message has the place, and arrived says whether the message is there;
// of both together one copy is to arrive.
func (e *entry) claim(i int, at place) (taken, arrived bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if owner := e.claims[at]; owner != nil && owner != e.recipients[i] {
		return true, owner.done, nil
	}
	if err := e.write(step{Index: i, Step: stepTrying, place: at}); err != nil {
		return false, false, err
	}
	e.claims[at] = e.recipients[i]
	return false, false, nil
}

// free says that the place has refused it.
func (e *entry) free(i int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.recipients[i].trying
	if at == nil {
		return nil
	}
	if err := e.write(step{Index: i, Step: stepFree, place: *at}); err != nil {
		return err
	}
	delete(e.claims, *at)
	return nil
}

// unanswered says that an attempt ended without an answer, just now.
func (e *entry) unanswered(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recipients[i].since = time.Now()
}

// done says that nothing is left to do for the recipient.
func (e *entry) done(i int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.write(step{Index: i, Step: stepDone})
}

// splitOff adds recipients, each once, and notes that it has.
func (e *entry) splitOff(i int, addresses []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, address := range addresses {
		if e.has(address) {
			continue // also when the process died between the two lines
		}
		if err := appendTo(e.state, step{Step: stepAdded, Address: address}); err != nil {
			return fmt.Errorf("note state: %w", err)
		}
		e.recipients = append(e.recipients, &recipient{address: address})
	}
	return e.write(step{Index: i, Step: stepSplit})
}

// defers notes the reason why a recipient waits. True: it is another than before.
func (e *entry) defers(i int, reason string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.recipients[i].deferred != reason
	e.recipients[i].deferred = reason
	return changed
}

// write makes a step durable, and then so. The mutex is held.
func (e *entry) write(s step) error {
	if err := appendTo(e.state, s); err != nil {
		return fmt.Errorf("note state: %w", err)
	}
	e.recipients[s.Index].apply(s, time.Now())
	return nil
}
