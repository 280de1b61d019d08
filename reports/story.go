package reports

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"reforest/batch"
)

// Story tells the facts in sentences, one for each switch, step back and rollback; "" if
// there are none. Times are in now's zone, with the day where it is not the one that was
// told last, at first now's.
func Story(facts []batch.Fact, now time.Time) string {
	if len(facts) == 0 {
		return ""
	}
	t := storyteller{facts: facts, last: now}
	for i := range facts {
		t.tell(i)
	}
	return oneLine(t.text.String() + ".")
}

// A storyteller puts clauses together.
type storyteller struct {
	facts []batch.Fact
	last  time.Time // told last, or at first the present; in the reader's zone
	text  strings.Builder
}

func (t *storyteller) tell(i int) {
	text := t.clause(i)
	switch {
	case !t.begins(i):
		t.text.WriteString("; ")
	case i > 0:
		t.text.WriteString(". ")
	}
	if first, size := utf8.DecodeRuneInString(text); t.begins(i) {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	t.text.WriteString(text)
}

// chapters say to which of the three ways a fact belongs. Mail is copied back on two of
// them.
var chapters = map[batch.FactKind]string{
	batch.FactShutOut: "switch", batch.FactDelivers: "switch", batch.FactForwards: "switch",
	batch.FactFetched: "switch", batch.FactDisconnected: "switch",
	batch.FactStepsBack: "step back", batch.FactSteppedBack: "step back", batch.FactLetIn: "step back",
	batch.FactReturned: "rollback", batch.FactSentBack: "rollback", batch.FactClosed: "rollback",
}

// begins reports whether a sentence begins with the fact.
func (t *storyteller) begins(i int) bool {
	kind := t.facts[i].Kind
	if i == 0 || kind == batch.FactStepsBack || kind == batch.FactReturned || kind == batch.FactShutOut {
		return true
	}
	if before := t.facts[i-1].Kind; kind == batch.FactDelivers && before != batch.FactShutOut {
		return true
	}
	return chapters[kind] != "" && t.chapterBefore(i) != chapters[kind]
}

func (t *storyteller) chapterBefore(i int) string {
	for _, f := range slices.Backward(t.facts[:i]) {
		if chapter := chapters[f.Kind]; chapter != "" {
			return chapter
		}
	}
	return ""
}

// clause tells one fact: what is still so with since, what is over as past.
func (t *storyteller) clause(i int) string {
	f := t.facts[i]
	at := t.at(f.At)
	switch f.Kind {
	case batch.FactShutOut:
		return "the owner was shut out of the old mailbox at " + at
	case batch.FactDelivers:
		return t.since(i, "the target delivers since ", "the target delivered from ", batch.FactSteppedBack, batch.FactSentBack) + at
	case batch.FactForwards:
		return "the source delivered until " + at + t.since(i, " and forwards since", " and then forwarded", batch.FactReturned)
	case batch.FactFetched:
		return t.messages(i, "late message", "late messages") + " fetched until " + at
	case batch.FactDisconnected:
		return "disconnected " + at
	case batch.FactStepsBack:
		return "at " + at + " the switch could not go on" + cause(f.Cause)
	case batch.FactSteppedBack:
		return t.since(i, "mail reaches the old mailbox since ", "mail reached the old mailbox from ", batch.FactDelivers) + at
	case batch.FactLetIn:
		return "the owner was let into the old mailbox again at " + at
	case batch.FactReturned:
		if !forwarded(t.facts[:i]) { // it may have delivered all the time
			return "the source was seen to deliver at " + at
		}
		return t.since(i, "the source delivers again since ", "the source delivered again from ", batch.FactForwards) + at
	case batch.FactSentBack:
		if !t.delivered(i) {
			return "the target was seen to forward at " + at // it may have done so all the time
		}
		return "the target delivered until " + at + t.since(i, " and forwards since", " and then forwarded", batch.FactDelivers)
	case batch.FactCopiedBack:
		return t.messages(i, "message", "messages") + " copied back until " + at
	case batch.FactClosed:
		return "the target became a mail user at " + at
	}
	return string(f.Kind) + " at " + at // of a newer version
}

// since chooses between what is still so and what a later fact has ended.
func (t *storyteller) since(i int, still, over string, ends ...batch.FactKind) string {
	if slices.ContainsFunc(t.facts[i+1:], func(f batch.Fact) bool { return slices.Contains(ends, f.Kind) }) {
		return over
	}
	return still
}

// delivered reports whether the target delivered before it was made to forward.
func (t *storyteller) delivered(i int) bool {
	for _, f := range slices.Backward(t.facts[:i]) {
		if f.Kind == batch.FactDelivers {
			return true
		}
		if f.Kind == batch.FactSentBack || f.Kind == batch.FactSteppedBack {
			return false
		}
	}
	return false
}

func cause(text string) string {
	if text == "" {
		return ""
	}
	return ": " + clause(text)
}

// messages counts them, and says if the same sentence has told of others.
func (t *storyteller) messages(i int, one, many string) string {
	f := t.facts[i]
	more := ""
	for j := i - 1; j >= 0 && !t.begins(j+1); j-- {
		if t.facts[j].Kind == f.Kind {
			more = "more "
		}
	}
	if f.N == 0 {
		return "no " + one
	}
	return count(f.N, more+one, more+many)
}

// at writes a time to the second, with its day where that is another than the one told last.
func (t *storyteller) at(at time.Time) string {
	at = at.In(t.last.Location())
	text := at.Format(time.TimeOnly)
	if day(at) != day(t.last) {
		text += " on " + day(at)
	}
	t.last = at
	return text
}

func day(t time.Time) string { return t.Format("2 January 2006") }
