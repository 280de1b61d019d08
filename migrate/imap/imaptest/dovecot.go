package imaptest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"text/template"
)

// A Dovecot is a real server of the test's own. Every user name has an empty
// mailbox from the start.
type Dovecot struct {
	Address       string // host:port, TLS from the start
	ClearAddress  string // host:port, STARTTLS
	CAFile        string
	Admin         string // master user, who may open every mailbox
	AdminPassword string
	Password      string // of every user
	Conf          string // the configuration file, for doveadm -c
	Mail          string // the directory with a directory for every user

	*Process
}

// A DovecotConfig says how a Dovecot differs from StartDovecot's.
type DovecotConfig struct {
	Separator string // of the hierarchy; default "/"
	Quota     string // the most that a mailbox may hold, as Dovecot spells it: 100k; default is no limit
	Durable   bool   // mail_fsync = optimized, which is Dovecot's own default; default never, which is quick
	// Maildir keeps mail in the format of that name. The default is mdbox, which is faster,
	// but whose repair after SIGKILL brings back messages that had been deleted or had never
	// been confirmed.
	Maildir bool
	ACL     bool // access control lists are kept
	// Metadata keeps entries about folders (RFC 5464).
	Metadata bool
	More     string // lines behind all others of the configuration
}

func (c DovecotConfig) location(dir string) string {
	if c.Maildir {
		return "maildir:" + dir + "/mail/%u/Maildir:LAYOUT=fs:INBOX=" + dir + "/mail/%u/Maildir/INBOX"
	}
	return "mdbox:" + dir + "/mail/%u"
}

func (c DovecotConfig) fsync() string {
	if c.Durable {
		return "optimized"
	}
	return "never"
}

// dovecotConf is a Dovecot 2.3 without a user database. The master user is looked
// up first; acl_user keeps the mailbox owner's rights for him.
const dovecotConf = `
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
instance_name = {{.Name}}
log_path = {{.Dir}}/log
listen = 127.0.0.1
protocols = imap
ssl = required
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/key.pem
mail_location = {{.Location}}
mail_uid = nobody
mail_gid = {{.Group}}
first_valid_uid = 1
mail_fsync = {{.Fsync}}
mail_max_userip_connections = 200
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
passdb {
  driver = passwd-file
  master = yes
  result_success = continue
  args = {{.Dir}}/masters
}
passdb {
  driver = static
  args = password={{.Password}}
}
userdb {
  driver = static
  args = uid=nobody gid={{.Group}} home={{.Dir}}/mail/%u allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = {{.Separator}}
  mailbox Sent {
    special_use = \Sent
  }
}
service imap-login {
  process_min_avail = 1
  service_count = 0
  inet_listener imap {
    port = {{.ClearPort}}
  }
  inet_listener imaps {
    port = {{.Port}}
    ssl = yes
  }
}
service imap {
  process_limit = 200
}
{{if .Quota}}
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage={{.Quota}}
  quota_grace = 0
}
{{end}}
{{if .ACL}}
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile
  acl_user = %u
}
{{end}}
{{if .Metadata}}
mail_attribute_dict = file:{{.Dir}}/mail/%u.attributes
protocol imap {
  imap_metadata = yes
}
{{end}}
{{.More}}
`

// StartDovecot starts a Dovecot with the given hierarchy separator and stops it
// when the test ends. The test is skipped where Dovecot is not installed, or where
// the test does not run as root, without which Dovecot cannot change to the
// mailboxes' user.
func StartDovecot(t testing.TB, separator string) *Dovecot {
	t.Helper()
	return NewDovecot(t, DovecotConfig{Separator: separator})
}

// StartDovecotWithQuota starts a Dovecot whose mailboxes hold no more than the quota, as
// Dovecot spells it: 100k.
func StartDovecotWithQuota(t testing.TB, quota string) *Dovecot {
	t.Helper()
	return NewDovecot(t, DovecotConfig{Quota: quota})
}

// StartDovecotWithACL starts a Dovecot that keeps access control lists.
func StartDovecotWithACL(t testing.TB) *Dovecot {
	t.Helper()
	return NewDovecot(t, DovecotConfig{ACL: true})
}

