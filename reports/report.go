package reports

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"reforest/batch"
)

// A Reader gives what is on record. batch/store implements it.
type Reader interface {
	// Run returns the run and its batch.
	Run(ctx context.Context, id batch.RunID) (batch.Run, batch.Batch, error)
	// Records yields the moves of the run's batch as the run left them, by Seq.
	Records(ctx context.Context, run batch.RunID) iter.Seq2[batch.Record, error]
}

// Namespace is the XML namespace of a report. Its last part is the version of the
// format; a reader should ignore what it does not know.
const Namespace = "urn:reforest:run:1"

// A Report says what one run did. The struct tags are the format of WriteXML and
// WriteJSON, run.xsd describes it.
type Report struct {
	XMLName    xml.Name  `json:"-" xml:"urn:reforest:run:1 run"`
	Run        string    `json:"run" xml:"id,attr"`
	Kind       string    `json:"kind" xml:"kind,attr"`   // batch.RunKind
	Batch      string    `json:"batch" xml:"batch,attr"` // the batch's name
	BatchID    string    `json:"batchId" xml:"batchId,attr"`
	Outcome    string    `json:"outcome" xml:"outcome,attr"` // batch.Outcome; "unfinished" while it runs, or if it was killed
	Began      Time      `json:"began,omitzero" xml:"began,attr"`
	BeganLocal LocalTime `json:"beganLocal,omitzero" xml:"beganLocal,attr"` // Began with the offset of the machine that made the report
	Ended      Time      `json:"ended,omitzero" xml:"ended,attr"`
	EndedLocal LocalTime `json:"endedLocal,omitzero" xml:"endedLocal,attr"`
	Made       Time      `json:"made" xml:"made,attr"` // when the report was made
	Totals     Totals    `json:"totals" xml:"totals"`
	Moves      []Move    `json:"moves" xml:"move"`
}

// Totals are sums over the moves of a report.
type Totals struct {
	Moves    int          `json:"moves" xml:"moves,attr"`
	Items    int64        `json:"items" xml:"items,attr"`
	Bytes    int64        `json:"bytes" xml:"bytes,attr"`
	Skips    int64        `json:"skips" xml:"skips,attr"`
	Waits    int          `json:"waits" xml:"waits,attr"` // after a failed attempt; planned ones are left out
	Findings int          `json:"findings" xml:"findings,attr"`
	Mapped   int          `json:"mapped" xml:"mapped,attr"` // folders whose name differs at the target
	Changes  int          `json:"changes" xml:"changes,attr"`
	States   []StateTotal `json:"states" xml:"state"`
}

// A StateTotal is how many moves are in one state. Every state is listed, also with
// none.
type StateTotal struct {
	State string `json:"state" xml:"name,attr"`
	Moves int    `json:"moves" xml:"moves,attr"`
}

