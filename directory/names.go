package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"

	"reforest/migrate"
)

// The most UTF-16 units that names may have (MS-ADA1 2.110 cn; MS-SAMR 3.1.1.6).
const (
	maxCN  = 64
	maxSam = 20
)

// lastNumber is where counting for a free name ends and the source's GUID is used.
const lastNumber = 99

// newNames are the unique names of a new target user.
type newNames struct{ cn, sam, upn string }

// newNames finds names that are free at the target: the source's own where they are,
// else with a number after them, counted from 2.
func (d *Directories) newNames(ctx context.Context, source *Recipient) (names newNames, err error) {
	if names, taken := d.staging.namesOf(source); taken {
		return names, nil
	}
	cn := source.DN.Name()
	ou := d.place(source)
	names.cn, err = free(ctx, candidates(cn, maxCN, " ", source.GUID), func(ctx context.Context, cn string) (bool, error) {
		return d.holdsEntry(ctx, ou.Child("CN", cn))
	})
	if err != nil {
		return names, fmt.Errorf("find a free common name: %w", err)
	}
	class := d.twinClass(source)
	if class == ClassContact { // has no account
		return names, nil
	}
	names.sam, err = free(ctx, candidates(wantedSam(source), maxSam, "", source.GUID), d.hasSam)
	if err != nil {
		return names, fmt.Errorf("find a free account name: %w", err)
	}
	if class == ClassGroup {
		return names, nil
	}
	local, suffix := d.upnParts(source)
	upns := func(yield func(string) bool) {
		for name := range candidates(local, maxCN, "", source.GUID) {
			if !yield(name + "@" + suffix) {
				return
			}
		}
	}
	names.upn, err = free(ctx, upns, d.hasUPN)
	if err != nil {
		return names, fmt.Errorf("find a free user principal name: %w", err)
	}
	return names, nil
}

// namesOf returns the names that are taken for the source's new object.
func (s *Staging) namesOf(source *Recipient) (newNames, bool) {
	if s == nil || s.byGUID[source.GUID] == nil {
		return newNames{}, false
	}
	c := s.byGUID[source.GUID]
	return c.names, c.planned != nil
}

// holder returns the object that is to have the names of a plan: the target, or what is
// reserved for it; nil if it is new and nothing is reserved.
func (d *Directories) holder(pair Pair) *Recipient {
	if pair.Target == nil && d.staging != nil && d.staging.byGUID[pair.Source.GUID] != nil {
		return d.staging.byGUID[pair.Source.GUID].planned
	}
	return pair.Target
}

// wantedSam returns the account name that the source's object has, or would have by its
// alias, as far as it can be one.
func wantedSam(source *Recipient) string {
	for _, name := range []string{source.Sam, source.Alias, hexGUID(source.GUID)} {
		if sam := cut(legalSam(name), maxSam); sam != "" {
			return sam
		}
	}
	return ""
}

// legalSam returns the name with "_" for every character that an account name must not
// have, without spaces at its ends and periods at its end (MS-SAMR 3.1.1.6). One that is
// nothing but those signs is none. Digits alone are a name.
func legalSam(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`"/\[]:;|=,+*?<>@`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimSpace(name), " .")
	if strings.Trim(name, "_ .") == "" {
		return ""
	}
	return name
}

// originSam says where an account name comes from.
func (d *Directories) originSam(source *Recipient, sam string) string {
	switch wanted := wantedSam(source); {
	case sam == source.Sam:
		return "source sAMAccountName"
	case sam != wanted:
		return "made unique: sAMAccountName " + wanted + " is taken"
	case source.Sam != "":
		return "made of the source's sAMAccountName " + source.Sam
	}
	return "made of the alias"
}

// upnParts returns the source's UPN where its suffix belongs to the target, else the
// alias in the target's own domain. With a tenant that has a suffix of its own, it is
// that one.
func (d *Directories) upnParts(source *Recipient) (local, suffix string) {
	local, suffix = cleanLocal(source.Alias), dnsName(d.Target.Info.DefaultNC)
	if local == "" {
		local = hexGUID(source.GUID)
	}
	if len(d.Target.Info.Domains) > 0 {
		suffix = d.Target.Info.Domains[0].DNS
	}
	at := strings.LastIndexByte(source.UPN, '@')
	if t := d.Rules.tenantOf(source); t != nil && t.UPNSuffix != "" {
		if at > 0 {
			local = source.UPN[:at]
		}
		return local, t.UPNSuffix
	}
	if at > 0 && d.Target.Info.hasSuffix(source.UPN[at+1:]) {
		return source.UPN[:at], source.UPN[at+1:]
	}
	return local, suffix
}

