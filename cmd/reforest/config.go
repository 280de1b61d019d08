package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// A config is the configuration file. Every key is documented in the file that
// "reforest init" writes.
type config struct {
	Store   string       `yaml:"store"`
	Reports string       `yaml:"reports"`
	Source  sourceConfig `yaml:"source"`
	Target  targetConfig `yaml:"target"`
	Retry   retryConfig  `yaml:"retry"`
	Switch  switchConfig `yaml:"switch"`
	Match   matchConfig  `yaml:"match"`
	Stage   stageConfig  `yaml:"stage"`
	Clean   cleanConfig  `yaml:"clean"`
	Limits  limitsConfig `yaml:"limits"`
	// Attributes are the policies of single attributes, by name.
	Attributes map[string]string `yaml:"attributes"`
	Tenants    []tenantConfig    `yaml:"tenants"`
	path       string            // of the file
	place      map[string]at     // where each key stands in it
}

type sourceConfig struct {
	Directory  directoryConfig `yaml:"directory"`
	Mail       mailConfig      `yaml:"mail"`
	Domain     string          `yaml:"domain"`
	Domains    []string        `yaml:"domains"`
	LegacySIDs []string        `yaml:"legacy_sids"`
}

type targetConfig struct {
	Directory directoryConfig `yaml:"directory"`
	Mail      mailConfig      `yaml:"mail"`
	Domain    string          `yaml:"domain"`
	Domains   []string        `yaml:"domains"`
	OU        string          `yaml:"ou"`
	LegacyDN  string          `yaml:"legacy_dn"`
	Database  string          `yaml:"database"`
	Accounts  string          `yaml:"accounts"`
	Mover     string          `yaml:"mover"`
}

type directoryConfig struct {
	URL        string    `yaml:"url"`
	StartTLS   bool      `yaml:"start_tls"`
	CA         string    `yaml:"ca"`
	ServerName string    `yaml:"server_name"`
	Bind       string    `yaml:"bind"`
	Password   secretRef `yaml:"password"`
	Settle     []string  `yaml:"settle"`
	Catalog    string    `yaml:"catalog"`
}

type mailConfig struct {
	IMAP       string    `yaml:"imap"`
	StartTLS   bool      `yaml:"start_tls"`
	CA         string    `yaml:"ca"`
	ServerName string    `yaml:"server_name"`
	Login      string    `yaml:"login"`
	Separator  string    `yaml:"separator"`
	Admin      string    `yaml:"admin"`
	Password   secretRef `yaml:"password"`
	Mailbox    string    `yaml:"mailbox"`
	Probe      string    `yaml:"probe"`
	SMTP       string    `yaml:"smtp"`
	SMTPTLS    string    `yaml:"smtp_tls"`

	Token        secretRef  `yaml:"token"`
	TokenURL     string     `yaml:"token_url"`
	TokenCA      string     `yaml:"token_ca"`
	ClientID     string     `yaml:"client_id"`
	ClientSecret secretRef  `yaml:"client_secret"`
	Scope        string     `yaml:"scope"`
	Tunnel       []string   `yaml:"tunnel"`
	Compress     bool       `yaml:"compress"`
	Limits       mailLimits `yaml:"limits"`
}

type retryConfig struct {
	Interval duration `yaml:"interval"`
	Attempts int      `yaml:"attempts"`
}

type cleanConfig struct {
	Permissions string `yaml:"permissions"`
}

type limitsConfig struct {
	Moves    int   `yaml:"moves"`
	Writers  int   `yaml:"writers"`
	BadItems int64 `yaml:"bad_items"`
}

// What moves the content of mailboxes.
const (
	moverIMAP     = "imap"
	moverExchange = "exchange"
)

// defaultBadItems is how many items of one mailbox may be skipped unless told
// otherwise: enough for what is broken in any old mailbox, too few for a mailbox that
// cannot be read.
const defaultBadItems = 10

func defaultConfig() *config {
	return &config{
		Store:   "reforest.db",
		Reports: "reports",
		Retry:   retryConfig{Interval: duration(batch.DefaultInterval), Attempts: batch.DefaultAttempts},
		Switch:  defaultSwitch(),
		Match:   matchConfig{Rules: directory.DefaultMatch(), Decisions: "decisions.csv"},
		Clean:   cleanConfig{Permissions: string(directory.TranslatePermissions)},
		Limits:  limitsConfig{Moves: batch.DefaultWorkers, Writers: batch.DefaultWriters, BadItems: defaultBadItems},
	}
}

// A need is a part of the configuration that a command cannot do without. The rest may
// be left out for it, and is not looked at.
type need int

// The parts of the configuration.
const (
	needSource need = 1 << iota // the source's directory
	needTarget                  // the target's
	needMail                    // both mail servers
	needRules                   // what joins the two sides
	needAll    = needSource | needTarget | needMail | needRules
)

