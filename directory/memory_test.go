package directory_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// errKilled is what everything returns once the process is dead.
var errKilled = errors.New("the process has been killed")

// A clock counts the steps at which a process may die, and dies at one of them.
type clock struct {
	steps, last int // last: 0 is never
}

func (c *clock) tick() error {
	if c.last > 0 && c.steps >= c.last {
		return errKilled
	}
	c.steps++
	return nil
}

// A memory is a directory that follows the rules of Active Directory which matter to
// plans: it refuses a value that is there already and one that is not, in any case of
// letters, and names that are not unique, and it makes GUIDs, SIDs and permissions.
type memory struct {
	clock   *clock
	domain  migrate.SID
	next    uint32
	entries map[string]*stored // by DN.Key
	writes  int
}

type stored struct {
	dn    directory.DN
	attrs map[string][][]byte // by lower-case name
}

var binary16 = []string{"objectguid", "objectsid", "sidhistory", "msexchmasteraccountsid", "msexchmailboxguid", "msexcharchiveguid", "ntsecuritydescriptor", "securityidentifier", "usercertificate", "thumbnailphoto"}

func newMemory(domain migrate.SID) *memory {
	return &memory{clock: &clock{}, domain: domain, next: 1104, entries: map[string]*stored{}}
}

// put stores an entry without asking any rule.
func (m *memory) put(t testing.TB, dn directory.DN, attrs map[string][]string) *stored {
	t.Helper()
	s := &stored{dn: dn, attrs: map[string][][]byte{}}
	for name, values := range attrs {
		for _, v := range values {
			s.attrs[strings.ToLower(name)] = append(s.attrs[strings.ToLower(name)], []byte(v))
		}
	}
	m.complete(s)
	m.entries[dn.Key()] = s
	return s
}

func (m *memory) complete(s *stored) {
	m.next++
	if s.attrs["objectguid"] == nil {
		guid := make([]byte, 16)
		binary.BigEndian.PutUint32(guid, m.next)
		copy(guid[4:], m.domain[9:])
		s.attrs["objectguid"] = [][]byte{guid}
	}
	principal := hasFold(s.attrs["objectclass"], "user") || hasFold(s.attrs["objectclass"], "group")
	if principal && s.attrs["objectsid"] == nil {
		s.attrs["objectsid"] = [][]byte{sidBytes(migrate.SID(fmt.Sprintf("%s-%d", m.domain, m.next)))}
	}
	if principal && s.attrs["ntsecuritydescriptor"] == nil {
		s.attrs["ntsecuritydescriptor"] = [][]byte{userSecurity}
	}
	s.attrs["cn"] = [][]byte{[]byte(s.dn.Name())}
}

func sidBytes(sid migrate.SID) []byte {
	b, err := sid.Bytes()
	if err != nil {
		panic(err)
	}
	return b
}

func hasFold(values [][]byte, want string) bool {
	return slices.ContainsFunc(values, func(v []byte) bool { return strings.EqualFold(string(v), want) })
}

func (m *memory) Get(_ context.Context, dn directory.DN, attrs ...string) (*directory.Entry, error) {
	if s, ok := m.entries[dn.Key()]; ok {
		return m.linked(s).entry(attrs), nil
	}
	return nil, fmt.Errorf("get %q: %w", dn, directory.ErrNotFound)
}

// linked returns the entry with its back links, which the server keeps.
func (m *memory) linked(s *stored) *stored {
	out := &stored{dn: s.dn, attrs: maps.Clone(s.attrs)}
	for forward, back := range map[string]string{"manager": "directreports", "publicdelegates": "publicdelegatesbl", "member": "memberof", "authorig": "authorigbl"} {
		for _, other := range m.entries {
			if slices.ContainsFunc(other.attrs[forward], func(v []byte) bool { return directory.DN(v).Equal(s.dn) }) {
				out.attrs[back] = append(out.attrs[back], []byte(other.dn))
			}
		}
	}
	return out
}

func (s *stored) entry(attrs []string) *directory.Entry {
	shown := map[string][][]byte{}
	for name, values := range s.attrs {
		if hasName(attrs, name) || len(attrs) == 0 && name != "ntsecuritydescriptor" {
			shown[name] = slices.Clone(values)
		}
	}
	return directory.NewEntry(s.dn, shown)
}

