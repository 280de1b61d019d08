package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/reports"
)

// How often progress is shown: redrawn on a terminal, one line elsewhere.
const (
	redrawEvery = 500 * time.Millisecond
	lineEvery   = 5 * time.Second
)

// The bar's own columns, and those of the bar with its figures.
const (
	barWidth  = 16
	besideBar = barWidth + 40
)

// A display shows how a run comes on. It asks the store, never a worker.
type display struct {
	env   *environment
	json  bool
	store *store.Store
	batch batch.ID
	over  bool                     // no run is at work on the batch
	on    func(batch.Move) bool    // whether the run carries the move on; nil: all of the batch
	bar   *progressbar.ProgressBar // nil where nobody sits at a terminal
	mu    sync.Mutex               // held while writing
}

func newDisplay(env *environment, asJSON bool, st *store.Store, id batch.ID) *display {
	d := &display{env: env, json: asJSON, store: st, batch: id}
	if env.terminal && !asJSON {
		d.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(env.stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(barWidth), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true),
			progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(redrawEvery/2))
	}
	return d
}

// start shows progress until the returned function is called.
func (d *display) start(ctx context.Context) (stop func()) {
	every := lineEvery
	if d.bar != nil {
		every = redrawEvery
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				d.draw(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if d.bar != nil {
			_ = d.bar.Finish() // a bar that cannot be cleared harms nobody
		}
	}
}

// A snapshot is how a batch stands at one instant. Mailboxes is the sum of Planned, Moving,
// Waiting, Moved, Failed and RolledBack; the other counts are of people among those.
type snapshot struct {
	MessageType  string `json:"message_type"`
	Mailboxes    int    `json:"mailboxes"`
	Planned      int    `json:"planned"`
	Moving       int    `json:"moving"` // at work, ready or switching
	Waiting      int    `json:"waiting"`
	Moved        int    `json:"moved"`
	Failed       int    `json:"failed"`
	RolledBack   int    `json:"rolled_back"`
	Ready        int    `json:"ready"`         // of Moving
	Held         int    `json:"held"`          // of Ready: others go first, or too many have failed
	SteppingBack int    `json:"stepping_back"` // of Moving and Waiting: the switch could not go on
	RollingBack  int    `json:"rolling_back"`  // of Planned, Moving and Waiting: on the way back
	Items        int64  `json:"items"`
	Bytes        int64  `json:"bytes"`
	TotalBytes   int64  `json:"total_bytes"`
	Next         string `json:"next,omitempty"`              // the first mailbox that waits, why and until when
	HeldWhy      string `json:"held_why,omitempty"`          // why the first of those is held that are
	BackWhy      string `json:"stepping_back_why,omitempty"` // who steps back, and why: the first
	nextAt       time.Time
}

func (d *display) snapshot(ctx context.Context) (s snapshot, err error) {
	s.MessageType = "progress"
	for move, err := range d.store.Moves(ctx, batch.Query{Batch: d.batch}) {
		if err != nil {
			return s, err
		}
		if d.over || d.on != nil && !d.on(move) {
			move = atRest(move)
		}
		s.add(move)
	}
	return s, nil
}

func (s *snapshot) add(move batch.Move) {
	s.Mailboxes++
	s.Items += move.Items
	s.Bytes += move.Bytes
	s.TotalBytes += max(move.TotalBytes, move.Bytes)
	switch move.State {
	case batch.Planned:
		s.Planned++
	case batch.Moving, batch.Ready, batch.Switching:
		s.Moving++
	case batch.Moved, batch.MovedWithSkips:
		s.Moved++
	case batch.Failed:
		s.Failed++
	case batch.RolledBack:
		s.RolledBack++
	case batch.Waiting:
		s.Waiting++
		if s.Next == "" || sooner(move.NextAt, s.nextAt) {
			s.nextAt = move.NextAt
			s.Next = nameOf(move) + ": " + joined(move.Reason, nextWords(move))
		}
	}
	s.among(move)
}

// sooner compares times of next attempts; none, of whom nobody carries on now, is later than
// any.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// among counts the people who are told of beside the states.
func (s *snapshot) among(move batch.Move) {
	if move.State == batch.Ready {
		s.Ready++
	}
	if move.State == batch.Ready && move.Reason != "" {
		s.Held++
		s.HeldWhy = cmp.Or(s.HeldWhy, move.Reason)
	}
	if move.State.Ended() {
		return
	}
	if move.Phase == batch.PhaseRollback {
		s.RollingBack++
	}
	if reports.StepsBack(move) {
		s.SteppingBack++
		s.BackWhy = cmp.Or(s.BackWhy, nameOf(move)+": "+move.Cause)
	}
}

func (s snapshot) String() string {
	text := fmt.Sprintf("%d of %d moved, %d under way, %d waiting, %d to begin, %d failed",
		s.Moved, s.Mailboxes, s.Moving-s.Ready, s.Waiting, s.Planned, s.Failed)
	return text + s.more() + fmt.Sprintf("; %d items, %s", s.Items, size(s.Bytes)) + s.whys()
}

// more counts what not every batch has.
func (s snapshot) more() (text string) {
	for _, some := range []struct {
		n    int
		what string
	}{
		{s.Ready - s.Held, "ready"},
		{s.Held, "held back"},
		{s.SteppingBack, "stepping back"},
		{s.RollingBack, "on the way back"},
		{s.RolledBack, "rolled back"},
	} {
		if some.n > 0 {
			text += fmt.Sprintf(", %d %s", some.n, some.what)
		}
	}
	return text
}

// whys says what somebody has to know first: who steps back, what holds the others up, who
// waits.
func (s snapshot) whys() (text string) {
	if s.BackWhy != "" {
		text += "; steps back: " + s.BackWhy
	}
	if s.HeldWhy != "" {
		text += "; held back: " + s.HeldWhy
	}
	if s.Next != "" {
		text += "; " + s.Next
	}
	return text
}

// brief says what has to be seen first beside the bar: it may be cut.
func (s snapshot) brief() string {
	text := fmt.Sprintf("%d/%d moved, %d waiting", s.Moved, s.Mailboxes, s.Waiting)
	if s.Failed > 0 {
		text = fmt.Sprintf("%d/%d moved, %d failed, %d waiting", s.Moved, s.Mailboxes, s.Failed, s.Waiting)
	}
	return text + strings.Replace(s.whys(), ";", ":", 1)
}

func (d *display) draw(ctx context.Context) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return // the run itself meets the store's trouble and reports it
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.json:
		_ = json.NewEncoder(d.env.stdout).Encode(s)
	case d.bar != nil:
		// A bar that has reached its end is never drawn again, and totals still grow.
		d.bar.ChangeMax64(s.TotalBytes + 1)
		d.bar.Describe(short(printable(s.brief()), max(d.env.width()-besideBar, 24)))
		_ = d.bar.Set64(s.Bytes)
	default:
		d.env.say("%s", printable(s.String()))
	}
}

