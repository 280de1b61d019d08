package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"reforest/batch"
	"reforest/directory"
)

// clock is how a person reads a time: in the zone of the question.
const clock = "Mon 2 Jan 2006 15:04:05"

// Sentence answers "have I been moved, and where do I work now?" in exactly one line. The
// facts are those of batch.Timeline, of all runs. Times are in now's zone, and to the second.
func Sentence(move batch.Move, facts []batch.Fact, now time.Time) string {
	return oneLine(who(move) + " " + told{move, facts, now}.standing())
}

// A told is what a Sentence is made of.
type told struct {
	batch.Move
	facts []batch.Fact
	now   time.Time
}

func who(m batch.Move) string {
	switch {
	case m.DisplayName != "" && m.Mail != "":
		return m.DisplayName + " (" + string(m.Mail) + ")"
	case m.DisplayName != "":
		return m.DisplayName
	case m.Mail != "":
		return string(m.Mail)
	}
	return m.Identity
}

func (m told) standing() string {
	switch m.State {
	case batch.Planned:
		return m.planned()
	case batch.Waiting:
		return m.where() + "; " + m.journey() + " is waiting" + inPhase(m.Move) + because(m.Move) + attempts(m.Move) + "; " +
			nextTry(m.NextAt, m.now) + "; " + progress(m.Move) + "."
	case batch.Moving:
		return m.moving()
	case batch.Ready:
		return m.ready()
	case batch.Switching:
		return m.atWork()
	case batch.Moved:
		return "has been moved" + on(m.EndedAt, m.now) + database(m.Move) + ": " + progress(m.Move) + "."
	case batch.MovedWithSkips:
		return "has been moved" + on(m.EndedAt, m.now) + database(m.Move) + ", with skips: " + progress(m.Move) +
			" and " + beVerb(m.Skips) + " on the list of skips."
	case batch.RolledBack:
		return m.rolledBack()
	case batch.Failed:
		return m.failed()
	}
	return "is in a state that this version does not know: " + string(m.State) + "."
}

// journey is what is under way.
func (m told) journey() string {
	if m.Phase == batch.PhaseRollback {
		return "the rollback"
	}
	return "the move"
}

func (m told) atWork() string {
	return m.where() + begun(m.Move, m.now) + ": " + doing(m.Move) + ", " + progress(m.Move) + "."
}

func (m told) planned() string {
	first := m.Phase == "" || m.Phase == batch.PhaseMatch
	switch {
	case first && m.StartedAt.IsZero():
		return "has not been moved yet: the move is planned and has not begun."
	case m.Phase == batch.PhaseRollback:
		return m.where() + ": the way back is due; " + progress(m.Move) + "."
	}
	return m.where() + ": the move is tried again, from phase " + string(m.Phase) + " on; " + progress(m.Move) + "."
}

func (m told) moving() string {
	if Primary(m.Move, m.facts) == directory.Target {
		return m.atWork()
	}
	return "is being moved" + begun(m.Move, m.now) + " and still works in the old mailbox: phase " + string(m.Phase) + ", " +
		progress(m.Move) + "."
}

// ready tells of one who can be switched, or who is held up by others.
func (m told) ready() string {
	if Primary(m.Move, m.facts) == directory.Target {
		return m.atWork()
	}
	text := m.notYet() + ", but is ready" + begun(m.Move, m.now) + ": " + progress(m.Move)
	if m.Reason != "" {
		return text + "; the switch is held back: " + clause(m.Reason) + "."
	}
	return text + "; the switch to the new mailbox comes next."
}

func (m told) rolledBack() string {
	text := "was rolled back"
	if fact, ok := last(m.facts, batch.FactForwards); ok {
		text = "was moved" + on(fact.At, m.now) + ", and rolled back"
	}
	return text + on(m.EndedAt, m.now) + "; works in the old mailbox."
}

// notYet is said of one who works in the old mailbox, perhaps again.
func (m told) notYet() string {
	fact, ok := last(m.facts, batch.FactClosed)
	if !ok || !m.switched() {
		return "has not been moved yet"
	}
	return "was rolled back" + on(fact.At, m.now) + ", works in the old mailbox and has not been moved again yet"
}

// switched reports whether the new mailbox has ever counted.
func (m told) switched() bool {
	_, ok := last(m.facts, batch.FactForwards)
	return ok
}

// where says which mailbox counts now, which is what a caller has to know: once the source
// forwards it is the new one, also when the move waits or has failed.
func (m told) where() string {
	target := Primary(m.Move, m.facts) == directory.Target
	switch {
	case m.Phase == batch.PhaseRollback && target:
		return "is being rolled back, and still works in the new mailbox"
	case m.Phase == batch.PhaseRollback && m.switched():
		return "is being rolled back, and works in the old mailbox again"
	case m.Phase == batch.PhaseRollback:
		return "is being rolled back, and works in the old mailbox"
	case m.Phase == batch.PhaseSwitch && target:
		return "already works in the new mailbox, but the switch is not finished"
	case target:
		return "already works in the new mailbox, but the move is not finished"
	case StepsBack(m.Move):
		return "works in the old mailbox, and the switch is being taken back because it could not go on" + inBrackets(m.Cause)
	case m.Phase == batch.PhaseSwitch && m.Step != "" && m.Step != batch.StepGate:
		return "still works in the old mailbox, and is being switched to the new one"
	}
	return m.notYet()
}

