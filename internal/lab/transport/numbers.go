package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Origin is where numbered mail comes from.
type Origin struct {
	// Label is source, target or outside.
	Label string
	// Send puts one message on its way: FromPickup, FromSMTP, or a function of the
	// caller's own. An error leaves open whether it did; Send itself has to try again
	// where that can help.
	Send func(ctx context.Context, m Numbered) error
	// Address returns where this origin writes to a person. Nil means to the person's
	// name as it is.
	Address func(person string) string
}

// A Numbered is one message of Numbers.
type Numbered struct {
	Number   int
	ID       string // Message-ID, angle brackets included
	Origin   string // label
	Person   string
	From, To string // addresses
	Message  []byte
}

// A NumbersConfig says who gets how much mail.
type NumbersConfig struct {
	// Interval is the time between two messages of one origin to one person. Zero means
	// 1 s.
	Interval time.Duration
	// People are written to, each from each origin. They are addresses, or what
	// Origin.Address makes an address of.
	People []string
	// Origins are where the mail comes from.
	Origins []Origin
}

// Numbers sends numbered mail, and knows what it has sent.
type Numbers struct {
	config NumbersConfig
	run    string // makes Message-IDs differ from those of other Numbers
	cancel context.CancelFunc
	soft   chan struct{} // closed: no further round begins
	stop   sync.Once
	rounds sync.WaitGroup

	mu     sync.Mutex
	last   int
	sent   []Numbered
	unsure map[string]bool // Message-IDs of what Send failed to say
	errs   []error
}

// StartNumbers sends the first message of each kind at once, and goes on until Stop is
// called or ctx ends.
func StartNumbers(ctx context.Context, config NumbersConfig) *Numbers {
	config.Interval = either(config.Interval, time.Second)
	n := &Numbers{config: config, run: strings.ToLower(rand.Text()[:10]), soft: make(chan struct{}), unsure: map[string]bool{}}
	ctx, n.cancel = context.WithCancel(ctx)
	for _, origin := range config.Origins {
		n.rounds.Go(func() { n.from(ctx, origin) })
	}
	return n
}

// from sends round after round from one origin.
func (n *Numbers) from(ctx context.Context, origin Origin) {
	ticker := time.NewTicker(n.config.Interval)
	defer ticker.Stop()
	for {
		for _, person := range n.config.People {
			n.send(ctx, origin, person)
		}
		select {
		case <-ctx.Done():
			return
		case <-n.soft:
			return
		case <-ticker.C:
		}
	}
}

// send sends one message. It counts as sent before it is tried, so that none is
// forgotten.
func (n *Numbers) send(ctx context.Context, origin Origin, person string) {
	if ctx.Err() != nil {
		return
	}
	m := n.next(origin, person)
	err := origin.Send(ctx, m)
	if err == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errs = append(n.errs, fmt.Errorf("send number %d: %w", m.Number, err))
	n.unsure[m.ID] = true
}

func (n *Numbers) next(origin Origin, person string) Numbered {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	m := Numbered{
		Number: n.last, ID: fmt.Sprintf("<%d.%s@numbers.rehearsal.test>", n.last, n.run), Origin: origin.Label,
		Person: person, From: "numbers@" + origin.Label + ".rehearsal.test", To: person,
	}
	if origin.Address != nil {
		m.To = origin.Address(person)
	}
	m.Message = m.write(time.Now())
	n.sent = append(n.sent, m)
	return m
}

