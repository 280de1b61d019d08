package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"reforest/migrate"
)

// A MailboxAdmin gives accounts their mailboxes and takes them away: what a mail system
// may keep to itself. Each of its methods returns what of the order is left to be written
// to the directory, which is then journalled and carried out with the rest of the step, in
// one modification; the plan of an order that has been carried out is empty.
//
// One whose mail system acts by itself acts when it is called, reads back what was done,
// and returns what is left. Whenever it dies, every address, legacyExchangeDN and the
// mailbox's GUID have to be where they were; so the order can be given again. It is not
// called for anything that is only looked at: see Directories.Looking.
type MailboxAdmin interface {
	// Enable gives the pair's target a mailbox on the database, without touching
	// targetAddress.
	Enable(ctx context.Context, pair Pair, database DN) (Plan, error)
	// Rights gives those who have rights on the source's mailbox the same on the target's.
	Rights(ctx context.Context, pair Pair) (Plan, error)
	// Disconnect takes the mailbox from who, and keeps what it takes to connect it again:
	// msExchMailboxGuid, legacyExchangeDN and every address.
	Disconnect(ctx context.Context, side Side, who *Recipient) (Plan, error)
	// Reconnect gives the mailbox back to who, from whom it was disconnected. was is what
	// the attributes of the mailbox had then, as far as the journal knows.
	Reconnect(ctx context.Context, side Side, who *Recipient, was []Mod) (Plan, error)
	// May returns what forbids to do any of this on the side; nothing: it may be done.
	May(side Side) []migrate.Finding
}

// admin returns whoever gives and takes mailboxes.
func (d *Directories) admin() MailboxAdmin {
	if d.Admin != nil {
		return d.Admin
	}
	return directoryOnly{d}
}

// Looking returns the directories with an Admin that does nothing: for plans that are to
// be looked at and not carried out. What a mail system would do by itself is a note.
func (d *Directories) Looking() *Directories {
	if d.Admin == nil {
		return d
	}
	looking := *d
	looking.Admin = onlooker{d.Admin}
	return &looking
}

// acts reports whether a mail system gives and takes mailboxes by itself.
func (d *Directories) acts() bool { return d.Admin != nil }

// directoryOnly is the MailboxAdmin of mail systems that believe what the directory says.
// Exchange does not: its store learns late, or never, of what others have written.
type directoryOnly struct{ d *Directories }

func (o directoryOnly) May(side Side) []migrate.Finding {
	if !o.d.forest(side).Info.HasExchange {
		return nil
	}
	return []migrate.Finding{forbid("exchange.owns-mailboxes", string(side),
		fmt.Sprintf("Exchange servers are registered in the %s forest, and only its own tools may enable, disconnect or reconnect mailboxes there.", side),
		"Configure a runner that has Exchange's tools, or let Exchange move the mailboxes.")}
}

func (o directoryOnly) Enable(ctx context.Context, pair Pair, database DN) (Plan, error) {
	server, err := o.d.homeServer(ctx, database)
	if err != nil {
		return Plan{}, err
	}
	e := edit{entry: pair.Target.Entry}
	e.from("target database").fillText(attrHomeMDB, string(database))
	openGUID(&e, pair)
	e.from("server of the target database").fillText(attrHomeServer, server)
	e.from("constant").fillText("mDBUseDefaults", "TRUE")
	return e.plan(Target, whyOpen), nil
}

func (o directoryOnly) Rights(ctx context.Context, pair Pair) (Plan, error) {
	rights, err := o.d.mailboxRights(ctx, pair)
	if err != nil {
		return Plan{}, err
	}
	e := edit{entry: pair.Target.Entry}
	e.from("source permissions, of the twins").fill(attrMailboxSecurity, rights.descriptor)
	plan := e.plan(Target, whyOpen)
	plan.Rights, plan.Findings = rights.source, rights.findings
	return plan, nil
}

