package imap

import (
	"context"
	"fmt"
	"strings"

	"reforest/migrate"
)

// names is what a target's mailbox holds and what was placed in it.
type names struct {
	prefix string            // of the personal namespace
	delim  string            // "" where the server has no hierarchy
	exists map[string]bool   // mailbox names as the server spells them
	holds  map[string]bool   // those that take messages
	wanted map[string]bool   // those that are subscribed to
	owner  map[string]string // mailbox name to the path placed there
	placed map[string]spot   // path to mailbox name
	asked  map[create]status // what the server has said to commands that were sent ahead
}

// A spot is where one path came to lie.
type spot struct {
	name   string
	mapped string // why the name differs
}

// A placement is one try to find or make a folder.
type placement struct {
	conn  *Conn
	names *names
	use   string // the folder's special use, or ""
}

func pathKey(path []string) string { return strings.Join(path, "\x00") }

// PutFolder creates or finds the folder and subscribes to it where the owner had
// done so. A name that the target refuses is mapped, see candidates. A container
// is created with the delimiter at its end, which declares that it is to hold
// folders (RFC 3501 6.3.3).
func (t *Target) PutFolder(ctx context.Context, want migrate.Folder, have migrate.Ref) (migrate.Placed, error) {
	c, err := t.placing(ctx, want)
	if err != nil {
		return migrate.Placed{}, err
	}
	p := placement{c, t.names, want.SpecialUse}
	found, err := p.put(ctx, want, string(have))
	if err != nil {
		// Half-known names are worse than none: the next try asks again.
		t.names = nil
		return migrate.Placed{}, err
	}
	if want.Subscribed && !t.names.wanted[found.name] {
		if err := p.subscribe(ctx, &found); err != nil {
			return migrate.Placed{}, err
		}
	}
	return migrate.Placed{Ref: migrate.Ref(found.name), Mapped: found.mapped}, nil
}

// placing makes sure that it is known what the target holds, and that the folders have
// names.
func (t *Target) placing(ctx context.Context, want ...migrate.Folder) (*Conn, error) {
	for _, f := range want {
		if len(f.Path) == 0 {
			return nil, &migrate.Error{Op: "imap.Create", Reach: migrate.OneMailbox, Err: fmt.Errorf("folder %q has no path", f.ID)}
		}
	}
	c, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	t.giveUp()
	if t.names == nil {
		t.names, err = c.readNames(ctx)
	}
	return c, err
}

