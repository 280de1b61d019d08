package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// The steps of the switch and of the way back, as Change.Why has them. The way back knows
// by them which step wrote what is on record, so they stay as they are.
const (
	whyOpen       = "open the target mailbox"
	whyShutOut    = "shut the owner out of the source mailbox"
	whyDeliver    = "deliver mail at the target"
	whyForward    = "forward mail from the source to the target"
	whyDisconnect = "disconnect the source mailbox and turn the source into a mail user"
	whyLetIn      = "let the owner into the source mailbox again"
	whyStepBack   = "step back: the target sends mail to the source again"
	whyReturn     = "roll back: the source delivers mail again"
	whySendBack   = "roll back: the target sends mail to the source"
	whyClose      = "roll back: the target becomes a mail user again"
)

// noPolicies in msExchPoliciesExcluded keeps address policies from rewriting what the
// move has written.
const noPolicies = "{26491cfc-9e50-4857-861b-0cb8df22b5d7}"

// PlanOpen plans the mailbox of the target, on the database with the name, or on the
// one of the Rules. targetAddress stays: mail goes on reaching the source. Where
// Exchange runs the mailbox is Exchange's to make, and the plan says so.
func (d *Directories) PlanOpen(ctx context.Context, pair Pair, database string) (Plan, error) {
	plan := Plan{Findings: d.checkOpen(pair)}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	dn, findings, err := d.database(ctx, pair, database)
	if err != nil || len(findings) > 0 {
		return Plan{Findings: findings}, err
	}
	if pair.Target.HomeMDB != "" { // it may have been moved within the target since
		dn = pair.Target.HomeMDB
	}
	return d.planOpen(ctx, plan, pair, dn)
}

// planOpen adds to the plan what the opening still lacks.
func (d *Directories) planOpen(ctx context.Context, plan Plan, pair Pair, database DN) (Plan, error) {
	mailbox, target, err := d.handed(ctx, Target, pair.Target, true, func() (Plan, error) {
		return d.admin().Enable(ctx, pair, database)
	})
	if err != nil {
		return Plan{}, fmt.Errorf("enable the mailbox of %q: %w", pair.Target.DN, err)
	}
	rights, err := d.admin().Rights(ctx, pair)
	if err != nil {
		return Plan{}, err
	}
	pair.Target = target
	e := edit{entry: target.Entry}
	e.join(&plan, Target, mailbox)
	e.join(&plan, Target, rights)
	if len(plan.Forbidden()) > 0 {
		return Plan{Findings: plan.Findings}, nil
	}
	d.openMailbox(&e, pair)
	e.addTo(&plan, Target, whyOpen)
	d.planAccount(&plan, pair)
	return plan, nil
}

func (d *Directories) checkOpen(pair Pair) []migrate.Finding {
	whom := pair.Source.String()
	if pair.Target == nil {
		return []migrate.Finding{forbid("open.no-target", whom, "There is no target user yet.", "Stage the move first.")}
	}
	if pair.Target.IsMailbox() {
		return append(d.checkMatch(pair), d.checkLoop(pair)...)
	}
	if d.Rules.ExchangeMoves {
		return []migrate.Finding{forbid("exchange.owns-mailboxes", whom,
			"Exchange is to move the mailboxes, and enables the mailbox at the target itself.",
			"Let Exchange move the mailbox.")}
	}
	if stop := d.admin().May(Target); len(stop) > 0 {
		return stop
	}
	return append(d.checkMatch(pair), d.checkLoop(pair)...)
}

// openMailbox asks for what makes a mailbox of the target beside the mailbox itself.
func (d *Directories) openMailbox(e *edit, pair Pair) {
	details, display := d.openedTypes(pair)
	e.from("constant").fillText(attrVersion, versionExchange2010)
	if o := d.ownerOf(pair); o.linked() || pair.Target.Disabled {
		o.fill(e)
	}
	e.from("constant").setText(attrTypeDetails, number(details))
	e.from("constant").setText(attrDisplayType, number(display))
}

// openGUID plans the GUID of the target mailbox. The source's own, which is there where
// Exchange was to move the mailbox, does for a mailbox that Exchange has made alone.
func openGUID(e *edit, pair Pair) {
	guid := mailboxGUID(pair)
	e.from("made of the source mailbox")
	if target := pair.Target; !target.IsMailbox() && !target.MailboxGUID.IsZero() && target.MailboxGUID == pair.Source.MailboxGUID {
		e.set(attrMailboxGUID, guid[:])
		return
	}
	e.fill(attrMailboxGUID, guid[:])
}

