package batch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

const (
	annaID  = "11111111-1111-1111-1111-111111111111"
	bjornID = "22222222-2222-2222-2222-222222222222"
	carlaID = "33333333-3333-3333-3333-333333333333"
	heading = "Source,SourceGUID,Question,Evidence,Candidates,Decision,Target"
)

func guidOf(t testing.TB, text string) migrate.GUID {
	t.Helper()
	guid, err := migrate.ParseGUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return guid
}

func TestDecisionsAreRead(t *testing.T) {
	t.Parallel()
	rows := []string{
		heading,
		"# who is who", "",
		`anna@alpine.test,` + annaID + `,match.several,"smtp:x","CN=A | CN=B",Adopt,"CN=Anna, Ltd,DC=x"`,
		`bjorn@alpine.test,{` + bjornID + `},match.adopt,,,create,`,
		`bjorn@alpine.test,` + bjornID + `,match.contact,,,LEAVE`,
		`carla@alpine.test,` + carlaID + `,match.adopt,,,,`,
	}
	rows[4] = strings.NewReplacer("{", "", "}", "").Replace(rows[4])
	text := strings.Join(rows, "\r\n") + "\r\n"
	semicolons := strings.NewReplacer(`"CN=Anna, Ltd,DC=x"`, "CN=Anna, Ltd,DC=x", ",", ";", "CN=Anna; Ltd;DC=x", `"CN=Anna, Ltd,DC=x"`).Replace(
		strings.ReplaceAll(text, `"CN=Anna, Ltd,DC=x"`, "@@"))
	semicolons = strings.ReplaceAll(semicolons, "@@", "CN=Anna, Ltd,DC=x")
	for name, raw := range map[string]string{
		"commas": text, "byte order mark": "\ufeff" + text, "semicolons": semicolons, "Excel's own": "sep=;\r\n" + semicolons,
		"UTF-16": utf16LE("\ufeff" + text), "tabs": strings.ReplaceAll(semicolons, ";", "\t"),
	} {
		d, err := batch.ParseDecisions("d.csv", strings.NewReader(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, test := range []struct {
			who, rule string
			choice    directory.Choice
			target    string
		}{
			{annaID, directory.AskSeveral, directory.Adopt, "CN=Anna, Ltd,DC=x"},
			{annaID, directory.AskAdopt, directory.Adopt, "CN=Anna, Ltd,DC=x"},
			{annaID, directory.AskContact, "", ""},
			{bjornID, directory.AskSeveral, directory.Create, ""},
			{bjornID, directory.AskContact, directory.Leave, ""},
			{carlaID, directory.AskAdopt, "", ""},
		} {
			got, ok := d.Decision(guidOf(t, test.who), test.rule)
			if got.Choice != test.choice || got.Target != test.target || ok != (test.choice != "") {
				t.Errorf("%s: %s, %s: got %+v, %v", name, test.who, test.rule, got, ok)
			}
		}
	}
	d, err := batch.ParseDecisions("d.csv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := d.Decision(guidOf(t, annaID), directory.AskAdopt); !strings.HasPrefix(got.Place, "d.csv:4:") {
		t.Errorf("got place %q", got.Place)
	}
}

func utf16LE(text string) string {
	var raw []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		raw = append(raw, byte(unit), byte(unit>>8))
	}
	return string(raw)
}

// TestDecisionFaults: all of them at once, each with its place.
func TestDecisionFaults(t *testing.T) {
	t.Parallel()
	row := func(rest string) string { return heading + "\n" + rest }
	for text, want := range map[string][]string{
		"anna@alpine.test\n":                                                                  {"d.csv:1:1: no header"},
		"Source,SourceGUID,Question,Decisoin,Target\n":                                        {`d.csv:1:28: unknown column "Decisoin"; the nearest known one is Decision`, "d.csv:1:1: column Decision is missing"},
		heading + ",Target\n":                                                                 {"d.csv:1:64: column Target is there twice"},
		row("a," + annaID + ",match.adopt,,,adpot,"):                                          {`d.csv:2:54: "adpot" decides nothing; write adopt, create or leave; the nearest is adopt`},
		row("a," + annaID + ",match.adpot,,,adopt,"):                                          {`d.csv:2:40: "match.adpot" is no question; the nearest one is match.adopt`},
		row("a,anna@alpine.test,match.adopt,,,adopt,"):                                        {`d.csv:2:3: "anna@alpine.test" is no objectGUID`},
		row("a," + annaID + ",match.adopt,,,create,CN=A"):                                     {"d.csv:2:61: a target is named, and the decision is create"},
		row("a," + annaID + ",match.adopt,,,adopt,,x"):                                        {"d.csv:2:61: 8 fields under a header of 7"},
		row("a," + annaID + ",match.adopt,,\"x,adopt,"):                                       {"d.csv:2:53: a quote that is not closed"},
		row("a," + annaID + ",match.adopt,,,adopt,\nb,x,y,,,z,\n"):                            {`d.csv:3:5: "y" is no question`, `d.csv:3:3: "x" is no objectGUID`, `d.csv:3:9: "z" decides nothing`},
		row("a," + annaID + ",match.adopt,,,adopt,\na," + annaID + ",match.several,,,leave,"): {"d.csv:3:56: line 2 has decided about this source object already"},
		"PK\x03\x04": {"d.csv:1:1: this is a workbook"},
	} {
		_, err := batch.ParseDecisions("d.csv", strings.NewReader(text))
		var file *batch.FileError
		if !errors.As(err, &file) || len(file.Faults) != len(want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
			continue
		}
		for i, fault := range file.Faults {
			if !strings.HasPrefix(fault.String(), want[i]) {
				t.Errorf("%q: got %s, want %s", text, fault, want[i])
			}
		}
	}
}

// asking makes a question about one of two candidates.
func asking(t testing.TB, who, rule, source string) directory.Question {
	t.Helper()
	return directory.Question{
		Rule: rule, Source: source, SourceGUID: guidOf(t, who), Evidence: `smtp:"a, b"@alpine.test`,
		Candidates: []directory.Candidate{
			{DN: `CN=A\, B,DC=x`, GUID: guidOf(t, carlaID), Class: "user", Evidence: "mail a"},
			{DN: "CN=B,DC=x", GUID: guidOf(t, bjornID), Class: "contact", Evidence: "smtp:b"},
		},
	}
}

const annasQuestion = `anna@alpine.test,` + annaID + `,match.several,"smtp:""a, b""@alpine.test",` +
	`"CN=A\, B,DC=x (user, objectGUID ` + carlaID + `): mail a | CN=B,DC=x (contact, objectGUID ` + bjornID + `): smtp:b",,`

func TestQuestionsAreWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.csv")
	anna := asking(t, annaID, directory.AskSeveral, "anna@alpine.test")
	open, err := batch.AskInFile(path, []migrate.GUID{anna.SourceGUID}, []directory.Question{anna, anna})
	if err != nil || open != 1 {
		t.Fatalf("%d open, %v", open, err)
	}
	want := "\ufeff" + heading + "\r\n" + annasQuestion + "\r\n"
	if diff := cmp.Diff(want, contents(t, path)); diff != "" {
		t.Error(diff)
	}
	// What the file shows can be read back, and is enough to answer.
	answered := strings.Replace(want, `smtp:b",,`, `smtp:b",adopt,"CN=B,DC=x (contact, objectGUID `+bjornID+`)"`, 1)
	d, err := batch.ParseDecisions(path, strings.NewReader(answered))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := d.Decision(anna.SourceGUID, directory.AskSeveral); !ok || !strings.Contains(got.Target, bjornID) {
		t.Errorf("got %+v", got)
	}
}

