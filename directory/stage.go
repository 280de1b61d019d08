package directory

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

const (
	versionExchange2010    = "44220983382016"
	accountDisabledNormal  = "514" // a normal account, disabled (MS-ADTS 2.2.16)
	whyStage               = "pre-stage the target user"
	whyStageBack           = "make the target's old names resolve at the source (X500)"
	recipientsOfLegacyRoot = "/cn=Recipients/cn="
)

// PlanStage plans a target user that receives the person's mail and sends it on to the
// source: a new one if pair has no target, else what the present one lacks. It also
// plans the way back: every X500 name of the target becomes one of the source.
func (d *Directories) PlanStage(ctx context.Context, pair Pair) (Plan, error) {
	if d.isPlain(pair) {
		return d.planPlain(ctx, pair)
	}
	plan := Plan{Findings: slices.Concat(d.checkRules(), d.checkMatch(pair), d.checkRoute(pair), d.checkTenant(pair.Source))}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	s := stagePlan{Directories: d, pair: pair, plan: &plan, tenant: d.Rules.tenantOf(pair.Source)}
	if err := s.look(ctx); err != nil {
		return Plan{}, err
	}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	if err := s.change(ctx); err != nil {
		return Plan{}, fmt.Errorf("plan the target user of %s: %w", pair.Source, err)
	}
	atTarget, err := d.Target.checkTaken(ctx, d.holder(pair), plan.Changes, pair.Contact)
	if err != nil {
		return Plan{}, err
	}
	atSource, err := d.Source.checkTaken(ctx, pair.Source, plan.Changes)
	if err != nil {
		return Plan{}, err
	}
	plan.Findings = slices.Concat(plan.Findings, atTarget, atSource)
	plan.stamp(pair.Source.GUID)
	return plan, nil
}

// A stagePlan is one plan of PlanStage in the making.
type stagePlan struct {
	*Directories
	pair    Pair
	plan    *Plan
	tenant  *Tenant             // nil: the target is one organisation
	cleaned []cleaning          // of the source's addresses
	primary migrate.SMTPAddress // that the target is to have
	groups  []DN                // that the target user is a direct member of, with a tenant
}

// look finds out what the plan depends on beside the pair itself.
func (s *stagePlan) look(ctx context.Context) error {
	if err := s.readGroups(ctx); err != nil {
		return err
	}
	s.plan.Findings = slices.Concat(s.plan.Findings, s.checkLeaks(), s.checkOwner(s.pair), checkTeam(s.pair.Source), s.checkMark())
	if err := s.cleanAddresses(ctx); err != nil {
		return err
	}
	s.choosePrimary()
	return nil
}

// change plans what both sides lack.
func (s *stagePlan) change(ctx context.Context) error {
	user, err := s.changeTarget(ctx)
	if err != nil {
		return err
	}
	s.completeSource()
	s.joinGroup(user)
	return s.planContact(ctx, s.plan, s.pair)
}

// changeTarget plans the target user, and returns its name.
func (s *stagePlan) changeTarget(ctx context.Context) (DN, error) {
	if s.pair.Target != nil {
		s.completeTarget()
		return s.pair.Target.DN, nil
	}
	if err := s.addTarget(ctx); err != nil {
		return "", err
	}
	return s.plan.Changes[0].DN, nil
}

// checkMark tells of a target object that already says something else where our mark
// would be. It keeps that, and will have to be found by what it shares with the source.
func (s *stagePlan) checkMark() []migrate.Finding {
	target := s.pair.Target
	if target == nil || target.Mark == "" || target.Mark == Mark(s.pair.Source.GUID) {
		return nil
	}
	return []migrate.Finding{warn("mark.taken", s.pair.Source.String(),
		fmt.Sprintf("%s of %s is %q, and is left so; it does not show that the object stands for the source.", attrMark, target.DN, target.Mark),
		"Clear it if nothing else needs it.")}
}

