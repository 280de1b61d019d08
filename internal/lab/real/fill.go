package real

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// FolderNames are the folders that Fill makes: what people write, and what breaks
// programs. Dovecot takes them all. Parents that are not named come into being as
// folders that cannot be selected.
func FolderNames() []string {
	return []string{
		"Archiv", "Archiv/2012", "Projekte/Ärger & Öl", "日本語/受信/フォルダ", "Ünïcödé", "📬 Post/😀",
		" leading blank", "double  blank", "100%", `say "hello"`, `back\slash`, "semi;colon", "{braces}", "[brackets]",
		"v1.2.3.final", "INBOX/child", "Sent", "Trash", "Drafts", "plus+minus-under_score", "&ampersand", "trailing blank ",
		"(parentheses) *", "deep/2/3/4/5/6/7/8/9/10", strings.Repeat("long", 40), "empty",
	}
}

// keywords have the forms that clients use.
func keywords() []imap.Flag {
	return []imap.Flag{
		"$Forwarded", "$MDNSent", "$label1", "$Junk", "NonJunk", "Work", "privat", "to_do", "X-2019", imap.Flag(strings.Repeat("k", 50)),
	}
}

// Fill puts n messages into user's mailbox, spread over INBOX and FolderNames except the
// one called empty, and subscribes to all folders but every ninth. The same n, user and
// corpus give the same mailbox.
func (s MailServer) Fill(t testing.TB, user string, n int) {
	t.Helper()
	s.FillFrom(t, user, n, 0)
}

// FillFrom does as Fill, with real mail from the first-th message of the corpus on. It
// uses n/2 of them.
func (s MailServer) FillFrom(t testing.TB, user string, n, first int) {
	t.Helper()
	client := s.Login(t, user)
	defer func() { _ = client.Close() }()
	for i, name := range FolderNames() {
		check(t, "create", name, create(client, name))
		if i%9 != 8 {
			check(t, "subscribe", name, client.Subscribe(name).Wait())
		}
	}
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(user))
	random := rand.New(rand.NewPCG(seed.Sum64(), uint64(n)))
	folders := append([]string{"INBOX"}, FolderNames()...)
	corpus := newCorpus(t, first)
	for i := range n {
		folder := folders[random.IntN(len(folders))]
		if folder == "empty" || i%3 == 0 {
			folder = "INBOX"
		}
		appendMessage(t, client, folder, corpus.message(i, random), options(random))
	}
}

// create makes a folder unless it is there: Dovecot makes INBOX's special ones by itself.
func create(client *imapclient.Client, name string) error {
	err := client.Create(name, nil).Wait()
	if err != nil && strings.Contains(err.Error(), "ALREADYEXISTS") {
		return nil
	}
	return err
}

// options makes up flags, keywords and a date between 2009 and 2024 in any zone.
func options(random *rand.Rand) *imap.AppendOptions {
	var flags []imap.Flag
	for _, f := range []struct {
		flag imap.Flag
		of10 int
	}{{imap.FlagSeen, 8}, {imap.FlagAnswered, 3}, {imap.FlagFlagged, 1}, {imap.FlagDraft, 1}, {imap.FlagDeleted, 1}} {
		if random.IntN(10) < f.of10 {
			flags = append(flags, f.flag)
		}
	}
	if random.IntN(4) == 0 {
		flags = append(flags, keywords()[random.IntN(len(keywords()))])
	}
	zone := time.FixedZone("", (random.IntN(27*4)-12*4)*15*60) // -12:00 to +14:45
	first := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	at := first.Add(time.Duration(random.Int64N(int64(last.Sub(first)/time.Second))) * time.Second)
	return &imap.AppendOptions{Flags: flags, Time: at.In(zone)}
}

// Append stores one message.
func (s MailServer) Append(t testing.TB, user, folder string, message []byte, options *imap.AppendOptions) {
	t.Helper()
	client := s.Login(t, user)
	defer func() { _ = client.Close() }()
	appendMessage(t, client, folder, message, options)
}

func appendMessage(t testing.TB, client *imapclient.Client, folder string, message []byte, options *imap.AppendOptions) {
	t.Helper()
	command := client.Append(folder, int64(len(message)), options)
	_, err := command.Write(message)
	if err == nil {
		err = command.Close()
	}
	if err == nil {
		_, err = command.Wait()
	}
	check(t, "append to", folder, err)
}
