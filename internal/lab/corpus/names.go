package corpus

import "strings"

// unsubscribed is the place in Names of the folder that its owner does not subscribe to.
const unsubscribed = 5

// Refused is the folder that `doveadm backup` from IMAP cannot bring a second time.
const Refused = "100% sure"

// Names returns the paths of a mailbox's 26 folders, parents first. The last one is to
// be empty.
func Names() [][]string {
	deep := strings.Split("1/2/3/4/5/6/7/8/9/10", "/")
	return [][]string{
		{"INBOX"},
		{"INBOX", "child"},
		{"Sent"},
		{"Drafts"},
		{"Trash"},
		{"Junk"},
		{"Archive"},
		{"Archive", "2019"},
		{"Archive", "2020", "Q1"},
		{"Projekte", "Ärger & Öl"},
		{"日本語", "受信", "フォルダ"},
		{"Launch 🚀🎉"},
		{" leading space"},
		{"two  spaces"},
		{Refused},
		{`Quote"d`},
		{`back\slash`},
		{"semi;colon"},
		{"{5}"},
		{"[brackets]"},
		{"dots.in.a.name"},
		{strings.Repeat("long name ", 15) + "the length"}, // 160 characters
		deep,
		{"R&D"},
		{"Lists", "~tilde"},
		{"Empty"},
	}
}
