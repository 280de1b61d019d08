package snapshot

import (
	"cmp"
	"hash/maphash"
	"slices"

	"reforest/directory"
)

// indexed are the attributes that people are looked for by, in lower case.
var indexed = []string{
	"proxyaddresses", "mail", "legacyexchangedn", "samaccountname", "userprincipalname", "objectguid", "objectsid",
	"sidhistory", "msexchmasteraccountsid", "msexchmailboxguid", "msexcharchiveguid", "cn", "displayname", "mailnickname",
	"targetaddress", "employeeid", "ldapdisplayname",
}

// An index leads from the hash of a key to the records that may have it. It is sorted,
// and holds no keys: whoever uses it looks at the record again.
type index []slot

type slot struct {
	hash   uint64
	record int32
}

var seed = maphash.MakeSeed()

func hashOf(key string) uint64 { return maphash.String(seed, key) }

func (x index) sort() {
	slices.SortFunc(x, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.record, b.record))
	})
}

// find returns the records that may have the key, in order, each once.
func (x index) find(key string) []int32 {
	hash := hashOf(key)
	at, _ := slices.BinarySearchFunc(x, hash, func(s slot, h uint64) int { return cmp.Compare(s.hash, h) })
	var found []int32
	for ; at < len(x) && x[at].hash == hash; at++ {
		if n := len(found); n == 0 || found[n-1] != x[at].record {
			found = append(found, x[at].record)
		}
	}
	return found
}

// indexNames returns the index of all entries by their DNs.
func (t *table) indexNames() index {
	x := make(index, len(t.records))
	for i, r := range t.records {
		x[i] = slot{hashOf(r.key), int32(i)}
	}
	x.sort()
	return x
}

// indexValues returns the indexes of the indexed attributes, by their numbers.
func (r *Reader) indexValues() map[uint32]index {
	all := map[uint32]index{}
	for _, attr := range indexed {
		if number, ok := r.number[attr]; ok {
			all[number] = nil
		}
	}
	for i := range r.records {
		for attr, values := range r.each(&r.records[i]) {
			if _, ok := all[attr]; ok {
				all[attr] = append(all[attr], r.slots(attr, values, int32(i))...)
			}
		}
	}
	for _, x := range all {
		x.sort()
	}
	return all
}

func (r *Reader) slots(attr uint32, values []uint32, record int32) []slot {
	var slots []slot
	for _, v := range values {
		if key, ok := r.syntax[attr].key(r.values[v]); ok {
			slots = append(slots, slot{hashOf(key), record})
		}
	}
	return slots
}

// candidates returns the records among which all that match are, from an index; false
// if no index helps.
func (r *Reader) candidates(f *filter) ([]int32, bool) {
	switch f.choice {
	case and:
		return r.fewest(f.of)
	case or:
		return r.united(f.of)
	case equal:
		return r.equals(f)
	case not, present, substrings, atLeast, atMost, extensible:
	}
	return nil, false
}

// equals returns the records that may have the value.
func (r *Reader) equals(f *filter) ([]int32, bool) {
	if f.attr == "distinguishedname" {
		return r.byName.find(keyOf(directory.DN(f.value))), true
	}
	number, held := r.number[f.attr]
	x, isIndexed := r.byValue[number]
	if !held || !isIndexed {
		return nil, false
	}
	key, sound := r.syntax[number].key(f.value)
	if !sound || f.value == "" {
		return nil, true // undefined for every entry
	}
	return x.find(key), true
}

// fewest returns the smallest of the sets that the filters have.
func (r *Reader) fewest(of []*filter) (best []int32, ok bool) {
	for _, f := range of {
		if set, has := r.candidates(f); has && (!ok || len(set) < len(best)) {
			best, ok = set, true
		}
	}
	return best, ok
}

// united returns the union of the sets, if every filter has one.
func (r *Reader) united(of []*filter) ([]int32, bool) {
	var all []int32
	for _, f := range of {
		set, ok := r.candidates(f)
		if !ok {
			return nil, false
		}
		all = append(all, set...)
	}
	slices.Sort(all)
	return slices.Compact(all), true
}
