package reports

import (
	"strings"
	"testing"
	"time"

	"reforest/batch"
)

// at is a time of the night of 14 March in berlin.
func at(clock string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", "2026-03-14 "+clock, berlin)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// switched are the facts of a switch to the end.
func switched() []batch.Fact {
	return []batch.Fact{
		{At: at("02:14:07"), Kind: batch.FactDelivers},
		{At: at("02:14:09"), Kind: batch.FactForwards},
		{At: at("02:30:55"), Kind: batch.FactFetched, N: 3},
		{At: at("02:31:10"), Kind: batch.FactDisconnected},
	}
}

// broughtBack are the facts of the rollback after it.
func broughtBack() []batch.Fact {
	return append(switched(), []batch.Fact{
		{At: at("09:00:01"), Kind: batch.FactReturned},
		{At: at("09:00:10"), Kind: batch.FactSentBack},
		{At: at("09:16:00"), Kind: batch.FactCopiedBack, N: 5},
		{At: at("09:16:30"), Kind: batch.FactClosed},
	}...)
}

func TestStory(t *testing.T) {
	t.Parallel()
	sameDay := at("10:00:00").In(berlin)
	later := sameDay.AddDate(0, 1, 0)
	midnight := switched()
	midnight[0].At, midnight[1].At = at("00:00:00").Add(-2*time.Second), at("00:00:01")
	afresh := append(broughtBack(), batch.Fact{At: at("23:00:00"), Kind: batch.FactDelivers}, batch.Fact{At: at("23:00:02"), Kind: batch.FactForwards})
	tests := []struct {
		name  string
		facts []batch.Fact
		now   time.Time
	}{
		{"nothing", nil, sameDay},
		{"a switch", switched(), sameDay},
		{"a switch, a month later", switched(), later},
		{"a switch over midnight", midnight, sameDay},
		{"a switch, read in New York", switched(), sameDay.In(time.FixedZone("EST", -5*3600))},
		{"a switch, for a report", switched(), time.Time{}.In(berlin)},
		{"not disconnected yet, no late mail", append(switched()[:2], batch.Fact{At: at("02:20:00"), Kind: batch.FactFetched}), sameDay},
		{"verification found one more", append(switched(), batch.Fact{At: at("02:50:00"), Kind: batch.FactFetched, N: 1}), sameDay},
		{"a step back", []batch.Fact{
			{At: at("02:14:00"), Kind: batch.FactShutOut},
			{At: at("02:14:07"), Kind: batch.FactDelivers},
			{At: at("02:24:07"), Kind: batch.FactStepsBack, Cause: "gave up after 20 attempts: dc2\nis read only."},
			{At: at("02:24:09"), Kind: batch.FactSteppedBack},
			{At: at("02:40:00"), Kind: batch.FactCopiedBack, N: 1},
			{At: at("02:40:01"), Kind: batch.FactLetIn},
		}, sameDay},
		{"a step back, and the switch the next try", append([]batch.Fact{
			{At: at("01:14:07"), Kind: batch.FactDelivers},
			{At: at("01:24:07"), Kind: batch.FactStepsBack, Cause: "busy"},
			{At: at("01:24:09"), Kind: batch.FactSteppedBack},
			{At: at("01:40:00"), Kind: batch.FactCopiedBack},
		}, switched()...), sameDay},
		{"the source forwarded after all", []batch.Fact{
			{At: at("02:14:07"), Kind: batch.FactDelivers},
			{At: at("02:24:07"), Kind: batch.FactStepsBack, Cause: "no answer"},
			{At: at("02:24:30"), Kind: batch.FactForwards},
		}, sameDay},
		{"a rollback", broughtBack(), sameDay},
		{"a rollback, and forward again", afresh, sameDay},
		{"a rollback before the switch", []batch.Fact{
			{At: at("09:00:01"), Kind: batch.FactReturned},
			{At: at("09:00:10"), Kind: batch.FactSentBack},
			{At: at("09:16:00"), Kind: batch.FactCopiedBack},
			{At: at("09:16:30"), Kind: batch.FactClosed},
		}, sameDay},
		{"of a newer version", []batch.Fact{{At: at("02:14:07"), Kind: "teleported"}}, sameDay},
		{"hostile", []batch.Fact{{At: at("02:14:07"), Kind: batch.FactStepsBack, Cause: hostile}}, sameDay},
	}
	var all strings.Builder
	for _, test := range tests {
		got := Story(test.facts, test.now)
		if strings.ContainsAny(got, "\n\r\x1b\u202e") {
			t.Errorf("%s: not one clean line: %q", test.name, got)
		}
		all.WriteString(test.name + ":\n    " + got + "\n")
	}
	golden(t, "stories", []byte(all.String()))
}
