package ldapd

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// newTestServer returns a server with a new forest that listens nowhere.
func newTestServer(t testing.TB, config Config) *Server {
	t.Helper()
	st, err := newForest(config)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{config: config, store: st}
}

// newTestConn returns a connection that is bound as the administrator and whose answers
// go nowhere.
func newTestConn(t *testing.T, s *Server) *conn {
	t.Helper()
	client, server := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, client) }()
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	c := &conn{server: s, store: s.store, pages: newPages(), secure: true}
	c.attach(server)
	admin, _ := s.store.find(string(s.AdminDN()))
	c.who = identity{bound: true, guid: admin.guid, admin: true}
	return c
}

// FuzzRequest feeds hostile octets to everything between the socket and the store,
// with an administrator's rights. Nothing may panic, hang, or damage the indexes, and
// everything can be taken back.
func FuzzRequest(f *testing.F) {
	for _, seed := range requestSeeds(f) {
		f.Add(seed)
	}
	config, err := Config{Domain: "alpine.test", AdminPassword: "Rehearsal-Passw0rd!"}.complete()
	if err != nil {
		f.Fatal(err)
	}
	s := newTestServer(f, config)
	before, dump := s.Snapshot(), s.Dump()
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := newTestConn(t, s)
		r := bytes.NewReader(raw)
		began := time.Now()
		for {
			m, err := readMessage(r)
			if err != nil {
				break
			}
			if m.op.Tag == opUnbind || m.op.Tag == opExtended {
				continue // StartTLS would wait for a client's hello
			}
			c.handle(m)
		}
		checkStore(t, c.store)
		if err := s.Restore(before); err != nil || s.Dump() != dump {
			t.Errorf("the forest is not as it was: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		checkStore(t, c.store)
	})
}

// checkStore verifies that the indexes say what the objects say.
func checkStore(t *testing.T, s *store) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key, o := range s.byDN {
		if o.gone || o.dnKey() != key || s.byGUID[o.guid] != o {
			t.Fatalf("%q leads to %q", key, o.dn())
		}
		if o.parent != nil && o.parent.children[o.rdn.key()] != o {
			t.Fatalf("%q is no child of its parent", o.dn())
		}
		for attr, values := range o.attrs {
			for _, v := range values {
				if v.ref != nil && (v.ref.gone || !v.ref.back[attr].has(o)) {
					t.Fatalf("%s of %q points to %q, which does not know", attr, o.dn(), v.ref.dn())
				}
				if index := s.index[attr]; index != nil && !index[v.key].has(o) {
					t.Fatalf("%s of %q is not in its index", attr, o.dn())
				}
			}
		}
	}
	if len(s.byDN) != len(s.byGUID) {
		t.Fatalf("%d names for %d objects", len(s.byDN), len(s.byGUID))
	}
}

func requestSeeds(f *testing.F) [][]byte {
	f.Helper()
	str := func(s string) *ber.Packet { return octetString(s) }
	seq := func(children ...*ber.Packet) *ber.Packet {
		p := sequence()
		for _, child := range children {
			p.AppendChild(child)
		}
		return p
	}
	set := func(values ...string) *ber.Packet {
		p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			p.AppendChild(str(v))
		}
		return p
	}
	enum := func(n int64) *ber.Packet {
		return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, n, "")
	}
	op := func(tag ber.Tag, children ...*ber.Packet) []byte {
		p := application(tag)
		for _, child := range children {
			p.AppendChild(child)
		}
		return envelope(7, p, nil).Bytes()
	}
	const dn = "CN=x,CN=Users,DC=alpine,DC=test"
	seeds := [][]byte{
		op(opAdd, str(dn), seq(seq(str("objectClass"), set("user")), seq(str("proxyAddresses"), set("smtp:a@x", "SMTP:b@x")))),
		op(opModify, str(dn), seq(seq(enum(2), seq(str("manager"), set("CN=Users,DC=alpine,DC=test"))))),
		op(opRename, str(dn), str(`CN=\2c y`), ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, "")),
		op(opCompare, str(dn), seq(str("cn"), str("x"))),
		envelope(3, ber.NewString(ber.ClassApplication, ber.TypePrimitive, opDelete, dn, ""), nil).Bytes(),
		{0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		{0x30, 0x80, 0x02, 0x01, 0x01},
		bytes.Repeat([]byte{0xa2, 0x02}, 4000),
	}
	no := ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, "")
	for _, text := range []string{
		"(&(objectClass=*)(|(cn=a*b*c)(!(memberOf:1.2.840.113556.1.4.1941:=CN=Users,DC=alpine,DC=test))))",
		"(userAccountControl:1.2.840.113556.1.4.803:=2)", "(objectGUID=\\00\\ff)", "(anr=a b)", "(uSNChanged>=5)",
	} {
		filter, err := goldap.CompileFilter(text)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, op(opSearch, str("DC=alpine,DC=test"), enum(2), enum(0), enum(0), enum(0), no, filter, seq(str("*"), str("member;range=0-*"))))
	}
	return seeds
}

// FuzzDN reads hostile DNs; what is read and written again must be the same name.
func FuzzDN(f *testing.F) {
	for _, seed := range []string{`CN=a\,b,DC=x`, `CN=\2c\e6\9d\b1,OU= y `, `CN="x",DC=y`, `cn=#04,dc=z`, `CN=ß,DC=Ⅻ`, `CN=a+b=c`, `=`, `,`, `CN=\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, bad := parseDN(text)
		if bad != nil {
			return
		}
		var o *object
		for i := len(parts) - 1; i >= 0; i-- {
			next := &object{rdn: parts[i], parent: o}
			if o == nil {
				next.parent = &object{} // stands for the empty DN above
			}
			o = next
		}
		if o == nil {
			return
		}
		again, bad := parseDN(string(o.dn()))
		if bad != nil || keyOf(again) != keyOf(parts) {
			t.Errorf("%q was written as %q and read as %v, %v", text, o.dn(), again, bad)
		}
	})
}
