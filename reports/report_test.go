package reports

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	began  = time.Date(2026, 3, 14, 1, 59, 26, 535897932, time.UTC)
	berlin = time.FixedZone("CET", 3600)
)

// A record is a Reader of fixed facts.
type record struct {
	run   batch.Run
	of    batch.Batch
	moves []batch.Record
	err   error
}

func (r record) Run(context.Context, batch.RunID) (batch.Run, batch.Batch, error) {
	return r.run, r.of, nil
}

func (r record) Records(context.Context, batch.RunID) iter.Seq2[batch.Record, error] {
	return func(yield func(batch.Record, error) bool) {
		for _, move := range r.moves {
			if !yield(move, nil) {
				return
			}
		}
		if r.err != nil {
			yield(batch.Record{}, r.err)
		}
	}
}

// hostile is a display name as nobody should have, and somebody does: a formula,
// markup, control characters, a right-to-left override, a line break and a byte that
// is not UTF-8.
const hostile = "=cmd|' /C calc'!A0 <script>alert(\"1\")</script> & \x00\x1b[2J\u202egnp.\r\n\xff]]>"

// night is a run with a move in every state, and with everything a move can have.
func night() record {
	r := record{
		run: batch.Run{
			ID: "2026-03-14T01-59-26.535Z", Batch: "b1", BeganAt: began, EndedAt: began.Add(3 * time.Hour), Kind: batch.RunSwitch,
			Outcome: batch.NeedsPerson,
		},
		of: batch.Batch{ID: "b1", Name: "wave-1", Digest: "d", At: began.Add(-time.Hour)},
	}
	for i, state := range states() {
		r.moves = append(r.moves, batch.Record{Move: batch.Move{
			ID: batch.MoveID(fmt.Sprint("m", i)), Batch: "b1", Seq: i, Identity: fmt.Sprintf("user%d@source.example", i),
			DisplayName: fmt.Sprintf("User %d", i), Mail: migrate.SMTPAddress(fmt.Sprintf("user%d@source.example", i)),
			BadItemLimit: -1, State: state, Phase: batch.PhaseCopy, TotalItems: 1000, TotalBytes: 5 << 20,
			Items: int64(100 * i), Bytes: int64(i) << 19, StartedAt: began,
		}})
	}
	r.moves[5].Move.EndedAt = began.Add(25*time.Hour + 61*time.Second)
	r.moves[3].Move.Reason, r.moves[3].Move.Phase = "user7@source.example goes first (switch.canary: 1), and is failed", batch.PhaseSwitch
	switching(&r.moves[4])
	back(&r.moves[8])
	full(&r.moves[6])
	return r
}

// story makes the events of a switch, one minute apart.
func story(r *batch.Record, phase batch.Phase, brought int64, texts ...string) {
	for _, text := range texts {
		step, _, _ := strings.Cut(text, "|")
		r.Switch = append(r.Switch, batch.Event{
			Run: "2026-03-14T01-59-26.535Z", At: began.Add(time.Duration(10+len(r.Switch)) * time.Minute), Kind: batch.EventStep,
			Phase: phase, Step: step, Text: strings.Replace(text, "|", " ", 1), Brought: brought,
		})
	}
}

// switching steps back, for a cause as nobody should have.
func switching(r *batch.Record) {
	r.Move.Phase, r.Move.Step, r.Move.Cause = batch.PhaseSwitch, batch.StepFetch, hostile
	story(r, batch.PhaseSwitch, 0, "shut out|done", "deliver|done", "step back|begun: "+hostile, "step back|done")
}

// back was moved, and rolled back.
func back(r *batch.Record) {
	r.Move.Phase, r.Move.EndedAt = batch.PhaseRollback, began.Add(9*time.Hour)
	story(r, batch.PhaseSwitch, 2, "deliver|done", "forward|done", "tail|done", "disconnect|done")
	story(r, batch.PhaseRollback, 5, "return|done", "send|done", "fetch|done", "close|done")
}

