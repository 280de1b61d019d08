package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Settled reads back everything that the plan writes or looks after. Its forest's
// Reader must show what is written, and each of its Watch the same as the Reader. It
// returns "" when all of it does, else what is missing first, in one sentence that
// names the server where that is known.
func (d *Directories) Settled(ctx context.Context, plan Plan) (missing string, err error) {
	spots := slices.Clone(plan.Spots)
	for _, change := range plan.Changes {
		entry, there, err := d.lookAt(ctx, change)
		if err != nil {
			return "", fmt.Errorf("read back %q: %w", change.DN, err)
		}
		f := d.forest(change.Forest)
		if change.Op == Delete {
			if there {
				return fmt.Sprintf("%s is still there in the %s forest", change.DN, f.Side), nil
			}
			continue
		}
		if missing := f.notShown(f.Reader, change.DN, there, remaining(change.Mods, entry)); missing != "" {
			return missing, nil
		}
		spots = append(spots, change.spot())
	}
	for _, spot := range spots {
		if missing, err = d.forest(spot.Forest).replicated(ctx, spot); missing != "" || err != nil {
			return missing, err
		}
	}
	return "", nil
}

// notShown says what the reader does not show of an entry, in one sentence; "" if it is
// there and nothing of rest is left to do.
func (f *Forest) notShown(reader Reader, dn DN, there bool, rest []Mod) string {
	what := string(dn)
	switch {
	case there && len(rest) == 0:
		return ""
	case there:
		what = rest[0].Attr + " of " + what
	}
	if server := serverName(reader); server != "" {
		return fmt.Sprintf("%s does not show on %s in the %s forest yet", what, server, f.Side)
	}
	return fmt.Sprintf("%s does not show in the %s forest yet", what, f.Side)
}

// serverName returns which server the reader asks; "" if it does not tell.
func serverName(reader Reader) string {
	if named, ok := reader.(interface{ Server() string }); ok {
		return named.Server()
	}
	return ""
}

// replicated compares what each of Watch shows of the spot with what the Reader does.
func (f *Forest) replicated(ctx context.Context, spot Spot) (missing string, err error) {
	if len(f.Watch) == 0 {
		return "", nil
	}
	first, there, err := look(ctx, f.Reader, spot)
	if err != nil || !there { // renamed or deleted since: nothing to compare with
		return "", err
	}
	for _, reader := range f.Watch {
		if missing, err = f.shows(ctx, reader, spot, first); missing != "" || err != nil {
			return missing, err
		}
	}
	return "", nil
}

// shows compares what the reader shows of the spot with first.
func (f *Forest) shows(ctx context.Context, reader Reader, spot Spot, first *Entry) (missing string, err error) {
	if catalog, ok := reader.(interface{ GlobalCatalog() bool }); ok && catalog.GlobalCatalog() {
		if spot.Attrs, err = f.inCatalog(ctx, spot.Attrs); err != nil || len(spot.Attrs) == 0 {
			return "", err
		}
	}
	entry, there, err := look(ctx, reader, spot)
	if err != nil {
		return "", fmt.Errorf("read back %q from %s: %w", spot.DN, serverName(reader), err)
	}
	var mods []Mod
	for _, attr := range spot.Attrs {
		mods = append(mods, Mod{Op: ReplaceValues, Attr: attr, Values: first.Bytes(attr)})
	}
	return f.notShown(reader, spot.DN, there, remaining(mods, entry)), nil
}

// inCatalog returns those of the attributes that a global catalog holds: the partial
// attribute set (MS-ADTS 3.1.1.2.3, isMemberOfPartialAttributeSet). It would never show
// the others.
func (f *Forest) inCatalog(ctx context.Context, attrs []string) ([]string, error) {
	var names []Filter
	for _, a := range attrs {
		names = append(names, Eq("lDAPDisplayName", a))
	}
	query := Query{
		Base: f.Info.SchemaNC, Scope: OneLevel, Attrs: []string{"lDAPDisplayName"},
		Filter: And(Eq("isMemberOfPartialAttributeSet", "TRUE"), Or(names...)),
	}
	var held []string
	for entry, err := range f.Reader.Find(ctx, query) {
		if err != nil {
			return nil, fmt.Errorf("read what global catalogs of the %s forest hold: %w", f.Side, err)
		}
		name := entry.First("lDAPDisplayName")
		if i := slices.IndexFunc(attrs, func(a string) bool { return strings.EqualFold(a, name) }); i >= 0 {
			held = append(held, attrs[i])
		}
	}
	return held, nil
}