// checkRoute refuses what would make mail vanish: a source without a mailbox or an
// address to send mail to, or a target that sends it to somebody else.
func (d *Directories) checkRoute(pair Pair) []migrate.Finding {
	whom := pair.Source.String()
	if !pair.Source.IsMailbox() && (pair.Target == nil || !pair.Target.IsMailbox()) {
		return []migrate.Finding{forbid("source.not-mailbox", whom,
			"The source object has no mailbox.", "Take it off the batch, or name the object that has the mailbox.")}
	}
	if pair.Source.Alias == "" {
		return []migrate.Finding{forbid("source.alias", whom,
			"The source has no alias (mailNickname).", "Give it one: the address for forwarding is made of it.")}
	}
	if d.sourceAddress(pair.Source) == "" {
		return []migrate.Finding{forbid("source.address", whom,
			"The source has no SMTP address that mail can be sent to.", "Give it a primary SMTP address.")}
	}
	if loop := d.checkLoop(pair); len(loop) > 0 {
		return loop
	}
	target := pair.Target
	if target == nil || target.TargetAddress == "" || target.IsMailbox() {
		return nil
	}
	if _, addr := splitProxy(target.TargetAddress); !pair.Source.Proxies.HasSMTP(migrate.SMTPAddress(addr)) &&
		d.sourceAddress(pair.Source).Key() != migrate.SMTPAddress(addr).Key() {
		return []migrate.Finding{forbid("target.address-elsewhere", whom,
			fmt.Sprintf("%s sends its mail to %s, which is not an address of the source.", target.DN, target.TargetAddress),
			"Correct targetAddress, or clear it.")}
	}
	return nil
}

// checkLoop refuses a source that sends its mail to the target while the target, which
// has no mailbox yet, sends it to the source.
func (d *Directories) checkLoop(pair Pair) []migrate.Finding {
	source, target := pair.Source, pair.Target
	if source.TargetAddress == "" || target != nil && target.IsMailbox() {
		return nil
	}
	_, text := splitProxy(source.TargetAddress)
	addr := migrate.SMTPAddress(text)
	twins := target != nil && (target.Proxies.HasSMTP(addr) || target.Mail.Key() == addr.Key())
	if !twins && !d.routes(source) {
		return nil
	}
	return []migrate.Finding{forbid("source.forwards-to-target", source.String(),
		fmt.Sprintf("The source sends its mail to %s, which leads to the target, and the target, without a mailbox yet, would send it back.", addr),
		"Clear targetAddress of the source; the switch sets it once the target delivers.")}
}

// addTarget plans a new target user. Every value in it follows from the source and
// from what the target forest holds, so the same plan comes out again.
func (s *stagePlan) addTarget(ctx context.Context) error {
	source := s.pair.Source
	names, err := s.newNames(ctx, source)
	if err != nil {
		return err
	}
	e := edit{entry: NewEntry(s.place(source).Child("CN", names.cn), nil)}
	e.from("constant").add("objectClass", "top", "person", "organizationalPerson", "user")
	e.from(s.originSam(source, names.sam)).fillText("sAMAccountName", names.sam)
	e.from(s.originUPN(source, names.upn)).fillText("userPrincipalName", names.upn)
	e.from("constant").fillText(attrAccountControl, accountDisabledNormal)
	e.from("constant").fillText(attrMaker, maker)
	s.fillBasics(&e)
	e.from(s.originNames()).add(attrProxies, s.targetNames(s.mintLegacy(source))...)
	for i := range e.mods {
		e.mods[i].Op = AddValues
	}
	s.plan.Changes = append(s.plan.Changes, Change{Forest: Target, Op: Add, DN: e.entry.DN, Mods: e.mods, Why: whyStage})
	return nil
}

// completeTarget plans what a target user that is there already lacks. What it has is
// left alone, unless a policy says otherwise: whoever is joined keeps their name, numbers
// and primary address.
func (s *stagePlan) completeTarget() {
	e := edit{entry: s.pair.Target.Entry}
	s.fillBasics(&e)
	s.joinProxies(&e)
	e.addTo(s.plan, Target, whyStage)
}