func full(r *batch.Record) {
	m := &r.Move
	m.Identity, m.DisplayName = "＝1+1", hostile
	m.SourceDN, m.TargetDN = `CN=O\,Hara,OU=<x>,DC=source`, "CN=O'Hara,DC=target"
	m.SourceGUID, m.TargetGUID = migrate.GUID{1, 2, 3}, migrate.GUID{4, 5, 6}
	m.TargetDatabase, m.BadItemLimit, m.Step, m.Reason, m.Hint = "@DB-07", 10, "tail", "-reason", "+hint"
	m.Attempt, m.Of, m.Skips, m.Passes, m.EndedAt = 2, 20, 3, 3, began.Add(time.Hour)
	m.Phase, m.KeptUntil = batch.PhaseDone, began.AddDate(0, 0, 30)
	story(r, batch.PhaseSwitch, 3, "deliver|done", "forward|done", "tail|done", "disconnect|done")
	at := began.Add(time.Minute)
	r.Events = []batch.Event{
		{At: at, Kind: batch.EventPhase, Phase: batch.PhaseMatch, State: batch.Moving, Text: "match done"},
		{At: at, Kind: batch.EventWait, Phase: batch.PhaseSettle, State: batch.Waiting, Text: "not replicated", Attempt: 1, Of: 20, NextAt: at.Add(30 * time.Second)},
		{At: at, Kind: batch.EventWait, Phase: batch.PhaseSettle, State: batch.Waiting, Text: "=server busy", Attempt: 2, Of: 20, NextAt: at.Add(30 * time.Second)},
		{At: at, Kind: batch.EventWait, Phase: batch.PhaseCopy, State: batch.Ready, Text: "next look", Of: 20, NextAt: at.Add(time.Minute)},
		{At: at, Kind: batch.EventPass, Phase: batch.PhaseCopy, Items: 600, Bytes: 3 << 20, Text: "pass 1"},
		{At: at, Kind: batch.EventFinding, Finding: &migrate.Finding{Rule: "x500.missing", Severity: migrate.Warn, Whom: hostile, What: "an X500 address is missing", Mend: "stage again"}},
		{At: at, Kind: batch.EventEnded, State: batch.MovedWithSkips, Text: "Moved with skips"},
	}
	for i, reason := range []string{"554 5.7.1 <virus>\x07", "too\tlarge", "554 5.7.1 <virus>\x07"} {
		r.Skips = append(r.Skips, batch.SkipRecord{Run: "2026-03-13T01-00-00.000Z", At: at, Skip: migrate.Skip{
			Folder: []string{"INBOX", `a/b\c`}, Item: migrate.ItemID(strconv.Itoa(i)), Size: 1 << 33, Kind: "refused", Reason: reason,
			Received: time.Date(2003, 2, 24, 14, 10, 37, 0, time.FixedZone("", -5*3600-1800)),
		}})
	}
	r.Folders = []migrate.FolderState{
		{Folder: "1", Path: []string{"INBOX"}, Ref: "INBOX"},
		{Folder: "2", Path: []string{"INBOX", "a/b"}, Ref: "INBOX.a_b", Mapped: "the target has no / in names"},
	}
	r.Changes = []batch.ChangeRecord{
		{Run: "r", IntendedAt: at, CommittedAt: at.Add(time.Second), Change: directory.Change{
			Forest: directory.Target, Op: directory.Modify, DN: "CN=O'Hara,DC=target", Why: "X500 both ways",
			Mods: []directory.Mod{
				{Op: directory.AddValues, Attr: "proxyAddresses", Values: [][]byte{[]byte("X500:/o=Old/cn=<O>"), []byte(" ")}},
				{Op: directory.ReplaceValues, Attr: "msExchMasterAccountSid", Values: [][]byte{{1, 5, 0, 255}}},
				{Op: directory.ReplaceValues, Attr: "NTSecurityDescriptor", Values: [][]byte{[]byte("D:(secret)")}},
				{Op: directory.DeleteValues, Attr: "homeMDB"},
			},
		}},
		{Run: "r", IntendedAt: at, Change: directory.Change{Forest: directory.Source, Op: directory.Add, DN: "CN=new", Why: "w"}},
		{Run: "r", IntendedAt: at, DroppedAt: at.Add(time.Second), Change: directory.Change{
			Forest: directory.Source, Op: directory.Modify, DN: "CN=refused", Why: "w",
			Mods: []directory.Mod{{Op: directory.DeleteValues, Attr: "homeMDB"}},
		}},
	}
}

func report(t *testing.T) *Report {
	t.Helper()
	r, err := build(t.Context(), night(), "2026-03-14T01-59-26.535Z", began.Add(4*time.Hour), berlin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, r *Report, format Format) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	r := report(t)
	for _, format := range Formats() {
		golden(t, "run."+string(format), write(t, r, format))
	}
}