// readNames lists the target's mailboxes.
func (c *Conn) readNames(ctx context.Context) (*names, error) {
	spaces, err := c.namespaces(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.list(ctx, false)
	if err != nil {
		return nil, err
	}
	n := &names{
		prefix: spaces.personal[0], exists: map[string]bool{}, holds: map[string]bool{}, wanted: map[string]bool{},
		owner: map[string]string{}, placed: map[string]spot{}, asked: map[create]status{},
	}
	for _, l := range all {
		if l.has(`\NonExistent`) {
			continue
		}
		n.exists[l.name], n.holds[l.name], n.wanted[l.name] = true, !l.container(), l.subscribed
		if n.delim == "" {
			n.delim = l.delim
		}
	}
	return n, nil
}

// put finds the folder where it was placed before, or places it.
func (p placement) put(ctx context.Context, want migrate.Folder, have string) (spot, error) {
	if have != "" && p.names.exists[have] && (want.Container || p.names.holds[have]) {
		known := spot{name: have, mapped: p.names.whyMapped(want.Path, have)}
		p.names.take(want.Path, known)
		return known, nil
	}
	return p.place(ctx, want.Path, want.Container)
}

// whyMapped explains a name that was chosen on an earlier occasion.
func (n *names) whyMapped(path []string, have string) string {
	if have == n.plain(path) {
		return ""
	}
	return fmt.Sprintf("%q is %q at the target", strings.Join(path, "/"), decodeName(have))
}

// plain is the name that a path has where nothing is refused.
func (n *names) plain(path []string) string {
	if len(path) == 1 && strings.EqualFold(path[0], inbox) {
		return inbox
	}
	encoded := make([]string, len(path))
	for i, part := range path {
		encoded[i] = encodeUTF7(part)
	}
	if len(path) > 1 && strings.EqualFold(path[0], inbox) {
		encoded[0] = inbox
		return strings.Join(encoded, n.delim)
	}
	return n.prefix + strings.Join(encoded, n.delim)
}

func (n *names) take(path []string, s spot) {
	n.owner[s.name], n.placed[pathKey(path)] = pathKey(path), s
}

// place finds or creates path, its parent first where the server needs that.
func (p placement) place(ctx context.Context, path []string, container bool) (spot, error) {
	if known, done := p.names.placed[pathKey(path)]; done && (container || p.names.holds[known.name]) {
		return known, nil
	}
	if len(path) == 1 && strings.EqualFold(path[0], inbox) {
		return p.placeInbox(path), nil
	}
	parent, sure := p.parent(path)
	found, refusal, err := p.tryNames(ctx, path, parent, container, sure)
	if err == nil && refusal != nil && !sure {
		above := placement{conn: p.conn, names: p.names}
		if parent, err = above.place(ctx, path[:len(path)-1], true); err == nil {
			found, refusal, err = p.tryNames(ctx, path, parent, container, true)
		}
	}
	switch {
	case err != nil:
		return spot{}, err
	case refusal != nil:
		e := refused("imap.Create", *refusal, migrate.OneMailbox, migrate.Never)
		e.Err = fmt.Errorf("create folder %q: %w", strings.Join(path, "/"), *refusal)
		e.Hint = "the target refused every spelling of the name; rename the folder at the source"
		return spot{}, e
	}
	p.names.take(path, found)
	return found, nil
}

// placeInbox places the inbox, which every mailbox has (RFC 9051 5.1).
func (p placement) placeInbox(path []string) spot {
	s := spot{name: inbox}
	p.names.exists[inbox], p.names.holds[inbox] = true, true
	p.names.take(path, s)
	return s
}

// parent returns where path's children go, and whether that is sure: a parent
// that nobody placed and that does not exist is taken to be creatable.
func (p placement) parent(path []string) (spot, bool) {
	if len(path) == 1 {
		return spot{name: strings.TrimSuffix(p.names.prefix, p.names.delim)}, true
	}
	above := path[:len(path)-1]
	if known, placed := p.names.placed[pathKey(above)]; placed {
		return known, true
	}
	name := p.names.plain(above)
	return spot{name: name}, p.names.exists[name]
}

// tryNames tries the candidates below parent and returns the refusal if none
// will do. Where the parent is not sure only the plain name is tried, as the
// refusal may be the parent's.
func (p placement) tryNames(ctx context.Context, path []string, parent spot, container, sure bool) (spot, *status, error) {
	last := path[len(path)-1]
	var refusal *status
	for _, candidate := range candidates(last, p.names.delim) {
		name := p.names.join(parent.name, candidate, len(path) == 1)
		if owner, taken := p.names.owner[name]; taken && owner != pathKey(path) {
			refusal = firstStatus(refusal, status{kind: "NO", text: "another folder is already placed at " + decodeName(name)})
			continue
		}
		s, err := p.obtain(ctx, name, container)
		if err != nil {
			return spot{}, nil, err
		}
		if s.ok() {
			return spot{name: name, mapped: mapping(parent, last, candidate, refusal, p.names.delim)}, nil, nil
		}
		if err := pushbackCreate(s); err != nil {
			return spot{}, nil, err
		}
		refusal = firstStatus(refusal, s)
		if !sure {
			break
		}
	}
	return spot{}, refusal, nil
}

// join puts a component below its parent. A server without hierarchy gets a dot.
func (n *names) join(parent, component string, top bool) string {
	name := encodeUTF7(component)
	switch {
	case top:
		return n.prefix + name
	case n.delim == "":
		return parent + "." + name
	}
	return parent + n.delim + name
}

func firstStatus(first *status, s status) *status {
	if first != nil {
		return first
	}
	return &s
}

// mapping says why a folder's name differs from the source's.
func mapping(parent spot, want, got string, refusal *status, delim string) string {
	switch {
	case want == got:
		return parent.mapped
	case refusal != nil:
		return fmt.Sprintf("%q is %q at the target: %s", want, got, refusal.words())
	case delim != "" && strings.Contains(want, delim):
		return fmt.Sprintf("%q is %q at the target: %q separates folders there", want, got, delim)
	}
	return fmt.Sprintf("%q is %q at the target: it holds characters that no mailbox name may hold", want, got)
}

// obtain finds or creates the mailbox. OK means that it is there.
func (p placement) obtain(ctx context.Context, name string, container bool) (status, error) {
	if p.names.exists[name] && (container || p.names.holds[name]) {
		return status{kind: "OK"}, nil
	}
	s, err := p.create(ctx, name, container)
	if err == nil && saysExists(s) {
		s, err = p.lookAgain(ctx, name, container, s)
	}
	if err == nil && s.ok() {
		p.names.made(name, container)
	}
	return s, err
}

// made notes that the mailbox is there, and with it those above it: a server makes
// them where they are missing (RFC 9051 6.3.4).
func (n *names) made(name string, container bool) {
	n.exists[name], n.holds[name] = true, n.holds[name] || !container
	for above := name; n.delim != "" && strings.Contains(above, n.delim); {
		above = above[:strings.LastIndex(above, n.delim)]
		n.exists[above] = true
	}
}

// saysExists reports whether a NO may mean that the mailbox is there already; not
// every server says so by a code (RFC 5530 3).
func saysExists(s status) bool {
	return s.kind == "NO" && (s.code == "ALREADYEXISTS" || strings.Contains(strings.ToLower(s.text), "exist"))
}

// A create is a CREATE with its arguments.
type create struct {
	name string // with the delimiter at its end, for a container
	use  string // special use, or ""
}

// create sends CREATE, with the special use where the target can record it
// (RFC 6154 3). A target that has such a folder already refuses the use alone.
func (p placement) create(ctx context.Context, name string, container bool) (status, error) {
	command := p.creation(name, container)
	s, err := p.ask(ctx, command)
	if err == nil && command.use != "" && (s.code == "USEATTR" || s.kind == "BAD") {
		command.use = ""
		s, err = p.ask(ctx, command)
	}
	if err != nil || s.ok() || command.name == name || saysExists(s) || pushbackCreate(s) != nil {
		return s, err
	}
	// Dovecot refuses a delimiter at the end where a mailbox can hold both.
	return p.ask(ctx, create{name: name, use: command.use})
}

// creation is the command that creates a mailbox.
func (p placement) creation(name string, container bool) create {
	command := create{name: name}
	if container && p.names.delim != "" {
		command.name += p.names.delim
	}
	if p.use != "" && atom(strings.TrimPrefix(p.use, `\`)) && p.conn.Offers("CREATE-SPECIAL-USE") {
		command.use = p.use
	}
	return command
}

// ask sends the command unless that has been done ahead.
func (p placement) ask(ctx context.Context, command create) (status, error) {
	if s, asked := p.names.asked[command]; asked {
		delete(p.names.asked, command)
		return s, nil
	}
	return p.conn.do(ctx, "imap.Create", nil, command.parts()...)
}

func (c create) parts() []part {
	parts := []part{raw("CREATE "), astring(c.name)}
	if c.use != "" {
		parts = append(parts, raw(" (USE ("+c.use+"))"))
	}
	return parts
}

// lookAgain asks whether a mailbox that is said to exist does so in exactly this
// spelling; on a server that ignores case it may be another folder.
func (p placement) lookAgain(ctx context.Context, name string, container bool, s status) (status, error) {
	all, err := p.conn.list(ctx, false)
	if err != nil {
		return s, err
	}
	for _, l := range all {
		if l.name == name && (container || !l.container()) {
			return status{kind: "OK"}, nil
		}
	}
	return s, nil
}

// pushbackCreate returns an error where a NO to CREATE is not about the name.
func pushbackCreate(s status) error {
	switch s.code {
	case "UNAVAILABLE", "INUSE", "LIMIT", "OVERQUOTA", "SERVERBUG", "NOPERM", "CONTACTADMIN":
		return refused("imap.Create", s, migrate.OneMailbox, migrate.Later)
	}
	return nil
}

// subscribe subscribes to the folder. A refusal stops nothing: it is told with
// the name.
func (p placement) subscribe(ctx context.Context, at *spot) error {
	s, err := p.conn.do(ctx, "imap.Subscribe", nil, raw("SUBSCRIBE "), astring(at.name))
	if err != nil {
		return err
	}
	return p.names.subscribed(at, s)
}

// subscribed takes the answer to SUBSCRIBE.
func (n *names) subscribed(at *spot, s status) error {
	if s.ok() {
		n.wanted[at.name] = true
		return nil
	}
	if e := refused("imap.Subscribe", s, migrate.OneItem, migrate.Never); e.Reach == migrate.OneServer {
		return e
	}
	at.mapped = strings.TrimPrefix(at.mapped+"; not subscribed: "+s.words(), "; ")
	return nil
}
