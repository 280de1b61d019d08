package batch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// The columns of a decision file.
const (
	columnSource     = "Source"
	columnSourceGUID = "SourceGUID"
	columnQuestion   = "Question"
	columnEvidence   = "Evidence"
	columnCandidates = "Candidates"
	columnDecision   = "Decision"
	columnTarget     = "Target"
)

func decisionColumns() []string {
	return []string{
		columnSource, columnSourceGUID, columnQuestion, columnEvidence, columnCandidates, columnDecision, columnTarget,
	}
}

func decisionWords() []string {
	return []string{string(directory.Adopt), string(directory.Create), string(directory.Leave)}
}

func questionRules() []string {
	return []string{directory.AskAdopt, directory.AskSeveral, directory.AskContact}
}

// Decisions are the contents of a decision file: questions that only a person can answer,
// and what was answered. It is directory.Decisions.
type Decisions struct {
	lines  []line  // all of them, as they stand in the file
	header *header // nil: the file is empty
	rows   []decision
}

var _ directory.Decisions = (*Decisions)(nil)

// A decision is one row of a decision file.
type decision struct {
	line   int // from 1
	source migrate.GUID
	rule   string             // of the question
	answer directory.Decision // Choice is "" while the question is open
}

// open reports whether nothing has been decided.
func (d decision) open() bool { return d.answer.Choice == "" }

// answers reports whether the row is about the source object and what the rule asks. That
// one object matches by too little and that several match is one question: who is it?
func (d decision) answers(source migrate.GUID, rule string) bool {
	return d.source == source && (d.rule == directory.AskContact) == (rule == directory.AskContact)
}

// LoadDecisions reads the decision file. One that is not there decides nothing.
func LoadDecisions(path string) (*Decisions, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Decisions{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read decision file: %w", err)
	}
	defer func() { _ = file.Close() }() // read only: nothing can be lost
	return ParseDecisions(path, file)
}

// ParseDecisions reads a decision file: CSV with the columns Source, SourceGUID, Question,
// Evidence, Candidates, Decision and Target in any order, separated by comma, semicolon or
// TAB, in any encoding that a batch file may have. Decision is adopt, create or leave;
// empty, the question is open. Target names whom to adopt; empty, it is the only
// candidate.
//
// All that is wrong with it is reported at once in a *FileError whose faults carry name,
// line and column; any other error is one of r.
func ParseDecisions(name string, r io.Reader) (*Decisions, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read decision file %q: %w", name, err)
	}
	p := &parser{file: name}
	d := p.decisions(raw)
	if len(p.faults) > 0 {
		return nil, &FileError{Faults: p.faults}
	}
	return d, nil
}

// Decision returns what was answered to a question of the rule about the source object.
func (d *Decisions) Decision(source migrate.GUID, rule string) (directory.Decision, bool) {
	for _, row := range d.rows {
		if !row.open() && row.answers(source, rule) {
			return row.answer, true
		}
	}
	return directory.Decision{}, false
}

func (p *parser) decisions(raw []byte) *Decisions {
	d := &Decisions{}
	if len(raw) > maxFileSize {
		p.fault(1, 1, fmt.Sprintf("the file is larger than %d MB", maxFileSize>>20), "split it")
		return d
	}
	lines, faults := decodeLines(raw)
	for _, f := range faults {
		p.fault(f.Line, f.Column, f.What, f.Mend)
	}
	if len(faults) > 0 { // what follows would be a guess
		return d
	}
	d.lines = lines
	counted := counting(lines)
	if len(counted) == 0 {
		return d
	}
	d.header = bestHeader(counted[0], (*header).decisionNames)
	columns, ok := p.decisionColumns(d.header, counted[0])
	if !ok {
		return d
	}
	for _, l := range counted[1:] {
		p.decision(d, columns, l)
	}
	return d
}

// decisionNames counts the fields that are columns of a decision file.
func (h *header) decisionNames() int {
	n := 0
	for _, f := range h.fields {
		if decisionColumn(f.text) != "" {
			n++
		}
	}
	return n
}

// decisionColumn returns the spelling of the column in this package, "" if unknown.
func decisionColumn(text string) string {
	for _, name := range decisionColumns() {
		if strings.EqualFold(name, text) {
			return name
		}
	}
	return ""
}

