package directorytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// An image is all that the case's units hold, by DN: attributes with their values, in
// order, whenChanged and uSNChanged included, and permissions.
type image map[directory.DN][]string

// image takes an image of both forests.
func (w *world) image(t *testing.T) image {
	t.Helper()
	taken := image{}
	for _, home := range []Home{w.Forests.Source, w.Forests.Target} {
		query := directory.Query{Base: home.Base, Filter: directory.Any}
		for entry, err := range home.Forest.Reader.Find(t.Context(), query) {
			if err != nil {
				t.Fatalf("take an image of %q: %v", home.Base, err)
			}
			security, err := home.Forest.Reader.Get(t.Context(), entry.DN, sdAttr)
			if err != nil {
				t.Fatalf("take an image of %q: %v", entry.DN, err)
			}
			taken[entry.DN] = append(lines(entry), lines(security)...)
		}
	}
	return taken
}

func lines(entry *directory.Entry) []string {
	var out []string
	for _, attr := range entry.Attrs() {
		values := entry.Values(attr)
		slices.Sort(values)
		for _, v := range values {
			out = append(out, fmt.Sprintf("%s: %q", strings.ToLower(attr), v))
		}
	}
	return out
}

// of returns what the image has of the objects alone.
func (i image) of(dns ...directory.DN) image {
	part := image{}
	for dn, values := range i {
		if slices.ContainsFunc(dns, dn.Equal) {
			part[dn] = values
		}
	}
	return part
}

// unversioned leaves out what the server writes at every write.
func (i image) unversioned() image {
	out := maps.Clone(i)
	for dn, values := range out {
		out[dn] = slices.DeleteFunc(slices.Clone(values), func(line string) bool {
			return strings.HasPrefix(line, "usnchanged:") || strings.HasPrefix(line, "whenchanged:")
		})
	}
	return out
}

// unchanged wants both forests to be as they were, octet by octet; of dns alone, if any
// are given.
func (w *world) unchanged(t *testing.T, after string, before image, dns ...directory.DN) {
	t.Helper()
	now := w.image(t)
	if len(dns) > 0 {
		before, now = before.of(dns...), now.of(dns...)
		if len(before) != len(dns) {
			t.Fatalf("%d of %d objects are in the image", len(before), len(dns))
		}
	}
	if diff := cmp.Diff(before, now); diff != "" {
		t.Errorf("%s has changed something (-before +after):\n%s", after, diff)
	}
}

// show tells what a plan does.
func show(plan directory.Plan) string {
	var out []string
	for _, c := range plan.Changes {
		for _, m := range c.Mods {
			out = append(out, fmt.Sprintf("%s %s: %s %s %q", c.Op, c.DN, m.Op, m.Attr, m.Values))
		}
	}
	for _, f := range plan.Forbidden() {
		out = append(out, f.String())
	}
	return strings.Join(out, "\n")
}

// has wants the object to have the addresses among others, each whole and in its
// spelling.
func has(t *testing.T, r *directory.Recipient, values ...string) {
	t.Helper()
	for _, v := range values {
		if !slices.Contains(r.Proxies, v) {
			t.Errorf("%q lacks %q: %q", r.DN, v, []string(r.Proxies))
		}
	}
}

// lacks wants the object not to have the addresses, in any case of letters.
func lacks(t *testing.T, r *directory.Recipient, values ...string) {
	t.Helper()
	for _, v := range values {
		if slices.ContainsFunc(r.Proxies, func(have string) bool { return strings.EqualFold(have, v) }) {
			t.Errorf("%q has %q: %q", r.DN, v, []string(r.Proxies))
		}
	}
}

// primaries returns the addresses that are marked as primary.
func primaries(r *directory.Recipient) []string {
	return slices.DeleteFunc(slices.Clone(r.Proxies), func(v string) bool { return !strings.HasPrefix(v, "SMTP:") })
}
