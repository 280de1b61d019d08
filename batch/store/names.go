package store

import (
	"reforest/directory"
)

// whoKeys returns the arguments of a search for a name in every column that holds
// one. The first is empty if nothing was asked for but spaces: an empty name would
// be that of every move that is not matched yet.
func whoKeys(who string) []any {
	name, dn := key(who), directory.DN(who).Key()
	return []any{name, name, name, name, dn, dn}
}
