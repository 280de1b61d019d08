package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// A listed is one mailbox as LIST shows it.
type listed struct {
	name       string // as the server spells it
	delim      string // "" where the server has no hierarchy
	attrs      []string
	subscribed bool
	items      int64
	bytes      int64
	state      folderState
}

// has reports whether the mailbox carries an attribute, in any case.
func (l listed) has(attr string) bool {
	return slices.ContainsFunc(l.attrs, func(a string) bool { return strings.EqualFold(a, attr) })
}

// container reports whether the mailbox holds no messages (RFC 9051 7.3.1).
func (l listed) container() bool { return l.has(`\Noselect`) || l.has(`\NonExistent`) }

// list reads all mailboxes with their subscriptions, in as few commands as the
// server allows.
func (c *Conn) list(ctx context.Context, counts bool) ([]listed, error) {
	if c.Offers("LIST-EXTENDED") {
		all, s, err := c.listCommand(ctx, "LIST", c.listReturn(counts))
		if err != nil || s.ok() {
			return all, err
		}
	}
	all, s, err := c.listCommand(ctx, "LIST", "")
	if err == nil && !s.ok() {
		err = refused("imap.List", s, migrate.OneMailbox, migrate.Later)
	}
	if err != nil {
		return nil, err
	}
	return all, c.addSubscriptions(ctx, all)
}

// listReturn is what to ask beyond the names (RFC 5258, RFC 5819, RFC 6154).
func (c *Conn) listReturn(counts bool) string {
	options := "SUBSCRIBED"
	if c.Offers("SPECIAL-USE") {
		options += " SPECIAL-USE"
	}
	if counts && c.Offers("LIST-STATUS") {
		options += " STATUS (" + c.countItems() + ")"
	}
	return " RETURN (" + options + ")"
}

func (c *Conn) countItems() string {
	items := "MESSAGES"
	if c.Offers("STATUS=SIZE") {
		items += " SIZE"
	}
	if c.condStore() {
		items += " UIDNEXT UIDVALIDITY HIGHESTMODSEQ"
	}
	return items
}

// count takes over what STATUS says.
func (l *listed) count(numbers map[string]uint64) {
	l.items, l.bytes = int64(numbers["MESSAGES"]), int64(numbers["SIZE"])
	l.state = stateOf(numbers)
	l.state.subscribed = l.subscribed && l.state.modSeq > 0
}

func (c *Conn) listCommand(ctx context.Context, name, options string) ([]listed, status, error) {
	var all []listed
	at := map[string]int{}
	handle := func(r reply) error {
		switch r.name {
		case name:
			l, err := r.lex.listLine()
			if _, known := at[l.name]; err != nil || known {
				return err
			}
			at[l.name] = len(all)
			all = append(all, l)
		case "STATUS":
			mailbox, numbers, err := r.lex.statusLine()
			if i, known := at[mailbox]; known && err == nil {
				all[i].count(numbers)
			}
			return err
		}
		return nil
	}
	s, err := c.do(ctx, "imap.List", handle, raw(name+` "" "*"`+options))
	return all, s, err
}

// listLine reads what follows LIST or LSUB (RFC 9051 7.3.1).
func (x *lexer) listLine() (listed, error) {
	var values [3]value
	for i := range values {
		v, err := x.value()
		if err != nil {
			return listed{}, err
		}
		values[i] = v
	}
	if values[0].kind != listKind || values[2].kind == listKind || values[2].text == "" {
		return listed{}, fmt.Errorf("%w: LIST without attributes or name", errSyntax)
	}
	l := listed{attrs: values[0].texts(), name: values[2].text}
	if !values[1].isNil() {
		l.delim = values[1].text
	}
	l.subscribed = l.has(`\Subscribed`)
	return l, nil
}

// addSubscriptions asks a server without LIST-EXTENDED (RFC 3501 6.3.9).
func (c *Conn) addSubscriptions(ctx context.Context, all []listed) error {
	subscribed, s, err := c.listCommand(ctx, "LSUB", "")
	if err == nil && !s.ok() {
		err = refused("imap.List", s, migrate.OneMailbox, migrate.Later)
	}
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, l := range subscribed {
		names[l.name] = true
	}
	for i := range all {
		all[i].subscribed = names[all[i].name]
	}
	return nil
}

// Namespaces are the prefixes of RFC 2342.
type namespaces struct {
	personal []string
	foreign  []string // other users' and shared ones
}

// namespaces asks for the prefixes.
func (c *Conn) namespaces(ctx context.Context) (namespaces, error) {
	asked, err := c.sendNamespaces(ctx)
	if err != nil {
		return namespaces{}, err
	}
	return asked.wait(ctx)
}

// A namespacesAsked is the question for the prefixes, on its way.
type namespacesAsked struct {
	*sent // nil: the server does not know of namespaces
	found namespaces
}

// sendNamespaces is namespaces that does not wait.
func (c *Conn) sendNamespaces(ctx context.Context) (*namespacesAsked, error) {
	asked := &namespacesAsked{found: namespaces{personal: []string{""}}}
	if !c.Offers("NAMESPACE") && !c.Offers("IMAP4REV2") {
		return asked, nil
	}
	handle := func(r reply) error {
		if r.name != "NAMESPACE" {
			return nil
		}
		var kinds [3]value
		for i := range kinds {
			v, err := r.lex.value()
			if err != nil {
				return err
			}
			kinds[i] = v
		}
		if own := prefixes(kinds[0]); len(own) > 0 {
			asked.found.personal = own
		}
		asked.found.foreign = append(prefixes(kinds[1]), prefixes(kinds[2])...)
		return nil
	}
	var err error
	asked.sent, err = c.send(ctx, "imap.Namespace", handle, raw("NAMESPACE"))
	return asked, err
}

// wait returns the prefixes; a server without NAMESPACE has the empty one.
func (a *namespacesAsked) wait(ctx context.Context) (namespaces, error) {
	if a.sent == nil {
		return a.found, nil
	}
	s, err := a.sent.wait(ctx)
	if err == nil && !s.ok() {
		err = refused("imap.Namespace", s, migrate.OneMailbox, migrate.Later)
	}
	return a.found, err
}

func prefixes(v value) []string {
	var all []string
	for _, descriptor := range v.list {
		if len(descriptor.list) > 0 && descriptor.list[0].kind == stringKind {
			all = append(all, descriptor.list[0].text)
		}
	}
	return all
}

// owns reports whether a mailbox lies in a personal namespace: the longest prefix
// that fits decides.
func (n namespaces) owns(name string) bool {
	if strings.EqualFold(name, "INBOX") {
		return true
	}
	return longest(n.personal, name) > longest(n.foreign, name)
}

// longest returns the length of the longest prefix of name, or -1.
func longest(prefixes []string, name string) int {
	best := -1
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			best = max(best, len(p))
		}
	}
	return best
}
