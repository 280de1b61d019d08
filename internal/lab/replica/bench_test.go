package replica_test

import (
	"fmt"
	"testing"

	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

// BenchmarkChange is one change of a forest of a few hundred until the replica shows it.
func BenchmarkChange(b *testing.B) {
	server, upstream := forest(b, ldapd.Config{})
	members(b, server, 300)
	l := follow(b, upstream, replica.Config{})
	for i := 0; b.Loop(); i++ {
		l.write(b, modify(staff(server.BaseDN(), "ada"), "title", fmt.Sprint(i)))
		l.catchUp(b)
	}
}