// decisionColumns maps each field of the header to its column.
func (p *parser) decisionColumns(h *header, l line) (columns []string, ok bool) {
	if h == nil {
		p.fault(l.number, 1, "no header", "begin the file with "+strings.Join(decisionColumns(), ","))
		return nil, false
	}
	before := len(p.faults)
	for _, f := range h.fields {
		name := decisionColumn(f.text)
		switch {
		case f.broken != "":
			p.fault(l.number, f.column, f.broken, "")
		case name == "" && f.text != "":
			p.fault(l.number, f.column, fmt.Sprintf("unknown column %q", f.text), fmt.Sprintf("the nearest known one is %s", Nearest(f.text, decisionColumns())))
		case name != "" && slices.Contains(columns, name):
			p.fault(l.number, f.column, fmt.Sprintf("column %s is there twice", name), "remove one of them")
		}
		columns = append(columns, name)
	}
	for _, name := range []string{columnSourceGUID, columnQuestion, columnDecision, columnTarget} {
		if !slices.Contains(columns, name) {
			p.fault(l.number, 1, fmt.Sprintf("column %s is missing", name), "begin the file with "+strings.Join(decisionColumns(), ","))
		}
	}
	return columns, len(p.faults) == before
}

// decision reads one row.
func (p *parser) decision(d *Decisions, columns []string, l line) {
	fields, ok := p.recordFields(d.header, l)
	if !ok || allBlank(fields) {
		return
	}
	if len(fields) > len(columns) {
		p.fault(l.number, fields[len(fields)-1].column, fmt.Sprintf("%d fields under a header of %d", len(fields), len(columns)), "quote a field that holds a separator")
		return
	}
	at := map[string]field{}
	for i, f := range fields {
		at[columns[i]] = f
	}
	before := len(p.faults)
	row := decision{line: l.number, rule: p.question(l, at[columnQuestion])}
	row.source = p.sourceGUID(l, at[columnSourceGUID])
	row.answer = p.answer(l, at[columnDecision], at[columnTarget])
	if len(p.faults) > before {
		return
	}
	for _, other := range d.rows {
		if !row.open() && !other.open() && other.answers(row.source, row.rule) {
			p.fault(l.number, at[columnDecision].column, fmt.Sprintf("line %d has decided about this source object already", other.line), "keep one of them")
		}
	}
	d.rows = append(d.rows, row)
}

func (p *parser) question(l line, f field) string {
	rule := strings.ToLower(f.text)
	if !slices.Contains(questionRules(), rule) {
		p.fault(l.number, max(f.column, 1), fmt.Sprintf("%q is no question", f.text), "the nearest one is "+Nearest(f.text, questionRules()))
	}
	return rule
}

func (p *parser) sourceGUID(l line, f field) migrate.GUID {
	guid, err := migrate.ParseGUID(f.text)
	if err != nil || guid.IsZero() {
		p.fault(l.number, max(f.column, 1), fmt.Sprintf("%q is no objectGUID", f.text), "leave this column as it was written")
	}
	return guid
}

// answer reads what was decided. Its place is where the target is named, if it is.
func (p *parser) answer(l line, word, target field) directory.Decision {
	answer := directory.Decision{Choice: directory.Choice(strings.ToLower(word.text)), Target: uncell(target.text)}
	if answer.Choice != "" && !slices.Contains(decisionWords(), string(answer.Choice)) {
		p.fault(l.number, word.column, fmt.Sprintf("%q decides nothing", word.text),
			fmt.Sprintf("write adopt, create or leave; the nearest is %s", Nearest(word.text, decisionWords())))
	}
	place := word
	if answer.Target != "" {
		place = target
	}
	if answer.Target != "" && (answer.Choice == directory.Create || answer.Choice == directory.Leave) {
		p.fault(l.number, target.column, fmt.Sprintf("a target is named, and the decision is %s", answer.Choice), "write adopt, or clear the target")
	}
	answer.Place = fmt.Sprintf("%s:%d:%d", p.file, l.number, max(place.column, 1))
	return answer
}

// uncell takes off what Cell puts before text that was copied from another cell.
func uncell(text string) string {
	if bare, found := strings.CutPrefix(text, "'"); found && Cell(bare) == text {
		return bare
	}
	return text
}