func hasName(attrs []string, name string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool { return strings.EqualFold(a, name) })
}

func (m *memory) Find(_ context.Context, q directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) {
		if _, ok := m.entries[q.Base.Key()]; !ok && q.Base != "" {
			yield(nil, fmt.Errorf("find below %q: %w", q.Base, directory.ErrNotFound))
			return
		}
		for _, key := range slices.Sorted(keys(m.entries)) {
			s := m.entries[key]
			inScope := q.Base == "" && s.dn != "" || s.dn.Under(q.Base)
			if q.Scope == directory.Base {
				inScope = s.dn.Equal(q.Base)
			}
			match, rest := s.match(string(q.Filter))
			if rest != "" {
				yield(nil, fmt.Errorf("filter %q: cannot read %q", q.Filter, rest))
				return
			}
			if inScope && match && !yield(m.linked(s).entry(q.Attrs), nil) {
				return
			}
		}
	}
}

func keys(m map[string]*stored) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// match evaluates the filter at the beginning of text and returns what follows it.
func (s *stored) match(text string) (bool, string) {
	if len(text) < 3 || text[0] != '(' {
		return false, "?" + text
	}
	switch op := text[1]; op {
	case '&', '|', '!':
		result, rest := op == '&', text[2:]
		for strings.HasPrefix(rest, "(") {
			var one bool
			one, rest = s.match(rest)
			switch op {
			case '&':
				result = result && one
			case '|':
				result = result || one
			default:
				result = !one
			}
		}
		return result, strings.TrimPrefix(rest, ")")
	}
	body, rest, _ := strings.Cut(text[1:], ")")
	attr, value, _ := strings.Cut(body, "=")
	values := s.attrs[strings.ToLower(attr)]
	if value == "*" {
		return len(values) > 0, rest
	}
	if prefix, ok := strings.CutSuffix(value, "*"); ok {
		return slices.ContainsFunc(values, func(v []byte) bool {
			return len(v) >= len(prefix) && strings.EqualFold(string(v[:len(prefix)]), prefix)
		}), rest
	}
	return slices.ContainsFunc(values, func(v []byte) bool { return sameAs(attr, v, unescape(value)) }), rest
}

func sameAs(attr string, a, b []byte) bool {
	if slices.Contains(binary16, strings.ToLower(attr)) {
		return bytes.Equal(a, b)
	}
	return strings.EqualFold(string(a), string(b))
}

func unescape(value string) []byte {
	var b []byte
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+2 < len(value) {
			octet, err := hex.DecodeString(value[i+1 : i+3])
			if err != nil {
				return []byte("bad escape")
			}
			b = append(b, octet[0])
			i += 2
			continue
		}
		b = append(b, value[i])
	}
	return b
}

func (m *memory) Write(_ context.Context, change directory.Change) error {
	if err := m.clock.tick(); err != nil {
		return err
	}
	if err := m.write(change); err != nil {
		return err
	}
	m.writes++
	return m.clock.tick()
}

func (m *memory) write(change directory.Change) error {
	s, there := m.entries[change.DN.Key()]
	if change.Op == directory.Delete && there {
		delete(m.entries, change.DN.Key())
		m.unlink(change.DN)
		return nil
	}
	if change.Op == directory.Add {
		if there {
			return fmt.Errorf("add %q: %w", change.DN, directory.ErrExists)
		}
		s = &stored{dn: change.DN, attrs: map[string][][]byte{}}
	} else if !there {
		return fmt.Errorf("modify %q: %w", change.DN, directory.ErrNotFound)
	}
	fresh := &stored{dn: s.dn, attrs: map[string][][]byte{}}
	for name, values := range s.attrs {
		fresh.attrs[name] = slices.Clone(values)
	}
	for _, mod := range change.Mods {
		if err := fresh.modify(mod); err != nil {
			return fmt.Errorf("%s %q: %w", change.Op, change.DN, err)
		}
	}
	if err := m.unique(fresh); err != nil {
		return err
	}
	if change.Op == directory.Add {
		m.complete(fresh)
	}
	m.entries[change.DN.Key()] = fresh
	return nil
}

