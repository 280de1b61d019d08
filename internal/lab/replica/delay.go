package replica

import (
	"sync"
	"time"

	"reforest/internal/lab/ldapd"
)

// A delay holds back what has been read upstream until its time has come.
type delay struct {
	mu      sync.Mutex
	lag     time.Duration
	frozen  bool
	waiting []batch       // oldest first
	added   int           // batches so far
	shown   int           // of them, how many are visible
	stuck   int           // records that have no place yet
	changed chan struct{} // closed and replaced whenever any of these changes
}

// A batch is what one poll found.
type batch struct {
	seen    time.Time
	records []ldapd.Record
}

func newDelay(lag time.Duration) *delay {
	return &delay{lag: lag, changed: make(chan struct{})}
}

// set changes the delay and tells whoever waits.
func (d *delay) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	close(d.changed)
	d.changed = make(chan struct{})
}

// add appends what has been read up to now and returns the number of the last batch. A
// change counts from when its reading has ended, so that none shows sooner than Lag after
// it was made.
func (d *delay) add(records []ldapd.Record) int {
	if len(records) > 0 {
		d.set(func() {
			d.waiting = append(d.waiting, batch{time.Now(), records})
			d.added++
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.added
}

// due returns the batches whose time has come; if there are none, how long that will take.
// Negative: until something changes.
func (d *delay) due() (now []batch, wait time.Duration, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frozen || len(d.waiting) == 0 {
		return nil, -1, d.changed
	}
	for len(d.waiting) > 0 {
		if wait = time.Until(d.waiting[0].seen.Add(d.lag)); wait > 0 {
			break
		}
		now, d.waiting = append(now, d.waiting[0]), d.waiting[1:]
	}
	return now, wait, d.changed
}

// state returns how many batches are visible, and how many records have no place yet.
func (d *delay) state() (shown, stuck int, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown, d.stuck, d.changed
}