// homeServer returns the legacyExchangeDN of the server that the database is on: that
// of its owner, else the one its own name begins with, else one made of its name.
func (d *Directories) homeServer(ctx context.Context, database DN) (string, error) {
	entry, err := d.Target.Reader.Get(ctx, database, "msExchOwningServer", attrLegacy)
	if err != nil {
		return "", fmt.Errorf("read database %q: %w", database, err)
	}
	if owner := DN(entry.First("msExchOwningServer")); owner != "" {
		server, err := d.Target.Reader.Get(ctx, owner, attrLegacy)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return "", fmt.Errorf("read server %q: %w", owner, err)
		}
		if err == nil && server.Has(attrLegacy) {
			return server.First(attrLegacy), nil
		}
	}
	if server, ok := strings.CutSuffix(entry.First(attrLegacy), "/cn=Microsoft Private MDB"); ok {
		return server, nil
	}
	return d.Rules.LegacyPrefix + "/cn=Configuration/cn=Servers/cn=" + legacyName(database.Name()), nil
}

// mailboxGUID returns the GUID of the target mailbox. It follows from the source
// mailbox and the target's domain alone, so that a mailbox this move has opened is
// known for its own after any crash; it is not the source's, because two mailboxes
// must never share one (RFC 9562 5.8: version 8).
func mailboxGUID(pair Pair) migrate.GUID {
	source := pair.Source.MailboxGUID
	if source.IsZero() {
		source = pair.Source.GUID
	}
	sum := sha256.Sum256(slices.Concat([]byte("target mailbox\x00"), source[:], []byte(pair.Target.SID.Domain())))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b)
	guid, _ := migrate.ParseGUID(strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"))
	return guid // text always has the shape that ParseGUID wants
}

// PlanDeliver plans that the target delivers mail to its own mailbox: targetAddress is
// cleared. A target without a mailbox would bounce it, so that is forbidden, and so is
// whatever would keep the source from forwarding afterwards: mail would arrive on both
// sides until a person had mended it.
func (d *Directories) PlanDeliver(ctx context.Context, pair Pair) (Plan, error) {
	if pair.Target == nil || !pair.Target.IsMailbox() {
		return Plan{Findings: []migrate.Finding{forbid("deliver.no-mailbox", pair.Source.String(),
			"The target has no mailbox that could take the mail.", "Open the target mailbox first.")}}, nil
	}
	stop, err := d.checkDeliver(ctx, pair)
	if err != nil || len(stop) > 0 {
		return Plan{Findings: stop}, err
	}
	var plan Plan
	e := edit{entry: pair.Target.Entry}
	e.from("the target delivers").clear(attrTargetAddress)
	if err := d.redirect(ctx, &plan, &e, pair); err != nil {
		return Plan{}, err
	}
	e.addTo(&plan, Target, whyDeliver)
	return plan, nil
}

// redirect has the target redirect mail as the source does, from the moment on at which
// it delivers: not before, or both would.
func (d *Directories) redirect(ctx context.Context, plan *Plan, e *edit, pair Pair) error {
	to := pair.Source.Entry.First(attrAltRecipient)
	if to == "" || d.Rules.Attributes[strings.ToLower(attrAltRecipient)] == Omit {
		return nil
	}
	end, err := d.linkEnd(ctx, DN(to))
	if err != nil {
		return fmt.Errorf("find whom the mail of %s is redirected to: %w", pair.Source, err)
	}
	if end.dn == "" {
		plan.Findings = append(plan.Findings, warn("redirect.no-twin", pair.Source.String(),
			fmt.Sprintf("Its mail is redirected to %s, for whom nothing stands at the target; from the switch on it is not redirected.", to),
			"Stage that recipient before the switch, or set altRecipient of the target by hand."))
		return nil
	}
	e.from("the twin of the source's").fillText(attrAltRecipient, string(end.dn))
	if value := pair.Source.Entry.Bytes(attrRedirect); len(value) > 0 {
		e.from("source "+attrRedirect).fill(attrRedirect, value...)
	}
	return nil
}

// PlanForward plans that the source, still a mailbox, sends its mail on to the target.
// It is forbidden as long as the target sends mail to the source: that would be a loop.
func (d *Directories) PlanForward(_ context.Context, pair Pair) (Plan, error) {
	if stop := d.checkForward(pair); len(stop) > 0 {
		return Plan{Findings: stop}, nil
	}
	e := edit{entry: pair.Source.Entry}
	d.forward(&e, pair.Source)
	var plan Plan
	e.addTo(&plan, Source, whyForward)
	return plan, nil
}

// forward makes the entry send its mail to the target. The address has to be one of its
// own, or mail that is sent on and answered is not recognised.
func (d *Directories) forward(e *edit, source *Recipient) {
	routing := string(d.routingAddress(source))
	e.from("made of the alias").add(attrProxies, "smtp:"+routing)
	e.watch(attrTargetAddress)
	if !d.routes(source) {
		e.from("made of the alias").setText(attrTargetAddress, "SMTP:"+routing)
	}
}