// A Move is one mailbox in a report.
type Move struct {
	Seq         int    `json:"seq" xml:"seq,attr"` // place in the batch file, from 0
	Identity    string `json:"identity" xml:"identity,attr"`
	DisplayName string `json:"displayName,omitempty" xml:"displayName,attr,omitempty"`
	Mail        string `json:"mail,omitempty" xml:"mail,attr,omitempty"`
	SourceDN    string `json:"sourceDn,omitempty" xml:"sourceDn,attr,omitempty"`
	SourceGUID  string `json:"sourceGuid,omitempty" xml:"sourceGuid,attr,omitempty"`
	TargetDN    string `json:"targetDn,omitempty" xml:"targetDn,attr,omitempty"`
	TargetGUID  string `json:"targetGuid,omitempty" xml:"targetGuid,attr,omitempty"`
	Database    string `json:"database,omitempty" xml:"database,attr,omitempty"` // the target database; none is the configured one

	State    string `json:"state" xml:"state,attr"`
	Phase    string `json:"phase" xml:"phase,attr"`
	Step     string `json:"step,omitempty" xml:"step,attr,omitempty"`
	Attempts int    `json:"attempts" xml:"attempts,attr"`               // failed attempts of the present phase
	Of       int    `json:"attemptsAllowed" xml:"attemptsAllowed,attr"` // attempts allowed
	NextAt   Time   `json:"nextAt,omitzero" xml:"nextAt,attr"`

	Started    Time  `json:"started,omitzero" xml:"started,attr"`
	Ended      Time  `json:"ended,omitzero" xml:"ended,attr"`
	TotalItems int64 `json:"totalItems" xml:"totalItems,attr"` // what the source holds
	TotalBytes int64 `json:"totalBytes" xml:"totalBytes,attr"`
	Items      int64 `json:"items" xml:"items,attr"` // brought over
	Bytes      int64 `json:"bytes" xml:"bytes,attr"`
	Skipped    int64 `json:"skipped" xml:"skipped,attr"`
	SkipLimit  int64 `json:"skipLimit" xml:"skipLimit,attr"` // skips allowed; -1 is any number
	PassesMade int   `json:"passesMade" xml:"passesMade,attr"`

	SharedFolders int64 `json:"sharedFolders,omitempty" xml:"sharedFolders,attr,omitempty"` // source folders that others than the owner could use
	SharedEntries int64 `json:"sharedEntries,omitempty" xml:"sharedEntries,attr,omitempty"` // of others on their lists

	Primary   string `json:"primary" xml:"primary,attr"`              // the forest in which the owner works: source or target
	KeptUntil Time   `json:"keptUntil,omitzero" xml:"keptUntil,attr"` // when the source forgets the disconnected mailbox

	Reason   string    `json:"reason,omitempty" xml:"reason,omitempty"`
	Hint     string    `json:"hint,omitempty" xml:"hint,omitempty"`
	Timeline string    `json:"timeline,omitempty" xml:"timeline,omitempty"` // Facts as Story tells them, in the zone of the machine that made the report
	Deadline string    `json:"deadline,omitempty" xml:"deadline,omitempty"` // see Deadline, as of when the report was made
	Rollback string    `json:"rollback,omitempty" xml:"rollback,omitempty"` // the command, where there is a Deadline
	Facts    []Fact    `json:"facts,omitempty" xml:"fact"`                  // of this run and those before it
	Waits    []Wait    `json:"waits,omitempty" xml:"wait"`
	Passes   []Pass    `json:"passes,omitempty" xml:"pass"`
	Events   []Event   `json:"events,omitempty" xml:"event"` // phases and steps that ended, and ends
	Findings []Finding `json:"findings,omitempty" xml:"finding"`
	Skips    []Skip    `json:"skips,omitempty" xml:"skip"`
	Folders  []Folder  `json:"folders,omitempty" xml:"folder"`
	Changes  []Change  `json:"changes,omitempty" xml:"change"`
}

// A Fact is one thing that happened in a switch, a step back or a rollback.
type Fact struct {
	Run      string `json:"run" xml:"run,attr"`
	At       Time   `json:"at" xml:"at,attr"`
	Kind     string `json:"kind" xml:"kind,attr"`                  // batch.FactKind
	Messages int64  `json:"messages" xml:"messages,attr"`          // where mail was fetched or copied back
	Cause    string `json:"cause,omitempty" xml:"cause,omitempty"` // why the switch could not go on
}

// A Wait is one time the move waited in this run.
type Wait struct {
	At      Time   `json:"at" xml:"at,attr"`
	Phase   string `json:"phase" xml:"phase,attr"`
	Planned bool   `json:"planned" xml:"planned,attr"` // for the next look, after no failure: Attempt is 0
	Attempt int    `json:"attempt" xml:"attempt,attr"`
	Of      int    `json:"attemptsAllowed" xml:"attemptsAllowed,attr"`
	NextAt  Time   `json:"nextAt,omitzero" xml:"nextAt,attr"`
	Reason  string `json:"reason" xml:"reason"`
}

// A Pass is one content pass of this run.
type Pass struct {
	At    Time   `json:"at" xml:"at,attr"`
	Items int64  `json:"items" xml:"items,attr"` // brought over in all passes up to this
	Bytes int64  `json:"bytes" xml:"bytes,attr"`
	Text  string `json:"text" xml:"text"`
}

// An Event is a fact of this run that is neither wait, pass nor finding.
type Event struct {
	At    Time   `json:"at" xml:"at,attr"`
	Kind  string `json:"kind" xml:"kind,attr"`
	Phase string `json:"phase" xml:"phase,attr"`
	State string `json:"state" xml:"state,attr"`
	Text  string `json:"text" xml:"text"`
}

// A Finding is one thing that preflight or verification noticed in this run.
type Finding struct {
	At       Time   `json:"at" xml:"at,attr"`
	Rule     string `json:"rule" xml:"rule,attr"`
	Severity string `json:"severity" xml:"severity,attr"`
	Whom     string `json:"whom" xml:"whom"`
	What     string `json:"what" xml:"what"`
	Mend     string `json:"mend,omitempty" xml:"mend,omitempty"`
}

