package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"reforest/batch"
)

// clock is how a person reads a time: in the zone of the question.
const clock = "Mon 2 Jan 2006 15:04:05"

// Sentence answers "have I been moved?" in exactly one line. Times are in now's
// zone, and to the second.
func Sentence(move batch.Move, now time.Time) string {
	return oneLine(who(move) + " " + standing(move, now))
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

func standing(m batch.Move, now time.Time) string {
	switch m.State {
	case batch.Planned:
		if m.Phase != "" && m.Phase != batch.PhaseMatch {
			return whereTo(m.Phase) + ": the move is tried again, from phase " + string(m.Phase) + " on; " + progress(m) + "."
		}
		return "has not been moved yet: the move is planned and has not begun."
	case batch.Waiting:
		return waiting(m, now)
	case batch.Moving:
		return "is being moved" + begun(m, now) + " and still works in the old mailbox: phase " +
			string(m.Phase) + ", " + progress(m) + "."
	case batch.Ready:
		return "has not been moved yet, but is ready" + begun(m, now) + ": " + progress(m) +
			"; the switch to the new mailbox comes next."
	case batch.Switching:
		return whereTo(m.Phase) + begun(m, now) + ": phase " + string(m.Phase) + ", " + progress(m) + "."
	case batch.Moved:
		return "has been moved" + on(m.EndedAt, now) + database(m) + ": " + progress(m) + "."
	case batch.MovedWithSkips:
		return "has been moved" + on(m.EndedAt, now) + database(m) + ", with skips: " + progress(m) +
			" and " + beVerb(m.Skips) + " on the list of skips."
	case batch.Failed:
		return failed(m, now)
	}
	return "is in a state that this version does not know: " + string(m.State) + "."
}

// whereTo says which mailbox counts now, which is what a caller has to know: after
// the switch it is the new one, also when the move waits or has failed.
func whereTo(p batch.Phase) string {
	switch p {
	case batch.PhaseSwitch:
		return "is being switched from the old mailbox to the new one"
	case batch.PhaseClean, batch.PhaseVerify, batch.PhaseDone:
		return "already works in the new mailbox, but the move is not finished"
	case batch.PhaseMatch, batch.PhaseStage, batch.PhaseSettle, batch.PhaseOpen, batch.PhaseCopy:
	}
	return "has not been moved yet"
}

func waiting(m batch.Move, now time.Time) string {
	text := whereTo(m.Phase) + "; the move is waiting" + inPhase(m) + because(m) + attempts(m)
	return text + "; " + nextTry(m.NextAt, now) + "; " + progress(m) + "."
}

func inPhase(m batch.Move) string {
	if m.Phase == "" {
		return ""
	}
	return " in phase " + string(m.Phase)
}

func because(m batch.Move) string {
	if m.Reason == "" {
		return ""
	}
	return " (" + clause(m.Reason) + ")"
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

func failed(m batch.Move, now time.Time) string {
	text := strings.TrimSuffix(whereTo(m.Phase), " yet") + "; the move failed" + on(m.EndedAt, now) +
		inPhase(m) + because(m) + attempts(m) + "; " + progress(m) + "; a person has to look at it"
	if m.Hint != "" {
		text += ": " + clause(m.Hint)
	}
	return text + "."
}

// progress tells of items and skips.
func progress(m batch.Move) string {
	text := count(m.Items, "item", "items")
	if m.TotalItems > m.Items+m.Skips {
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
