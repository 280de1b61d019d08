package ldapd

import (
	"strconv"

	"reforest/directory"
)

// pages are the paged searches of a connection. A cookie stands for the objects
// that matched when the search began, so writes meanwhile do not shift pages.
type pages struct {
	open map[string]*paged
	last int
}

type paged struct {
	rest  []*object
	limit int64 // entries that the client still wants; -1 is all
	at    int   // when it was last used, in requests

	generation int // of the store's content
}

func newPages() *pages { return &pages{open: map[string]*paged{}} }

// keep stores what is left of a search and returns its cookie. The one that has
// been idle longest makes room.
func (p *pages) keep(rest *paged) string {
	p.last++
	rest.at = p.last
	if len(p.open) >= maxCookies {
		oldest := ""
		for cookie, other := range p.open {
			if oldest == "" || other.at < p.open[oldest].at {
				oldest = cookie
			}
		}
		delete(p.open, oldest)
	}
	cookie := strconv.Itoa(p.last)
	p.open[cookie] = rest
	return cookie
}

func (p *pages) take(cookie string, generation int) (*paged, *fault) {
	rest := p.open[cookie]
	if rest == nil || rest.generation != generation {
		return nil, refuse(unwilling, "00000057: SvcErr: DSID-031401E7, problem 5003 (WILL_NOT_PERFORM), data 0, unknown cookie")
	}
	delete(p.open, cookie)
	return rest, nil
}

// search answers a search request with entries, references and a result.
func (c *conn) search(m message, ctl controls) {
	req, f := readSearch(m.op, ctl)
	if f != nil {
		c.send(m.id, result(opSearchDone, f), nil)
		return
	}
	if req.base == "" && req.scope == scopeBase {
		c.send(m.id, entryPacket(c.rootDSE(req)), nil)
		c.send(m.id, result(opSearchDone, nil), nil)
		return
	}
	if !c.who.bound {
		c.send(m.id, result(opSearchDone, notBound()), nil)
		return
	}
	req.who, req.global = c.who, c.global
	if !c.who.admin && !ctl.sdAsked {
		req.sdParts &^= saclPart // reading it takes a privilege
	}
	c.answer(m, ctl, req)
}

// answer sends what the search finds. The entries are made under the lock and sent
// without it, so that a slow client holds up nobody.
func (c *conn) answer(m message, ctl controls, req search) {
	c.store.mu.RLock()
	entries, refs, cookie, f := c.found(ctl, req)
	c.store.mu.RUnlock()
	for _, entry := range entries {
		c.send(m.id, entryPacket(entry), nil)
	}
	for _, dn := range refs {
		c.send(m.id, referencePacket("ldap://"+c.server.config.Domain+"/"+string(dn)), nil)
	}
	done := result(opSearchDone, f)
	if ctl.paging == nil || f != nil && f.code != sizeLimitExceeded {
		c.send(m.id, done, nil)
		return
	}
	c.send(m.id, done, pagingAnswer(cookie))
}

// found computes one answer. The lock is held.
func (c *conn) found(ctl controls, req search) (entries []found, refs []directory.DN, cookie string, f *fault) {
	rest, f := c.begin(ctl, req)
	if f != nil {
		return nil, nil, "", f
	}
	size := int64(maxPageSize)
	if ctl.paging != nil {
		size = min(size, ctl.paging.size)
	}
	if rest.limit >= 0 {
		size = min(size, rest.limit)
	}
	entries = c.shown(rest, size, req)
	if rest.limit >= 0 {
		rest.limit -= int64(len(entries))
	}
	switch {
	case len(rest.rest) == 0:
		return entries, c.store.references(req), "", nil
	case rest.limit == 0, ctl.paging == nil:
		return entries, nil, "", refuse(sizeLimitExceeded, "00000004: LdapErr: size limit exceeded")
	case ctl.paging.size == 0:
		return nil, nil, "", nil // the client gives the search up (RFC 2696 3)
	}
	return entries, nil, c.pages.keep(rest), nil
}

// begin returns what a search has still to answer: all of it, or what a cookie
// stands for.
func (c *conn) begin(ctl controls, req search) (*paged, *fault) {
	if ctl.paging != nil && ctl.paging.cookie != "" {
		return c.pages.take(ctl.paging.cookie, c.store.generation)
	}
	objects, f := c.store.matches(req)
	rest := &paged{rest: objects, limit: -1, generation: c.store.generation}
	if req.sizeLimit > 0 {
		rest.limit = req.sizeLimit
	}
	return rest, f
}

// shown takes up to size entries off the rest. What has been deleted since the
// search began is left out.
func (c *conn) shown(rest *paged, size int64, req search) []found {
	var entries []found
	for len(rest.rest) > 0 && int64(len(entries)) < size {
		o := rest.rest[0]
		rest.rest = rest.rest[1:]
		if !o.gone {
			entries = append(entries, c.store.show(o, req))
		}
	}
	return entries
}
