package ldapd

import (
	"fmt"
	"slices"
	"strings"

	"reforest/directory"
	"reforest/migrate"
)

// A Grant is what an account may do beyond reading, which everyone may who has logged on.
// Several grants add up. Names are compared without regard to case; "*" is every one.
type Grant struct {
	// Under is the object at and below which the grant holds. Empty means the forest.
	Under directory.DN
	// Create names the classes of which objects may be added at Under and below.
	Create []string
	// Delete says whether objects below Under may be deleted, or moved away.
	Delete bool
	// Write names the attributes that may be written: unicodePwd stands for the right to
	// reset a password; name and cn are needed to rename. nTSecurityDescriptor is not
	// written by it but by Descriptor.
	Write []string
	// Descriptor is the sum of the parts of security descriptors that may be written:
	// 1 owner and group, 4 DACL, 8 SACL (MS-ADTS 3.1.1.4.5.4). To write one without the
	// SD flags control takes all three.
	Descriptor int
}

// Grant gives an account, or whoever belongs to a group, rights in addition to those it
// has. The domain's administrators need none.
func (s *Server) Grant(account directory.DN, grants ...Grant) error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	trustee, f := st.must(string(account))
	if f != nil {
		return fmt.Errorf("grant rights to %q: %w", account, f)
	}
	for _, g := range grants {
		g.Under = directory.DN(either(string(g.Under), string(st.root.dn())))
		under, f := st.must(string(g.Under))
		if f != nil {
			return fmt.Errorf("grant rights under %q: %w", g.Under, f)
		}
		for _, attr := range g.Write {
			if _, f := st.schema.attr(attr); f != nil && attr != "*" {
				return fmt.Errorf("grant rights to %q: %w", account, f)
			}
		}
		st.grants[trustee.guid] = append(st.grants[trustee.guid], grant{Grant: g, under: under.guid})
	}
	return nil
}

// Revoke takes back all that Grant gave an account.
func (s *Server) Revoke(account directory.DN) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	trustee, f := s.store.must(string(account))
	if f != nil {
		return fmt.Errorf("revoke rights of %q: %w", account, f)
	}
	delete(s.store.grants, trustee.guid)
	return nil
}

// A grant is a Grant whose object is known.
type grant struct {
	Grant
	under migrate.GUID
}

// An access is what one account may do to one object.
type access struct {
	admin      bool
	create     []string // classes of children
	write      []string
	remove     bool
	descriptor int
}

// accessTo computes what who may do to o. The lock is held.
func (s *store) accessTo(who identity, o *object) access {
	if who.admin {
		return access{admin: true, remove: true, descriptor: ownerPart | daclPart | saclPart}
	}
	var can access
	account := s.byGUID[who.guid]
	for trustee, grants := range s.grants {
		if account == nil || trustee != who.guid && (s.byGUID[trustee] == nil || !s.isMember(account, s.byGUID[trustee])) {
			continue
		}
		for _, g := range grants {
			can.take(g, s.byGUID[g.under], o)
		}
	}
	return can
}

// take adds what a grant under an object gives at o.
func (c *access) take(g grant, under, o *object) {
	if under == nil || !o.under(under) {
		return
	}
	c.create = append(c.create, g.Create...)
	c.write = append(c.write, g.Write...)
	c.descriptor |= g.Descriptor
	c.remove = c.remove || g.Delete && o != under
}

func (c access) mayCreate(class string) bool { return c.admin || named(c.create, class) }

func (c access) mayWrite(attr string) bool { return c.admin || named(c.write, attr) }

// mayWriteParts judges parts of a security descriptor. Owner and group take one right.
func (c access) mayWriteParts(parts int) bool {
	if parts&groupPart != 0 {
		parts = parts&^groupPart | ownerPart
	}
	return c.admin || parts&^c.descriptor == 0
}

func named(names []string, name string) bool {
	return containsFold(names, name) || slices.Contains(names, "*")
}

func denied(what string, args ...any) *fault {
	return refuse(insufficientRights, "00002098: SecErr: DSID-03150E49, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0, "+what, args...)
}

// The rights below are judged before the request is, so whoever may not write learns
// nothing of whether he could. What does not exist is left to the request to say.

// authorize judges the right to create a child (MS-ADTS 3.1.1.5.2.1).
func (req addition) authorize(s *store, who identity) *fault {
	parent := s.parentOf(req.dn)
	row, _, _ := s.structural(classesOf(req.attrs)) // nil: carryOut says what is wrong
	if parent == nil || row == nil || s.accessTo(who, parent).mayCreate(row.name) {
		return nil
	}
	return denied("%s may not be created here", row.name)
}

// authorize judges the right to write each attribute (MS-ADTS 3.1.1.5.3.1).
func (req modify) authorize(s *store, who identity) *fault {
	o, _ := s.find(req.dn)
	if o == nil {
		return nil
	}
	can := s.accessTo(who, o)
	for _, m := range req.mods {
		if strings.EqualFold(m.attr, "nTSecurityDescriptor") {
			if !can.mayWriteParts(req.sdParts) {
				return denied("parts %d of the security descriptor may not be written", req.sdParts)
			}
			continue
		}
		if !can.mayWrite(m.attr) {
			return denied("%s may not be written", m.attr)
		}
	}
	return nil
}

// authorize judges the right to delete (MS-ADTS 3.1.1.5.5.1).
func (req deletion) authorize(s *store, who identity) *fault {
	if o, _ := s.find(req.dn); o != nil && !s.accessTo(who, o).remove {
		return denied("the object may not be deleted")
	}
	return nil
}

// authorize judges the right to rename, and to move: to delete here and to create there
// (MS-ADTS 3.1.1.5.4.1).
func (req rename) authorize(s *store, who identity) *fault {
	o, _ := s.find(req.dn)
	if o == nil {
		return nil
	}
	can := s.accessTo(who, o)
	if !can.mayWrite("name") || !can.mayWrite(o.rdn.attr) {
		return denied("the object may not be renamed")
	}
	if req.superior == "" {
		return nil
	}
	to, _ := s.find(req.superior)
	if to == nil || to == o.parent || can.remove && s.accessTo(who, to).mayCreate(o.class.name) {
		return nil
	}
	return denied("the object may not be moved there")
}