func (o directoryOnly) Disconnect(_ context.Context, side Side, who *Recipient) (Plan, error) {
	e := edit{entry: who.Entry}
	for _, attr := range mailboxAttrs {
		e.from("no mailbox any more").clear(attr)
	}
	return e.plan(side, whyDisconnect), nil
}

func (o directoryOnly) Reconnect(_ context.Context, side Side, who *Recipient, was []Mod) (Plan, error) {
	e := edit{entry: who.Entry}
	for _, m := range was {
		if mailboxNames[strings.ToLower(m.Attr)] {
			e.from("as before it was disconnected").restore(m.Attr, m.Values)
		}
	}
	return e.plan(side, whyReturn), nil
}

// An onlooker says what an Admin that acts would do.
type onlooker struct{ MailboxAdmin }

func (o onlooker) Enable(_ context.Context, pair Pair, database DN) (Plan, error) {
	if pair.Target.IsMailbox() {
		return Plan{}, nil
	}
	return o.would(pair.Target, fmt.Sprintf("The mail system enables its mailbox on %s.", database))
}

func (o onlooker) Rights(_ context.Context, _ Pair) (Plan, error) { return Plan{}, nil }

func (o onlooker) Disconnect(_ context.Context, _ Side, who *Recipient) (Plan, error) {
	if !who.IsMailbox() {
		return Plan{}, nil
	}
	return o.would(who, "The mail system disconnects its mailbox.")
}

func (o onlooker) Reconnect(_ context.Context, _ Side, who *Recipient, _ []Mod) (Plan, error) {
	if who.IsMailbox() {
		return Plan{}, nil
	}
	return o.would(who, "The mail system connects its mailbox again.")
}

func (o onlooker) would(who *Recipient, what string) (Plan, error) {
	return Plan{Findings: []migrate.Finding{note("mailbox.by-mail-system", string(who.DN), what)}}, nil
}

// handed gives an order to the admin and, where the mail system acts by itself, reads who
// again: what is left to do is to be seen in what stands there then. It is an error if
// that is not the mailbox, or no mailbox, that the order makes of who.
func (d *Directories) handed(ctx context.Context, side Side, who *Recipient, mailbox bool, order func() (Plan, error)) (Plan, *Recipient, error) {
	part, err := order()
	if err != nil || !d.acts() || len(part.Forbidden()) > 0 {
		return part, who, err
	}
	if _, looking := d.Admin.(onlooker); looking {
		return part, who, nil
	}
	again, err := d.forest(side).byGUID(ctx, who.GUID)
	if err != nil {
		return part, who, fmt.Errorf("read back what the mail system did: %w", err)
	}
	if missing := again.unlike(mailbox); missing != "" && len(part.Changes) == 0 {
		return part, who, &migrate.Error{
			Op: "directory.MailboxAdmin", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: errors.New(missing),
			Hint: "the mail system has been told; see whether its own tools show the mailbox as it should be",
		}
	}
	return part, again, nil
}

// unlike says that the recipient is not shown as a mailbox, or as none; "" if it is.
func (r *Recipient) unlike(mailbox bool) string {
	switch {
	case r.IsMailbox() == mailbox:
		return ""
	case mailbox:
		return string(r.DN) + " is not shown as a mailbox yet"
	}
	return string(r.DN) + " is still shown as a mailbox"
}

// ReadBack reads the object of one side of the pair again and returns what keeps it from
// being a mailbox, or from being none, in one sentence; "" if it is as it should be.
func (d *Directories) ReadBack(ctx context.Context, pair Pair, side Side, mailbox bool) (missing string, err error) {
	who := pair.Source
	if side == Target {
		who = pair.Target
	}
	again, err := d.forest(side).byGUID(ctx, who.GUID)
	if errors.Is(err, ErrNotFound) {
		return fmt.Sprintf("%s is not found in the %s forest", who.DN, side), nil
	}
	if err != nil {
		return "", fmt.Errorf("read back %q: %w", who.DN, err)
	}
	return again.unlike(mailbox), nil
}
