package ldapd

import (
	"strings"
	"time"
)

// buriedAttributes are what a tombstone keeps of an object, as far as anyone here asks
// (MS-ADTS 3.1.1.5.5.1.1).
const buriedAttributes = "objectclass objectguid objectsid samaccountname cn ou dc usncreated whencreated instancetype"

// bury keeps a tombstone of an object that is about to be forgotten, so that whoever
// follows the directory by its update numbers learns of it. A tombstone is an object
// outside the tree: only a search with the show-deleted control finds it.
func (s *store) bury(o *object) {
	name := rdn{o.rdn.attr, o.rdn.value + "\nDEL:" + o.guid.String()}
	grave := newObject(o.class, name, graveyard(o.context(), o.class))
	grave.guid, grave.seq = o.guid, o.seq
	for _, attr := range strings.Fields(buriedAttributes) {
		if values := o.attrs[attr]; len(values) > 0 {
			grave.attrs[attr] = values
		}
	}
	d := s.draft(grave)
	d.set("isDeleted", "TRUE")
	d.set("name", name.value)
	d.stamp(time.Now())
	for key, values := range d.attrs {
		grave.attrs[key] = values // not put: no index leads to a tombstone
	}
	before := s.graves
	s.graves = append(s.graves, grave)
	s.undo.did(func() { s.graves = before })
}

// graveyard returns the container of deleted objects of a naming context. It stands in no
// index and has no children.
func graveyard(head *object, row *classRow) *object {
	return newObject(row, rdn{"CN", "Deleted Objects"}, head)
}

// buried returns the tombstones that the request means.
func (s *store) buried(base *object, req search) []*object {
	var result []*object
	for _, grave := range s.graves {
		if inScope(grave, base, req) && s.match(req.filter, grave) == yes {
			result = append(result, grave)
		}
	}
	return result
}

// moveGraves copies tombstones to a clone of their tree.
func moveGraves(graves []*object, twins map[*object]*object) []*object {
	out := make([]*object, 0, len(graves))
	for _, grave := range graves {
		twin := *grave
		twin.parent = graveyard(twins[grave.parent.parent], grave.class)
		out = append(out, &twin)
	}
	return out
}