// unlink takes the entry out of every link, as the server does (MS-ADTS 3.1.1.5.5).
func (m *memory) unlink(dn directory.DN) {
	for _, s := range m.entries {
		for _, name := range []string{"member", "manager", "publicdelegates", "altrecipient"} {
			s.attrs[name] = slices.DeleteFunc(s.attrs[name], func(v []byte) bool { return directory.DN(v).Equal(dn) })
		}
	}
}

// unique refuses an account name or UPN that another entry has.
func (m *memory) unique(s *stored) error {
	for _, attr := range []string{"samaccountname", "userprincipalname"} {
		for _, other := range m.entries {
			if !other.dn.Equal(s.dn) && len(s.attrs[attr]) > 0 && hasFold(other.attrs[attr], string(s.attrs[attr][0])) {
				return fmt.Errorf("%s of %q is taken by %q: %w", attr, s.dn, other.dn, directory.ErrExists)
			}
		}
	}
	return nil
}

func (s *stored) modify(mod directory.Mod) error {
	name := strings.ToLower(mod.Attr)
	present := s.attrs[name]
	has := func(v []byte) func([]byte) bool { return func(o []byte) bool { return sameAs(name, o, v) } }
	switch mod.Op {
	case directory.AddValues:
		for _, v := range mod.Values {
			if slices.ContainsFunc(present, has(v)) {
				return fmt.Errorf("%s: %q is there already", name, v)
			}
			present = append(present, v)
		}
	case directory.DeleteValues:
		if len(present) == 0 {
			return errors.New("no such attribute " + name)
		}
		if len(mod.Values) == 0 {
			present = nil
		}
		for _, v := range mod.Values {
			if !slices.ContainsFunc(present, has(v)) {
				return fmt.Errorf("%s: no value %q", name, v)
			}
			present = slices.DeleteFunc(present, has(v))
		}
	case directory.RandomPassword:
		s.attrs["pwdlastset"] = [][]byte{[]byte("133000000000000000")}
		return nil
	case directory.ReplaceValues:
		present = mod.Values
		for i, v := range present {
			if slices.ContainsFunc(present[:i], has(v)) {
				return fmt.Errorf("%s: %q is there twice", name, v)
			}
		}
	}
	for _, v := range present {
		if len(v) == 0 {
			return errors.New("empty value of " + name)
		}
	}
	if len(present) == 0 {
		delete(s.attrs, name)
		return nil
	}
	s.attrs[name] = present
	return nil
}

// dump returns everything that is stored, as comparable text.
func (m *memory) dump() map[string][]string {
	out := map[string][]string{}
	for _, s := range m.entries {
		for name, values := range s.attrs {
			for _, v := range values {
				out[string(s.dn)] = append(out[string(s.dn)], name+"="+strconv.Quote(string(v)))
			}
		}
		slices.Sort(out[string(s.dn)])
	}
	return out
}

// A journal keeps changes in memory and dies with the clock.
type journal struct {
	clock   *clock
	changes []directory.Change
	closed  map[int64]bool
	dropped map[int64]bool // of those that are closed, the ones that were not carried out
}

func newJournal(c *clock) *journal {
	return &journal{clock: c, closed: map[int64]bool{}, dropped: map[int64]bool{}}
}

func (j *journal) Intend(_ context.Context, change directory.Change) (int64, error) {
	if err := j.clock.tick(); err != nil {
		return 0, err
	}
	change.ID = int64(len(j.changes) + 1)
	j.changes = append(j.changes, change)
	return change.ID, j.clock.tick()
}

func (j *journal) Commit(_ context.Context, id int64) error { return j.end(id, false) }

func (j *journal) Drop(_ context.Context, id int64) error { return j.end(id, true) }

func (j *journal) end(id int64, dropped bool) error {
	if err := j.clock.tick(); err != nil {
		return err
	}
	if j.closed[id] || id == 0 {
		return fmt.Errorf("change %d was closed before", id)
	}
	j.closed[id] = true
	if dropped {
		j.dropped[id] = true
	}
	return j.clock.tick()
}

func (j *journal) Open(_ context.Context) iter.Seq2[directory.Change, error] {
	return func(yield func(directory.Change, error) bool) {
		for _, change := range j.changes {
			if !j.closed[change.ID] && !yield(change, nil) {
				return
			}
		}
	}
}