// write writes the message.
func (m Numbered) write(at time.Time) []byte {
	var b strings.Builder
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	field("From", `"Numbers, `+m.Origin+`" <`+m.From+`>`)
	field("To", "<"+m.To+">")
	field("Subject", fmt.Sprintf("=?utf-8?q?Lieferung_%d_f=C3=BCr_Z=C3=BCrich?=", m.Number))
	field("Date", at.Format(time.RFC1123Z))
	field("Message-ID", m.ID)
	field(NumberHeader, fmt.Sprint(m.Number))
	field(OriginHeader, m.Origin)
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "8bit")
	fmt.Fprintf(&b, "\r\nGuten Tag,\r\n\r\nanbei die Zahlen, Nr. %d.\r\n.\r\n..\r\nお世話になっております。\r\n", m.Number)
	for line := range 3 + m.Number%9 {
		fmt.Fprintf(&b, "%04d %s\r\n", line, strings.Repeat("0123456789 ", 1+m.Number%6))
	}
	return []byte(b.String())
}

// Stop ends the sending, waits for what is being sent, and returns all that was sent
// and why something was not. It may be called again.
func (n *Numbers) Stop() ([]Numbered, error) {
	n.stop.Do(func() { close(n.soft) })
	n.rounds.Wait()
	n.cancel()
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent), errors.Join(n.errs...)
}

// Sent returns what was sent so far, what is being sent included.
func (n *Numbers) Sent() []Numbered {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent)
}

// A Tally compares what a person's mailbox holds with what was sent to the person. All
// are Message-IDs.
type Tally struct {
	Sent    int
	Lost    []string
	Doubled []string // each as often as it is there too often
	Strange []string // numbered mail of this run that was sent to someone else, or not at all
}

// Exact reports whether each message is there once.
func (t Tally) Exact() bool { return len(t.Lost)+len(t.Doubled)+len(t.Strange) == 0 }

// String is for a test's message.
func (t Tally) String() string {
	return fmt.Sprintf("sent %d, lost %d %q, doubled %d %q, strange %d %q",
		t.Sent, len(t.Lost), first(t.Lost), len(t.Doubled), first(t.Doubled), len(t.Strange), first(t.Strange))
}

func first(ids []string) []string { return ids[:min(3, len(ids))] }

// Tally compares the Message-IDs of all messages in a person's mailbox with what was
// sent. Those that are not of this run do not count, and what Send failed to send may be
// there or not.
func (n *Numbers) Tally(person string, ids []string) Tally {
	n.mu.Lock()
	defer n.mu.Unlock()
	theirs, seen := map[string]bool{}, map[string]bool{}
	for _, m := range n.sent {
		if m.Person == person {
			theirs[m.ID] = true
		}
	}
	t := Tally{Sent: len(theirs)}
	for _, id := range ids {
		switch {
		case !strings.HasSuffix(id, "."+n.run+"@numbers.rehearsal.test>"):
		case seen[id]:
			t.Doubled = append(t.Doubled, id)
		case theirs[id]:
			seen[id] = true
		default:
			t.Strange = append(t.Strange, id)
		}
	}
	for id := range theirs {
		if !seen[id] && !n.unsure[id] {
			t.Lost = append(t.Lost, id)
		}
	}
	slices.Sort(t.Lost)
	return t
}

// FromPickup sends through the Pickup of the transport whose spool dir is.
func FromPickup(dir string) func(context.Context, Numbered) error {
	return func(_ context.Context, m Numbered) error {
		return Inject(dir, m.Origin, m.From, []string{m.To}, m.Message)
	}
}

// FromSMTP sends to the listener of the transport whose spool dir is, as a stranger who
// tries again every retry until he has an answer for good. He names each message
// (RFC 3461 4.4), so that one whose answer was lost is not taken twice.
func FromSMTP(dir string, retry time.Duration) func(context.Context, Numbered) error {
	client := newCourier(4, dialNext(Next{Spool: dir}, "outside.rehearsal.test"))
	return func(ctx context.Context, m Numbered) error {
		for {
			err := client.send(ctx, m.From, m.To, "outside/"+m.ID, m.Message)
			refusal, answered := asRefusal(err)
			if err == nil || answered && !refusal.Temporary() {
				return err
			}
			if ctxErr := wait(ctx, retry); ctxErr != nil {
				return errors.Join(err, ctxErr)
			}
		}
	}
}
