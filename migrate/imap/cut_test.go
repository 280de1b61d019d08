package imap_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// cutAfter returns the address of a proxy that breaks the connection once the
// client has sent n bytes.
func cutAfter(t *testing.T, address string, n int64) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	running.Go(func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", address)
		if err != nil {
			_ = client.Close()
			return
		}
		running.Go(func() { _, _ = io.Copy(client, server) })
		_, _ = io.CopyN(server, client, n)
		_, _ = client.Close(), server.Close()
	})
	return listener.Addr().String()
}

// checkCuts breaks the connection after more and more bytes of a Write, and each
// time compares what Landed says with what the folder really holds.
func checkCuts(t *testing.T, direct imap.Config, held func() []migratetest.Folder) {
	t.Helper()
	partly := 0
	for n := int64(1000); n <= 26_000; n += 1000 {
		folder := fmt.Sprintf("cut%d", n)
		target := openTarget(t, direct)
		if _, err := target.PutFolder(t.Context(), migrate.Folder{Path: []string{folder}}, ""); err != nil {
			t.Fatal(err)
		}
		var items []*migrate.Item
		for i := range 30 {
			items = append(items, item(fmt.Sprintf("1.%d", i+1), mail(i)+strings.Repeat("sixteen bytes.\r\n", 40)))
		}
		in := intent(t, target, migrate.Ref(folder), items...)
		broken := direct
		broken.Address = cutAfter(t, direct.Address, n)
		complete := writeBroken(t, broken, folder, items)
		there := settled(t, target, in, func() int { return countIn(held(), folder) })
		if 0 < len(there) && len(there) < len(items) {
			partly++
		}
		if complete && len(there) != len(items) {
			t.Errorf("cut after %d bytes: Write succeeded and %d of %d landed", n, len(there), len(items))
		}
		if !slices.IsSorted(there) {
			t.Errorf("cut after %d bytes: landed out of order: %v", n, there)
		}
	}
	t.Logf("%d of the chunks were written in part", partly)
}

// writeBroken writes over a connection that will break and reports whether it held
// long enough.
func writeBroken(t *testing.T, config imap.Config, folder string, items []*migrate.Item) bool {
	t.Helper()
	target, err := imap.OpenTarget(t.Context(), config)
	if err == nil {
		_, err = target.Write(t.Context(), migrate.Ref(folder), items)
		_ = target.Close()
	}
	if e := migrate.AsError(err); err != nil && (e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later) {
		t.Errorf("a broken connection: %v, want an error of the server, to be tried later", err)
	}
	return err == nil
}

// settled returns what landed, by number, once the server has stopped working on
// what it got: then it is as much as the folder holds.
func settled(t *testing.T, target *imap.Target, in migrate.Intent, holds func() int) []int {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		var numbers []int
		for _, id := range landed(t, target, in) {
			var n int
			if _, err := fmt.Sscanf(string(id), "1.%d", &n); err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, n)
		}
		want := holds()
		if len(numbers) == want {
			return numbers
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are said to have landed, the folder holds %d", len(numbers), want)
		}
	}
}

func countIn(folders []migratetest.Folder, name string) int {
	for _, f := range folders {
		if f.Path[0] == name {
			return len(f.Messages)
		}
	}
	return 0
}

func TestConnectionCutAnywhere(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	checkCuts(t, w.config(w.target), func() []migratetest.Folder { return held(w.target, w.user) })
}

func TestConnectionCutAnywhereOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	user := newUser()
	checkCuts(t, dovecotConfig(d, user), func() []migratetest.Folder { return account(d, user).Held(t) })
}
