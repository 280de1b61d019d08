package ldapd

import (
	"errors"
	"strings"

	"reforest/directory"
)

// A Stage says how far a write is when a hook is told of it.
type Stage int

// The stages of a write.
const (
	BeforeWrite Stage = iota // nothing has been done
	AfterWrite               // it has been carried out or refused; the answer has not been sent
)

// The kinds of a write.
const (
	WriteAdd    = "add"
	WriteModify = "modify"
	WriteDelete = "delete"
	WriteRename = "rename"
)

// A Write is one write that a client has asked for.
type Write struct {
	Number int             // counts the writes since OnWrite, from 1
	Kind   string          // one of the kinds above
	DN     directory.DN    // as the client wrote it
	By     directory.DN    // who is bound
	Mods   []directory.Mod // of an add and a modify; passwords have no values
	NewRDN string          // of a rename
	Parent directory.DN    // of a rename: the new parent, "" if it stays
	Err    error           // at AfterWrite: why it has been refused
}

// ErrHangUp is what a Hook returns to have the connection closed without an answer.
var ErrHangUp = errors.New("hang up")

// A RefusalError is what a Hook returns to have a write refused.
type RefusalError struct {
	Code int    // LDAP result code (RFC 4511 4.1.9), such as 51 for busy
	Text string // diagnostic message
}

// Error tells the code and the text.
func (r RefusalError) Error() string { return (&fault{code: r.Code, text: r.Text}).Error() }

// A Hook is told of a write. Writes wait for one another while a hook is set, so none
// comes between a write and its two calls; reads go on. The hook may use the server, but
// not write to it over LDAP.
//
// Nil lets the write go on. A RefusalError at BeforeWrite is the write's answer. Any other error
// closes the connection: at BeforeWrite the write is lost, at AfterWrite only its answer
// is, as when either end dies.
type Hook func(Write, Stage) error

// OnWrite sets the hook; nil takes it away. It counts writes anew, and waits for the write
// that is being carried out.
func (s *Server) OnWrite(hook Hook) {
	s.hookMu.Lock()
	defer s.hookMu.Unlock()
	s.hook, s.writes = hook, 0
	s.hooked.Store(hook != nil)
}

// A request is a write as it came from the wire.
type request interface {
	authorize(s *store, who identity) *fault
	carryOut(s *store) *fault
	describe() Write
}

// write carries out a request, and tells the hook. hung reports that no answer is to be
// sent.
func (c *conn) write(req request) (f *fault, hung bool) {
	if !c.server.hooked.Load() {
		return c.commit(req), false
	}
	s := c.server
	s.hookMu.Lock()
	defer s.hookMu.Unlock()
	if s.hook == nil {
		return c.commit(req), false
	}
	s.writes++
	w := req.describe()
	w.Number, w.By = s.writes, c.boundDN()
	if err := s.hook(w, BeforeWrite); err != nil {
		var refusal RefusalError
		if errors.As(err, &refusal) {
			return &fault{code: refusal.Code, text: refusal.Text}, false
		}
		return nil, true
	}
	if f = c.commit(req); f != nil {
		w.Err = f
	}
	return f, s.hook(w, AfterWrite) != nil
}

func (c *conn) commit(req request) *fault {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if f := c.store.elsewhere(string(req.describe().DN)); f != nil {
		return f
	}
	if f := req.authorize(c.store, c.who); f != nil {
		return f
	}
	return req.carryOut(c.store)
}

func (c *conn) boundDN() directory.DN {
	c.store.mu.RLock()
	defer c.store.mu.RUnlock()
	if o := c.store.byGUID[c.who.guid]; o != nil {
		return o.dn()
	}
	return ""
}

func (req addition) carryOut(s *store) *fault {
	_, f := s.add(req)
	return f
}

func (req modify) carryOut(s *store) *fault { return s.modify(req) }

func (req deletion) carryOut(s *store) *fault { return s.remove(req) }

func (req rename) carryOut(s *store) *fault { return s.rename(req) }

func (req addition) describe() Write {
	return Write{Kind: WriteAdd, DN: directory.DN(req.dn), Mods: modsOf(req.attrs)}
}

func (req modify) describe() Write {
	return Write{Kind: WriteModify, DN: directory.DN(req.dn), Mods: modsOf(req.mods)}
}

func (req deletion) describe() Write { return Write{Kind: WriteDelete, DN: directory.DN(req.dn)} }

func (req rename) describe() Write {
	return Write{Kind: WriteRename, DN: directory.DN(req.dn), NewRDN: req.rdn, Parent: directory.DN(req.superior)}
}

func modsOf(mods []modification) []directory.Mod {
	ops := map[int]directory.ModOp{modAdd: directory.AddValues, modDelete: directory.DeleteValues, modReplace: directory.ReplaceValues}
	out := make([]directory.Mod, len(mods))
	for i, m := range mods {
		out[i] = directory.Mod{Op: ops[m.op], Attr: m.attr, Values: m.values}
		if strings.EqualFold(m.attr, "unicodePwd") {
			out[i].Values = nil
		}
	}
	return out
}
