package transport_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/real"
	"reforest/internal/lab/transport"
	"reforest/migrate/imap/imaptest"
)

// onLab is a transport's configuration for one of the real forests and its mail server.
func onLab(t *testing.T, name string, forest real.Forest, server real.MailServer) *site {
	t.Helper()
	cert := imaptest.NewCert(t)
	s := &site{name: name, domain: forest.Domain}
	s.config = transport.Config{
		Site: name, Dir: filepath.Join(t.TempDir(), "spool"), CertFile: cert.CertFile, KeyFile: cert.KeyFile,
		View:          transport.View{URL: forest.URL, CAFile: forest.CA, ServerName: forest.ServerName, BindDN: forest.BindDN, Password: forest.Password},
		RetryInterval: 50 * time.Millisecond, Poll: 5 * time.Millisecond,
	}
	s.onDovecot(server)
	return s
}

// TestRealForests resolves in two real forests and delivers to real mailboxes.
func TestRealForests(t *testing.T) {
	lab := real.Load(t)
	people := lab.Plant(t, 8)
	source, target := onLab(t, "source", lab.Source, lab.SourceMail), onLab(t, "target", lab.Target, lab.TargetMail)
	source.config.Next = transport.Next{Domains: []string{target.domain}, Spool: target.config.Dir}
	target.config.Next = transport.Next{Domains: []string{source.domain}, Spool: source.config.Dir}
	source.start(t)
	target.start(t)
	for _, p := range people {
		lab.SourceMail.Empty(t, p.Mail)
		source.inject(t, "<1."+p.Alias+"@forests>", p.Mail, p.Alias+"@"+source.domain)
		source.inject(t, "<2."+p.Alias+"@forests>", "IMCEAEX-_o=Bought+20Company_ou=Berlin_cn=Recipients_cn="+p.Alias+"+5F1@"+source.domain)
	}
	source.inject(t, "<nobody@forests>", "nobody@"+source.domain)
	source.inject(t, "<elsewhere@forests>", "x@elsewhere.test")
	drain(t, source, target)
	for _, p := range people {
		want := []string{"<1." + p.Alias + "@forests>", "<2." + p.Alias + "@forests>"}
		if diff := cmp.Diff(want, lab.SourceMail.Arrived(t, p.Mail)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.Name, diff)
		}
	}
	bounced := map[string]string{}
	for _, r := range readLog(t, source, target).Bounces {
		bounced[r.MessageID] = r.Text
	}
	if diff := cmp.Diff(map[string]string{
		"<nobody@forests>":    "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
		"<elsewhere@forests>": "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
	}, bounced); diff != "" {
		t.Errorf("bounces (-want +got):\n%s", diff)
	}
	forwardBack(t, lab, people, source, target)
}

// forwardBack writes to the mail users of the target, whose home is the source.
func forwardBack(t *testing.T, lab real.Lab, people []real.Person, source, target *site) {
	t.Helper()
	sent := 0
	for _, p := range people {
		if p.Twin != real.MailUser {
			continue
		}
		sent++
		twin := lab.Target.Search(t, p.TwinDN, "(objectClass=user)", "mail")[0]["mail"][0]
		target.inject(t, "<3."+p.Alias+"@forests>", twin)
		drain(t, source, target)
		outcome := readLog(t, source, target).Messages["<3."+p.Alias+"@forests>"]
		if got := lab.SourceMail.Arrived(t, p.Mail); len(got) != 3 || outcome.Hops != 2 {
			t.Errorf("%s has %q after %d hops, want a third message after 2", p.Name, got, outcome.Hops)
		}
	}
	if sent == 0 {
		t.Error("nobody has a mail user at the target")
	}
}