// TestFormatsAgree reads each format back. XML and JSON must give the same report,
// but for what XML cannot hold; the sums of the CSV's columns are the totals.
func TestFormatsAgree(t *testing.T) {
	t.Parallel()
	want := report(t)
	var fromXML, fromJSON Report
	if err := xml.Unmarshal(write(t, want, XML), &fromXML); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(write(t, want, JSON), &fromJSON); err != nil {
		t.Fatal(err)
	}
	options := cmp.Options{
		cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Report{}, "XMLName"),
		cmp.Comparer(func(a, b string) bool { return inXML(a) == inXML(b) }),
	}
	if d := cmp.Diff(*want, fromXML, options); d != "" {
		t.Errorf("read back from XML (-want +got):\n%s", d)
	}
	if d := cmp.Diff(*want, fromJSON, options); d != "" {
		t.Errorf("read back from JSON (-want +got):\n%s", d)
	}
	if fromXML.Totals.Items == 0 || fromXML.Totals.Skips == 0 || fromXML.Totals.Changes == 0 {
		t.Errorf("the totals are %+v", fromXML.Totals)
	}
	if d := cmp.Diff(want.Totals, csvTotals(t, write(t, want, CSV))); d != "" {
		t.Errorf("totals of the CSV (-want +got):\n%s", d)
	}
}

// inXML is the text as XML can hold it. Text in JSON has lost nothing but what is
// not UTF-8.
func inXML(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return '\ufffd'
		}
		return c
	}, strings.ToValidUTF8(text, "\ufffd"))
}

func csvTotals(t *testing.T, data []byte) Totals {
	t.Helper()
	rows := csvRows(t, data)
	sum := func(name string) (n int64) {
		for _, row := range rows {
			value, err := strconv.ParseInt(row[name], 10, 64)
			if err != nil {
				t.Errorf("column %s: %v", name, err)
			}
			n += value
		}
		return n
	}
	totals := Totals{
		Moves: len(rows), Items: sum("ItemsTransferred"), Bytes: sum("BytesTransferred"), Skips: sum("BadItemsEncountered"),
		Waits: int(sum("Waits")), Findings: int(sum("Findings")), Mapped: int(sum("FoldersMapped")), Changes: int(sum("DirectoryChanges")),
	}
	for _, state := range states() {
		n := 0
		for _, row := range rows {
			if row["Status"] == string(state) {
				n++
			}
		}
		totals.States = append(totals.States, StateTotal{string(state), n})
	}
	return totals
}

func csvRows(t *testing.T, data []byte) []map[string]string {
	t.Helper()
	body, found := bytes.CutPrefix(data, []byte("\xef\xbb\xbf"))
	if !found {
		t.Error("no byte order mark")
	}
	if lines := bytes.Count(body, []byte("\n")); lines != bytes.Count(body, []byte("\r\n")) {
		t.Error("not every line ends in CRLF")
	}
	all, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, fields := range all[1:] {
		row := map[string]string{}
		for i, field := range fields {
			row[all[0][i]] = field
		}
		rows = append(rows, row)
	}
	return rows
}