// StartDovecotWith starts a Dovecot whose configuration ends with more.
func StartDovecotWith(t testing.TB, more string) *Dovecot {
	t.Helper()
	return NewDovecot(t, DovecotConfig{More: more})
}

// NewDovecot is StartDovecot with everything that can be chosen.
func NewDovecot(t testing.TB, config DovecotConfig) *Dovecot {
	t.Helper()
	if config.Separator == "" {
		config.Separator = "/"
	}
	binary := findDovecot(t)
	// Not t.TempDir: its parent is closed to others, and a socket's path is short.
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, clearPort := freePort(t), freePort(t)
	d := &Dovecot{
		Address: "127.0.0.1:" + port, ClearAddress: "127.0.0.1:" + clearPort,
		Admin: "mover", AdminPassword: "mover-secret", Password: "own-secret",
		Conf: filepath.Join(dir, "dovecot.conf"), Mail: filepath.Join(dir, "mail"),
	}
	cert := NewCert(t)
	d.CAFile = filepath.Join(dir, "cert.pem") // readable for Dovecot too, as a client
	layOut(t, dir, cert, d)
	writeConf(t, dir, map[string]any{
		"Dir": dir, "Name": filepath.Base(dir), "Group": nobodyGroup(t), "Password": d.Password,
		"Port": port, "ClearPort": clearPort, "Separator": config.Separator, "Quota": config.Quota, "ACL": config.ACL, "Metadata": config.Metadata, "More": config.More,
		"Location": config.location(dir), "Fsync": config.fsync(),
	})
	d.Process = runServer(t, &Process{
		name: "Dovecot", command: func() *exec.Cmd { return exec.Command(binary, "-F", "-c", d.Conf) },
		address: d.Address, log: func() string { return readLog(dir) },
	})
	return d
}

// Wipe deletes all mail. Nobody may be logged in who is to go on.
func (d *Dovecot) Wipe(t testing.TB) {
	t.Helper()
	d.KillSessions(t, "imap")
	mailboxes, err := os.ReadDir(d.Mail)
	must(t, err)
	for _, mailbox := range mailboxes {
		must(t, os.RemoveAll(filepath.Join(d.Mail, mailbox.Name())))
	}
}

func findDovecot(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"dovecot", "/usr/sbin/dovecot"} {
		if binary, err := exec.LookPath(name); err == nil {
			if os.Geteuid() != 0 {
				t.Skip("Dovecot: the test does not run as root")
			}
			return binary
		}
	}
	t.Skip("Dovecot is not installed")
	return ""
}

func nobodyGroup(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"nogroup", "nobody"} {
		if _, err := user.LookupGroup(name); err == nil {
			return name
		}
	}
	t.Skip("Dovecot: there is no group nogroup or nobody")
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// layOut makes the directories and files that the configuration names.
func layOut(t testing.TB, dir string, cert Cert, d *Dovecot) {
	t.Helper()
	certPEM, err := os.ReadFile(cert.CertFile)
	must(t, err)
	keyPEM, err := os.ReadFile(cert.KeyFile)
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "cert.pem"), certPEM, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "key.pem"), keyPEM, 0o600))
	// World-readable, since the auth process reads it as a user of its own.
	masters := fmt.Sprintf("%s:{PLAIN}%s\n", d.Admin, d.AdminPassword)
	must(t, os.WriteFile(filepath.Join(dir, "masters"), []byte(masters), 0o644))
	mail := filepath.Join(dir, "mail")
	must(t, os.Mkdir(mail, 0o755))
	nobody, err := user.Lookup("nobody")
	must(t, err)
	var uid int
	_, err = fmt.Sscan(nobody.Uid, &uid)
	must(t, err)
	must(t, os.Chown(mail, uid, -1))
}

func writeConf(t testing.TB, dir string, values map[string]any) {
	t.Helper()
	var conf bytes.Buffer
	must(t, template.Must(template.New("dovecot").Parse(dovecotConf)).Execute(&conf, values))
	must(t, os.WriteFile(filepath.Join(dir, "dovecot.conf"), conf.Bytes(), 0o644))
}

func readLog(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
