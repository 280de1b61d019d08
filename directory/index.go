package directory

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf8"

	"reforest/migrate"
)

// indexAttrs are what an Index reads of each object: what it is and what it is called.
var indexAttrs = []string{
	"objectClass", "objectGUID", attrSID, attrSIDHistory, attrMasterSID, "sAMAccountName", "userPrincipalName",
	attrAccountControl, "mailNickname", "displayName", "mail", attrLegacy, attrProxies, attrTargetAddress,
	attrMailboxGUID, attrHomeMDB, attrHomeServer, attrTypeDetails, attrDisplayType, "employeeID", attrMark,
	"msExchHideFromAddressLists",
}

// indexed matches everything that has a name which has to be unique, or under which
// mail arrives.
const indexed Filter = "(|(sAMAccountName=*)(mail=*)(proxyAddresses=*)(legacyExchangeDN=*)(targetAddress=*)(objectClass=contact)(objectClass=organizationalUnit)(objectClass=container))"

// A nameKey is one name of a recipient in the form that is compared, hashed.
type nameKey uint64

// The kinds of names.
const (
	keyDN      = 'd'
	keyGUID    = 'g'
	keySID     = 's'
	keyHistory = 'h'
	keyMaster  = 'o'
	keyMailbox = 'b'
	keySMTP    = 'a' // an SMTP address among the proxies
	keyX500    = 'x' // legacyExchangeDN, or an X500 address
	keyMail    = 'm'
	keySam     = 'n'
	keyUPN     = 'u'
	keyStaff   = 'e' // employeeID
	keyMark    = 'k' // our mark
	keyAlias   = 'l' // mailNickname
)

var keySeed = maphash.MakeSeed()

// keyOf returns the key of a name. Octets (keyGUID, keyMailbox) are taken as they are,
// everything else without regard to case and accents, as Active Directory compares.
func keyOf(kind byte, name string) nameKey {
	if kind != keyGUID && kind != keyMailbox {
		name = strings.ToLower(unmarked(name))
	}
	var h maphash.Hash
	h.SetSeed(keySeed)
	_ = h.WriteByte(kind) // never fails (hash/maphash)
	_, _ = h.WriteString(name)
	return nameKey(h.Sum64())
}

// unmarked is bare for names that mostly have no accents.
func unmarked(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return bare(name)
		}
	}
	return name
}

// An Index knows every recipient of a forest by all of its names, so that planning for
// many costs one search. It shows the forest as it was when it was read, and what has
// been reserved since. The recipients in it have no Entry to speak of: only indexAttrs
// were read, and they are not kept.
type Index struct {
	people []*Recipient
	first  map[nameKey]int32 // the first of the people with the key, as index
	more   map[nameKey][]int32
	owners map[*Recipient]migrate.GUID // of what is reserved: for which source object
}

// NewIndex reads all of the forest's recipients, in every domain that its server or its
// Catalog answers for. progress is told how many have been read, now and then; nil is nobody.
func NewIndex(ctx context.Context, f *Forest, progress func(read int)) (*Index, error) {
	x := &Index{first: map[nameKey]int32{}, more: map[nameKey][]int32{}, owners: map[*Recipient]migrate.GUID{}}
	for _, domain := range f.Info.domainsHeld() {
		for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: indexed, Attrs: slices.Concat(indexAttrs, f.keep)}) {
			if err != nil {
				return nil, err
			}
			if err := x.read(entry, f.keep); err != nil {
				return nil, err
			}
			if progress != nil && len(x.people)%500 == 0 {
				progress(len(x.people))
			}
		}
	}
	return x, x.readCatalog(ctx, f)
}

// readCatalog reads what lies in domains that the forest's server does not answer for.
func (x *Index) readCatalog(ctx context.Context, f *Forest) error {
	if f.Catalog == nil {
		return nil
	}
	for entry, err := range f.Catalog.Find(ctx, Query{Filter: indexed, Attrs: slices.Concat(indexAttrs, f.keep)}) {
		if err != nil {
			return err
		}
		if f.Info.holdsDN(entry.DN) {
			continue
		}
		if err := x.read(entry, f.keep); err != nil {
			return err
		}
	}
	return nil
}

// read adds what the entry is called, unless it was read already: a domain lies below
// its parent.
func (x *Index) read(entry *Entry, keep []string) error {
	r, err := ParseRecipient(entry)
	if err != nil {
		return err
	}
	if len(x.lookup(keyOf(keyGUID, string(r.GUID[:])))) > 0 {
		return nil
	}
	r.light = true
	r.Entry = lightEntry(entry, keep)
	x.add(r)
	return nil
}

// lightEntry keeps of an entry what Recipient has no field for.
func lightEntry(entry *Entry, keep []string) *Entry {
	kept := map[string][][]byte{}
	for _, attr := range append([]string{attrHomeServer, "msExchHideFromAddressLists"}, keep...) {
		if values := entry.Bytes(attr); len(values) > 0 {
			kept[attr] = values
		}
	}
	return NewEntry(entry.DN, kept)
}

func (x *Index) add(r *Recipient) {
	at := int32(len(x.people)) //nolint:gosec // a forest has fewer than 2^31 recipients
	x.people = append(x.people, r)
	for _, key := range r.keys() {
		if have, taken := x.first[key]; !taken {
			x.first[key] = at
		} else if have != at && !slices.Contains(x.more[key], at) {
			x.more[key] = append(x.more[key], at)
		}
	}
}

// reserve takes the names of an object that is about to be made for source.
func (x *Index) reserve(r *Recipient, source migrate.GUID) {
	x.owners[r] = source
	x.add(r)
}

// isReserved reports whether the object is only about to be made.
func (x *Index) isReserved(r *Recipient) bool {
	if x == nil {
		return false
	}
	_, reserved := x.owners[r]
	return reserved
}

// lookup returns everyone with the key; of two names with one hash, those of the other
// as well.
func (x *Index) lookup(key nameKey) []*Recipient {
	at, known := x.first[key]
	if !known {
		return nil
	}
	found := []*Recipient{x.people[at]}
	for _, i := range x.more[key] {
		found = append(found, x.people[i])
	}
	return found
}

// find returns everyone at or below base who has one of the keys, each once.
func (x *Index) find(base DN, keys []nameKey) []*Recipient {
	var found []*Recipient
	for _, key := range keys {
		for _, r := range x.lookup(key) {
			if !slices.Contains(found, r) && (base == "" || r.DN.Under(base)) {
				found = append(found, r)
			}
		}
	}
	return found
}

// keys returns the keys of all names of the recipient.
func (r *Recipient) keys() []nameKey {
	keys := []nameKey{keyOf(keyDN, r.DN.Key())}
	add := func(kind byte, name string) {
		if name != "" {
			keys = append(keys, keyOf(kind, name))
		}
	}
	if !r.GUID.IsZero() {
		add(keyGUID, string(r.GUID[:]))
	}
	if !r.MailboxGUID.IsZero() {
		add(keyMailbox, string(r.MailboxGUID[:]))
	}
	add(keySID, string(r.SID))
	add(keyMaster, string(r.MasterSID))
	for _, sid := range r.SIDHistory {
		add(keyHistory, string(sid))
	}
	for _, addr := range r.Proxies.SMTP() {
		add(keySMTP, string(addr))
	}
	for _, dn := range r.x500() {
		add(keyX500, string(dn))
	}
	add(keyMail, string(r.Mail))
	add(keySam, r.Sam)
	add(keyUPN, r.UPN)
	add(keyAlias, r.Alias)
	add(keyStaff, r.EmployeeID)
	add(keyMark, r.Mark)
	return keys
}
