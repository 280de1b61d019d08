package imap_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// users numbers the mailboxes, so that every world has its own.
var users atomic.Int64

func newUser() string { return fmt.Sprintf("user%d", users.Add(1)) }

// open connects to both mailboxes.
func open(t *testing.T, from, to imap.Config) (migrate.Source, migrate.Target, func()) {
	t.Helper()
	source, err := imap.OpenSource(t.Context(), from)
	if err != nil {
		t.Fatalf("open source: %v", err)
	}
	target, err := imap.OpenTarget(t.Context(), to)
	if err != nil {
		t.Fatalf("open target: %v", err)
	}
	return source, target, func() {
		_, _ = source.Close(), target.Close()
	}
}

// A dovecotWorld is a user with a mailbox on each of two Dovecots, which keep the
// instant of a date and not its zone.
type dovecotWorld struct {
	user           string
	source, target *imaptest.Dovecot
	delivered      []time.Time
}

func account(d *imaptest.Dovecot, user string) imaptest.Account {
	return imaptest.Account{Address: d.Address, CAFile: d.CAFile, User: user, Password: d.Password}
}

func dovecotConfig(d *imaptest.Dovecot, user string) imap.Config {
	return imap.Config{Address: d.Address, CAFile: d.CAFile, Mailbox: user, Admin: d.Admin, Password: d.AdminPassword}
}

func (w *dovecotWorld) Fill(t *testing.T, folders []migratetest.Folder) {
	account(w.source, w.user).Fill(t, folders)
}

func (w *dovecotWorld) Deliver(t *testing.T, path []string, m migratetest.Message) {
	w.delivered = append(w.delivered, m.Received)
	account(w.target, w.user).Fill(t, []migratetest.Folder{{Path: path, Messages: []migratetest.Message{m}}})
}

func (w *dovecotWorld) Open(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, dovecotConfig(w.source, w.user), dovecotConfig(w.target, w.user))
}

func (w *dovecotWorld) OpenBack(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, dovecotConfig(w.target, w.user), dovecotConfig(w.source, w.user))
}

func (w *dovecotWorld) Owner() migratetest.Owner { return account(w.target, w.user) }

func (w *dovecotWorld) Home() migratetest.Owner { return account(w.source, w.user) }

func (w *dovecotWorld) Held(t *testing.T) (source, target []migratetest.Folder) {
	source, target = account(w.source, w.user).Held(t), account(w.target, w.user).Held(t)
	w.restoreZones(source) // a way back has brought them
	w.restoreZones(target)
	return source, target
}

// restoreZones puts the zones back of what Deliver has brought.
func (w *dovecotWorld) restoreZones(held []migratetest.Folder) {
	for _, f := range held {
		for i, m := range f.Messages {
			for _, at := range w.delivered {
				if at.Equal(m.Received) {
					f.Messages[i].Received = at
				}
			}
		}
	}
}

// A labWorld is a user with a mailbox on each of two rehearsal servers.
type labWorld struct {
	user           string
	source, target *imapd.Server
	caFile         string
}

const labAdmin, labPassword = "mover", "mover-secret"

// newLab starts a rehearsal server.
func newLab(t *testing.T, cert imaptest.Cert, config imapd.Config) *imapd.Server {
	t.Helper()
	config.Certificate, config.Admins = cert.TLS, map[string]string{labAdmin: labPassword}
	server, err := imapd.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func newLabWorld(t *testing.T, source, target imapd.Config) labWorld {
	t.Helper()
	cert := imaptest.NewCert(t)
	w := labWorld{user: newUser(), source: newLab(t, cert, source), target: newLab(t, cert, target), caFile: cert.CertFile}
	w.source.SetUser(w.user, "own")
	w.target.SetUser(w.user, "own")
	return w
}

func (w labWorld) config(server *imapd.Server) imap.Config {
	return imap.Config{Address: server.Addr(), CAFile: w.caFile, Mailbox: w.user, Admin: labAdmin, Password: labPassword, Login: imap.Plain, Page: 3}
}

func (w labWorld) Fill(t *testing.T, folders []migratetest.Folder) {
	t.Helper()
	put(t, w.source, w.user, folders...)
}

func put(t *testing.T, server *imapd.Server, user string, folders ...migratetest.Folder) {
	t.Helper()
	for _, f := range folders {
		lab := imapd.Folder{Path: f.Path, Subscribed: f.Subscribed}
		for _, m := range f.Messages {
			lab.Messages = append(lab.Messages, imapd.Message{Body: []byte(m.Body), Received: m.Received, Flags: m.Flags})
		}
		if err := server.Put(user, lab); err != nil {
			t.Fatal(err)
		}
	}
}

func (w labWorld) Deliver(t *testing.T, path []string, m migratetest.Message) {
	t.Helper()
	put(t, w.target, w.user, migratetest.Folder{Path: path, Messages: []migratetest.Message{m}})
}

func (w labWorld) Open(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, w.config(w.source), w.config(w.target))
}

func (w labWorld) OpenBack(t *testing.T) (migrate.Source, migrate.Target, func()) {
	return open(t, w.config(w.target), w.config(w.source))
}

func (w labWorld) Owner() migratetest.Owner {
	return imaptest.Account{Address: w.target.Addr(), CAFile: w.caFile, User: w.user, Password: "own"}
}

func (w labWorld) Home() migratetest.Owner {
	return imaptest.Account{Address: w.source.Addr(), CAFile: w.caFile, User: w.user, Password: "own"}
}

func (w labWorld) Held(*testing.T) (source, target []migratetest.Folder) {
	return held(w.source, w.user), held(w.target, w.user)
}

func held(server *imapd.Server, user string) []migratetest.Folder {
	var folders []migratetest.Folder
	for _, f := range server.Snapshot(user) {
		folder := migratetest.Folder{Path: f.Path, Subscribed: f.Subscribed}
		for _, m := range f.Messages {
			folder.Messages = append(folder.Messages, migratetest.Message{Body: string(m.Body), Received: m.Received, Flags: m.Flags})
		}
		folders = append(folders, folder)
	}
	return folders
}

func TestConformance(t *testing.T) {
	t.Parallel()
	migratetest.Run(t, func(t *testing.T) migratetest.World {
		return newLabWorld(t, imapd.Config{}, imapd.Config{})
	})
}

func TestConformanceOnAPlainServer(t *testing.T) {
	t.Parallel()
	plain := imapd.Config{Without: []goimap.Cap{"LITERAL+", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "NAMESPACE", "SPECIAL-USE", "MOVE"}}
	dotted := plain
	dotted.Delimiter, dotted.Without = '.', append(slices.Clone(plain.Without), "UIDPLUS")
	migratetest.Run(t, func(t *testing.T) migratetest.World { return clumsyWorld{newLabWorld(t, plain, dotted)} })
}

// A clumsyWorld has a target without UIDPLUS.
type clumsyWorld struct{ labWorld }

func (clumsyWorld) CannotMove() {}

func TestConformanceOnDovecot(t *testing.T) {
	t.Parallel()
	source, target := imaptest.StartDovecot(t, "/"), imaptest.StartDovecot(t, "/")
	migratetest.Run(t, func(*testing.T) migratetest.World {
		return &dovecotWorld{user: newUser(), source: source, target: target}
	})
}
