package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

var (
	_ migrate.Lister = (*Source)(nil)
	_ migrate.Lister = (*Target)(nil)
)

// aclWindow is how many commands about lists are on their way at once: few enough that
// they fit into a connection's buffers while the server is busy answering the first.
const aclWindow = 32

// Grants returns the folder's access control list (RFC 4314 3.3).
func (s *session) Grants(ctx context.Context, folder string) ([]migrate.Grant, bool, error) {
	lists, err := s.Lists(ctx, []string{folder})
	if err != nil {
		return nil, false, err
	}
	return lists[0].Grants, lists[0].Shared, lists[0].Err
}

// Grant sets the rights of one identifier (RFC 4314 3.1).
func (s *session) Grant(ctx context.Context, folder string, grant migrate.Grant) error {
	return s.amendOne(ctx, migrate.Amend{Folder: folder, Grant: grant})
}

// Revoke takes an identifier off the list (RFC 4314 3.2). An identifier with no rights
// may stay on it; DELETEACL is what every server understands as "gone".
func (s *session) Revoke(ctx context.Context, folder string, grant migrate.Grant) error {
	return s.amendOne(ctx, migrate.Amend{Folder: folder, Grant: grant, Off: true})
}

func (s *session) amendOne(ctx context.Context, a migrate.Amend) error {
	refused, err := s.Amend(ctx, []migrate.Amend{a})
	if err != nil {
		return err
	}
	return refused[0]
}

