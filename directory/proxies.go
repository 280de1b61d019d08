package directory

import (
	"slices"
	"strings"

	"reforest/migrate"
)

// Proxies are the values of proxyAddresses as they are stored: type:address, where
// the type SMTP in upper case marks the primary address (MS-OXLDAP 2.2.3.4). Types
// that are not SMTP or X500 (SIP, X400, EUM, …) are carried along and never read.
type Proxies []string

// Primary returns the primary SMTP address: the one marked SMTP: in upper case. If
// there are several, which Exchange leaves undefined, it is the first in
// alphabetical order, because the server's order of values is not stable. "" if
// none is marked.
func (p Proxies) Primary() migrate.SMTPAddress {
	if primaries := p.primaries(); len(primaries) > 0 {
		return primaries[0]
	}
	return ""
}

// SMTP returns the addresses of type SMTP, primary or not, in the order stored.
func (p Proxies) SMTP() []migrate.SMTPAddress {
	var addrs []migrate.SMTPAddress
	for _, value := range p {
		if kind, addr := splitProxy(value); kind == "smtp" {
			addrs = append(addrs, migrate.SMTPAddress(addr))
		}
	}
	return addrs
}

// X500 returns the addresses of type X500, in the order stored.
func (p Proxies) X500() []migrate.LegacyDN {
	var dns []migrate.LegacyDN
	for _, value := range p {
		if kind, addr := splitProxy(value); kind == "x500" {
			dns = append(dns, migrate.LegacyDN(addr))
		}
	}
	return dns
}

// HasX500 reports whether one of the X500 addresses is dn: the whole value, without
// regard to case. A name that begins alike is another name.
func (p Proxies) HasX500(dn migrate.LegacyDN) bool {
	return slices.ContainsFunc(p.X500(), func(x migrate.LegacyDN) bool { return x.Key() == dn.Key() })
}

// HasSMTP reports whether one of the SMTP addresses is addr, without regard to case.
func (p Proxies) HasSMTP(addr migrate.SMTPAddress) bool {
	return slices.ContainsFunc(p.SMTP(), func(a migrate.SMTPAddress) bool { return a.Key() == addr.Key() })
}

// primaries returns the addresses marked SMTP: in upper case, sorted.
func (p Proxies) primaries() []migrate.SMTPAddress {
	var addrs []migrate.SMTPAddress
	for _, value := range p {
		if addr, ok := strings.CutPrefix(value, "SMTP:"); ok {
			addrs = append(addrs, migrate.SMTPAddress(addr))
		}
	}
	slices.Sort(addrs)
	return addrs
}

// has reports whether the whole value is among the proxies, without regard to case.
func (p Proxies) has(value string) bool {
	return slices.ContainsFunc(p, func(v string) bool { return sameProxy(v, value) })
}

// sameProxy compares as Active Directory does, which refuses a second value that
// differs in case alone.
func sameProxy(a, b string) bool { return strings.EqualFold(a, b) }

// splitProxy returns the type in lower case and the address.
func splitProxy(value string) (kind, addr string) {
	kind, addr, found := strings.Cut(value, ":")
	if !found {
		return "", value
	}
	return strings.ToLower(kind), addr
}

// withPrimary returns the values with exactly primary marked as primary, doubles
// left out.
func (p Proxies) withPrimary(primary migrate.SMTPAddress) Proxies {
	var out Proxies
	for _, value := range p {
		if kind, addr := splitProxy(value); kind == "smtp" {
			value = markProxy(migrate.SMTPAddress(addr), primary)
		}
		if !out.has(value) {
			out = append(out, value)
		}
	}
	return out
}

func markProxy(addr, primary migrate.SMTPAddress) string {
	if addr.Key() == primary.Key() {
		return "SMTP:" + string(addr)
	}
	return "smtp:" + string(addr)
}
