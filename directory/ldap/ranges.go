package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// maxRangeTries bounds how often the values of an attribute are read anew because
// the object changed between two ranges.
const maxRangeTries = 5

// usnAttr changes with every change of an object (MS-ADTS 3.1.1.1.9).
const usnAttr = "uSNChanged"

var errUnsteady = errors.New("the object keeps changing while its values are read")

// entry turns go-ldap's entry into ours and completes attributes of which the
// server has sent a range only.
func (w *wire) entry(ctx context.Context, raw *goldap.Entry) (*directory.Entry, error) {
	attrs := make(map[string][][]byte, len(raw.Attributes))
	for _, a := range raw.Attributes {
		name, r, ranged := parseRange(a.Name)
		if !ranged {
			if len(a.ByteValues) > 0 {
				attrs[name] = a.ByteValues
			}
			continue
		}
		values := a.ByteValues
		if !r.last || r.low != 0 {
			var err error
			if values, err = w.whole(ctx, raw.DN, name); err != nil {
				return nil, err
			}
		}
		attrs[name] = values
	}
	return directory.NewEntry(directory.DN(raw.DN), attrs), nil
}

// whole reads all values of an attribute, range by range. Values that come or go
// meanwhile shift the rest, so every range must show the same USN.
func (w *wire) whole(ctx context.Context, dn, attr string) ([][]byte, error) {
	for range maxRangeTries {
		values, steady, err := w.attempt(ctx, dn, attr)
		if err != nil || steady {
			return values, err
		}
	}
	return nil, failure(ctx, "ldap.Search", goldap.NewError(goldap.LDAPResultBusy,
		fmt.Errorf("read %s of %q: %w", attr, dn, errUnsteady)))
}

func (w *wire) attempt(ctx context.Context, dn, attr string) (values [][]byte, steady bool, err error) {
	var usn string
	for last := false; !last; {
		part, err := w.part(ctx, dn, attr, len(values))
		if err != nil {
			return nil, false, err
		}
		if usn != "" && part.usn != usn {
			return nil, false, nil
		}
		usn, last = part.usn, part.last
		values = append(values, part.values...)
	}
	return values, true, nil
}

// A part is one range of an attribute's values.
type part struct {
	values [][]byte
	last   bool
	usn    string
}

func (w *wire) part(ctx context.Context, dn, attr string, low int) (part, error) {
	query := directory.Query{
		Base: directory.DN(dn), Scope: directory.Base, Filter: directory.Any,
		Attrs: []string{attr + ";range=" + strconv.Itoa(low) + "-*", usnAttr},
	}
	raw, err := w.one(ctx, newRequest(query))
	if err != nil {
		return part{}, err
	}
	p := part{last: true, usn: raw.GetEqualFoldAttributeValue(usnAttr)}
	for _, a := range raw.Attributes {
		name, r, ranged := parseRange(a.Name)
		if !ranged || !strings.EqualFold(name, attr) {
			continue
		}
		// A range without values would be asked for again and again.
		p.values, p.last = a.ByteValues, r.last || len(a.ByteValues) == 0
	}
	return p, nil
}

// A valueRange is the range option of an attribute description
// (MS-ADTS 3.1.1.3.1.3.3).
type valueRange struct {
	low  int
	last bool // reaches to the end: written as *
}

func parseRange(description string) (attr string, r valueRange, ranged bool) {
	attr, option, found := strings.Cut(description, ";")
	const prefix = "range="
	if !found || len(option) < len(prefix) || !strings.EqualFold(option[:len(prefix)], prefix) {
		return description, valueRange{}, false
	}
	low, high, found := strings.Cut(option[len(prefix):], "-")
	n, err := strconv.Atoi(low)
	if !found || err != nil {
		return description, valueRange{}, false
	}
	return attr, valueRange{low: n, last: high == "*"}, true
}