// Lists returns the lists of the folders. A server without ACL keeps none.
func (s *session) Lists(ctx context.Context, folders []string) ([]migrate.List, error) {
	lists := make([]migrate.List, len(folders))
	for i, folder := range folders {
		lists[i].Folder = folder
	}
	c, err := s.ready(ctx)
	if err != nil || !c.Offers("ACL") {
		return lists, err
	}
	for window := range slices.Chunk(lists, aclWindow) {
		if err := c.readLists(ctx, window); err != nil {
			return nil, err
		}
	}
	for i := range lists {
		if err := c.explain(ctx, lists[i].Folder, lists[i].Err); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// readLists fills in the lists, all of which are asked for before the first is read.
func (c *Conn) readLists(ctx context.Context, lists []migrate.List) error {
	told := make([]bool, len(lists))
	commands := make([]sending, len(lists))
	for i := range lists {
		list := &lists[i]
		list.Shared, list.Known = true, c.knownRights()
		handle := func(r reply) (err error) {
			if r.name == "ACL" {
				list.Grants, err = c.aclLine(r.lex, list.Folder)
				told[i] = err == nil
			}
			return err
		}
		commands[i] = sending{op: "imap.GetACL", handle: handle, parts: []part{raw("GETACL "), astring(list.Folder)}}
	}
	answers, err := c.answers(ctx, commands)
	if err != nil {
		return err
	}
	for i, s := range answers {
		if s.ok() && !told[i] {
			lists[i].Err = &migrate.Error{
				Op: "imap.GetACL", Reach: migrate.OneItem,
				Err: fmt.Errorf("folder %q: %w: no list came, or none that is understood", lists[i].Folder, errSyntax),
			}
			continue
		}
		lists[i].Err = refusedACL("imap.GetACL", s, fmt.Sprintf("read who may use folder %q", lists[i].Folder))
		if err := wider(lists[i].Err); err != nil {
			return err
		}
	}
	return nil
}

// answers sends the commands together. What was not understood beside an answer is for the
// handlers to notice: they have not been told.
func (c *Conn) answers(ctx context.Context, commands []sending) ([]status, error) {
	answers := make([]status, len(commands))
	err := c.burst(ctx, commands, func(i int, s status, _ error) error {
		answers[i] = s
		return nil
	})
	return answers, err
}

// aclLine reads the folder and its identifiers with their rights (RFC 4314 3.6). An empty
// identifier stands for nobody.
func (c *Conn) aclLine(lex *lexer, folder string) ([]migrate.Grant, error) {
	words, err := lex.words()
	if err != nil {
		return nil, err
	}
	if len(words)%2 == 0 || words[0] != folder && !strings.EqualFold(words[0], inbox) {
		return nil, fmt.Errorf("%w: a list that is not folder %.80q's", errSyntax, folder)
	}
	grants := []migrate.Grant{}
	for pair := range slices.Chunk(words[1:], 2) {
		who, denied := strings.CutPrefix(pair[0], "-")
		if who != "" {
			grants = append(grants, migrate.Grant{Who: who, Rights: c.canonical(pair[1]), Denied: denied})
		}
	}
	return grants, nil
}

// words reads the texts of all values that are left of the response.
func (x *lexer) words() ([]string, error) {
	var all []string
	for {
		x.spaces()
		if x.pos == x.end && x.literal < 0 {
			return all, nil
		}
		v, err := x.value()
		if err != nil {
			return nil, err
		}
		if v.kind == listKind {
			return nil, fmt.Errorf("%w: a list where a text belongs", errSyntax)
		}
		all = append(all, v.text)
	}
}

// Amend changes lists. What was refused because of single rights is tried again with
// those that the server says it can give.
func (s *session) Amend(ctx context.Context, amends []migrate.Amend) ([]error, error) {
	c, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	refused := make([]error, 0, len(amends))
	for window := range slices.Chunk(amends, aclWindow) {
		some, err := c.amend(ctx, window)
		if err != nil {
			return nil, err
		}
		refused = append(refused, some...)
	}
	return refused, nil
}

func (c *Conn) amend(ctx context.Context, amends []migrate.Amend) ([]error, error) {
	refused := make([]error, len(amends))
	var commands []sending
	var of []int // which change each command is
	for i, a := range amends {
		if refused[i] = c.sayable(a.Grant, a.Off); refused[i] == nil {
			commands, of = append(commands, c.amendCommand(a, a.Grant.Rights)), append(of, i)
		}
	}
	answers, err := c.answers(ctx, commands)
	if err != nil {
		return nil, err
	}
	for n, s := range answers {
		a := amends[of[n]]
		if !s.ok() && !a.Off {
			if s, err = c.giveWhatItCan(ctx, a, s); err != nil {
				return nil, err
			}
		}
		e := refusedACL(commands[n].op, s, fmt.Sprintf("change what %q may do with folder %q", a.Grant.Who, a.Folder))
		if err := errors.Join(wider(e), c.explain(ctx, a.Folder, e)); err != nil {
			return nil, err
		}
		refused[of[n]] = e
	}
	return refused, nil
}

func (c *Conn) amendCommand(a migrate.Amend, rights migrate.Rights) sending {
	if a.Off || rights == "" {
		return sending{op: "imap.DeleteACL", parts: []part{raw("DELETEACL "), astring(a.Folder), raw(" "), identifier(a.Grant)}}
	}
	parts := []part{raw("SETACL "), astring(a.Folder), raw(" "), identifier(a.Grant), raw(" "), astring(c.spelt(rights))}
	return sending{op: "imap.SetACL", parts: parts}
}

// identifier spells whom a grant is about, as one string whatever it holds.
func identifier(g migrate.Grant) astring {
	if g.Denied {
		return astring("-" + g.Who)
	}
	return astring(g.Who)
}

// sayable refuses an identifier that would reach the server as another one.
func (c *Conn) sayable(g migrate.Grant, off bool) error {
	var why string
	switch {
	case g.Who == "":
		why = "an empty identifier stands for nobody"
	case strings.HasPrefix(g.Who, "-"):
		why = "an identifier that begins with - would take rights away"
	case strings.ContainsFunc(g.Who, func(r rune) bool { return r < ' ' || r == 0x7f }):
		why = "it holds a control character"
	case !off && strings.ContainsAny(g.Who, `"\`):
		why = "it holds a quotation mark or backslash; Cyrus would keep it and refuse every further change of the folder's list"
	case !c.Offers("ACL"):
		why = "the server keeps no access control lists"
	default:
		return nil
	}
	return &migrate.Error{Op: "imap.SetACL", Reach: migrate.OneItem, Err: fmt.Errorf("identifier %q: %s", g.Who, why)}
}

// giveWhatItCan asks what the server can give the identifier, and gives that where it is
// less than was wanted; s is what it said to that.
func (c *Conn) giveWhatItCan(ctx context.Context, a migrate.Amend, s status) (status, error) {
	can, err := c.listRights(ctx, a)
	if err != nil {
		return s, err
	}
	some := a.Grant.Rights.Common(can)
	if some == "" || some.Same(a.Grant.Rights) {
		return s, nil
	}
	command := c.amendCommand(a, some)
	return c.do(ctx, command.op, nil, command.parts...)
}

// listRights returns the rights that the identifier can have on the folder, or always has
// (RFC 4314 3.4, 3.7); "" where the server does not say.
func (c *Conn) listRights(ctx context.Context, a migrate.Amend) (can migrate.Rights, err error) {
	handle := func(r reply) error {
		if r.name != "LISTRIGHTS" {
			return nil
		}
		words, err := r.lex.words()
		if err == nil && len(words) > 2 {
			can = c.canonical(strings.Join(words[2:], ""))
		}
		return err
	}
	command := sending{"imap.ListRights", handle, []part{raw("LISTRIGHTS "), astring(a.Folder), raw(" "), identifier(a.Grant)}}
	_, err = c.answers(ctx, []sending{command})
	return can, err
}

// explain adds to a refusal which rights the login has itself (RFC 4314 3.5).
func (c *Conn) explain(ctx context.Context, folder string, refusal error) error {
	e := migrate.AsError(refusal)
	if e == nil || !isRefusal(refusal) {
		return nil
	}
	mine, err := c.myRights(ctx, folder)
	if err != nil {
		return err
	}
	if mine != "" && !mine.Has("a") {
		e.Hint = fmt.Sprintf("the migration account has the rights %q on it; give it the right a (administer) as well", string(mine.Ordered()))
	}
	return nil
}

// myRights returns what the login may do with the folder; "" where the server does not say.
func (c *Conn) myRights(ctx context.Context, folder string) (mine migrate.Rights, err error) {
	handle := func(r reply) error {
		if r.name != "MYRIGHTS" {
			return nil
		}
		words, err := r.lex.words()
		if err == nil && len(words) == 2 {
			mine = c.canonical(words[1])
		}
		return err
	}
	_, err = c.answers(ctx, []sending{{"imap.MyRights", handle, []part{raw("MYRIGHTS "), astring(folder)}}})
	return mine, err
}

// refusedACL makes the error of one command about a list; nil if it was carried out. What
// is not about the server as a whole is about this folder alone.
func refusedACL(op string, s status, what string) error {
	if s.ok() {
		return nil
	}
	e := refused(op, s, migrate.OneItem, migrate.Never)
	e.Err = fmt.Errorf("%s: %w", what, s)
	gone := s.code == "NONEXISTENT" || s.code == "TRYCREATE" // its owner may have deleted it
	if e.Retry == migrate.Later && !gone {
		return e
	}
	e.Reach, e.Retry = migrate.OneItem, migrate.Never
	if !gone {
		e.Hint = "see that the migration account has the right a (administer) on the folder"
	}
	return e
}

// wider returns the error if it is not about one folder alone.
func wider(err error) error {
	if e := migrate.AsError(err); e != nil && e.Reach != migrate.OneItem {
		return err
	}
	return nil
}

// rightsOffered returns the letters of the RIGHTS= capability, by which a server of RFC
// 4314 is told from one of RFC 2086 (RFC 4314 2.2).
func (c *Conn) rightsOffered() (letters string, found bool) {
	for name := range c.caps {
		if letters, found = strings.CutPrefix(name, "RIGHTS="); found {
			return strings.ToLower(letters), true
		}
	}
	return "", false
}

// knownRights returns the rights that the server can set.
func (c *Conn) knownRights() migrate.Rights {
	letters, found := c.rightsOffered()
	if !found {
		letters = "kxte" // by way of c and d
	}
	return migrate.Rights("lrswipa" + letters).Without("cd").Ordered()
}

// canonical reads rights. A server of RFC 4314 shows c and d beside the rights that they
// stand for; one of RFC 2086 has nothing else (RFC 4314 2.1.1).
func (c *Conn) canonical(text string) migrate.Rights {
	rights := migrate.Rights(text)
	if _, found := c.rightsOffered(); !found {
		if rights.Has("c") {
			rights = rights.And("kx")
		}
		if rights.Has("d") {
			rights = rights.And("te")
		}
	}
	return rights.Without("cd").Ordered()
}

// spelt writes rights as the server knows them.
func (c *Conn) spelt(rights migrate.Rights) string {
	if _, found := c.rightsOffered(); found {
		return string(rights)
	}
	out := rights.Without("kxte")
	if rights.Common("kx") != "" {
		out += "c"
	}
	if rights.Common("te") != "" {
		out += "d"
	}
	return string(out)
}