// loadConfig reads the file and returns every fault at once.
func loadConfig(path string) (*config, error) { return loadConfigFor(path, needAll) }

// loadConfigFor is loadConfig for a command that needs parts of it alone.
func loadConfigFor(path string, needs need) (*config, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, usage(fmt.Errorf("there is no %s here; write one with: reforest init, or rehearse with: reforest demo", path))
	}
	if err != nil {
		return nil, usage(fmt.Errorf("read the configuration: %w", err))
	}
	c := defaultConfig()
	c.path = path
	faults := decodeStrict(path, text, c)
	faults.unread = len(faults.list)
	if faults.decoded {
		c.place = faults.place
		c.check(faults, needs)
	}
	if len(faults.list) > 0 {
		return nil, usage(faults)
	}
	return c, nil
}

// dir is what relative paths of the file are relative to.
func (c *config) dir() string { return filepath.Dir(c.path) }

func (c *config) storePath() string { return within(c.dir(), c.Store) }

func (c *config) reportsPath() string { return within(c.dir(), c.Reports) }

// check looks for what is missing or cannot work.
func (c *config) check(f *faults, needs need) {
	if needs&needSource != 0 {
		c.Source.Directory.check("source.directory", c.dir(), f)
	}
	if needs&needTarget != 0 {
		c.Target.Directory.check("target.directory", c.dir(), f)
	}
	if needs&needMail != 0 {
		c.Source.Mail.check("source.mail", c.dir(), f)
		c.Target.Mail.check("target.mail", c.dir(), f)
	}
	if needs&needRules != 0 {
		c.checkRules(f)
	}
	c.checkValues(f)
	c.Match.check(f)
	c.checkAttributes(f)
	c.checkTenants(f)
	c.checkDomains(f)
	c.Stage.check(f)
	c.Clean.check(f)
	c.Switch.check(c.Target.Mover, f)
	f.sort()
}

// required notes those of the keys below prefix that have no value. Where other keys are
// misspelt or cannot be read, it may be one of them, and nothing is said.
func (f *faults) required(prefix string, values map[string]string) {
	if f.unread > 0 {
		return
	}
	for key, value := range values {
		if value == "" {
			f.add(prefix+"."+key, "%s.%s is required", prefix, key)
		}
	}
}

// file notes that a file is named that is not there.
func (f *faults) file(key, dir, path string) {
	if _, err := os.Stat(within(dir, path)); path != "" && err != nil {
		f.add(key, "%s: %v", key, err)
	}
}

func (c *config) checkRules(f *faults) {
	f.required("source", map[string]string{"domain": c.Source.Domain})
	f.required("target", map[string]string{
		"domain": c.Target.Domain, "ou": c.Target.OU, "legacy_dn": c.Target.LegacyDN, "database": c.Target.Database,
	})
	if c.Target.LegacyDN != "" && !strings.HasPrefix(strings.ToLower(c.Target.LegacyDN), "/o=") {
		f.add("target.legacy_dn", "%q: want organisation and group: /o=Fabrikam/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)", c.Target.LegacyDN)
	}
	if c.Source.Domain != "" && strings.EqualFold(c.Source.Domain, c.Target.Domain) {
		f.add("target.domain", "target.domain is the source's domain too; each side needs one that it alone is authoritative for, or mail loops")
	}
	if c.Target.OU != "" && !strings.Contains(c.Target.OU, "=") {
		f.add("target.ou", "%q: want a distinguished name, such as OU=Moved,DC=fabrikam,DC=example", c.Target.OU)
	}
	if !oneOf(c.Target.Accounts, "", string(directory.AccountsEnabled), string(directory.AccountsLinked)) {
		f.add("target.accounts", "%q: want enabled or linked", c.Target.Accounts)
	}
	if !oneOf(c.Target.Mover, "", moverIMAP, moverExchange) {
		f.add("target.mover", "%q: want imap or exchange", c.Target.Mover)
	}
	for _, sid := range c.Source.LegacySIDs {
		if _, err := migrate.ParseSID(sid); err != nil {
			f.add("source.legacy_sids", "%v", err)
		}
	}
}

func (c *config) checkValues(f *faults) {
	for key, n := range map[string]int64{
		"retry.attempts": int64(c.Retry.Attempts), "retry.interval": int64(c.Retry.Interval), "limits.moves": int64(c.Limits.Moves),
		"limits.writers": int64(c.Limits.Writers),
	} {
		if n <= 0 {
			f.add(key, "%s must be more than nothing", key)
		}
	}
	if c.Limits.BadItems < -1 {
		f.add("limits.bad_items", "want a number of items, or -1 for any number")
	}
}