// An eventLine is an event as --json prints it.
type eventLine struct {
	MessageType string     `json:"message_type"`
	Run         string     `json:"run"`
	Mailbox     string     `json:"mailbox"`
	At          time.Time  `json:"at"`
	Kind        string     `json:"kind"`
	Phase       string     `json:"phase"`
	State       string     `json:"state"`
	Text        string     `json:"text"`
	Attempt     int        `json:"attempt,omitempty"`
	Of          int        `json:"of,omitempty"`
	NextAt      *time.Time `json:"next_at,omitempty"`
}

// event tells of one event: all of them as JSON, those that somebody has to know of
// as a line.
func (d *display) event(move batch.Move, e batch.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.json {
		line := eventLine{"event", string(e.Run), move.Identity, e.At, string(e.Kind), string(e.Phase), string(e.State), e.Text, e.Attempt, e.Of, nil}
		if !e.NextAt.IsZero() {
			line.NextAt = &e.NextAt
		}
		_ = json.NewEncoder(d.env.stdout).Encode(line)
		return
	}
	if text := eventWords(move, e); text != "" {
		if d.bar != nil {
			_ = d.bar.Clear()
		}
		d.env.say("%s", printable(text))
	}
}

func eventWords(move batch.Move, e batch.Event) string {
	switch e.Kind {
	case batch.EventWait:
		if e.Attempt == 0 {
			return "" // looking for late mail is no news
		}
		return fmt.Sprintf("%s %s waits: %s; attempt %d of %d, next at %s", clock(e.At), nameOf(move), e.Text, e.Attempt, e.Of, clock(e.NextAt))
	case batch.EventFailed:
		return fmt.Sprintf("%s %s failed in %s: %s", clock(e.At), nameOf(move), e.Phase, e.Text)
	case batch.EventStep:
		return backWords(move, e)
	case batch.EventPhase, batch.EventPass, batch.EventEnded, batch.EventFinding:
	}
	return ""
}

// backWords tells of a switch that could not go on, and of its end.
func backWords(move batch.Move, e batch.Event) string {
	for _, f := range batch.Timeline([]batch.Event{e}) {
		switch f.Kind { //nolint:exhaustive // the others are no news
		case batch.FactStepsBack:
			return fmt.Sprintf("%s %s steps back: %s", clock(f.At), nameOf(move), f.Cause)
		case batch.FactSteppedBack:
			return fmt.Sprintf("%s %s: mail reaches the old mailbox", clock(f.At), nameOf(move))
		}
	}
	return ""
}

func nameOf(move batch.Move) string {
	if move.DisplayName != "" {
		return move.DisplayName
	}
	return move.Identity
}

// clock writes a time as whoever reads it now has it, with the day where it is another.
func clock(t time.Time) string { return clockAt(t, time.Now()) }

func clockAt(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("15:04:05 on 2 January 2006")
}

// size prints bytes in the unit that leaves up to three digits.
func size(n int64) string {
	value, unit := float64(n), 0
	units := []string{"B", "KB", "MB", "GB", "TB"}
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit == 0 || value >= 99.95 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// short cuts text to n runes.
func short(text string, n int) string {
	runes := []rune(strings.ToValidUTF8(text, "?"))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}
