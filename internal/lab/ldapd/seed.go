package ldapd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// Attrs are the attributes of an entry, by name.
type Attrs map[string][]string

// Seed adds an entry without LDAP, and returns it as it came to be. What the
// server makes of every new object it makes of this one: objectGUID, objectSid,
// sAMAccountName, and so on. Beyond what LDAP allows, a security descriptor is
// kept as it is, inherited ACEs included, and attributes of the system's own, such
// as sIDHistory, may be given.
func (s *Server) Seed(dn directory.DN, attrs Attrs) (*directory.Entry, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	req := addition{dn: string(dn), system: true, sdParts: allParts}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		if len(attrs[name]) == 0 {
			continue
		}
		req.attrs = append(req.attrs, modification{attr: name, values: raws(attrs[name])})
	}
	o, f := s.store.add(req)
	if f != nil {
		return nil, fmt.Errorf("seed %q: %w", dn, f)
	}
	return s.store.entry(o, nil), nil
}

func raws(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, text := range texts {
		out[i] = []byte(text)
	}
	return out
}

// SeedChange changes an entry without LDAP. The rights of Seed hold here too.
func (s *Server) SeedChange(dn directory.DN, mods ...directory.Mod) error {
	kinds := map[directory.ModOp]int{directory.AddValues: modAdd, directory.DeleteValues: modDelete, directory.ReplaceValues: modReplace}
	req := modify{dn: string(dn), sdParts: allParts, system: true}
	for _, m := range mods {
		kind, known := kinds[m.Op]
		if !known {
			return fmt.Errorf("change %q: unknown modification %q", dn, m.Op)
		}
		req.mods = append(req.mods, modification{op: kind, attr: m.Attr, values: m.Values})
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if f := s.store.modify(req); f != nil {
		return fmt.Errorf("change %q: %w", dn, f)
	}
	return nil
}

// SeedDelete deletes an entry and all below it without LDAP.
func (s *Server) SeedDelete(dn directory.DN) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if f := s.store.remove(deletion{dn: string(dn), tree: true}); f != nil {
		return fmt.Errorf("delete %q: %w", dn, f)
	}
	return nil
}

// Entry returns an entry with the given attributes, or all but the security
// descriptor. It returns directory.ErrNotFound if there is no such entry.
func (s *Server) Entry(dn directory.DN, attrs ...string) (*directory.Entry, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	o, f := s.store.find(string(dn))
	switch {
	case f != nil:
		return nil, fmt.Errorf("read %q: %w", dn, f)
	case o == nil:
		return nil, fmt.Errorf("read %q: %w", dn, directory.ErrNotFound)
	}
	return s.store.entry(o, attrs), nil
}

// Lookup returns the entry that has the value in an indexed attribute, such as
// mail, proxyAddresses, userPrincipalName or msExchMailboxGuid. It returns
// directory.ErrNotFound if there is none, and an error if there are several.
func (s *Server) Lookup(attr, text string) (*directory.Entry, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	a, f := s.store.schema.attr(attr)
	if f != nil {
		return nil, fmt.Errorf("look up %s: %w", attr, f)
	}
	key, known := s.store.assertion(a, []byte(text))
	if !known || !a.index {
		return nil, fmt.Errorf("look up %s: it has no index, or %q is no value of it", attr, text)
	}
	found := s.store.index[a.key][key]
	if found.len() > 1 {
		return nil, fmt.Errorf("look up %s: %d entries have %q", attr, found.len(), text)
	}
	for o := range found.all() {
		return s.store.entry(o, nil), nil
	}
	return nil, fmt.Errorf("look up %s %q: %w", attr, text, directory.ErrNotFound)
}

// Authenticate checks a name, in any form that a bind takes, and a password, and
// returns the account's SID. The rehearsal's mail servers ask it.
func (s *Server) Authenticate(user, password string) (migrate.SID, error) {
	who, f := s.authenticate(user, password)
	if f != nil {
		return "", f
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	o := s.store.byGUID[who.guid]
	if o == nil {
		return "", badCredentials("52e") // deleted meanwhile
	}
	return migrate.SIDFromBytes([]byte(o.first("objectsid")))
}

// entry returns the object as directory knows entries, its attributes whole. The
// lock is held.
func (s *store) entry(o *object, attrs []string) *directory.Entry {
	values := map[string][][]byte{}
	for _, name := range s.wanted(o, attrs) {
		a := s.schema.attrs[strings.ToLower(name)]
		if a == nil {
			continue
		}
		for _, v := range s.values(o, a) {
			values[a.name] = append(values[a.name], shownBytes(a, v, allParts))
		}
	}
	return directory.NewEntry(o.dn(), values)
}
