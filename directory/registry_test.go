package directory_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// ruleShape is what every rule's id looks like, and little else in the code does.
var ruleShape = regexp.MustCompile(`^[a-z][a-z0-9]*\.[a-z][a-z0-9-]*$`)

// notRules are words of that shape that the packages use for something else.
var notRules = []string{"reforest.yaml", "vcs.revision", "reforest.db"}

// A use is where a word of that shape stands in the code.
type use struct {
	where    string
	severity migrate.Severity
	known    bool // the severity is
}

// TestEveryRuleIsRegistered: every finding's id has a row, with a severity that it is
// found with, and every row is used.
func TestEveryRuleIsRegistered(t *testing.T) {
	t.Parallel()
	used := usedRules(t)
	for id, uses := range used {
		rule, registered := directory.RuleOf(id)
		if !registered {
			t.Errorf("%s: rule %q has no row in rules.go", uses[0].where, id)
			continue
		}
		gravest, known := migrate.Note, false
		for _, u := range uses {
			gravest, known = max(gravest, u.severity), known || u.known
		}
		if known && gravest > rule.Severity {
			t.Errorf("%s: rule %q is found as %s and registered as %s", uses[0].where, id, gravest, rule.Severity)
		}
	}
	for _, rule := range directory.AllRules() {
		if used[rule.ID] == nil {
			t.Errorf("rule %q is registered and nowhere used", rule.ID)
		}
	}
}

func TestRulesSayEnough(t *testing.T) {
	t.Parallel()
	last := ""
	for _, r := range directory.AllRules() {
		if r.ID <= last {
			t.Errorf("rule %q comes after %q: twice, or out of order", r.ID, last)
		}
		last = r.ID
		if !ruleShape.MatchString(r.ID) || r.Means == "" || r.Source == "" || r.Mend == "" && r.Severity != migrate.Note {
			t.Errorf("%+v says too little", r)
		}
	}
}

// usedRules returns where each id is used: every literal of its shape in directory, batch
// and migrate, and in cmd and in what lies below them those that are a finding's Rule or
// an argument of what makes one.
func usedRules(t *testing.T) map[string][]use {
	t.Helper()
	used := map[string][]use{}
	for _, dir := range []string{".", "../batch", "../migrate", "../cmd"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !isProduct(path) {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), path, source, 0)
			if err != nil {
				return err
			}
			deeper := strings.HasPrefix(path, "../cmd") || filepath.Dir(path) != filepath.Clean(dir)
			collectRules(file, path, deeper, used)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return used
}

func isProduct(path string) bool {
	own := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && filepath.Base(path) != "rules.go"
	return own && !strings.Contains(path, "batchtest") && !strings.Contains(path, "migratetest") && !strings.Contains(path, "directorytest")
}

func collectRules(file *ast.File, path string, onlyFindings bool, used map[string][]use) {
	severities := map[*ast.BasicLit]migrate.Severity{}
	rules := map[*ast.BasicLit]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if lit, ok := firstLiteral(n); ok {
				if severity, makes := maker(n.Fun); makes {
					severities[lit], rules[lit] = severity, true
				}
			}
		case *ast.CompositeLit:
			noteComposite(n, severities, rules)
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if err != nil || n.Kind != gotoken.STRING || !ruleShape.MatchString(text) || slices.Contains(notRules, text) {
				return true
			}
			if onlyFindings && !rules[n] {
				return true
			}
			severity, known := severities[n]
			used[text] = append(used[text], use{path, severity, known})
		}
		return true
	})
}

func firstLiteral(call *ast.CallExpr) (*ast.BasicLit, bool) {
	if len(call.Args) == 0 {
		return nil, false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	return lit, ok
}

// maker reports whether the function makes findings, and of which severity.
func maker(fun ast.Expr) (migrate.Severity, bool) {
	name := ""
	switch f := fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	switch name {
	case "forbid":
		return migrate.Forbid, true
	case "warn":
		return migrate.Warn, true
	case "note":
		return migrate.Note, true
	}
	return 0, false
}

// noteComposite looks for migrate.Finding{Rule: …, Severity: …}.
func noteComposite(lit *ast.CompositeLit, severities map[*ast.BasicLit]migrate.Severity, rules map[*ast.BasicLit]bool) {
	var rule *ast.BasicLit
	severity, known := migrate.Note, false
	for _, element := range lit.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		if key == nil {
			continue
		}
		switch key.Name {
		case "Rule":
			rule, _ = pair.Value.(*ast.BasicLit)
		case "Severity":
			if selected, ok := pair.Value.(*ast.SelectorExpr); ok {
				severity, known = map[string]migrate.Severity{"Note": migrate.Note, "Warn": migrate.Warn, "Forbid": migrate.Forbid}[selected.Sel.Name]
			}
		}
	}
	if rule != nil {
		rules[rule] = true
		if known {
			severities[rule] = severity
		}
	}
}
