package imaptest

import (
	"bytes"
	"crypto/tls"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// A Cyrus is a real server of the test's own.
type Cyrus struct {
	Address       string // host:port, TLS from the start
	CAFile        string
	Admin         string // opens every mailbox by SASL PLAIN
	AdminPassword string

	*Process
}

const cyrusConf = `START {
  recover cmd="{{.Bin}}/ctl_cyrusdb -C {{.Dir}}/imapd.conf -r"
}
SERVICES {
  imaps cmd="{{.Bin}}/imapd -s -C {{.Dir}}/imapd.conf" listen="127.0.0.1:{{.Port}}" prefork=1 maxchild=100
}
EVENTS {
}
`

const cyrusImapdConf = `configdirectory: {{.Dir}}/var
proc_path: {{.Dir}}/var/proc
mboxname_lockpath: {{.Dir}}/var/lock
defaultpartition: default
partition-default: {{.Dir}}/spool
cyrus_user: nobody
admins: {{.Admin}}
proxyservers: {{.Admin}}
altnamespace: yes
unixhierarchysep: yes
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {{.Dir}}/sasldb2
virtdomains: off
idlesocket: {{.Dir}}/var/socket/idle
notifysocket: {{.Dir}}/var/socket/notify
lmtpsocket: {{.Dir}}/var/socket/lmtp
conversations: no
delete_mode: immediate
expunge_mode: immediate
reject8bit: no
munge8bit: no
tls_server_cert: {{.Dir}}/cert.pem
tls_server_key: {{.Dir}}/key.pem
tls_versions: tls1_2 tls1_3
`

// StartCyrus starts a Cyrus and stops it when the test ends. Debian's package
// cannot be installed beside Dovecot's, but it runs unpacked: apt-get download
// cyrus-imapd cyrus-common sasl2-bin libsasl2-modules libsasl2-modules-db and the
// libraries that ldd misses, then dpkg -x each into root. The test is skipped where
// root is "", or where the user is not the superuser.
func StartCyrus(t testing.TB, root string) *Cyrus {
	t.Helper()
	if root == "" {
		t.Skip("Cyrus: no directory is named that holds it")
	}
	if os.Geteuid() != 0 {
		t.Skip("Cyrus: the test does not run as root")
	}
	dir, err := os.MkdirTemp("", "cyrus")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, cert := freePort(t), NewCert(t)
	c := &Cyrus{Address: "127.0.0.1:" + port, CAFile: cert.CertFile, Admin: "cyrus-mover", AdminPassword: "mover-secret"}
	bin := filepath.Join(root, "usr/lib/cyrus/bin")
	values := map[string]string{"Dir": dir, "Bin": bin, "Port": port, "Admin": c.Admin}
	layOutCyrus(t, dir, cert, values)
	c.addAdmin(t, root, dir)
	c.Process = runServer(t, &Process{
		name: "Cyrus", address: c.Address, log: func() string { return "it logs to syslog" },
		command: func() *exec.Cmd {
			process := exec.Command(filepath.Join(bin, "master"), "-C", dir+"/imapd.conf", "-M", dir+"/cyrus.conf", "-p", dir+"/pid")
			process.Env = cyrusEnv(root)
			return process
		},
	})
	return c
}

// cyrusEnv lets the programs find the libraries that were unpacked beside them.
func cyrusEnv(root string) []string {
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if err != nil || len(libraries) == 0 {
		return os.Environ()
	}
	return append(os.Environ(), "LD_LIBRARY_PATH="+libraries[0]+":"+filepath.Join(root, "lib", filepath.Base(libraries[0])), "SASL_PATH="+filepath.Join(libraries[0], "sasl2"))
}

func layOutCyrus(t testing.TB, dir string, cert Cert, values map[string]string) {
	t.Helper()
	for name, text := range map[string]string{"cyrus.conf": cyrusConf, "imapd.conf": cyrusImapdConf} {
		var conf bytes.Buffer
		must(t, template.Must(template.New(name).Parse(text)).Execute(&conf, values))
		must(t, os.WriteFile(filepath.Join(dir, name), conf.Bytes(), 0o644))
	}
	for from, to := range map[string]string{cert.CertFile: "cert.pem", cert.KeyFile: "key.pem"} {
		b, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, to), b, 0o600))
	}
	for _, sub := range []string{"db", "proc", "lock", "socket", "log", "msg", "ptclient", "sieve", "user", "quota"} {
		must(t, os.MkdirAll(filepath.Join(dir, "var", sub), 0o755))
	}
	must(t, os.MkdirAll(filepath.Join(dir, "spool"), 0o755))
	chownToNobody(t, dir)
}

// chownToNobody gives a directory and what is in it to nobody.
func chownToNobody(t testing.TB, dir string) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	must(t, err)
	uid, err := strconv.Atoi(nobody.Uid)
	must(t, err)
	gid, err := strconv.Atoi(nobody.Gid)
	must(t, err)
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	}))
}

// addAdmin stores the administrator's password. The realm is the host's name, as
// Cyrus will look it up.
func (c *Cyrus) addAdmin(t testing.TB, root, dir string) {
	t.Helper()
	host, err := os.Hostname()
	must(t, err)
	command := exec.Command(filepath.Join(root, "usr/sbin/saslpasswd2"), "-p", "-c", "-f", dir+"/sasldb2", "-u", host, c.Admin)
	command.Env, command.Stdin = cyrusEnv(root), strings.NewReader(c.AdminPassword)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("add Cyrus' administrator: %v: %s", err, out)
	}
	chownToNobody(t, dir)
}

// AddUser makes a mailbox.
func (c *Cyrus) AddUser(t testing.TB, name string) Account {
	t.Helper()
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	client, err := imapclient.DialTLS(c.Address, &imapclient.Options{TLSConfig: settings})
	must(t, err)
	defer func() { _ = client.Close() }()
	must(t, client.Authenticate(sasl.NewPlainClient("", c.Admin, c.AdminPassword)))
	must(t, client.Create("user/"+name, nil).Wait())
	return c.Account(name)
}

// Account returns a mailbox that is there.
func (c *Cyrus) Account(name string) Account {
	return Account{Address: c.Address, CAFile: c.CAFile, User: name, Admin: c.Admin, Password: c.AdminPassword}
}