// fillBasics fills what a new target user and one that is joined have in common. A
// target that is a mailbox already has its types and its delivery from the switch.
func (s *stagePlan) fillBasics(e *edit) {
	source := s.pair.Source
	e.from("constant").fillText(attrMark, Mark(source.GUID))
	e.from("made of the source mailbox and the alias").fillText(attrLegacy, string(s.mintLegacy(source)))
	e.from("constant").fillText(attrVersion, versionExchange2010)
	s.fillCopied(e)
	s.fillTenant(e)
	if e.entry.Has(attrHomeMDB) || e.entry.Has(attrHomeServer) {
		return
	}
	e.from("source address").fillText(attrTargetAddress, "SMTP:"+string(s.sourceAddress(source)))
	e.from("constant").setText(attrTypeDetails, number(typeMailUser))
	e.from("constant").setText(attrDisplayType, number(s.stagedDisplay(s.pair)))
	if o := s.ownerOf(s.pair); o.linked() {
		o.fill(e)
	}
}

// completeSource plans what lets the source be found under every name the target has:
// replies to mail that was sent from the target, and mail to its routing address.
func (s *stagePlan) completeSource() {
	source, target := s.pair.Source, s.pair.Target
	names := []migrate.LegacyDN{s.mintLegacy(source)}
	if target != nil && target.Legacy != "" {
		names = target.x500()
	} else if target != nil {
		names = append(names, target.x500()...)
	}
	e := edit{entry: source.Entry}
	var values []string
	for _, name := range names {
		if name.Key() != source.Legacy.Key() {
			values = append(values, "X500:"+string(name))
		}
	}
	e.from("target legacyExchangeDN and X500; routing address made of the alias").
		add(attrProxies, append(values, "smtp:"+string(s.routingAddress(source)))...)
	e.addTo(s.plan, Source, whyStageBack)
}

// targetProxies returns every address that a target named own has to have: all of the
// source's that mail can be sent to, its legacyExchangeDN as X500, and the address that
// only the target delivers. own itself, which the source has as X500, is not one of them.
func (d *Directories) targetProxies(source *Recipient, own migrate.LegacyDN) Proxies {
	proxies := slices.DeleteFunc(source.Proxies.collapse().legal(), func(v string) bool {
		kind, dn := splitProxy(v)
		return kind == "x500" && migrate.LegacyDN(dn).Key() == own.Key()
	})
	for _, addr := range []migrate.SMTPAddress{source.Address(), d.routingAddress(source)} {
		if illegal(addr) == "" && !proxies.HasSMTP(addr) {
			proxies = append(proxies, "smtp:"+string(addr))
		}
	}
	if source.Legacy != "" && source.Legacy.Key() != own.Key() && !proxies.HasX500(source.Legacy) {
		proxies = append(proxies, "X500:"+string(source.Legacy))
	}
	return proxies
}

// routes reports whether the source sends its mail to the target's routing address.
func (d *Directories) routes(source *Recipient) bool {
	_, addr := splitProxy(source.TargetAddress)
	return migrate.SMTPAddress(addr).Key() == d.routingAddress(source).Key()
}

// mintLegacy returns the legacyExchangeDN of a target user that has none. It follows
// from the source mailbox alone, so it comes out the same every time.
func (d *Directories) mintLegacy(source *Recipient) migrate.LegacyDN {
	id := source.MailboxGUID
	if id.IsZero() {
		id = source.GUID
	}
	digits := strings.ReplaceAll(id.String(), "-", "")
	return migrate.LegacyDN(d.Rules.LegacyPrefix + recipientsOfLegacyRoot + digits + "-" + legacyName(source.Alias))
}

// legacyName makes an alias fit for a component of a legacyExchangeDN, which is
// teletex text with "/" between its components.
func legacyName(alias string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '/' {
			return '_'
		}
		return r
	}, alias)
}

// hexGUID returns the GUID's octets in hexadecimal.
func hexGUID(guid migrate.GUID) string { return hex.EncodeToString(guid[:]) }
