package directory

import (
	"cmp"
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
	attrAccountControl, "mailNickname", "mail", attrLegacy, attrProxies, attrTargetAddress,
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
// been reserved since. The recipients in it have no Entry to speak of, no display name,
// and of their proxies those alone that are names: only indexAttrs were read.
type Index struct {
	people []*Recipient
	names  []indexedName               // of what was read, in order
	late   map[nameKey][]int32         // of what was reserved since
	owners map[*Recipient]migrate.GUID // of what was reserved: for which source object
}

// An indexedName is one key of one of the people.
type indexedName struct {
	key nameKey
	at  int32 // index into people
}

// NewIndex reads all of the forest's recipients, in every domain that its server or its
// Catalog answers for. progress is told how many have been read, now and then; nil is nobody.
func NewIndex(ctx context.Context, f *Forest, progress func(read int)) (*Index, error) {
	x := &Index{late: map[nameKey][]int32{}, owners: map[*Recipient]migrate.GUID{}}
	r := indexReading{
		index: x, compactor: newCompactor(), seen: map[migrate.GUID]bool{},
		keep: append([]string{attrHomeServer, "msExchHideFromAddressLists"}, f.keep...),
	}
	for _, domain := range f.Info.domainsHeld() {
		for entry, err := range f.Reader.Find(ctx, Query{Base: domain, Filter: indexed, Attrs: slices.Concat(indexAttrs, f.keep)}) {
			if err != nil {
				return nil, err
			}
			if err := r.read(entry); err != nil {
				return nil, err
			}
			if progress != nil && len(x.people)%500 == 0 {
				progress(len(x.people))
			}
		}
	}
	err := r.readCatalog(ctx, f)
	slices.SortFunc(x.names, func(a, b indexedName) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	x.names = exact(slices.Compact(x.names))
	return x, err
}

// exact returns a copy of the values with no room for more.
func exact[T any](values []T) []T { return append(make([]T, 0, len(values)), values...) }

// An indexReading is the reading of an Index.
type indexReading struct {
	index     *Index
	compactor *compactor
	seen      map[migrate.GUID]bool
	keep      []string // what is kept of an entry that Recipient has no field for
}

// readCatalog reads what lies in domains that the forest's server does not answer for.
func (r *indexReading) readCatalog(ctx context.Context, f *Forest) error {
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
		if err := r.read(entry); err != nil {
			return err
		}
	}
	return nil
}

// read adds what the entry is called, unless it was read already: a domain lies below
// its parent.
func (r *indexReading) read(entry *Entry) error {
	person, err := ParseRecipient(entry)
	if err != nil || r.seen[person.GUID] {
		return err
	}
	r.seen[person.GUID] = true
	person.light = true
	person.Entry = r.compactor.entry(entry, r.keep)
	r.compactor.compact(person)
	x := r.index
	at := int32(len(x.people)) //nolint:gosec // a forest has fewer than 2^31 recipients
	x.people = append(x.people, person)
	for _, key := range person.keys() {
		x.names = append(x.names, indexedName{key, at})
	}
	return nil
}

// reserve takes the names of an object that is about to be made for source.
func (x *Index) reserve(r *Recipient, source migrate.GUID) {
	x.hold(r.keys(), r, source)
}

// hold takes the names, and no others, for an object that is or will be there for source.
func (x *Index) hold(keys []nameKey, r *Recipient, source migrate.GUID) {
	x.owners[r] = source
	at := int32(len(x.people)) //nolint:gosec // a forest has fewer than 2^31 recipients
	x.people = append(x.people, r)
	for _, key := range keys {
		x.late[key] = append(x.late[key], at)
	}
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
	var found []*Recipient
	first, _ := slices.BinarySearchFunc(x.names, key, func(n indexedName, key nameKey) int { return cmp.Compare(n.key, key) })
	for _, n := range x.names[first:] {
		if n.key != key {
			break
		}
		found = append(found, x.people[n.at])
	}
	for _, at := range x.late[key] {
		if !slices.Contains(found, x.people[at]) {
			found = append(found, x.people[at])
		}
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
	if r.MasterSID != migrate.Self { // whoever owns a mailbox under that name is nobody
		add(keyMaster, string(r.MasterSID))
	}
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