// stepWords say what a step does.
var stepWords = map[string]string{
	batch.StepGate:       "it is looked whether the switch may begin",
	batch.StepShutOut:    "the owner is shut out of the old mailbox",
	batch.StepDeliver:    "the target is told to deliver",
	batch.StepForward:    "the source is told to forward",
	batch.StepTail:       "late mail is fetched",
	batch.StepDisconnect: "the old mailbox is disconnected",
	batch.StepBack:       "the target is told to forward to the old mailbox again",
	batch.StepFetch:      "what reached the new mailbox is copied back",
	batch.StepLetIn:      "the owner is let into the old mailbox again",
	batch.StepCheck:      "it is looked whether the switch can be taken back",
	batch.StepReturn:     "the source is told to deliver again",
	batch.StepSend:       "the target is told to forward",
	batch.StepClose:      "the target becomes a mail user",
	batch.StepProve:      "both sides are compared with how they were before",
}

// doing says what is going on in the phase.
func doing(m batch.Move) string {
	if words := StepWords(m); words != "" {
		return words
	}
	return "phase " + string(m.Phase)
}

// StepWords says what the step of a switch or a rollback does that the move is in; "" where
// it is in none.
func StepWords(m batch.Move) string {
	if m.Phase != batch.PhaseSwitch && m.Phase != batch.PhaseRollback {
		return ""
	}
	return stepWords[m.Step]
}

func inPhase(m batch.Move) string {
	if m.Phase == "" {
		return ""
	}
	return " in phase " + string(m.Phase)
}

func because(m batch.Move) string { return inBrackets(m.Reason) }

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + clause(text) + ")"
}

func attempts(m batch.Move) string {
	if m.Attempt == 0 || m.Of == 0 {
		return ""
	}
	return fmt.Sprintf(", attempt %d of %d", m.Attempt, m.Of)
}

// nextTry says when, and never a time that has passed: a move that is due waits for
// a worker, or for the next run.
func nextTry(at, now time.Time) string {
	if !at.After(now) {
		return "the next try is due now"
	}
	return "the next try is" + on(at, now) + ", in " + length(at.Sub(now))
}

func (m told) failed() string {
	text := strings.TrimSuffix(m.where(), " yet") + "; " + m.journey() + " failed" + on(m.EndedAt, m.now) +
		inPhase(m.Move) + because(m.Move) + attempts(m.Move) + "; " + progress(m.Move) + "; a person has to look at it"
	if m.Hint != "" {
		text += ": " + clause(m.Hint)
	}
	return text + "."
}

// progress tells of items and skips. Of a move that has come to its end the total is not
// told: what was copied back from the target before, by a rollback, counts in it and is not
// brought over again.
func progress(m batch.Move) string {
	text := count(m.Items, "item", "items")
	ended := m.State == batch.Moved || m.State == batch.MovedWithSkips
	if !ended && m.TotalItems > m.Items+m.Skips {
		text = group(m.Items) + " of " + count(m.TotalItems, "item", "items")
	}
	text += " " + haveVerb(m.Items) + " been brought over"
	if m.Skips == 0 {
		return text + ", none was skipped"
	}
	return text + ", " + group(m.Skips) + " could not be moved"
}

func haveVerb(n int64) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

func beVerb(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func database(m batch.Move) string {
	if m.TargetDatabase == "" {
		return ""
	}
	return " to " + m.TargetDatabase
}

func begun(m batch.Move, now time.Time) string {
	if m.StartedAt.IsZero() {
		return ""
	}
	return " (begun" + on(m.StartedAt, now) + ")"
}

func on(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " on " + at.In(now.Location()).Format(clock)
}

// count writes a number with its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(n) + " " + many
}

// group writes a number with a space between its thousands.
func group(n int64) string {
	digits := strconv.FormatInt(n, 10)
	head := (len(digits)-1)%3 + 1
	text := digits[:head]
	for i := head; i < len(digits); i += 3 {
		text += " " + digits[i:i+3]
	}
	return text
}

// length writes how long something takes, in the two largest units.
func length(d time.Duration) string {
	d = d.Round(time.Second)
	seconds := int64(d / time.Second)
	units := []struct {
		size      int64
		one, many string
	}{{86400, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}, {1, "second", "seconds"}}
	var parts []string
	for _, unit := range units {
		if n := seconds / unit.size; n > 0 {
			parts = append(parts, count(n, unit.one, unit.many))
			seconds %= unit.size
		} else if len(parts) > 0 {
			break
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "less than a second"
	}
	return strings.Join(parts, " and ")
}

// clause fits a reason into the middle of a sentence: without its full stop.
func clause(text string) string { return strings.TrimRight(strings.TrimSpace(text), ".;") }

// oneLine makes spaces of line breaks and of what else could make a terminal show
// more than one line, or something else than was meant.
func oneLine(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' || bidi(c) {
			return ' '
		}
		return c
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// bidi reports whether the character turns the direction of writing around
// (Unicode Standard Annex 9, 2): a name with one could show another name.
func bidi(c rune) bool {
	return c >= '\u202a' && c <= '\u202e' || c >= '\u2066' && c <= '\u2069'
}