// A Skip is one item that could not be moved, in this run or an earlier one.
type Skip struct {
	Run      string    `json:"run" xml:"run,attr"`
	At       Time      `json:"at" xml:"at,attr"`
	Item     string    `json:"item" xml:"item,attr"`
	Received LocalTime `json:"received,omitzero" xml:"received,attr"` // with the offset that the source gave
	Size     int64     `json:"size" xml:"size,attr"`                  // bytes; 0 where the source did not say
	Kind     string    `json:"kind" xml:"kind,attr"`
	Folder   string    `json:"folder" xml:"folder"` // names joined by /; a / or \ in a name has a \ before it
	Reason   string    `json:"reason" xml:"reason"`
}

// A Folder is one whose name differs at the target.
type Folder struct {
	Source string `json:"source" xml:"source"` // as Skip.Folder
	Target string `json:"target" xml:"target"` // as the target's protocol names it
	Why    string `json:"why" xml:"why"`
}

// A Change is one directory change, of this run or an earlier one.
type Change struct {
	Run        string      `json:"run" xml:"run,attr"`
	At         Time        `json:"at" xml:"at,attr"`                    // when it was noted, before it was done
	Done       Time        `json:"done,omitzero" xml:"done,attr"`       // none: not known to have been done
	Dropped    Time        `json:"dropped,omitzero" xml:"dropped,attr"` // none: not known not to have been
	Forest     string      `json:"forest" xml:"forest,attr"`
	Op         string      `json:"op" xml:"op,attr"`
	DN         string      `json:"dn" xml:"dn"`
	Why        string      `json:"why" xml:"why"`
	Attributes []Attribute `json:"attributes,omitempty" xml:"attribute"`
}

// An Attribute is what a Change did to one attribute.
type Attribute struct {
	Name   string  `json:"name" xml:"name,attr"`
	Op     string  `json:"op" xml:"op,attr"`
	Values []Value `json:"values,omitempty" xml:"value"`
}

// A Value is one value of an attribute.
type Value struct {
	Encoding string `json:"encoding" xml:"encoding,attr"` // "text", "base64", or "withheld" without Text
	Bytes    int    `json:"bytes" xml:"bytes,attr"`
	Text     string `json:"text,omitempty" xml:",chardata"`
}

// Build makes the report of a run. Local times are those of this machine.
func Build(ctx context.Context, reader Reader, id batch.RunID) (*Report, error) {
	return build(ctx, reader, id, time.Now(), time.Local)
}

func build(ctx context.Context, reader Reader, id batch.RunID, now time.Time, local *time.Location) (*Report, error) {
	run, of, err := reader.Run(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("report of run %q: %w", id, err)
	}
	r := &Report{
		XMLName: xml.Name{Space: Namespace, Local: "run"},
		Run:     string(run.ID), Kind: RunWords(run.Kind), Batch: of.Name, BatchID: string(of.ID), Outcome: outcome(run.Outcome),
		Began: timeOf(run.BeganAt), BeganLocal: localTime(run.BeganAt, local),
		Ended: timeOf(run.EndedAt), EndedLocal: localTime(run.EndedAt, local), Made: timeOf(now),
		Moves: []Move{},
	}
	for record, err := range reader.Records(ctx, id) {
		if err != nil {
			return nil, fmt.Errorf("report of run %q: %w", id, err)
		}
		move := moveOf(record)
		move.tellSwitch(record, of.Name, now.In(local))
		r.Moves = append(r.Moves, move)
	}
	r.Totals = totals(r.Moves)
	return r, nil
}

// RunWords is the run's kind; a run that has none is of the time when all were alike.
func RunWords(kind batch.RunKind) string {
	return string(cmp.Or(kind, batch.RunWhole))
}

func outcome(o batch.Outcome) string {
	if o == batch.Unfinished {
		return "unfinished"
	}
	return string(o)
}

// states lists the states in the order of a move's life.
func states() []batch.State {
	return []batch.State{
		batch.Planned, batch.Waiting, batch.Moving, batch.Ready, batch.Switching,
		batch.Moved, batch.MovedWithSkips, batch.Failed, batch.RolledBack,
	}
}

func totals(moves []Move) Totals {
	t := Totals{Moves: len(moves)}
	inState := map[string]int{}
	for i := range moves {
		m := &moves[i]
		inState[m.State]++
		t.Items += m.Items
		t.Bytes += m.Bytes
		t.Skips += m.Skipped
		t.Waits += len(m.failures())
		t.Findings += len(m.Findings)
		t.Mapped += len(m.Folders)
		t.Changes += len(m.Changes)
	}
	for _, state := range states() {
		t.States = append(t.States, StateTotal{string(state), inState[string(state)]})
		delete(inState, string(state))
	}
	// A state that a newer version has written must not be missing from the sum.
	for _, state := range slices.Sorted(maps.Keys(inState)) {
		t.States = append(t.States, StateTotal{state, inState[state]})
	}
	return t
}