// originUPN says where a user principal name comes from.
func (d *Directories) originUPN(source *Recipient, upn string) string {
	local, suffix := d.upnParts(source)
	wanted := cut(local, maxCN) + "@" + suffix
	t := d.Rules.tenantOf(source)
	switch {
	case upn == source.UPN:
		return "source userPrincipalName"
	case upn != wanted:
		return "made unique: userPrincipalName " + wanted + " is taken"
	case t != nil && t.UPNSuffix != "":
		return "made for the UPN suffix of tenant " + t.Name
	}
	return "made of the alias"
}

// holdsEntry reports whether the target has an entry of that name.
func (d *Directories) holdsEntry(ctx context.Context, dn DN) (bool, error) {
	if x := d.Target.index; x != nil {
		return len(x.lookup(keyOf(keyDN, dn.Key()))) > 0, nil
	}
	_, err := d.Target.Reader.Get(ctx, dn, "cn")
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// hasSam asks the server's own domain: account names are unique within it. An account
// is also known as name@domain, which must be nobody's UPN.
func (d *Directories) hasSam(ctx context.Context, sam string) (bool, error) {
	if x := d.Target.index; x != nil {
		domain := d.Target.Info.DefaultNC
		return len(x.find(domain, []nameKey{keyOf(keySam, sam), keyOf(keyUPN, sam+"@"+dnsName(domain))})) > 0, nil
	}
	return d.Target.holds(ctx, "", Or(Eq("sAMAccountName", sam), Eq("userPrincipalName", sam+"@"+dnsName(d.Target.Info.DefaultNC))))
}

// hasUPN asks every domain that the server answers for: UPNs are unique within the
// forest (MS-ADTS 3.1.1.5.1.3), and one in a domain's own suffix must not be what
// another account of that domain is also known as. The Catalog knows those of the other
// domains; without one the server itself refuses them when the user is added.
func (d *Directories) hasUPN(ctx context.Context, upn string) (bool, error) {
	at := strings.LastIndexByte(upn, '@')
	if x := d.Target.index; x != nil {
		return x.hasUPN(&d.Target.Info, upn), nil
	}
	for _, domain := range d.Target.Info.domainsHeld() {
		filter := Eq("userPrincipalName", upn)
		if strings.EqualFold(dnsName(domain), upn[at+1:]) {
			filter = Or(filter, Eq("sAMAccountName", upn[:at]))
		}
		if held, err := d.Target.holds(ctx, domain, filter); held || err != nil {
			return held, err
		}
	}
	return d.Target.catalogHolds(ctx, Eq("userPrincipalName", upn))
}

// hasUPN is Directories.hasUPN of what the index knows.
func (x *Index) hasUPN(info *Info, upn string) bool {
	if len(x.lookup(keyOf(keyUPN, upn))) > 0 {
		return true
	}
	at := strings.LastIndexByte(upn, '@')
	for _, domain := range info.domainsHeld() {
		if strings.EqualFold(dnsName(domain), upn[at+1:]) && len(x.find(domain, []nameKey{keyOf(keySam, upn[:at])})) > 0 {
			return true
		}
	}
	return false
}

// holds reports whether anything below base matches. A base that the server does not
// hold has nothing that it could answer for.
func (f *Forest) holds(ctx context.Context, base DN, filter Filter) (bool, error) {
	for _, err := range f.Reader.Find(ctx, Query{Base: base, Filter: filter, Attrs: []string{"cn"}}) {
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}

// candidates yields name cut to limit UTF-16 units, then with 2, 3, … after it, and at
// last with as much of the GUID as fits.
func candidates(name string, limit int, separator string, guid migrate.GUID) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(cut(name, limit)) {
			return
		}
		for n := 2; n <= lastNumber; n++ {
			suffix := separator + strconv.Itoa(n)
			if !yield(cut(name, limit-len(suffix)) + suffix) {
				return
			}
		}
		yield(cut(hexGUID(guid), limit))
	}
}

// cut returns at most limit UTF-16 units of name, without a space or period at the
// end, which an account name must not have.
func cut(name string, limit int) string {
	units := 0
	for i, r := range name {
		if units += utf16.RuneLen(r); units > limit {
			name = name[:i]
			break
		}
	}
	return strings.TrimRight(name, " .")
}

// free returns the first candidate that is not taken.
func free(ctx context.Context, names iter.Seq[string], taken func(context.Context, string) (bool, error)) (string, error) {
	last := ""
	for name := range names {
		held, err := taken(ctx, name)
		if err != nil {
			return "", err
		}
		if !held {
			return name, nil
		}
		last = name
	}
	return "", fmt.Errorf("%q and all before it are taken: %w", last, ErrExists)
}