// trueNumber is what may begin with a sign.
var trueNumber = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]+)?$`)

func TestCSVHasNoFormula(t *testing.T) {
	t.Parallel()
	for _, row := range csvRows(t, write(t, report(t), CSV)) {
		for name, cell := range row {
			if cell == "" || trueNumber.MatchString(cell) {
				continue
			}
			if first := []rune(strings.TrimLeft(cell, " "))[0]; strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
				t.Errorf("column %s holds %q", name, cell)
			}
		}
	}
	tests := map[string]string{
		"":             "",
		"Anna":         "Anna",
		"=1+1":         "'=1+1",
		"  =1+1":       "'  =1+1",
		"\t=1":         "'\t=1",
		"\r=1":         "'\r'=1",
		"a; =1":        "a; '=1",
		"a\n@b;-c":     "a\n'@b;'-c",
		"@SUM(A1)":     "'@SUM(A1)",
		"-2+3":         "'-2+3",
		"-2":           "-2",
		"+49.5":        "+49.5",
		"-Inf":         "'-Inf",
		"＝1":           "'＝1",
		"＋1":           "'＋1",
		"－1":           "'－1",
		"＠1":           "'＠1",
		"a=b":          "a=b",
		"bell\aescape": "bell\ufffdescape",
	}
	for text, want := range tests {
		if got := guard(text); got != want {
			t.Errorf("guard(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state                 batch.State
		items, skipped, total int64
		want                  string
	}{
		{batch.Planned, 0, 0, 0, ""},
		{batch.Moving, 0, 0, 10, "0"},
		{batch.Moving, 4, 1, 10, "50"},
		{batch.Moving, 0, 3, 10, "30"},
		{batch.Moving, 10, 0, 10, "99"},
		{batch.Switching, 9, 1, 10, "99"},
		{batch.Ready, 20, 5, 10, "99"}, // the source was counted before it grew
		{batch.Failed, 9, 5, 10, "100"},
		{batch.Failed, 9, 0, 10, "90"},
		{batch.MovedWithSkips, 8, 1, 10, "100"}, // one was deleted meanwhile
		{batch.Moved, 0, 0, 0, "100"},
	} {
		m := Move{State: string(test.state), Items: test.items, Skipped: test.skipped, TotalItems: test.total}
		if got := percent(&m); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

func TestReasonsInCSV(t *testing.T) {
	t.Parallel()
	m := Move{}
	if lastWait(&m) != "" || skipReasons(&m) != "" {
		t.Errorf("of nothing: %q, %q", lastWait(&m), skipReasons(&m))
	}
	m.Waits = []Wait{{Attempt: 1, Reason: "busy"}, {Attempt: 2, Reason: "not there yet"}, {Planned: true, Reason: "next look"}}
	if got := lastWait(&m); got != "not there yet" {
		t.Errorf("last wait: %q", got)
	}
	m.Skips = []Skip{{Reason: "torn"}, {Reason: "too large"}, {Reason: "torn"}}
	if got := skipReasons(&m); got != "torn; too large" {
		t.Errorf("skip reasons: %q", got)
	}
	m.Skips = []Skip{{Reason: strings.Repeat("ä", 300)}, {Reason: strings.Repeat("ö", 198)}}
	if got := skipReasons(&m); len([]rune(got)) != 500 || !strings.HasSuffix(got, "ö") {
		t.Errorf("500 runes became %q", got)
	}
	m.Skips = append(m.Skips, Skip{Reason: "x"})
	if got := skipReasons(&m); len([]rune(got)) != 500 || !strings.HasSuffix(got, "ö…") {
		t.Errorf("501 runes and more became %q", got)
	}
}

func TestNothingSecretInClear(t *testing.T) {
	t.Parallel()
	r := report(t)
	for _, format := range Formats() {
		if bytes.Contains(write(t, r, format), []byte("secret")) {
			t.Errorf("the %s shows a security descriptor", format)
		}
	}
}

func TestXMLIsValid(t *testing.T) {
	t.Parallel()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	dir := t.TempDir()
	schema := filepath.Join(dir, "run.xsd")
	if err := os.WriteFile(schema, Schema, 0o600); err != nil {
		t.Fatal(err)
	}
	empty, err := build(t.Context(), record{run: batch.Run{ID: "r", BeganAt: began}}, "r", began, berlin)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(write(t, report(t), XML))
	tests := map[string]struct {
		text  string
		valid bool
	}{
		"whole":         {whole, true},
		"empty":         {string(write(t, empty, XML)), true},
		"unknown state": {strings.Replace(whole, `state="Failed"`, `state="Lost"`, 1), false},
		"no planned":    {strings.Replace(whole, `planned="true"`, "", 1), false},
		"no kind":       {strings.Replace(whole, `kind="switch"`, "", 1), false},
		"unknown kind":  {strings.Replace(whole, `kind="switch"`, `kind="teleport"`, 1), false},
		"unknown fact":  {strings.Replace(whole, `kind="stepped back"`, `kind="vanished"`, 1), false},
		"no fact time":  {regexp.MustCompile(`(<fact run="[^"]*") at="[^"]*"`).ReplaceAllString(whole, "$1"), false},
		"no primary":    {strings.Replace(whole, `primary="source"`, "", 1), false},
		"no outcome":    {strings.Replace(whole, `outcome="needs a person"`, "", 1), false},
	}
	for name, test := range tests {
		path := filepath.Join(dir, "run.xml")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), xmllint, "--nonet", "--noout", "--schema", schema, path).CombinedOutput()
		if (err == nil) != test.valid {
			t.Errorf("%s: xmllint says %v\n%s", name, err, out)
		}
	}
}

func TestBuildFails(t *testing.T) {
	t.Parallel()
	broken := night()
	broken.err = errors.New("disk on fire")
	if _, err := Build(t.Context(), broken, "r"); !errors.Is(err, broken.err) {
		t.Errorf("error is %v", err)
	}
}

func TestFolderNamesCanBeToldApart(t *testing.T) {
	t.Parallel()
	if a, b := folderName([]string{"a/b", "c"}), folderName([]string{"a", "b/c"}); a == b {
		t.Errorf("both are %q", a)
	}
}

// BenchmarkReport builds and writes the report of 100,000 moves, each with an event
// of three kinds.
func BenchmarkReport(b *testing.B) {
	r := record{run: batch.Run{ID: "r", BeganAt: began}, of: batch.Batch{Name: "wave-1"}}
	one := night().moves[1]
	full(&one)
	for i := range 100_000 {
		move := one
		move.Move.Seq = i
		move.Events, move.Skips, move.Changes = one.Events[:3], one.Skips[:1], one.Changes[:1]
		r.moves = append(r.moves, move)
	}
	for _, format := range Formats() {
		b.Run(string(format), func(b *testing.B) {
			for b.Loop() {
				report, err := Build(b.Context(), r, "r")
				if err != nil {
					b.Fatal(err)
				}
				if err := report.Write(io.Discard, format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