func contents(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestQuestionsAreMerged: what is answered, or is about others, stays as it stands; open
// rows that are no longer asked go; the rest is asked as it is now.
func TestQuestionsAreMerged(t *testing.T) {
	t.Parallel()
	anna := asking(t, annaID, directory.AskSeveral, "anna@alpine.test")
	answered := ` "anna@alpine.test" ;` + annaID + ";match.adopt; x ;;  ADOPT;CN=A,DC=x  "
	other := "dora@alpine.test;44444444-4444-4444-4444-444444444444;match.adopt;;;;"
	open := func(who string) string { return "x;" + who + ";match.adopt;old;;;" }
	const semicolons = "sep=;\r\nDecision;SourceGUID;Question;Target;Evidence;Source\r\n"
	for name, test := range map[string]struct {
		was, want    string // "" is no file
		asked        []directory.Question
		looked, open int
		same         bool
	}{
		"nothing to ask, no file":   {looked: 1},
		"answered":                  {was: lines(answered), asked: []directory.Question{anna}, looked: 1, same: true},
		"answered, no longer asked": {was: lines(answered, "# note", other), looked: 1, open: 1, same: true},
		"no longer asked":           {was: lines(answered, "", "# note", open(bjornID), other), want: lines(answered, "", "# note", other), looked: 2, open: 1},
		"not looked at":             {was: lines(open(bjornID), other), looked: 1, open: 2, same: true},
		"asked again": {
			was: lines(open(annaID), other), want: lines(strings.ReplaceAll(annasQuestion, ",match.several,", ";match.several;"), other), asked: []directory.Question{anna}, looked: 1, open: 2,
		},
		"half filled in": {was: lines("x;" + annaID + ";match.adopt;;;;CN=A,DC=x"), asked: []directory.Question{anna}, looked: 1, open: 1, same: true},
		"another order": {
			was: semicolons + ";" + bjornID + ";match.adopt;;;", asked: []directory.Question{anna}, looked: 1, open: 2,
			want: "\ufeff" + semicolons + ";" + bjornID + ";match.adopt;;;\r\n" + ";" + annaID + ";match.several;;\"smtp:\"\"a, b\"\"@alpine.test\";anna@alpine.test\r\n",
		},
		"comments alone": {was: "# ours\n", want: "\ufeff# ours\r\n" + heading + "\r\n" + annasQuestion + "\r\n", asked: []directory.Question{anna}, looked: 1, open: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "decisions.csv")
			if test.was != "" {
				if err := os.WriteFile(path, []byte(test.was), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			looked := []migrate.GUID{guidOf(t, annaID), guidOf(t, bjornID)}[:test.looked]
			for range 2 { // a second time nothing is new
				open, err := batch.AskInFile(path, looked, test.asked)
				if err != nil || open != test.open {
					t.Fatalf("%d open, %v; want %d", open, err, test.open)
				}
				want := test.want
				if test.same {
					want = test.was
				}
				if test.was == "" {
					if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("a file was made: %v", err)
					}
					continue
				}
				if diff := cmp.Diff(squash(want), squash(contents(t, path))); diff != "" {
					t.Error(diff)
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
					t.Errorf("mode %v, %v", info.Mode(), err)
				}
			}
			left, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(left) > 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// lines makes a file with semicolons.
func lines(rows ...string) string {
	return "\ufeff" + strings.ReplaceAll(heading, ",", ";") + "\r\n" + strings.Join(rows, "\r\n") + "\r\n"
}

// squash makes the separators of a file the same: rows are written with those that the
// file has.
func squash(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, annaID) {
			line = strings.NewReplacer(";", ",").Replace(line)
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// TestFileWithFaultsIsLeftAlone: what cannot be read is not written over.
func TestFileWithFaultsIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.csv")
	broken := heading + "\na," + annaID + ",match.adopt,,,perhaps,\n"
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	anna := asking(t, annaID, directory.AskSeveral, "anna@alpine.test")
	_, err := batch.AskInFile(path, []migrate.GUID{anna.SourceGUID}, []directory.Question{anna})
	var file *batch.FileError
	if !errors.As(err, &file) || contents(t, path) != broken {
		t.Errorf("got %v", err)
	}
}

// TestQuestionsAreNoFormulas: what stands in a directory is text to a spreadsheet, and
// one line of it.
func TestQuestionsAreNoFormulas(t *testing.T) {
	t.Parallel()
	for hostile, want := range map[string]string{
		"=cmd|' /C calc'!A0": `"'=cmd|' /C calc'!A0"`, "+49@x": `"'+49@x"`, "@sum": `"'@sum"`, "a\r\nb,\"c\"": `"a??b,""c"""`,
		"a\u200bb\x00\xff": `"a?b??"`, "#hidden": `"#hidden"`, "a; =b": `"a; '=b"`,
	} {
		path := filepath.Join(t.TempDir(), "decisions.csv")
		q := asking(t, annaID, directory.AskSeveral, hostile)
		if _, err := batch.AskInFile(path, nil, []directory.Question{q}); err != nil {
			t.Fatal(err)
		}
		if text := contents(t, path); !strings.HasPrefix(text, "\ufeff"+heading+"\r\n"+want+",") || strings.Count(text, "\r\n") != 2 {
			t.Errorf("%q: got %q", hostile, text)
		}
		if open, err := batch.AskInFile(path, nil, nil); err != nil || open != 1 {
			t.Errorf("%q: %d open, %v", hostile, open, err)
		}
	}
}

// TestManyQuestions: nothing is lost among thousands.
func TestManyQuestions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.csv")
	var asked []directory.Question
	var looked []migrate.GUID
	for n := range 2000 {
		guid := fmt.Sprintf("%08x-0000-0000-0000-000000000001", n)
		asked = append(asked, asking(t, guid, directory.AskAdopt, fmt.Sprintf("p%d@alpine.test", n)))
		looked = append(looked, guidOf(t, guid))
	}
	if open, err := batch.AskInFile(path, looked, asked); err != nil || open != len(asked) {
		t.Fatalf("%d open, %v", open, err)
	}
	if open, err := batch.AskInFile(path, looked[:1000], asked[:1]); err != nil || open != 1001 {
		t.Fatalf("%d open, %v", open, err)
	}
	d, err := batch.LoadDecisions(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Decision(looked[0], directory.AskAdopt); ok {
		t.Error("an open question is answered")
	}
}

// TestNoDecisionFile decides nothing.
func TestNoDecisionFile(t *testing.T) {
	t.Parallel()
	d, err := batch.LoadDecisions(filepath.Join(t.TempDir(), "none.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Decision(guidOf(t, annaID), directory.AskAdopt); ok {
		t.Error("something was decided")
	}
}
