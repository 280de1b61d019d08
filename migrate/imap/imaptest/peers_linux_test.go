package imaptest_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reforest/internal/lab/corpus"
	"reforest/migrate/imap/imaptest"
)

// atOnce is how many mailboxes go side by side, where a tool can do that at all.
const atOnce = 4

// Two servers and who moves between them.
type servers struct {
	source, target *imaptest.Dovecot
	way            string // where movers find the target: its address, or that of a proxy to it
	profile        string // file for a CPU profile of reforest; "" is none
}

// A tool brings the mailboxes of these users to the target. dir is for what it has to
// keep until its next pass.
type tool struct {
	name     string
	run      func(b *testing.B, s servers, users []string, dir string) (cost, error)
	folders  func(path string) bool // those that it brings; nil is all
	keywords bool                   // it brings keywords too
	ours     bool                   // it brings folders and subscriptions too
	cut      string                 // what it adds to messages, see imaptest.Account.Inventory
}

var (
	reforest = tool{name: "reforest", run: runReforest, keywords: true, ours: true}
	tunnel   = tool{name: "tunnel", run: runTunnel, keywords: true, ours: true}
	mbsync   = tool{name: "mbsync", run: runMbsync, cut: "X-TUID: "}
	backup   = tool{name: "doveadm", run: runBackup, keywords: true, folders: notRefused}
	ceiling  = tool{name: "ceiling", run: runImport, keywords: true}
)

// runReforest runs the mover under test.
func runReforest(b *testing.B, s servers, users []string, dir string) (cost, error) {
	j := job{
		Store: filepath.Join(dir, "reforest.db"), Users: users, Workers: atOnce, Profile: s.profile,
		Source: side{Address: s.source.Address, CAFile: s.source.CAFile, Admin: s.source.Admin, Password: s.source.AdminPassword},
		Target: side{Address: s.way, CAFile: s.target.CAFile, Admin: s.target.Admin, Password: s.target.AdminPassword},
	}
	command, err := j.command(b.Context())
	if err != nil {
		return cost{}, err
	}
	return spend(b.Context(), 1, command)
}

// runTunnel runs the mover under test where the ceiling runs: on the machine that has both
// stores, without a network and TLS in between.
func runTunnel(b *testing.B, s servers, users []string, dir string) (cost, error) {
	j := job{
		Store: filepath.Join(dir, "reforest.db"), Users: users, Workers: atOnce,
		Source: side{Conf: s.source.Conf}, Target: side{Conf: s.target.Conf},
	}
	command, err := j.command(b.Context())
	if err != nil {
		return cost{}, err
	}
	return spend(b.Context(), 1, command)
}

// runMbsync runs one mbsync over all channels, as its users do: it has no way to take
// several at once.
func runMbsync(b *testing.B, s servers, users []string, dir string) (cost, error) {
	var config strings.Builder
	for _, user := range users {
		config.WriteString(mbsyncStore("source-"+user, s.source.Address, s.source, user))
		config.WriteString(mbsyncStore("target-"+user, s.way, s.target, user))
		fmt.Fprintf(&config, "Channel %[1]s\nFar :source-%[1]s:\nNear :target-%[1]s:\nPatterns *\nSync Pull\nCreate Near\nCopyArrivalDate yes\nSyncState %[2]s/%[1]s/\n\n", user, dir)
		if err := os.MkdirAll(filepath.Join(dir, user), 0o700); err != nil {
			return cost{}, err
		}
	}
	file := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return cost{}, err
	}
	return spend(b.Context(), 1, exec.CommandContext(b.Context(), "mbsync", "-q", "-c", file, "-a"))
}

// mbsyncStore is a mailbox in mbsync's words. It compares names and no addresses with the
// certificate.
func mbsyncStore(name, address string, server *imaptest.Dovecot, user string) string {
	_, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("IMAPAccount %[1]s\nHost localhost\nPort %[2]s\nUser %[3]s\nPass %[4]s\nSSLType IMAPS\nCertificateFile %[5]s\n\nIMAPStore %[1]s\nAccount %[1]s\n\n",
		name, port, user, server.Password, server.CAFile)
}

// runBackup runs `doveadm backup` from IMAP, as Dovecot's manual on migration has it:
// with what it says makes it fast, and a process for every mailbox.
func runBackup(b *testing.B, s servers, users []string, _ string) (cost, error) {
	host, port, err := net.SplitHostPort(s.source.Address)
	if err != nil {
		return cost{}, err
	}
	var commands []*exec.Cmd
	for _, user := range users {
		commands = append(commands, exec.CommandContext(b.Context(), "doveadm", "-c", s.target.Conf,
			"-o", "imapc_host="+host, "-o", "imapc_port="+port, "-o", "imapc_ssl=imaps", "-o", "ssl_client_ca_file="+s.source.CAFile,
			"-o", "imapc_user="+user, "-o", "imapc_master_user="+s.source.Admin, "-o", "imapc_password="+s.source.AdminPassword,
			"-o", "imapc_features=rfc822.size fetch-headers", "-o", "mail_prefetch_count=20",
			"backup", "-R", "-u", user, "-x", corpus.Refused, "imapc:"))
	}
	return spend(b.Context(), atOnce, commands...)
}

// notRefused leaves out the folder with which the second pass fails.
func notRefused(path string) bool { return path != corpus.Refused }

// runImport copies from store to store, without IMAP: as fast as the target can store.
func runImport(b *testing.B, s servers, users []string, _ string) (cost, error) {
	var commands []*exec.Cmd
	for _, user := range users {
		commands = append(commands, exec.CommandContext(b.Context(), "doveadm", "-c", s.target.Conf,
			"import", "-u", user, "-s", "mdbox:"+filepath.Join(s.source.Mail, user), "", "all"))
	}
	return spend(b.Context(), atOnce, commands...)
}

// brings reports whether the tool brings the folder.
func (t tool) brings(path string) bool { return t.folders == nil || t.folders(path) }

// of leaves in an inventory what the tool says it brings.
func (t tool) of(shelves []imaptest.Shelf) []imaptest.Shelf {
	var list []imaptest.Shelf
	for _, s := range shelves {
		if !t.brings(s.Path) {
			continue
		}
		s.Entries = slices.Clone(s.Entries)
		for i, e := range s.Entries {
			if !t.keywords {
				s.Entries[i].Flags = slices.DeleteFunc(slices.Clone(e.Flags), func(flag string) bool { return flag[0] != '\\' })
			}
		}
		list = append(list, s)
	}
	return list
}
