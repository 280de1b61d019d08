package reports

import (
	"testing"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

func TestDeadline(t *testing.T) {
	t.Parallel()
	now := at("10:00:00").In(berlin)
	until := time.Date(2026, 4, 13, 0, 31, 10, 0, time.UTC) // 02:31:10 or 01:31:10 where summer time is not known
	tests := map[string]struct {
		move batch.Move
		now  time.Time
		want string
	}{
		"moved":               {batch.Move{State: batch.Moved, Phase: batch.PhaseDone, KeptUntil: until}, now, "can be taken back until 13 April 2026, 01:31"},
		"the last second":     {batch.Move{State: batch.Moved, Phase: batch.PhaseDone, KeptUntil: until}, until.Add(-time.Second).In(berlin), "can be taken back until 13 April 2026, 01:31"},
		"past":                {batch.Move{State: batch.MovedWithSkips, Phase: batch.PhaseDone, KeptUntil: until}, until.In(berlin), "could be taken back until 13 April 2026, 01:31: the deadline has passed, and the source may have forgotten the old mailbox"},
		"failed afterwards":   {batch.Move{State: batch.Failed, Phase: batch.PhaseVerify, KeptUntil: until}, now, "can be taken back until 13 April 2026, 01:31"},
		"not disconnected":    {batch.Move{State: batch.Switching, Phase: batch.PhaseSwitch, Step: batch.StepTail}, now, "can be taken back"},
		"not known":           {batch.Move{State: batch.Moved, Phase: batch.PhaseDone}, now, "can be taken back as long as the source keeps the old mailbox"},
		"not forwarding yet":  {batch.Move{State: batch.Switching, Phase: batch.PhaseSwitch, Step: batch.StepForward}, now, ""},
		"before the switch":   {batch.Move{State: batch.Ready, Phase: batch.PhaseSwitch}, now, ""},
		"being rolled back":   {batch.Move{State: batch.Switching, Phase: batch.PhaseRollback, Step: batch.StepCheck, KeptUntil: until}, now, ""},
		"rolled back already": {batch.Move{State: batch.RolledBack, Phase: batch.PhaseRollback}, now, ""},
	}
	for name, test := range tests {
		if got := Deadline(test.move, nil, test.now); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// The command can be pasted into sh, PowerShell and cmd.exe, whatever people are called.
func TestRollbackCommand(t *testing.T) {
	t.Parallel()
	id := migrate.GUID{1, 2, 3}
	tests := []struct {
		batch, mail, identity string
		guid                  migrate.GUID
		want                  string
	}{
		{"tonight", "anna@x.test", `ALPINE\anna`, id, "reforest rollback tonight --only anna@x.test"},
		{"wave 1 (north)", "anna@x.test", "", id, `reforest rollback "wave 1 (north)" --only anna@x.test`},
		{"wave'1", "o'hara@x.test", `ALPINE\ohara`, id, `reforest rollback "wave'1" --only 00030201-0000-0000-0000-000000000000`},
		{"$(reboot)", "a@x;reboot", "anna", id, "reforest rollback BATCH --only anna"},
		{"--yes", "--yes", "@args", id, "reforest rollback BATCH --only 00030201-0000-0000-0000-000000000000"},
		{"", "", "a,b", migrate.GUID{}, "reforest rollback BATCH --only WHO"},
		{"café", "anna@x.test", "", id, `reforest rollback "café" --only anna@x.test`},
		{"a\nb", "a\nb", "", migrate.GUID{}, "reforest rollback BATCH --only WHO"},
	}
	for _, test := range tests {
		m := batch.Move{Mail: migrate.SMTPAddress(test.mail), Identity: test.identity, SourceGUID: test.guid}
		if got := RollbackCommand(m, test.batch); got != test.want {
			t.Errorf("batch %q: got %s, want %s", test.batch, got, test.want)
		}
	}
}
