package reports

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"reforest/batch"
)

// A column is one field of a row.
type column struct {
	name string
	text func(*Report, *Move) string
}

// columns are named as the statistics of Exchange's own moves are, where those have
// the field.
func columns() []column {
	return []column{
		{"Run", func(r *Report, _ *Move) string { return guard(r.Run) }},
		{"RunKind", func(r *Report, _ *Move) string { return guard(r.Kind) }},
		{"BatchName", func(r *Report, _ *Move) string { return guard(r.Batch) }},
		{"Seq", func(_ *Report, m *Move) string { return strconv.Itoa(m.Seq) }},
		{"Identity", func(_ *Report, m *Move) string { return guard(m.Identity) }},
		{"DisplayName", func(_ *Report, m *Move) string { return guard(m.DisplayName) }},
		{"EmailAddress", func(_ *Report, m *Move) string { return guard(m.Mail) }},
		{"Status", func(_ *Report, m *Move) string { return guard(m.State) }},
		{"StatusDetail", func(_ *Report, m *Move) string { return guard(strings.TrimSpace(m.Phase + " " + m.Step)) }},
		{"Message", func(_ *Report, m *Move) string { return guard(m.Reason) }},
		{"Hint", func(_ *Report, m *Move) string { return guard(m.Hint) }},
		{"PercentComplete", func(_ *Report, m *Move) string { return percent(m) }},
		{"Attempt", func(_ *Report, m *Move) string { return strconv.Itoa(m.Attempts) }},
		{"AttemptsAllowed", func(_ *Report, m *Move) string { return strconv.Itoa(m.Of) }},
		{"NextAttempt", func(_ *Report, m *Move) string { return m.NextAt.String() }},
		{"Started", func(_ *Report, m *Move) string { return m.Started.String() }},
		{"Ended", func(_ *Report, m *Move) string { return m.Ended.String() }},
		{"OverallDuration", func(_ *Report, m *Move) string { return duration(m) }},
		{"Waits", func(_ *Report, m *Move) string { return strconv.Itoa(len(m.failures())) }},
		{"LastWaitReason", func(_ *Report, m *Move) string { return guard(lastWait(m)) }},
		{"Passes", func(_ *Report, m *Move) string { return strconv.Itoa(m.PassesMade) }},
		{"TotalMailboxItemCount", func(_ *Report, m *Move) string { return number(m.TotalItems) }},
		{"TotalMailboxSize", func(_ *Report, m *Move) string { return number(m.TotalBytes) }},
		{"ItemsTransferred", func(_ *Report, m *Move) string { return number(m.Items) }},
		{"BytesTransferred", func(_ *Report, m *Move) string { return number(m.Bytes) }},
		{"BadItemLimit", func(_ *Report, m *Move) string { return number(m.SkipLimit) }},
		{"BadItemsEncountered", func(_ *Report, m *Move) string { return number(m.Skipped) }},
		{"SkipReasons", func(_ *Report, m *Move) string { return guard(skipReasons(m)) }},
		{"Findings", func(_ *Report, m *Move) string { return strconv.Itoa(len(m.Findings)) }},
		{"FoldersMapped", func(_ *Report, m *Move) string { return strconv.Itoa(len(m.Folders)) }},
		{"DirectoryChanges", func(_ *Report, m *Move) string { return strconv.Itoa(len(m.Changes)) }},
		{"Primary", func(_ *Report, m *Move) string { return guard(m.Primary) }},
		{"TargetDelivers", func(_ *Report, m *Move) string { return m.when(batch.FactDelivers) }},
		{"SourceForwards", func(_ *Report, m *Move) string { return m.when(batch.FactForwards) }},
		{"LateMessages", func(_ *Report, m *Move) string { return m.messages(batch.FactFetched) }},
		{"Disconnected", func(_ *Report, m *Move) string { return m.when(batch.FactDisconnected) }},
		{"SteppedBack", func(_ *Report, m *Move) string { return m.when(batch.FactSteppedBack) }},
		{"SourceDelivers", func(_ *Report, m *Move) string { return m.when(batch.FactReturned) }},
		{"MessagesCopiedBack", func(_ *Report, m *Move) string { return m.messages(batch.FactCopiedBack) }},
		{"TargetClosed", func(_ *Report, m *Move) string { return m.when(batch.FactClosed) }},
		{"KeptUntil", func(_ *Report, m *Move) string { return m.KeptUntil.String() }},
		{"Deadline", func(_ *Report, m *Move) string { return guard(m.Deadline) }},
		{"Rollback", func(_ *Report, m *Move) string { return guard(m.Rollback) }},
		{"Timeline", func(_ *Report, m *Move) string { return guard(m.Timeline) }},
		{"SourceDN", func(_ *Report, m *Move) string { return guard(m.SourceDN) }},
		{"SourceGUID", func(_ *Report, m *Move) string { return m.SourceGUID }},
		{"TargetDN", func(_ *Report, m *Move) string { return guard(m.TargetDN) }},
		{"TargetGUID", func(_ *Report, m *Move) string { return m.TargetGUID }},
		{"TargetDatabase", func(_ *Report, m *Move) string { return guard(m.Database) }},
	}
}

