package replica_test

import (
	"fmt"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/real"
	"reforest/internal/lab/replica"
)

// TestRealForest follows a Samba forest through changes of every kind, and compares the
// replica with it: its domain, its Configuration and its schema.
func TestRealForest(t *testing.T) {
	lab := real.Load(t)
	forest := lab.Target
	forest.Reset(t)
	conn := forest.Dial(t)
	upstream := ldap.Config{
		URL: forest.URL, CAFile: forest.CA, ServerName: forest.ServerName, BindDN: forest.BindDN, Password: forest.Password,
	}
	staff := directory.DN(forest.OU("Staff"))
	addPeople(t, conn, staff, forest.DatabaseDN("MBX-F1"))
	begun := time.Now()
	l := follow(t, upstream, replica.Config{Poll: 100 * time.Millisecond})
	t.Logf("read everything in %v", time.Since(begun))
	l.same(t)
	ada, bea := staff.Child("CN", "ada"), staff.Child("CN", "bea")
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"modify", func() error { return l.main.Write(t.Context(), modify(ada, "targetAddress", "SMTP:ada@alpine.test")) }},
		{"link", func() error {
			return l.main.Write(t.Context(), modify(staff.Child("CN", "everyone"), "member", string(ada), string(bea)))
		}},
		{"rename", func() error { return conn.ModifyDN(goldap.NewModifyDNRequest(string(bea), `CN=b\, a\=x`, true, "")) }},
		{"rename a unit", func() error {
			return conn.ModifyDN(goldap.NewModifyDNRequest(string(staff), "OU=Moved", true, ""))
		}},
		{"delete a member", func() error {
			return conn.Del(goldap.NewDelRequest("CN=ada,OU=Moved,"+forest.OU(""), nil))
		}},
		{"delete a tree", func() error {
			return conn.Del(goldap.NewDelRequest(forest.OU(""), []goldap.Control{goldap.NewControlSubtreeDelete()}))
		}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		l.catchUp(t)
		l.same(t)
		if t.Failed() {
			t.Fatalf("after: %s", step.what)
		}
	}
	lab.FreshTarget(t) // the server ends, and begins with an earlier state
	l.main = dial(t, upstream)
	l.catchUp(t)
	l.same(t)
}

func addPeople(t *testing.T, conn *goldap.Conn, staff directory.DN, database string) {
	t.Helper()
	for i := range 20 {
		name := fmt.Sprintf("person %d", i)
		if i < 2 {
			name = []string{"ada", "bea"}[i]
		}
		request := goldap.NewAddRequest(string(staff.Child("CN", name)), nil)
		request.Attribute("objectClass", []string{"user"})
		request.Attribute("sAMAccountName", []string{fmt.Sprintf("replica%d", i)})
		request.Attribute("homeMDB", []string{database})
		request.Attribute("proxyAddresses", []string{fmt.Sprintf("SMTP:replica%d@fabrikam.test", i)})
		if err := conn.Add(request); err != nil {
			t.Fatal(err)
		}
	}
	request := goldap.NewAddRequest(string(staff.Child("CN", "everyone")), nil)
	request.Attribute("objectClass", []string{"group"})
	request.Attribute("member", []string{string(staff.Child("CN", "person 3")), string(staff.Child("CN", "person 4"))})
	if err := conn.Add(request); err != nil {
		t.Fatal(err)
	}
}

// TestRealForestSettles: on a Samba forest too a change settles when the lag is over, on a
// further domain controller and on a global catalog, and never on a frozen one.
func TestRealForestSettles(t *testing.T) {
	const lag = 2 * time.Second
	forest := real.Load(t).Target
	forest.Reset(t)
	staff := directory.DN(forest.OU("Staff"))
	addPeople(t, forest.Dial(t), staff, forest.DatabaseDN("MBX-F1"))
	upstream := ldap.Config{
		URL: forest.URL, CAFile: forest.CA, ServerName: forest.ServerName, BindDN: forest.BindDN, Password: forest.Password,
	}
	for _, catalog := range []bool{false, true} {
		l := follow(t, upstream, replica.Config{Lag: lag, Catalog: catalog})
		change := modify(staff.Child("CN", "ada"), "targetAddress", fmt.Sprintf("SMTP:ada-%v@alpine.test", catalog))
		begun := time.Now()
		l.write(t, change)
		if l.settled(t, change) == "" {
			t.Error("it settles at once")
		}
		if took := l.untilSettled(t, change, begun); took < lag {
			t.Errorf("it settled after %v, want about %v", took, lag)
		}
		l.replica.SetLag(0)
		l.replica.Freeze()
		change = modify(change.DN, "displayName", fmt.Sprintf("frozen %v", catalog))
		l.write(t, change)
		l.notYet(t)
		if l.settled(t, change) == "" {
			t.Error("it settles though it is frozen")
		}
		l.replica.Thaw()
		l.untilSettled(t, change, time.Now())
	}
}
