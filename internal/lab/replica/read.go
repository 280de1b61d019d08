package replica

import (
	"fmt"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// record turns an entry as it came into one that holds all values of its attributes. ok is
// false if the entry went away while it was read.
func (u *upstream) record(e *goldap.Entry) (r ldapd.Record, ok bool, err error) {
	r = ldapd.Record{DN: directory.DN(e.DN), Attrs: make(map[string][][]byte, len(e.Attributes))}
	if r.GUID, err = migrate.GUIDFromBytes(e.GetRawAttributeValue("objectGUID")); err != nil {
		return r, false, fmt.Errorf("read %q: %w", e.DN, err)
	}
	r.Deleted = e.GetEqualFoldAttributeValue("isDeleted") == "TRUE"
	for _, a := range e.Attributes {
		name, option, ranged := strings.Cut(strings.ToLower(a.Name), ";")
		values := a.ByteValues
		if ranged && !r.Deleted {
			if values, ok, err = u.whole(e.DN, name, option, values); err != nil || !ok {
				return r, false, err
			}
		}
		if len(values) > 0 {
			r.Attrs[name] = values
		}
	}
	if len(r.Attrs["usnchanged"]) != 1 {
		return r, false, fmt.Errorf("read %q: the server shows no update number", e.DN)
	}
	return r, true, nil
}

// whole reads the rest of an attribute of which a first range came.
func (u *upstream) whole(dn, name, option string, values [][]byte) (all [][]byte, ok bool, err error) {
	for !strings.HasSuffix(option, "-*") {
		more, err := u.values(dn, name, len(values))
		if err != nil || more == nil {
			return nil, false, err
		}
		_, option, _ = strings.Cut(strings.ToLower(more.Name), ";")
		if !strings.HasPrefix(option, "range="+strconv.Itoa(len(values))+"-") || len(more.ByteValues) == 0 {
			return nil, false, fmt.Errorf("read %s of %q from value %d: the server answered with %q", name, dn, len(values), more.Name)
		}
		values = append(values, more.ByteValues...)
	}
	return values, true, nil
}

// records turns entries into records. Those that went away meanwhile are left out.
func (u *upstream) records(entries []*goldap.Entry) ([]ldapd.Record, error) {
	out := make([]ldapd.Record, 0, len(entries))
	for _, e := range entries {
		r, ok, err := u.record(e)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r)
		}
	}
	return out, nil
}
