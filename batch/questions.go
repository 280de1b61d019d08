package batch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"reforest/directory"
	"reforest/migrate"
)

// askTries is how often AskInFile begins anew because somebody saved the file meanwhile.
const askTries = 3

// errDecisionsBusy says that the file would not keep still.
var errDecisionsBusy = errors.New("somebody else is writing it")

// AskInFile brings the decision file at path up to date after the source objects in
// looked were matched and asked was left open: new questions are appended, open ones
// about these objects that are no longer asked go. What has been answered, and what is
// about others, stays as it stands. The file is replaced as a whole once all of it is on
// the disk, and not touched if nothing is new. It returns how many questions the file
// then leaves open.
func AskInFile(path string, looked []migrate.GUID, asked []directory.Question) (open int, err error) {
	for range askTries {
		was, err := readIfThere(path)
		if err != nil {
			return 0, err
		}
		decisions, err := ParseDecisions(path, bytes.NewReader(was))
		if err != nil {
			return 0, err // what cannot be read is not overwritten
		}
		next := decisions.ask(looked, asked)
		if !next.changed {
			return next.open, nil
		}
		if done, err := replaceFile(path, was, next.text()); done || err != nil {
			return next.open, err
		}
	}
	return 0, fmt.Errorf("write decision file %q: %w", path, errDecisionsBusy)
}

func readIfThere(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read decision file: %w", err)
	}
	return raw, nil
}

// An asking is what a decision file is to hold.
type asking struct {
	lines   []string
	open    int  // questions without an answer
	changed bool // it does not hold that yet
}

// text returns the file: UTF-8 with the byte order mark and the line ends that Excel
// wants.
func (a *asking) text() []byte { return []byte("\ufeff" + strings.Join(a.lines, "\r\n") + "\r\n") }

// keep takes over a line; now is what it has to be.
func (a *asking) keep(l line, now string) {
	a.lines = append(a.lines, now)
	a.changed = a.changed || now != l.text
}

// ask returns what the file is to hold after the source objects in looked were matched
// and asked was left open.
func (d *Decisions) ask(looked []migrate.GUID, asked []directory.Question) *asking {
	asked = d.unanswered(asked)
	next := &asking{}
	rows := map[int]decision{}
	for _, row := range d.rows {
		rows[row.line] = row
	}
	for _, l := range d.written() {
		row, isRow := rows[l.number]
		if !isRow || !row.open() {
			next.keep(l, l.text)
			continue
		}
		i := slices.IndexFunc(asked, func(q directory.Question) bool { return row.answers(q.SourceGUID, q.Rule) })
		switch {
		case i >= 0:
			next.keep(l, d.refreshed(l, row, asked[i]))
			asked = slices.Delete(asked, i, i+1)
			next.open++
		case slices.Contains(looked, row.source):
			next.changed = true
		default:
			next.keep(l, l.text)
			next.open++
		}
	}
	if d.header == nil && len(asked) > 0 {
		next.lines = append(next.lines, strings.Join(decisionColumns(), ","))
	}
	for _, q := range asked {
		next.lines = append(next.lines, d.row(q))
		next.open++
		next.changed = true
	}
	return next
}

// written returns the lines of the file without the empty ones at its end.
func (d *Decisions) written() []line {
	lines := d.lines
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1].text) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// unanswered returns the questions, each once, that no row has answered: what was decided
// while they were being found is not asked again.
func (d *Decisions) unanswered(asked []directory.Question) []directory.Question {
	var left []directory.Question
	for _, q := range asked {
		again := slices.ContainsFunc(left, func(o directory.Question) bool { return o.SourceGUID == q.SourceGUID && o.Rule == q.Rule })
		if _, answered := d.Decision(q.SourceGUID, q.Rule); !answered && !again {
			left = append(left, q)
		}
	}
	return left
}

// refreshed returns the row of a question that is asked again, as it is asked now. One
// that somebody has begun to fill in stays as it stands.
func (d *Decisions) refreshed(l line, row decision, q directory.Question) string {
	if row.answer.Target != "" {
		return l.text
	}
	return d.row(q)
}

// row writes a question in the order and with the separator of the file's header.
func (d *Decisions) row(q directory.Question) string {
	columns, separator := decisionColumns(), ","
	if d.header != nil {
		columns = nil
		for _, f := range d.header.fields {
			columns = append(columns, decisionColumn(f.text))
		}
		if d.header.separator != noSeparator {
			separator = string(d.header.separator)
		}
	}
	values := map[string]string{
		columnSource: q.Source, columnSourceGUID: q.SourceGUID.String(), columnQuestion: q.Rule,
		columnEvidence: q.Evidence, columnCandidates: candidatesText(q.Candidates),
	}
	fields := make([]string, len(columns))
	for i, name := range columns {
		fields[i] = quoted(Cell(oneLine(values[name])))
	}
	return strings.Join(fields, separator)
}

// candidatesText shows each candidate so that it can be copied into the column Target.
func candidatesText(candidates []directory.Candidate) string {
	var texts []string
	for _, c := range candidates {
		text := fmt.Sprintf("%s (%s, objectGUID %s)", c.DN, c.Class, c.GUID)
		if len(candidates) > 1 {
			text += ": " + c.Evidence
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " | ")
}

// oneLine replaces what may not stand in a decision file, which is read line by line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || strings.ContainsRune(invisible, r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// quoted puts a field between quotes unless it is a plain word (RFC 4180 section 2).
func quoted(text string) string {
	plain := !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.@", r)
	})
	if plain {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

// replaceFile writes the text beside the path, and renames it when it is on the disk. It
// is not done if the file is no longer what it was: then somebody has just saved it.
func replaceFile(path string, was, text []byte) (done bool, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp") // mode 0600
	if err != nil {
		return false, fmt.Errorf("write decision file: %w", err)
	}
	defer func() {
		if !done {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close(), sameMode(path, file.Name())); err != nil {
		return false, fmt.Errorf("write decision file: %w", err)
	}
	now, err := readIfThere(path)
	if err != nil || !bytes.Equal(now, was) {
		return false, err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return false, fmt.Errorf("write decision file: %w", err)
	}
	return true, syncDir(filepath.Dir(path))
}

// sameMode gives the new file the mode of the one that it replaces.
func sameMode(path, fresh string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil //nolint:nilerr // there is none: the mode of a new file it is
	}
	return os.Chmod(fresh, info.Mode().Perm())
}

// syncDir makes the new name durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %q: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
