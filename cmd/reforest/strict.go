package main

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"reforest/batch"
)

// An at is a place in the configuration file, from 1.
type at struct{ line, column int }

// A fault is one thing that is wrong with the configuration file.
type fault struct {
	at
	text string
}

// faults are all that is wrong with the configuration file, and where its keys
// stand.
type faults struct {
	path    string
	list    []fault
	place   map[string]at
	decoded bool            // the file is YAML: what could be read of it is in the struct
	unread  int             // keys and values that could not be
	doubt   map[string]bool // mappings with a misspelt key, and keys whose values could not be read
}

func (f *faults) Error() string {
	lines := make([]string, len(f.list))
	for i, one := range f.list {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", f.path, one.line, one.column, one.text)
	}
	return strings.Join(lines, "\n")
}

// add notes a fault at the key's place, or where the nearest key above it stands. What may
// only follow from something that could not be read is passed over.
func (f *faults) add(key, format string, args ...any) {
	if f.doubt[key] {
		return
	}
	where, ok := f.place[key]
	for parent := key; !ok && parent != ""; {
		i := max(strings.LastIndexByte(parent, '.'), 0)
		parent = parent[:i]
		where, ok = f.place[parent]
	}
	if !ok {
		where = at{1, 1}
	}
	f.list = append(f.list, fault{where, fmt.Sprintf(format, args...)})
}

func (f *faults) sort() {
	slices.SortFunc(f.list, func(a, b fault) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.text, b.text)
	})
}

// decodeStrict fills the struct that v points to from the file's text. It finds all
// faults, not the first alone; unknown and repeated keys are faults.
func decodeStrict(path string, text []byte, v any) *faults {
	f := &faults{path: path, place: map[string]at{}, doubt: map[string]bool{}}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey()) // pair reports them
	if err != nil {
		f.list = append(f.list, fault{syntaxPlace(err), firstLine(err)})
		return f
	}
	f.decoded = true
	for _, doc := range file.Docs {
		if doc.Body != nil {
			f.mapping(doc.Body, reflect.ValueOf(v).Elem(), "")
		}
	}
	return f
}

func syntaxPlace(err error) at {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return place(syntax.GetToken())
	}
	return at{1, 1}
}

// firstLine returns the message without the excerpt that goccy/go-yaml prints
// beneath it, which might show a secret.
func firstLine(err error) string {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		return syntax.GetMessage()
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func place(t *token.Token) at { return at{t.Position.Line, t.Position.Column} }

// mapping fills a struct from a mapping node.
func (f *faults) mapping(node ast.Node, v reflect.Value, path string) {
	for _, pair := range f.pairs(node, path) {
		f.pair(pair, v, path)
	}
}

// pairs returns the keys and values of a mapping node.
func (f *faults) pairs(node ast.Node, path string) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil
	}
	f.doubt[path] = true
	f.list = append(f.list, fault{place(node.GetToken()), strings.TrimPrefix(path+": want keys and values here", ": ")})
	return nil
}

// table fills a map of texts from a mapping node, whose keys are not known beforehand.
// They are compared without regard to case, as names of attributes are.
func (f *faults) table(node ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	first := map[string]int{}
	for _, pair := range f.pairs(node, path) {
		name, where := pair.Key.GetToken().Value, place(pair.Key.GetToken())
		if line, twice := first[strings.ToLower(name)]; twice {
			f.list = append(f.list, fault{where, fmt.Sprintf("%s.%s stands here a second time, first on line %d", path, name, line)})
			continue
		}
		first[strings.ToLower(name)] = where.line
		f.place[path+"."+name] = where
		value := reflect.New(v.Type().Elem()).Elem()
		f.value(pair.Value, value, path+"."+name)
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
}

// sequence fills a list of structs. The first is path.1.
func (f *faults) sequence(node ast.Node, v reflect.Value, path string) {
	list, ok := node.(*ast.SequenceNode)
	if _, empty := node.(*ast.NullNode); empty {
		return
	}
	if !ok {
		f.list = append(f.list, fault{place(node.GetToken()), path + ": want a list"})
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		f.place[itemKey(path, i)] = beginning(item)
		f.mapping(item, v.Index(i), itemKey(path, i))
	}
}

// beginning returns where a node begins: the token of a mapping is the colon in it.
func beginning(node ast.Node) at {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return place(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return place(n.Key.GetToken())
	}
	return place(node.GetToken())
}

// itemKey is the key of an item of a list, by which its place is known.
func itemKey(path string, i int) string { return fmt.Sprintf("%s.%d", path, i+1) }

func (f *faults) pair(pair *ast.MappingValueNode, v reflect.Value, path string) {
	name := pair.Key.GetToken().Value
	key := strings.TrimPrefix(path+"."+name, ".")
	where := place(pair.Key.GetToken())
	if first, twice := f.place[key]; twice {
		f.list = append(f.list, fault{where, fmt.Sprintf("%s stands here a second time, first on line %d", key, first.line)})
		return
	}
	f.place[key] = where
	field, known := fieldOf(v, name)
	switch {
	case !field.IsValid():
		f.doubt[path] = true
		f.list = append(f.list, fault{where, fmt.Sprintf("unknown key %q; did you mean %q?", key, strings.TrimPrefix(path+"."+batch.Nearest(name, known), "."))})
	case field.Kind() == reflect.Struct:
		f.mapping(pair.Value, field, key)
	case field.Kind() == reflect.Map:
		f.table(pair.Value, field, key)
	case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
		f.sequence(pair.Value, field, key)
	default:
		f.value(pair.Value, field, key)
	}
}

func (f *faults) value(node ast.Node, field reflect.Value, key string) {
	if err := yaml.NodeToValue(node, field.Addr().Interface()); err != nil {
		f.doubt[key] = true
		f.list = append(f.list, fault{place(node.GetToken()), key + ": " + wanted(field, err)})
	}
}

// wanted says what should stand there: in the words of the type that reads it, or by
// what kind of value it is.
func wanted(field reflect.Value, err error) string {
	if _, secret := field.Addr().Interface().(*secretRef); secret {
		return errNotReference.Error() // the parser's own words might repeat what stands there
	}
	_, own := field.Addr().Interface().(encoding.TextUnmarshaler)
	kinds := map[reflect.Kind]string{
		reflect.Int: "want a whole number", reflect.Int64: "want a whole number", reflect.Bool: "want true or false",
		reflect.Float64: "want a number", reflect.String: "want text", reflect.Slice: "want a list",
	}
	if want := kinds[field.Kind()]; want != "" && !own {
		return want
	}
	return firstLine(err)
}

// fieldOf returns the field of that name, and the names there are.
func fieldOf(v reflect.Value, name string) (field reflect.Value, known []string) {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("yaml")
		if tag == "" {
			continue
		}
		known = append(known, tag)
		if tag == name {
			field = v.Field(i)
		}
	}
	return field, known
}
