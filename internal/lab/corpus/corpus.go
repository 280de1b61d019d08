// Package corpus makes up mailboxes to measure and to torture a mover with: the same
// ones for the same seed, as uneven in size as people's mail is, and with every folder
// name and header that movers stumble over. Nobody wrote the mail in it.
package corpus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A Config says what to make.
type Config struct {
	Seed      uint64  // the same seed gives the same mail
	Mailboxes int     // how many; each has every folder of Names, unless OneFolder is set
	Messages  int     // in all of them together
	Median    float64 // bytes of a message
	Sigma     float64 // of the natural logarithm of the sizes: how uneven they are
	Largest   int     // bytes of a message at most
	OneFolder bool    // everything lies in one folder, INBOX
}

// People is twenty mailboxes of 14,000 messages and 1 GB.
func People() Config {
	return Config{Seed: 1, Mailboxes: 20, Messages: 14_000, Median: 15_000, Sigma: 1.794, Largest: 25 << 20}
}

// Crowded is one folder of 100,000 small messages, 150 MB.
func Crowded() Config {
	return Config{Seed: 2, Mailboxes: 1, Messages: 100_000, Median: 1_300, Sigma: 0.53, Largest: 20_000, OneFolder: true}
}

// Small is what a test can afford: two mailboxes with 400 messages, 6 MB.
func Small() Config {
	return Config{Seed: 3, Mailboxes: 2, Messages: 400, Median: 4_000, Sigma: 1.5, Largest: 2 << 20}
}

// A Mailbox is what one person has.
type Mailbox struct {
	User    string
	Folders []Folder // parents before children
}

// A Folder holds messages in the order of their arrival.
type Folder struct {
	Path       []string
	Subscribed bool
	Messages   []Message
}

// New makes the mailboxes. Bodies are made when they are asked for.
func New(c Config) []Mailbox {
	random := rand.New(rand.NewPCG(c.Seed, 0))
	mailboxes := make([]Mailbox, c.Mailboxes)
	for i := range mailboxes {
		mailboxes[i] = Mailbox{User: fmt.Sprintf("p%d-%02d", c.Seed, i+1), Folders: c.folders()}
	}
	for i := range c.Messages {
		mailbox := &mailboxes[i%c.Mailboxes]
		folder := &mailbox.Folders[pick(random, len(mailbox.Folders))]
		folder.Messages = append(folder.Messages, c.message(random, i, folder.Messages))
	}
	return mailboxes
}

// Count returns how many messages there are and how many bytes they have.
func Count(mailboxes []Mailbox) (messages int, bytes int64) {
	for _, mailbox := range mailboxes {
		for _, folder := range mailbox.Folders {
			messages += len(folder.Messages)
			for _, m := range folder.Messages {
				bytes += int64(m.Size)
			}
		}
	}
	return messages, bytes
}

func (c Config) folders() []Folder {
	if c.OneFolder {
		return []Folder{{Path: []string{"INBOX"}, Subscribed: true}}
	}
	var folders []Folder
	for i, path := range Names() {
		folders = append(folders, Folder{Path: path, Subscribed: i != unsubscribed})
	}
	return folders
}

// pick gives every second message to INBOX and spreads the rest evenly over all folders
// but the last, which stays empty.
func pick(random *rand.Rand, folders int) int {
	if folders == 1 || random.IntN(2) == 0 {
		return 0
	}
	return random.IntN(folders - 1)
}

// message makes the nth message, which comes behind those before it in its folder.
func (c Config) message(random *rand.Rand, n int, before []Message) Message {
	m := Message{
		seed: random.Uint64(), id: fmt.Sprintf("<%d.%d@alpine.test>", n, c.Seed), kind: plain,
		Size:     int(min(math.Exp(math.Log(c.Median)+c.Sigma*random.NormFloat64()), float64(c.Largest))),
		Received: received(random), Flags: flags(random),
	}
	m.Size = max(m.Size, leastSize)
	switch p := random.Float64(); {
	case p < 0.0125 && len(before) > 0: // two that nothing tells apart
		return before[len(before)-1]
	case p < 0.025 && len(before) > 0: // only the Message-ID is the same
		m.id = before[random.IntN(len(before))].id
	case p < 0.045:
		m.id = ""
	case p < 0.05:
		m.kind, m.Size = headerOnly, leastSize
	case p < 0.06:
		m.kind = rawHeader
	}
	return m
}

// received is a date from 2009 to 2024 in one of 25 zones.
func received(random *rand.Rand) time.Time {
	zone := time.FixedZone("", (random.IntN(25)-12)*3600)
	first := time.Date(2009, 1, 2, 0, 0, 0, 0, zone)
	const span = 16*365*24*3600 - 3*24*3600 // seconds, within the sixteen years
	return first.Add(time.Duration(random.Int64N(span)) * time.Second)
}

var keywords = []string{"$Forwarded", "$MDNSent", "$Label1", "$Label2", "$Label3", "NonJunk", "Junk", "Urlaub", "to-do", "x.2009"}

// flags are those of most mail: seen, and now and then more.
func flags(random *rand.Rand) []string {
	var list []string
	for _, flag := range [...]struct {
		name  string
		share float64
	}{{`\Seen`, 0.8}, {`\Answered`, 0.2}, {`\Flagged`, 0.05}, {`\Draft`, 0.01}} {
		if random.Float64() < flag.share {
			list = append(list, flag.name)
		}
	}
	if random.Float64() < 0.2 {
		list = append(list, keywords[random.IntN(len(keywords))])
	}
	return list
}
