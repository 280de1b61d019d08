package real

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A corpus gives messages: real ones, written by strangers, from the directory mail of
// $REFOREST_SHARED (default: shared beside the repository) where there are any, and
// made-up ones.
type corpus struct {
	t     testing.TB
	files []string
	first int // of files to be used
}

func newCorpus(t testing.TB, first int) corpus {
	t.Helper()
	c := corpus{t: t, first: first}
	shared := os.Getenv("REFOREST_SHARED")
	if shared == "" {
		shared = filepath.Join(repository(t), "..", "shared")
	}
	err := filepath.WalkDir(filepath.Join(shared, "mail"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".eml") {
			return err
		}
		if info, err := entry.Info(); err == nil && info.Size() > 0 { // servers refuse an empty message
			c.files = append(c.files, path)
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatalf("look for real mail: %v", err)
	}
	return c
}

// repository returns the directory of go.mod.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the repository: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("find the repository: no go.mod above the working directory")
	}
}

// message returns the i-th message: of two one is real, if there are real ones; now and
// then the one before comes again.
func (c corpus) message(i int, random *rand.Rand) []byte {
	if i%40 == 39 {
		i--
	}
	if len(c.files) == 0 || i%2 == 0 {
		return madeUp(i, random)
	}
	path := c.files[(c.first+i/2)%len(c.files)]
	raw, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatalf("read real mail: %v", err)
	}
	return raw
}

// madeUp returns a message of one of ten forms.
func madeUp(i int, random *rand.Rand) []byte {
	id := fmt.Sprintf("Message-ID: <%d@lab.alpine.test>\r\n", i)
	head := "From: Anna Berg <anna@alpine.test>\r\nTo: bob@fabrikam.test\r\nDate: Mon, 02 Feb 2015 10:00:00 +0100\r\n"
	text := "\r\nGrüße\r\n"
	switch i / 2 % 10 {
	case 0:
		return []byte(head + id + "Subject: plain\r\n" + text)
	case 1:
		return []byte(head + "Subject: no Message-ID\r\n" + text)
	case 2:
		return []byte(head + id + "Subject: =?UTF-8?B?5pel5pys6Kqe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n日本語の本文\r\n")
	case 3:
		return []byte(head + id + "Subject: r\xe4w L\xe4tin-1\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n")
	case 4:
		return []byte(head + id + "Subject: header only\r\n\r\n")
	case 5:
		return []byte(head + id + "Subject: a long line\r\n\r\n" + strings.Repeat("x", 100_000) + "\r\n")
	case 6:
		return []byte(head + id + "Subject: dots and From\r\n\r\n.\r\n..\r\nFrom here\r\n)\r\n* 1 FETCH ()\r\n")
	case 7:
		return []byte("Subject: the same Message-ID\r\nMessage-ID: <same@lab.alpine.test>\r\n" + text)
	case 8:
		return []byte(strings.ReplaceAll(head+id+"Subject: bare line feeds\r\n"+text, "\r\n", "\n"))
	default:
		return withAttachment(head+id, 1+random.IntN(300_000), random)
	}
}

// withAttachment returns a message with size random bytes attached.
func withAttachment(head string, size int, random *rand.Rand) []byte {
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	var b strings.Builder
	b.WriteString(head + "Subject: Anhang\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n" +
		"--=_b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>\r\n" +
		"--=_b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename*=UTF-8''%C3%9Cbersicht.bin\r\n\r\n")
	for encoded := base64.StdEncoding.EncodeToString(raw); encoded != ""; {
		n := min(76, len(encoded))
		b.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	b.WriteString("--=_b--\r\n")
	return []byte(b.String())
}

// CorpusSize returns how many messages of real mail there are to fill mailboxes with.
func CorpusSize(t testing.TB) int {
	t.Helper()
	return len(newCorpus(t, 0).files)
}
