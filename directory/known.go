package directory

import (
	"slices"
	"strings"
)

// Names returns every name under which people may look for the recipient, each once
// without regard to case and without a type prefix: its SMTP addresses and mail,
// legacyExchangeDN and X500 addresses, account name, NETBIOS\account name, UPN,
// objectGUID, objectSid and alias. info is the recipient's own forest's; without the
// domain of the recipient in it, the qualified account name is left out.
func (r *Recipient) Names(info Info) []string {
	var all []string
	for _, addr := range append(r.Proxies.SMTP(), r.Mail) {
		all = append(all, string(addr))
	}
	for _, dn := range r.x500() {
		all = append(all, string(dn))
	}
	all = append(all, r.Sam, r.qualified(info), r.UPN)
	if !r.GUID.IsZero() {
		all = append(all, r.GUID.String())
	}
	return distinct(append(all, string(r.SID), r.Alias))
}

// qualified returns NETBIOS\account name, "" if either is not known.
func (r *Recipient) qualified(info Info) string {
	domain := info.domainOf(r.DN)
	if r.Sam == "" || domain.NetBIOS == "" {
		return ""
	}
	return domain.NetBIOS + `\` + r.Sam
}

// domainOf returns the innermost domain that dn lies in, the zero Domain if it is none
// of the forest's: a child domain's name lies below its parent's as well.
func (i *Info) domainOf(dn DN) Domain {
	var inner Domain
	for _, d := range i.Domains {
		if d.DN != "" && dn.Under(d.DN) && len(d.DN.Key()) > len(inner.DN.Key()) {
			inner = d
		}
	}
	return inner
}

// distinct leaves out empty names and those that came before in another case.
func distinct(names []string) []string {
	var out []string
	for _, name := range names {
		again := slices.ContainsFunc(out, func(n string) bool { return strings.EqualFold(n, name) })
		if name != "" && !again {
			out = append(out, name)
		}
	}
	return out
}
