package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"reforest/internal/lab/imapd"
)

// CorruptMarker stands in the one message that the target refuses.
const CorruptMarker = "X-Rehearsal: torn page"

// folders returns the mailbox of the nth person: the same at every rehearsal.
func folders(p Person, n int) []imapd.Folder {
	w := &writer{person: p, rand: rand.New(rand.NewPCG(uint64(n), 2003))}
	list := []imapd.Folder{
		{Path: []string{"INBOX"}, Subscribed: true, Messages: w.messages(12 + n%9)},
		{Path: []string{"Sent"}, Subscribed: true, SpecialUse: `\Sent`, Messages: w.messages(5)},
		{Path: []string{"Projekte"}, Subscribed: true},
		{Path: []string{"Projekte", "Ärger & Öl"}, Subscribed: true, Messages: w.messages(3)},
		{Path: []string{"Projekte", "2009 – Zürich"}, Messages: w.messages(2)},
	}
	switch n % 3 {
	case 0:
		list = append(list, imapd.Folder{Path: []string{"日本語", "受信"}, Subscribed: true, Messages: w.messages(4)})
	case 1:
		list = append(list, imapd.Folder{Path: []string{`Quote"d and \ back`}, Messages: w.messages(2)}, imapd.Folder{Path: []string{"leer"}})
	}
	return list
}

// corrupt returns the message that the target will not take.
func corrupt(p Person) imapd.Message {
	return imapd.Message{
		Body: []byte(crlf("From: scanner@" + SourceDomain + "\nTo: " + p.Mail() + "\nSubject: scan 0042\n" + CorruptMarker +
			"\nMessage-ID: <torn@" + SourceDomain + ">\n\nThe page that held this message was torn.\n")),
		Received: time.Date(2008, 2, 29, 13, 37, 0, 0, time.FixedZone("", 3600)), Flags: []string{`\Seen`},
	}
}

// A writer writes somebody's mail.
type writer struct {
	person Person
	rand   *rand.Rand
	count  int
}

func (w *writer) messages(n int) []imapd.Message {
	list := make([]imapd.Message, n)
	for i := range list {
		list[i] = w.message()
	}
	return list
}

func (w *writer) message() imapd.Message {
	w.count++
	people := People()
	sender := people[w.rand.IntN(len(people))]
	zone := time.FixedZone("", (w.rand.IntN(25)-12)*3600)
	received := time.Date(2004+w.rand.IntN(20), time.Month(1+w.rand.IntN(12)), 1+w.rand.IntN(28), w.rand.IntN(24), w.rand.IntN(60), w.rand.IntN(60), 0, zone)
	return imapd.Message{Body: w.body(sender, received), Received: received, Flags: w.flags()}
}

func (w *writer) flags() []string {
	var flags []string
	for _, f := range []string{`\Seen`, `\Answered`, `\Flagged`, "$Forwarded", "$Label1", "Wichtig"} {
		if w.rand.IntN(4) == 0 || f == `\Seen` && w.rand.IntN(3) > 0 {
			flags = append(flags, f)
		}
	}
	return flags
}

func (w *writer) body(sender Person, received time.Time) []byte {
	var b bytes.Buffer
	subject := w.pick("Quartalszahlen", "Re: offsite", "Ordner \"Zürich\"", "会議の件", "Fwd: invoice", "réunion de lundi")
	fmt.Fprintf(&b, "Received: from mail.%s by mail.%s; %s\n", SourceDomain, SourceDomain, received.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "From: \"%s\" <%s>\nTo: <%s>\nDate: %s\n", strings.ReplaceAll(sender.Name, `"`, ""), sender.Mail(), w.person.Mail(), received.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "Subject: %s %d\nMIME-Version: 1.0\n", subject, w.count)
	if w.rand.IntN(10) > 0 { // some mail has none
		fmt.Fprintf(&b, "Message-ID: <%s.%d@%s>\n", w.person.Alias, w.count, SourceDomain)
	}
	b.WriteString("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
	for range 1 + w.rand.IntN(60) {
		b.WriteString(w.pick("Wir sehen uns am Donnerstag.", "The figures are attached below.", "お世話になっております。", "Merci de confirmer avant vendredi.", "0123456789 0123456789 0123456789 0123456789") + "\n")
	}
	return []byte(crlf(b.String()))
}

func (w *writer) pick(from ...string) string { return from[w.rand.IntN(len(from))] }

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
