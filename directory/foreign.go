package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// foreign returns the attributes of an object that staging made which it did not set,
// nor the server, and those that no longer are as it left them.
func (u *undo) foreign(ctx context.Context, touched Touched) (names []string, err error) {
	ours := u.written()
	for _, attr := range u.entry.Attrs() {
		want, written := ours[strings.ToLower(attr)]
		switch {
		case isBackLink(attr):
			others, err := u.others(ctx, u.entry.Values(attr), touched)
			if err != nil {
				return nil, err
			}
			if others {
				names = append(names, attr)
			}
		case isLink(attr):
			if slices.ContainsFunc(u.entry.Bytes(attr), func(v []byte) bool { return !u.linked(touched, attr, want, v) }) {
				names = append(names, attr)
			}
		case !written && !serverMade[strings.ToLower(attr)]:
			names = append(names, attr)
		case written && !sameSet(attr, want, u.entry.Bytes(attr)):
			names = append(names, attr)
		}
	}
	return names, nil
}

// others reports whether one of the objects is none that staging touched, by its name or,
// if it was renamed since, by its mark.
func (u *undo) others(ctx context.Context, dns []string, touched Touched) (bool, error) {
	for _, dn := range dns {
		if touched.objects[DN(dn).Key()] {
			continue
		}
		entry, err := u.d.forest(u.first().Forest).Reader.Get(ctx, DN(dn), attrMark)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return false, err
		case !strings.HasPrefix(entry.First(attrMark), markPrefix):
			return true, nil
		}
	}
	return false, nil
}

// linked reports whether staging set the link, be it for the sake of who it leads to.
