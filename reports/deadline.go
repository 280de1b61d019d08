package reports

import (
	"strings"
	"time"
	"unicode"

	"reforest/batch"
	"reforest/directory"
)

// Deadline says until when a move can be taken back, as one clause; "" where there is
// nothing to take back. The time is in now's zone, and its minute is rounded down.
func Deadline(m batch.Move, facts []batch.Fact, now time.Time) string {
	if m.Phase == batch.PhaseRollback || Primary(m, facts) != directory.Target {
		return ""
	}
	until := m.KeptUntil.In(now.Location()).Format("2 January 2006, 15:04")
	switch {
	case m.KeptUntil.IsZero() && m.Phase == batch.PhaseSwitch: // not disconnected yet
		return "can be taken back"
	case m.KeptUntil.IsZero():
		return "can be taken back as long as the source keeps the old mailbox"
	case now.Before(m.KeptUntil):
		return "can be taken back until " + until
	}
	return "could be taken back until " + until + ": the deadline has passed, and the source may have forgotten the old mailbox"
}

// RollbackCommand is the command that takes the move back, or goes on with that. It can be
// pasted into any shell: what one of them would not take as it stands is put in other words.
func RollbackCommand(m batch.Move, batchName string) string {
	return "reforest rollback " + pasted(batchName) + " --only " + whom(m)
}

// ListsCommand is the command that tells who could use the folders of the old mailbox. It
// can be pasted as RollbackCommand can.
func ListsCommand(m batch.Move, batchName string) string {
	return "reforest journal " + pasted(batchName) + " --only " + whom(m) + " --side source --permissions"
}

// SwitchCommand is the command that goes on with the switches of a batch. It can be pasted
// as RollbackCommand can.
func SwitchCommand(batchName string) string { return "reforest switch " + pasted(batchName) }

// pasted is a batch's name as any shell takes it.
func pasted(batchName string) string {
	switch {
	case batchName == "" || strings.HasPrefix(batchName, "-") || hasOther(batchName, quotable):
		return "BATCH"
	case hasOther(batchName, plain):
		return `"` + batchName + `"`
	}
	return batchName
}

// whom is a name of the person that needs no quotes.
func whom(m batch.Move) string {
	for _, name := range []string{string(m.Mail), m.Identity, guid(m.SourceGUID)} {
		if name != "" && !strings.HasPrefix(name, "-") && !strings.HasPrefix(name, "@") && !hasOther(name, plain) {
			return name
		}
	}
	return "WHO"
}

func hasOther(text string, fits func(rune) bool) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return !fits(c) })
}

// plain characters mean nothing to sh, PowerShell and cmd.exe. A comma would part two names.
func plain(c rune) bool {
	return c <= unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune("@._+-", c)
}

// quotable characters mean nothing to them between double quotes.
func quotable(c rune) bool {
	return plain(c) || unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune(" ()[]{}#,;=~'", c)
}
