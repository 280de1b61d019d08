package real

import (
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// plantConns is how many connections plant at a time: Samba answers more little faster.
const plantConns = 4

// PlantCompany plants the company in both forests, which it makes fresh before and leaves
// fresh after the test.
func (l Lab) PlantCompany(t testing.TB, c *Company) {
	t.Helper()
	l.Fresh(t)
	t.Cleanup(func() { l.Fresh(t) })
	l.Source.Reset(t)
	l.Target.Reset(t)
	conn := l.Source.Dial(t)
	defer func() { _ = conn.Close() }()
	for i := range sites {
		l.Source.add(t, conn, l.site(i), map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	l.Target.plantObjects(t, c.Natives)
	l.Source.plantObjects(t, c.Everyone())
}

// plantObjects adds the objects, and then their links, several at a time.
func (f Forest) plantObjects(t testing.TB, objects []*Object) {
	t.Helper()
	f.each(t, objects, func(conn *ldap.Conn, o *Object) error {
		request := ldap.NewAddRequest(o.DN, nil)
		for name, values := range o.Attrs {
			request.Attribute(name, values)
		}
		return conn.Add(request)
	})
	f.each(t, objects, func(conn *ldap.Conn, o *Object) error {
		request := ldap.NewModifyRequest(o.DN, nil)
		for name, ends := range o.Links {
			var dns []string
			for _, end := range ends {
				dns = append(dns, end.DN)
			}
			request.Add(name, dns)
		}
		if len(request.Changes) == 0 {
			return nil
		}
		return conn.Modify(request)
	})
}

// each carries out work for every object on one of several connections.
func (f Forest) each(t testing.TB, objects []*Object, work func(*ldap.Conn, *Object) error) {
	t.Helper()
	queue := make(chan *Object)
	var wg sync.WaitGroup
	for range plantConns {
		conn := f.Dial(t)
		wg.Go(func() {
			defer func() { _ = conn.Close() }()
			for o := range queue {
				if err := work(conn, o); err != nil {
					t.Errorf("plant %s: %v", o.DN, err)
				}
			}
		})
	}
	for _, o := range objects {
		queue <- o
	}
	close(queue)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// Dump returns everything in the forest's domain and in its Exchange organisation, by
// DN, as ldapsearch prints it, security descriptors included.
func (f Forest) Dump(t testing.TB) map[string]Entry {
	t.Helper()
	dump := map[string]Entry{}
	for _, base := range []string{f.Base, "CN=Microsoft Exchange,CN=Services,CN=Configuration," + f.Base} {
		for _, entry := range f.Search(t, base, "(objectClass=*)", "*", "nTSecurityDescriptor") {
			dump[DNKey(entry["dn"][0])] = entry
		}
	}
	return dump
}