func (c cleanConfig) check(f *faults) {
	if !oneOf(c.Permissions, string(directory.TranslatePermissions), string(directory.StripPermissions), string(directory.KeepPermissions)) {
		f.add("clean.permissions", "%q: want translate, strip or keep", c.Permissions)
	}
}

func (d directoryConfig) check(key, dir string, f *faults) {
	f.required(key, map[string]string{"url": d.URL, "bind": d.Bind, "password": string(d.Password)})
	f.file(key+".ca", dir, d.CA)
	d.checkURL(key+".url", d.URL, f)
	for _, url := range d.Settle {
		d.checkURL(key+".settle", url, f)
	}
	d.checkCatalog(key+".catalog", f)
}

func (d directoryConfig) checkURL(key, url string, f *faults) {
	switch {
	case url == "", strings.HasPrefix(url, "ldaps://"):
	case strings.HasPrefix(url, "ldap://") && d.StartTLS:
	case strings.HasPrefix(url, "ldap://"):
		f.add(key, "%s would send the password in the clear; use ldaps://, or set start_tls: true", url)
	default:
		f.add(key, "%q: want ldaps://server", url)
	}
}

func (m mailConfig) check(key, dir string, f *faults) {
	f.file(key+".ca", dir, m.CA)
	if m.tunnelled() {
		m.checkTunnel(key, f)
	} else {
		f.required(key, map[string]string{"imap": m.IMAP})
		m.checkLogin(key, dir, f)
	}
	m.Limits.check(key+".limits", f)
	if !oneOf(m.Mailbox, "", "mail", "alias", "sam", "upn") {
		f.add(key+".mailbox", "%q: want mail, alias, sam or upn", m.Mailbox)
	}
	if m.IMAP != "" && !strings.Contains(m.IMAP, ":") {
		f.add(key+".imap", "%q: want server:port, such as %s:993", m.IMAP, m.IMAP)
	}
	m.checkSMTP(key, f)
}

func oneOf(value string, allowed ...string) bool {
	for _, a := range allowed {
		if value == a {
			return true
		}
	}
	return false
}

// directory returns how the side's directory is reached.
func (c *config) directory(side directory.Side) directoryConfig {
	if side == directory.Source {
		return c.Source.Directory
	}
	return c.Target.Directory
}

// rules returns what joins the two organisations.
func (c *config) rules() directory.Rules {
	r := directory.Rules{
		SourceRouting: c.Source.Domain, TargetRouting: c.Target.Domain,
		TargetOU: directory.DN(c.Target.OU), LegacyPrefix: strings.TrimRight(c.Target.LegacyDN, "/"), Database: c.Target.Database,
		Match: c.Match.Rules, Adopt: c.Match.Adopt,
		Attributes: c.policies(), Accounts: directory.AccountMode(c.Target.Accounts), ExchangeMoves: c.Target.Mover == moverExchange,
		SourceDomains: c.Source.Domains, TargetDomains: c.Target.Domains, Tenants: c.tenants(),
		GroupContacts: c.Stage.Groups == "contact",
		Permissions:   directory.PermissionMode(c.Clean.Permissions),
		MoveHeld:      c.Switch.Holds == holdsMove, ShutOut: c.Switch.ShutOut,
	}
	for _, text := range c.Source.LegacySIDs {
		if sid, err := migrate.ParseSID(text); err == nil { // checked when the file was read
			r.Legacy = append(r.Legacy, sid)
		}
	}
	return r
}

// A duration reads and writes hh:mm:ss, as the command lines of Exchange do.
type duration time.Duration

// durationForm is hh:mm:ss, with up to seven decimals of a second as .NET's TimeSpan has.
var durationForm = regexp.MustCompile(`^([0-9]+):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{1,7})?)$`)

// UnmarshalText reads 00:00:30.
func (d *duration) UnmarshalText(text []byte) error {
	part := durationForm.FindStringSubmatch(string(text))
	if part == nil {
		return fmt.Errorf("%q: want hours:minutes:seconds, such as 00:00:30", text)
	}
	length, err := time.ParseDuration(part[1] + "h" + part[2] + "m" + part[3] + "s")
	*d = duration(length)
	return err
}

func (d duration) String() string {
	t := time.Duration(d)
	text := fmt.Sprintf("%02d:%02d:%02d", int(t.Hours()), int(t.Minutes())%60, int(t.Seconds())%60)
	if rest := t % time.Second; rest != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%07d", rest/100), "0")
	}
	return text
}

// MarshalText writes 00:00:30.
func (d duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// mail returns how the side's mailboxes are reached.
func (c *config) mail(side directory.Side) mailConfig {
	if side == directory.Source {
		return c.Source.Mail
	}
	return c.Target.Mail
}
