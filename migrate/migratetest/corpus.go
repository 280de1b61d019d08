package migratetest

import (
	"fmt"
	"strings"
	"time"
)

// Corpus returns a small mailbox with what movers stumble over.
func Corpus() []Folder {
	same := Message{Body: "Message-ID: <same@alpine.test>\r\n\r\ntwice\r\n", Received: when(3), Flags: []string{`\Seen`}}
	return []Folder{
		{Path: []string{"INBOX"}, Subscribed: true, Messages: append(messages("in", 8), same, same)},
		{Path: []string{"Projekte"}, Subscribed: true},
		{Path: []string{"Projekte", "Ärger & Öl"}, Subscribed: true, Messages: messages("oil", 2)},
		{Path: []string{"日本語"}, Messages: []Message{
			{Body: "Subject: =?utf-8?b?5pel5pys?=\r\n\r\n日本語 raw 8-bit\r\n", Received: when(5), Flags: []string{"$Forwarded"}},
			{Body: "no header at all\r\n", Received: when(6)},
			{Body: "Subject: header only\r\n\r\n", Received: when(7), Flags: []string{`\Flagged`, "$MDNSent"}},
			{Body: "Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 1000), Received: when(8)},
		}},
		{Path: []string{`Quote"d \ back`}, Subscribed: true, Messages: messages("quote", 1)},
		{Path: []string{"leer"}, Subscribed: true},
	}
}

// smallCorpus is enough for several chunks and quick to copy many times.
func smallCorpus() []Folder {
	return []Folder{
		{Path: []string{"INBOX"}, Subscribed: true, Messages: messages("in", 7)},
		{Path: []string{"Später"}, Subscribed: true, Messages: messages("later", 2)},
	}
}

// twinCorpus is four chunks of two messages, each many times.
func twinCorpus() []Folder {
	two := messages("twin", 2)
	f := Folder{Path: []string{"INBOX"}, Subscribed: true}
	for _, which := range []int{0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0} {
		f.Messages = append(f.Messages, two[which])
	}
	return []Folder{f, {Path: []string{"Später"}, Messages: two[:1]}}
}

// messages returns n different messages; every third equals the one before it.
func messages(name string, n int) []Message {
	var list []Message
	for i := range n {
		m := Message{
			Body:     fmt.Sprintf("Subject: %s %d\r\nMessage-ID: <%s.%d@alpine.test>\r\n\r\nbody of %d\r\n", name, i, name, i, i),
			Received: when(i),
			Flags:    []string{`\Seen`, "$Forwarded"}[:i%3],
		}
		if i%3 == 2 {
			m = list[i-1]
		}
		list = append(list, m)
	}
	return list
}

// when returns a date to the second, in a zone that changes with n.
func when(n int) time.Time {
	zone := time.FixedZone("", (n%25-12)*3600)
	return time.Date(2009+n%15, 1, 2+n, 3, 4, 5+n%50, 0, zone)
}

func count(folders []Folder) (n int64) {
	for _, f := range folders {
		n += int64(len(f.Messages))
	}
	return n
}
