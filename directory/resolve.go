package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"reforest/migrate"
)

// dnShape tells a distinguished name from everything else a person may be called.
var dnShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*=.*,\s*[A-Za-z][A-Za-z0-9-]*=`)

// A question is how an identity is looked for, and what must be true of an answer.
// Active Directory compares more loosely than people mean (é is e to it), so what the
// filter finds is looked at again.
type question struct {
	base    DN
	filter  Filter
	keys    []nameKey // under which an Index finds what the filter finds; nil: it cannot
	answers func(*Recipient) bool
}

// Resolve returns the source object that identity names: an SMTP address, whether
// primary or not, a UPN, DOMAIN\name, a distinguished name, an objectGUID, a
// legacyExchangeDN or X500 address, a sAMAccountName, and, if there is none of these,
// an alias, common name or display name. It returns ErrNotFound, or an
// *AmbiguousError if the identity stands for several objects.
func (d *Directories) Resolve(ctx context.Context, identity string) (*Recipient, error) {
	identity = strings.TrimSpace(identity)
	if identity == "" {
		return nil, fmt.Errorf("resolve an empty name: %w", ErrNotFound)
	}
	if dnShape.MatchString(identity) {
		return d.resolveDN(ctx, identity)
	}
	for _, q := range d.questions(identity) {
		found, err := d.Source.ask(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("resolve %q: %w", identity, err)
		}
		if len(found) > 0 {
			return one(identity, found)
		}
	}
	return nil, fmt.Errorf("resolve %q: %w", identity, ErrNotFound)
}

func (d *Directories) resolveDN(ctx context.Context, identity string) (*Recipient, error) {
	entry, err := d.Source.Reader.Get(ctx, DN(identity), RecipientAttrs...)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", identity, err)
	}
	return ParseRecipient(entry)
}

// questions returns what is asked, one after the other until there is an answer.
func (d *Directories) questions(identity string) []question {
	if guid, err := migrate.ParseGUID(identity); err == nil {
		return []question{askGUID(guid)}
	}
	domain, name, qualified := strings.Cut(identity, `\`)
	switch bare := trimX500(identity); {
	case strings.HasPrefix(bare, "/"):
		return []question{askLegacy(migrate.LegacyDN(bare))}
	case qualified:
		return d.askQualified(domain, name)
	case strings.Contains(identity, "@"):
		return []question{askAddress(identity)}
	}
	return []question{askSam("", identity), askName(identity)}
}

func (d *Directories) askQualified(domain, name string) []question {
	for _, known := range d.Source.Info.Domains {
		if strings.EqualFold(known.NetBIOS, domain) || strings.EqualFold(known.DNS, domain) {
			return []question{askSam(known.DN, name)}
		}
	}
	return nil
}

func askGUID(guid migrate.GUID) question {
	return question{
		filter:  EqBytes("objectGUID", guid[:]),
		keys:    []nameKey{keyOf(keyGUID, string(guid[:]))},
		answers: func(r *Recipient) bool { return r.GUID == guid },
	}
}

func askLegacy(dn migrate.LegacyDN) question {
	return question{
		filter: Or(Eq(attrLegacy, string(dn)), Eq(attrProxies, "X500:"+string(dn))),
		keys:   []nameKey{keyOf(keyX500, string(dn))},
		answers: func(r *Recipient) bool {
			return r.Legacy.Key() == dn.Key() || r.Proxies.HasX500(dn)
		},
	}
}

func askAddress(identity string) question {
	addr := migrate.SMTPAddress(identity)
	if kind, bare := splitProxy(identity); kind == "smtp" {
		addr = migrate.SMTPAddress(bare)
	}
	return question{
		filter: Or(Eq(attrProxies, "smtp:"+string(addr)), Eq("mail", string(addr)), Eq("userPrincipalName", string(addr))),
		keys:   []nameKey{keyOf(keySMTP, string(addr)), keyOf(keyMail, string(addr)), keyOf(keyUPN, string(addr))},
		answers: func(r *Recipient) bool {
			return r.Proxies.HasSMTP(addr) || r.Mail.Key() == addr.Key() || strings.EqualFold(r.UPN, string(addr))
		},
	}
}

func askSam(base DN, name string) question {
	return question{
		base:    base,
		filter:  Eq("sAMAccountName", name),
		keys:    []nameKey{keyOf(keySam, name)},
		answers: func(r *Recipient) bool { return strings.EqualFold(r.Sam, name) },
	}
}

func askName(name string) question {
	return question{
		filter: Or(Eq("mailNickname", name), Eq("cn", name), Eq("displayName", name)),
		answers: func(r *Recipient) bool {
			return strings.EqualFold(r.Alias, name) || strings.EqualFold(r.DisplayName, name) ||
				strings.EqualFold(r.Entry.First("cn"), name)
		},
	}
}

// ask returns the recipients that answer the question, computers left out.
func (f *Forest) ask(ctx context.Context, q question) ([]*Recipient, error) {
	found, err := f.candidates(ctx, q)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(r *Recipient) bool {
		return r.Class == ClassComputer || !q.answers(r)
	}), nil
}

// candidates returns what may answer the question.
func (f *Forest) candidates(ctx context.Context, q question) ([]*Recipient, error) {
	if f.index != nil && q.keys != nil {
		return f.index.find(q.base, q.keys), nil
	}
	return f.recipients(ctx, Query{Base: q.base, Filter: q.filter})
}

// one returns the only one of found, which is not empty.
func one(identity string, found []*Recipient) (*Recipient, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	ambiguous := &AmbiguousError{Identity: identity}
	for _, r := range found {
		ambiguous.DNs = append(ambiguous.DNs, r.DN)
	}
	slices.Sort(ambiguous.DNs)
	return nil, ambiguous
}

// trimX500 cuts the type prefix of an X500 address, if there is one.
func trimX500(identity string) string {
	if kind, bare := splitProxy(identity); kind == "x500" {
		return bare
	}
	return identity
}

// databaseClass is the class of Exchange's mailbox databases.
const databaseClass = "msExchPrivateMDB"

// ResolveDatabase returns the DN of the target's mailbox database with the name, or
// the one that name is the DN of. A database is an object of class msExchPrivateMDB,
// or lies directly in a container called Databases. It returns ErrNotFound or an
// *AmbiguousError.
func (d *Directories) ResolveDatabase(ctx context.Context, name string) (DN, error) {
	if name == "" {
		return "", fmt.Errorf("resolve database: no name is given: %w", ErrNotFound)
	}
	query := Query{Base: d.Target.Info.ConfigNC, Filter: Eq("cn", name), Attrs: []string{"cn", "objectClass"}}
	if dnShape.MatchString(name) {
		query.Base, query.Scope, query.Filter = DN(name), Base, Any
	}
	ambiguous := &AmbiguousError{Identity: "database " + name}
	for entry, err := range d.Target.Reader.Find(ctx, query) {
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("resolve database %q: %w", name, err)
		}
		if isDatabase(entry) {
			ambiguous.DNs = append(ambiguous.DNs, entry.DN)
		}
	}
	switch len(ambiguous.DNs) {
	case 0:
		return "", fmt.Errorf("resolve database %q: %w", name, ErrNotFound)
	case 1:
		return ambiguous.DNs[0], nil
	}
	return "", ambiguous
}

func isDatabase(entry *Entry) bool {
	class := slices.ContainsFunc(entry.Values("objectClass"), func(c string) bool {
		return strings.EqualFold(c, databaseClass)
	})
	return class || strings.EqualFold(entry.DN.Parent().Name(), "Databases")
}