// when is the time of the latest fact of the kind; "" if there is none.
func (m *Move) when(kind batch.FactKind) string {
	for _, f := range slices.Backward(m.Facts) {
		if f.Kind == string(kind) {
			return f.At.String()
		}
	}
	return ""
}

// messages is how many were fetched, or copied back, in all switches and rollbacks; "" if
// nobody looked.
func (m *Move) messages(kind batch.FactKind) string {
	n, looked := int64(0), false
	for _, f := range m.Facts {
		if f.Kind == string(kind) {
			n, looked = n+f.Messages, true
		}
	}
	if !looked {
		return ""
	}
	return number(n)
}

// WriteCSV writes one row per move, with a byte order mark and CRLF, as Excel wants
// it. Sizes are bytes, times UTC, durations hours:minutes:seconds. Text that Excel
// would take for a formula has a ' before it; programs should read the JSON.
func (r *Report) WriteCSV(w io.Writer) error {
	buffer := bufio.NewWriter(w)
	if _, err := buffer.WriteString("\uFEFF"); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	rows := csv.NewWriter(buffer)
	rows.UseCRLF = true
	fields := columns()
	row := make([]string, len(fields))
	for i, field := range fields {
		row[i] = field.name
	}
	if err := rows.Write(row); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for m := range r.Moves {
		for i, field := range fields {
			row[i] = field.text(r, &r.Moves[m])
		}
		if err := rows.Write(row); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return buffer.Flush()
}

// guard is batch.Cell: what a spreadsheet would take for a formula is text.
func guard(text string) string { return batch.Cell(text) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// lastWait is why the move last waited after a failed attempt; "" if it never did.
func lastWait(m *Move) string {
	if waits := m.failures(); len(waits) > 0 {
		return waits[len(waits)-1].Reason
	}
	return ""
}

// maxReasons bounds SkipReasons, in runes: the whole is in the other formats.
const maxReasons = 500

// skipReasons are the reasons of the skips, each once.
func skipReasons(m *Move) string {
	var reasons []string
	seen := map[string]bool{}
	for _, skip := range m.Skips {
		if !seen[skip.Reason] {
			reasons, seen[skip.Reason] = append(reasons, skip.Reason), true
		}
	}
	return cut(strings.Join(reasons, "; "), maxReasons)
}

// cut returns at most limit runes of text, with … in the place of what is missing.
func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}

// percent is how much of the content has been dealt with: what was brought and what
// was skipped, of the whole; "" where the size of the whole is not known, or the move was
// rolled back. A move that
// has not ended is never at 100: what came to the source since has yet to be looked for.
func percent(m *Move) string {
	switch {
	case m.State == string(batch.Moved), m.State == string(batch.MovedWithSkips):
		return "100"
	case m.TotalItems <= 0, m.State == string(batch.RolledBack):
		return ""
	}
	most := int64(100)
	if !batch.State(m.State).Ended() {
		most = 99
	}
	done := min(m.Items+m.Skipped, m.TotalItems)
	return number(min(done*100/m.TotalItems, most))
}

// duration is the time from the first touch to the end, "" before the end.
func duration(m *Move) string {
	if m.Started.IsZero() || m.Ended.IsZero() {
		return ""
	}
	d := m.Ended.Sub(m.Started.Time).Truncate(time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}
