package reports

import (
	"bufio"
	_ "embed" // run.html
	"fmt"
	"html/template"
	"io"
	"time"

	"reforest/batch"
)

//go:embed run.html
var pageText string

// WriteHTML writes the report as one page that needs no other file and no network. Times
// are those of the machine that made the report, with its offset. Every value is escaped,
// and a name that turns the direction of writing around turns nothing but itself.
func (r *Report) WriteHTML(w io.Writer) error {
	zone := r.BeganLocal.Location()
	page, err := template.New("run.html").Funcs(template.FuncMap{
		"line": oneLine, "group": group,
		"at": func(t Time) string { return pageTime(t.Time, zone) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	buffer := bufio.NewWriter(w)
	if err := page.Execute(buffer, r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// pageTime is a time as the page has it; "" for none.
func pageTime(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05 -07:00")
}

// Number is the move's place in the batch, from 1, as people count.
func (m *Move) Number() int { return m.Seq + 1 }

// Mailbox is who the move is of, as the page heads it.
func (m *Move) Mailbox() string {
	for _, name := range []string{m.DisplayName, m.Mail} {
		if name != "" {
			return oneLine(name)
		}
	}
	return oneLine(m.Identity)
}

// Counts reports whether the fact is of messages.
func (f Fact) Counts() bool {
	return f.Kind == string(batch.FactFetched) || f.Kind == string(batch.FactCopiedBack)
}

// On is when the item was received, as the page has it.
func (s Skip) On() string { return pageTime(s.Received.Time, s.Received.Location()) }

// Told reports whether there is more to tell of the move than its row.
func (m *Move) Told() bool {
	return m.Reason != "" || m.Timeline != "" || m.Deadline != "" || len(m.Waits)+len(m.Passes)+len(m.Events)+
		len(m.Findings)+len(m.Skips)+len(m.Folders)+len(m.Changes) > 0
}
