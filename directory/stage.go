package directory

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// What a mail-enabled user carries that is prepared to become a mailbox.
const (
	displayPrepared          int32 = -2147483642 // 0x80000006
	displayPreparedRoom      int32 = -2147481850 // 0x80000706
	displayPreparedEquipment int32 = -2147481594 // 0x80000806

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
	plan := Plan{Findings: slices.Concat(d.checkRules(), d.checkMatch(pair), d.checkRoute(pair))}
	if len(plan.Forbidden()) > 0 {
		return plan, nil
	}
	var err error
	if pair.Target == nil {
		plan.Changes, err = d.addTarget(ctx, pair.Source)
	} else {
		d.completeTarget(&plan, pair)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan the target user of %s: %w", pair.Source, err)
	}
	d.completeSource(&plan, pair)
	atTarget, err := d.Target.checkTaken(ctx, d.holder(pair), plan.Changes)
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
	if pair.Source.Address() == "" {
		return []migrate.Finding{forbid("source.address", whom,
			"The source has no SMTP address.", "Give it a primary SMTP address.")}
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
func (d *Directories) addTarget(ctx context.Context, source *Recipient) ([]Change, error) {
	names, err := d.newNames(ctx, source)
	if err != nil {
		return nil, err
	}
	e := edit{entry: NewEntry(d.place(source).Child("CN", names.cn), nil)}
	e.add("objectClass", "top", "person", "organizationalPerson", "user")
	e.fillText("sAMAccountName", names.sam)
	e.fillText("userPrincipalName", names.upn)
	e.fillText(attrAccountControl, accountDisabledNormal)
	e.fillText("displayName", source.DisplayName)
	e.fillText("mail", string(source.Address()))
	d.fillBasics(&e, source)
	e.add(attrProxies, d.targetProxies(source, d.mintLegacy(source)).withPrimary(source.Address())...)
	for i := range e.mods {
		e.mods[i].Op = AddValues
	}
	return []Change{{Forest: Target, Op: Add, DN: e.entry.DN, Mods: e.mods, Why: whyStage}}, nil
}

// completeTarget plans what a target user that is there already lacks. What it has is
// left alone: whoever is joined keeps their name, numbers and primary address.
func (d *Directories) completeTarget(plan *Plan, pair Pair) {
	source, target := pair.Source, pair.Target
	e := edit{entry: target.Entry}
	e.fillText("displayName", source.DisplayName)
	e.fillText("mail", string(source.Address()))
	d.fillBasics(&e, source)
	d.joinProxies(&e, source, target)
	e.addTo(plan, Target, whyStage)
}

// fillBasics fills what a new target user and one that is joined have in common. A
// target that is a mailbox already has its types and its delivery from the switch.
func (d *Directories) fillBasics(e *edit, source *Recipient) {
	e.fillText("mailNickname", source.Alias)
	e.fillText(attrLegacy, string(d.mintLegacy(source)))
	e.fillText(attrVersion, versionExchange2010)
	for _, attr := range galAttrs {
		e.fill(attr, source.Entry.Bytes(attr)...)
	}
	if e.entry.Has(attrHomeMDB) || e.entry.Has(attrHomeServer) {
		return
	}
	e.fillText(attrTargetAddress, "SMTP:"+string(d.sourceAddress(source)))
	e.setText(attrTypeDetails, number(typeMailUser))
	if !strings.HasPrefix(e.entry.First(attrDisplayType), "-") { // a prepared one, such as a linked user's, stays
		e.setText(attrDisplayType, number(preparedDisplay(source.Kind())))
	}
}

// joinProxies adds the addresses the target lacks. A target that has a primary address
// keeps it; there is never a second.
func (d *Directories) joinProxies(e *edit, source, target *Recipient) {
	primary := source.Address()
	if len(target.Proxies.primaries()) > 0 {
		primary = ""
	}
	want := d.targetProxies(source, target.Legacy).withPrimary(primary)
	if primary != "" && target.Proxies.HasSMTP(primary) {
		// The address is there as a secondary one. Only a replacement can raise it: the
		// server takes SMTP: and smtp: for the same value and refuses the one beside the other.
		all := append(slices.Clone(target.Proxies), want...)
		e.setText(attrProxies, all.withPrimary(primary)...)
		return
	}
	e.add(attrProxies, want...)
}

// completeSource plans what lets the source be found under every name the target has:
// replies to mail that was sent from the target, and mail to its routing address.
func (d *Directories) completeSource(plan *Plan, pair Pair) {
	source := pair.Source
	names := []migrate.LegacyDN{d.mintLegacy(source)}
	if pair.Target != nil && pair.Target.Legacy != "" {
		names = pair.Target.x500()
	} else if pair.Target != nil {
		names = append(names, pair.Target.x500()...)
	}
	e := edit{entry: source.Entry}
	var values []string
	for _, name := range names {
		if name.Key() != source.Legacy.Key() {
			values = append(values, "X500:"+string(name))
		}
	}
	e.add(attrProxies, append(values, "smtp:"+string(d.routingAddress(source)))...)
	e.addTo(plan, Source, whyStageBack)
}

// targetProxies returns every address that a target named own has to have: all of the
// source's, its legacyExchangeDN as X500, and the address that only the target
// delivers. own itself, which the source has as X500, is not one of them.
func (d *Directories) targetProxies(source *Recipient, own migrate.LegacyDN) Proxies {
	proxies := slices.DeleteFunc(slices.Clone(source.Proxies), func(v string) bool {
		kind, dn := splitProxy(v)
		return kind == "x500" && migrate.LegacyDN(dn).Key() == own.Key()
	})
	for _, addr := range []migrate.SMTPAddress{source.Address(), d.routingAddress(source)} {
		if !proxies.HasSMTP(addr) {
			proxies = append(proxies, "smtp:"+string(addr))
		}
	}
	if source.Legacy != "" && source.Legacy.Key() != own.Key() && !proxies.HasX500(source.Legacy) {
		proxies = append(proxies, "X500:"+string(source.Legacy))
	}
	return proxies
}

// routingAddress returns the address of the person that only the target delivers.
func (d *Directories) routingAddress(source *Recipient) migrate.SMTPAddress {
	return migrate.SMTPAddress(source.Alias + "@" + d.Rules.TargetRouting)
}

// sourceAddress returns the address under which mail from anywhere reaches the source:
// one in the source's routing domain, the primary one or the alphabetically first if
// there are several, else the primary address. The target's routing address, which the
// source also has, never is one.
func (d *Directories) sourceAddress(source *Recipient) migrate.SMTPAddress {
	addrs := append([]migrate.SMTPAddress{source.Address()}, slices.Sorted(slices.Values(source.Proxies.SMTP()))...)
	for _, addr := range addrs {
		if d.Rules.SourceRouting != "" && strings.EqualFold(addr.Domain(), d.Rules.SourceRouting) {
			return addr
		}
	}
	return source.Address()
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

func preparedDisplay(kind string) int32 {
	switch kind {
	case KindRoom:
		return displayPreparedRoom
	case KindEquipment:
		return displayPreparedEquipment
	}
	return displayPrepared
}

// hexGUID returns the GUID's octets in hexadecimal.
func hexGUID(guid migrate.GUID) string { return hex.EncodeToString(guid[:]) }
