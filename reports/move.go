package reports

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

func moveOf(record batch.Record) Move {
	m := record.Move
	report := Move{
		Seq: m.Seq, Identity: m.Identity, DisplayName: m.DisplayName, Mail: string(m.Mail),
		SourceDN: m.SourceDN, SourceGUID: guid(m.SourceGUID), TargetDN: m.TargetDN, TargetGUID: guid(m.TargetGUID),
		Database: m.TargetDatabase,
		State:    string(m.State), Phase: string(m.Phase), Step: m.Step, Reason: m.Reason, Hint: m.Hint,
		Attempts: m.Attempt, Of: m.Of, NextAt: timeOf(m.NextAt),
		Started: timeOf(m.StartedAt), Ended: timeOf(m.EndedAt),
		TotalItems: m.TotalItems, TotalBytes: m.TotalBytes, Items: m.Items, Bytes: m.Bytes,
		Skipped: m.Skips, SkipLimit: m.BadItemLimit, PassesMade: m.Passes,
		SharedFolders: record.Shared.Folders, SharedEntries: record.Shared.Entries,
	}
	for _, event := range record.Events {
		report.tell(event)
	}
	for _, skip := range record.Skips {
		report.Skips = append(report.Skips, skipOf(skip))
	}
	for _, folder := range record.Folders {
		if folder.Mapped != "" {
			report.Folders = append(report.Folders, Folder{folderName(folder.Path), string(folder.Ref), folder.Mapped})
		}
	}
	for _, change := range record.Changes {
		report.Changes = append(report.Changes, changeOf(change))
	}
	return report
}

// tellSwitch tells how the move's switch went, as of now and in its zone. A report is read
// on another day than it was made: every timeline has its days.
func (m *Move) tellSwitch(record batch.Record, batchName string, now time.Time) {
	facts := batch.Timeline(record.Switch)
	for _, f := range facts {
		m.Facts = append(m.Facts, Fact{string(f.Run), timeOf(f.At), string(f.Kind), f.N, f.Cause})
	}
	m.Primary, m.KeptUntil = string(Primary(record.Move, facts)), timeOf(record.Move.KeptUntil)
	m.Timeline = Story(facts, time.Time{}.In(now.Location()))
	if m.Deadline = Deadline(record.Move, facts, now); m.Deadline != "" {
		m.Rollback = RollbackCommand(record.Move, batchName)
	}
}

// tell puts the event where its kind belongs.
func (m *Move) tell(e batch.Event) {
	switch e.Kind {
	case batch.EventWait:
		m.Waits = append(m.Waits, waitOf(e))
	case batch.EventPass:
		m.Passes = append(m.Passes, Pass{timeOf(e.At), e.Items, e.Bytes, e.Text})
	case batch.EventFinding:
		if f := e.Finding; f != nil {
			m.Findings = append(m.Findings, Finding{timeOf(e.At), f.Rule, f.Severity.String(), f.Whom, f.What, f.Mend})
		}
	case batch.EventPhase, batch.EventStep, batch.EventFailed, batch.EventEnded:
		fallthrough
	default: // also of a kind that a newer version has written
		m.Events = append(m.Events, Event{timeOf(e.At), string(e.Kind), string(e.Phase), string(e.State), e.Text})
	}
}

func waitOf(e batch.Event) Wait {
	return Wait{
		At: timeOf(e.At), Phase: string(e.Phase), Planned: e.Attempt == 0, Attempt: e.Attempt, Of: e.Of,
		NextAt: timeOf(e.NextAt), Reason: e.Text,
	}
}

// failures returns the waits that came after a failed attempt.
func (m *Move) failures() []Wait {
	var waits []Wait
	for _, w := range m.Waits {
		if !w.Planned {
			waits = append(waits, w)
		}
	}
	return waits
}

func skipOf(r batch.SkipRecord) Skip {
	s := r.Skip
	return Skip{
		Run: string(r.Run), At: timeOf(r.At), Item: string(s.Item), Received: ownTime(s.Received),
		Size: s.Size, Kind: s.Kind, Folder: folderName(s.Folder), Reason: s.Reason,
	}
}

// ownTime keeps the offset that the time has.
func ownTime(t time.Time) LocalTime { return localTime(t, t.Location()) }

// folderName joins the names so that they can be told apart again.
func folderName(path []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `/`, `\/`)
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = escape.Replace(name)
	}
	return strings.Join(names, "/")
}

func guid(g migrate.GUID) string {
	if g.IsZero() {
		return ""
	}
	return g.String()
}

func changeOf(r batch.ChangeRecord) Change {
	c := Change{
		Run: string(r.Run), At: timeOf(r.IntendedAt), Done: timeOf(r.CommittedAt), Dropped: timeOf(r.DroppedAt),
		Forest: string(r.Change.Forest), Op: string(r.Change.Op), DN: string(r.Change.DN), Why: r.Change.Why,
	}
	for _, mod := range r.Change.Mods {
		c.Attributes = append(c.Attributes, attributeOf(mod))
	}
	return c
}

func attributeOf(mod directory.Mod) Attribute {
	a := Attribute{Name: mod.Attr, Op: string(mod.Op)}
	for _, value := range mod.Values {
		a.Values = append(a.Values, valueOf(mod.Attr, value))
	}
	return a
}

// valueOf shows a value unless it is a security descriptor, which says who may do
// what, or a password.
func valueOf(attr string, value []byte) Value {
	v := Value{Encoding: "text", Bytes: len(value), Text: string(value)}
	switch strings.ToLower(attr) {
	case "ntsecuritydescriptor", "msexchmailboxsecuritydescriptor", "unicodepwd", "userpassword", "dbcspwd",
		"supplementalcredentials":
		v.Encoding, v.Text = "withheld", ""
		return v
	}
	if !printable(value) {
		v.Encoding, v.Text = "base64", base64.StdEncoding.EncodeToString(value)
	}
	return v
}

func printable(value []byte) bool {
	return utf8.Valid(value) && strings.IndexFunc(string(value), func(r rune) bool {
		return !unicode.IsPrint(r)
	}) < 0
}