// checkDeliver refuses to let the target deliver before everything is in place by which
// the source will forward: what PlanForward asks for, but that the target delivers, and
// the routing address on both sides and on nobody else.
func (d *Directories) checkDeliver(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	if stop := d.checkRouting(pair); len(stop) > 0 {
		return stop, nil
	}
	routing := d.routingAddress(pair.Source)
	if !pair.Source.Proxies.HasSMTP(routing) {
		return []migrate.Finding{forbid("routing.missing", pair.Source.String(),
			fmt.Sprintf("The source does not have the address %s, by which mail is forwarded.", routing),
			"Stage the move again.")}, nil
	}
	names := addressSet{smtp: []migrate.SMTPAddress{routing}}
	var stop []migrate.Finding
	for _, side := range []struct {
		forest *Forest
		holder *Recipient
	}{{&d.Source, pair.Source}, {&d.Target, pair.Target}} {
		found, err := side.forest.checkNames(ctx, names, side.holder)
		if err != nil {
			return nil, err
		}
		stop = append(stop, found...)
	}
	return stop, nil
}

// checkForward refuses a forwarding that would lose mail or send it in circles.
func (d *Directories) checkForward(pair Pair) []migrate.Finding {
	if stop := d.checkRouting(pair); len(stop) > 0 {
		return stop
	}
	if pair.Target.TargetAddress != "" {
		return []migrate.Finding{forbid("forward.loop", pair.Source.String(),
			fmt.Sprintf("The target sends its mail to %s; forwarding to it would make a loop.", pair.Target.TargetAddress),
			"Let the target deliver first.")}
	}
	return nil
}

// checkRouting refuses a forwarding that would lose mail.
func (d *Directories) checkRouting(pair Pair) []migrate.Finding {
	whom := pair.Source.String()
	switch {
	case d.Rules.TargetRouting == "" || pair.Source.Alias == "":
		return []migrate.Finding{forbid("forward.no-address", whom,
			"No address can be made for forwarding: the target's routing domain or the alias is missing.",
			"Configure the one and set the other.")}
	case pair.Target == nil || !pair.Target.IsMailbox():
		return []migrate.Finding{forbid("forward.no-mailbox", whom,
			"The target has no mailbox that could take the mail.", "Open the target mailbox first.")}
	case !pair.Target.Proxies.HasSMTP(d.routingAddress(pair.Source)):
		return []migrate.Finding{forbid("routing.missing", whom,
			fmt.Sprintf("The target does not have the address %s, to which mail would be forwarded.", d.routingAddress(pair.Source)),
			"Stage the move again.")}
	}
	return nil
}

// PlanDisconnect plans that the source lets go of its mailbox and becomes a mail user
// that forwards, in one modification: there is no instant at which an address is gone.
// The mailbox itself, its GUID and every address stay.
func (d *Directories) PlanDisconnect(ctx context.Context, pair Pair) (Plan, error) {
	if stop := d.checkDisconnect(pair); len(stop) > 0 {
		return Plan{Findings: stop}, nil
	}
	part, source, err := d.handed(ctx, Source, pair.Source, false, func() (Plan, error) {
		return d.admin().Disconnect(ctx, Source, pair.Source)
	})
	if err != nil {
		return Plan{}, fmt.Errorf("disconnect the mailbox of %q: %w", pair.Source.DN, err)
	}
	var plan Plan
	e := edit{entry: source.Entry}
	e.join(&plan, Source, part)
	if len(plan.Forbidden()) > 0 {
		return Plan{Findings: plan.Findings}, nil
	}
	if d.acts() {
		e.keepNames(pair.Source)
	}
	d.forward(&e, source)
	e.from("constant").setText(attrTypeDetails, number(typeMailUser))
	e.from("constant").setText(attrDisplayType, number(preparedDisplay(pair.Source.Kind())))
	e.from("constant").add(attrPoliciesExcluded, noPolicies)
	e.addTo(&plan, Source, whyDisconnect)
	return plan, nil
}

// checkDisconnect refuses what checkForward does, and a source that is not ours to
// disconnect.
func (d *Directories) checkDisconnect(pair Pair) []migrate.Finding {
	if stop := d.checkForward(pair); len(stop) > 0 {
		return stop
	}
	if pair.Source.IsMailbox() {
		return d.admin().May(Source)
	}
	return nil
}

// keepNames asks for every name that the recipient had: a mail system that acts by itself
// may have taken some along with the mailbox.
func (e *edit) keepNames(had *Recipient) {
	e.from("as before").fillText(attrLegacy, string(had.Legacy))
	e.from("as before").fillText("mail", string(had.Mail))
	e.from("as before").fillText("mailNickname", had.Alias)
	if !had.MailboxGUID.IsZero() {
		e.from("as before").fill(attrMailboxGUID, had.MailboxGUID[:])
	}
	if missing := without(had.Proxies, e.entry.Values(attrProxies)); len(missing) > 0 {
		e.from("as before").add(attrProxies, missing...)
	}
}

// without returns the addresses that are not among the others, in any case of letters.
func without(addresses, others []string) []string {
	return slices.DeleteFunc(slices.Clone(addresses), func(a string) bool {
		return slices.ContainsFunc(others, func(o string) bool { return strings.EqualFold(a, o) })
	})
}
