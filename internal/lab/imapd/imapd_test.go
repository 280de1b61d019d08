package imapd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reforest/internal/lab/imapd"
	"reforest/migrate/imap/imaptest"
)

// connect starts a server and logs ann in with a client of others' making.
func connect(t *testing.T, config imapd.Config, options imapclient.Options) (*imapd.Server, *imapclient.Client) {
	t.Helper()
	cert := imaptest.NewCert(t)
	config.Certificate, config.Users = cert.TLS, map[string]string{"ann": "secret"}
	server, err := imapd.Start(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	pem, err := os.ReadFile(cert.CertFile)
	must(t, err)
	options.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	options.TLSConfig.RootCAs.AppendCertsFromPEM(pem)
	client, err := imapclient.DialTLS(server.Addr(), &options)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	must(t, client.Login("ann", "secret").Wait())
	return server, client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func appendMail(t *testing.T, c *imapclient.Client, folder, body string, flags ...imap.Flag) error {
	t.Helper()
	command := c.Append(folder, int64(len(body)), &imap.AppendOptions{Flags: flags, Time: received})
	_, err := command.Write([]byte(body))
	must(t, err)
	must(t, command.Close())
	_, err = command.Wait()
	return err
}

var received = time.Date(2012, 11, 10, 9, 8, 7, 0, time.FixedZone("", -5*3600))

// held returns the folders' messages as short lines.
func held(server *imapd.Server) map[string][]string {
	got := map[string][]string{}
	for _, f := range server.Snapshot("ann") {
		lines := []string{}
		for _, m := range f.Messages {
			lines = append(lines, strings.TrimSpace(string(m.Body))+" "+strings.Join(m.Flags, " "))
		}
		got[strings.Join(f.Path, "→")] = lines
	}
	return got
}

func checkHeld(t *testing.T, server *imapd.Server, want map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(want, held(server), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("mailbox (-want +got):\n%s", diff)
	}
}

func TestWhatIsStoredIsKept(t *testing.T) {
	t.Parallel()
	server, client := connect(t, imapd.Config{}, imapclient.Options{})
	must(t, appendMail(t, client, "INBOX", "no header, bare\nLF, \x80 8-bit", imap.FlagSeen, "MixedCase", "mixedcase", "$Forwarded"))
	got := server.Snapshot("ann")[0].Messages
	want := []imapd.Message{{
		UID: 1, Body: []byte("no header, bare\r\nLF, \x80 8-bit"), Received: received, Flags: []string{`\Seen`, "MixedCase", "$Forwarded"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if zone := got[0].Received.Format("-0700"); zone != "-0500" {
		t.Errorf("zone %s, want -0500", zone)
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	server, client := connect(t, imapd.Config{}, imapclient.Options{})
	for _, body := range []string{"Subject: one\r\n\r\n1", "Subject: two\r\n\r\n2", "Subject: three\r\n\r\n3"} {
		must(t, appendMail(t, client, "INBOX", body))
	}
	must(t, client.Create("Other/Deep", nil).Wait())
	_, err := client.Select("INBOX", nil).Wait()
	must(t, err)
	found, err := client.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "T"}}, Not: []imap.SearchCriteria{{Body: []string{"3"}}}}, nil).Wait()
	must(t, err)
	if diff := cmp.Diff([]imap.UID{2}, found.AllUIDs()); diff != "" {
		t.Errorf("search (-want +got):\n%s", diff)
	}
	must(t, client.Store(imap.UIDSetNum(1, 2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close())
	_, err = client.Copy(imap.UIDSetNum(1), "Other/Deep").Wait()
	must(t, err)
	_, err = client.Move(imap.UIDSetNum(2), "Other/Deep").Wait()
	must(t, err)
	must(t, client.Store(imap.UIDSetNum(3), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	must(t, client.Expunge().Close())
	must(t, client.Rename("Other", "Else", nil).Wait())
	checkHeld(t, server, map[string][]string{
		"INBOX":     {"Subject: one\r\n\r\n1 \\Flagged"},
		"Else":      {},
		"Else→Deep": {"Subject: one\r\n\r\n1 \\Flagged", "Subject: two\r\n\r\n2 \\Flagged"},
	})
	must(t, client.Delete("Else/Deep").Wait())
	must(t, client.Delete("Else").Wait())
	checkHeld(t, server, map[string][]string{"INBOX": {"Subject: one\r\n\r\n1 \\Flagged"}})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	_, client := connect(t, imapd.Config{Cyrus: true}, imapclient.Options{})
	for want, body := range map[string]string{
		"zero byte": "", "NUL": "a: b\r\n\x00", "bare newlines": "a: b\n", "invalid header": "no header\r\n\r\n",
	} {
		if err := appendMail(t, client, "INBOX", body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("append %q: %v, want a NO with %q", body, err, want)
		}
	}
	if err := appendMail(t, client, "INBOX", "a: b\r\n\r\n", imap.Flag(strings.Repeat("k", 51))); err == nil {
		t.Error("a keyword of 51 characters is taken")
	}
	for _, name := range []string{"~x", "a//b", "a/../b", strings.Repeat("x", 256), "INBOX"} {
		if err := client.Create(name, nil).Wait(); err == nil {
			t.Errorf("folder %q is created", name)
		}
	}
}

func TestFaultsStrikeInTurn(t *testing.T) {
	t.Parallel()
	server, client := connect(t, imapd.Config{}, imapclient.Options{})
	server.Plan(imapd.Fault{User: "somebody else", Op: imapd.Append})
	server.Plan(imapd.Fault{User: "ann", Op: imapd.Append, Pass: 1, Times: 2, Code: "UNAVAILABLE", Text: "not now"})
	var got []bool
	for range 4 {
		got = append(got, appendMail(t, client, "INBOX", "x") == nil)
	}
	if diff := cmp.Diff([]bool{true, false, false, true}, got); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
}

func TestIdleHearsOfNewMail(t *testing.T) {
	t.Parallel()
	exists := make(chan uint32, 10)
	server, client := connect(t, imapd.Config{}, imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		},
	}})
	_, err := client.Select("INBOX", nil).Wait()
	must(t, err)
	idle, err := client.Idle()
	must(t, err)
	must(t, server.Put("ann", imapd.Folder{Path: []string{"INBOX"}, Messages: []imapd.Message{{Body: []byte("x")}}}))
	select {
	case n := <-exists:
		if n != 1 {
			t.Errorf("told of %d messages, want 1", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("not told of new mail")
	}
	must(t, idle.Close())
	must(t, idle.Wait())
}

func TestCloseMayBeRepeated(t *testing.T) {
	t.Parallel()
	server, client := connect(t, imapd.Config{}, imapclient.Options{})
	for range 2 {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := client.Noop().Wait(); err == nil {
		t.Error("the connection is still open")
	}
	ctx, cancel := context.WithCancel(t.Context())
	other, err := imapd.Start(ctx, imapd.Config{Certificate: imaptest.NewCert(t).TLS})
	must(t, err)
	cancel()
	if err := other.Close(); err != nil {
		t.Errorf("Close after the context's end: %v", err)
	}
}
