package corpus_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/corpus"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config       corpus.Config
		messages     int
		least, most  int64 // bytes in all
		median       [2]int
		aboveEightMB bool
	}{
		"people":  {corpus.People(), 14_000, 900e6, 1100e6, [2]int{14_000, 16_000}, true},
		"crowded": {corpus.Crowded(), 100_000, 140e6, 160e6, [2]int{1_200, 1_400}, false},
		"small":   {corpus.Small(), 400, 3e6, 12e6, [2]int{3_000, 5_000}, false},
	} {
		mailboxes := corpus.New(test.config)
		messages, size := corpus.Count(mailboxes)
		if messages != test.messages || size < test.least || size > test.most {
			t.Errorf("%s: %d messages, %d bytes; want %d and %d to %d", name, messages, size, test.messages, test.least, test.most)
		}
		sizes := sizes(mailboxes)
		if m := sizes[len(sizes)/2]; m < test.median[0] || m > test.median[1] {
			t.Errorf("%s: median %d, want %v", name, m, test.median)
		}
		if largest := sizes[len(sizes)-1]; (largest > 8<<20) != test.aboveEightMB {
			t.Errorf("%s: the largest has %d bytes; want above 8 MB: %v", name, largest, test.aboveEightMB)
		}
	}
}

func sizes(mailboxes []corpus.Mailbox) []int {
	var list []int
	for _, mailbox := range mailboxes {
		for _, folder := range mailbox.Folders {
			for _, m := range folder.Messages {
				list = append(list, m.Size)
			}
		}
	}
	slices.Sort(list)
	return list
}

// What is measured twice has to be the same twice, and what a message says of its size,
// its dates and its line ends has to be so.
func TestTheSameSeedGivesTheSameMail(t *testing.T) {
	t.Parallel()
	first, second := prints(t, corpus.New(corpus.Small())), prints(t, corpus.New(corpus.Small()))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("made twice (-first +second):\n%s", diff)
	}
	other := corpus.Small()
	other.Seed++
	if cmp.Equal(first, prints(t, corpus.New(other))) {
		t.Error("another seed makes the same mail")
	}
	if unique := len(slices.Compact(slices.Sorted(slices.Values(first)))); unique == len(first) || unique < len(first)*9/10 {
		t.Errorf("%d of %d messages differ: want a few twins", unique, len(first))
	}
}

func prints(t *testing.T, mailboxes []corpus.Mailbox) []string {
	t.Helper()
	var list []string
	var body []byte
	for _, mailbox := range mailboxes {
		for _, folder := range mailbox.Folders {
			for _, m := range folder.Messages {
				body = m.Append(body[:0])
				check(t, m, body)
				list = append(list, fmt.Sprintf("%s %q %s %v %x", mailbox.User, folder.Path, m.Received, m.Flags, sha256.Sum256(body)))
			}
		}
	}
	return list
}

func check(t *testing.T, m corpus.Message, body []byte) {
	t.Helper()
	if len(body) != m.Size {
		t.Errorf("%d bytes, want %d", len(body), m.Size)
	}
	bare := bytes.ReplaceAll(body, []byte("\r\n"), nil)
	if bytes.ContainsAny(bare, "\r\n") || !bytes.HasSuffix(body, []byte("\r\n")) {
		t.Errorf("bare line ends, or no last one: %q", body[max(0, len(body)-40):])
	}
	if year := m.Received.UTC().Year(); year < 2009 || year > 2024 {
		t.Errorf("received %s", m.Received.Format(time.RFC3339))
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	names := corpus.Names()
	if len(names) != 26 {
		t.Errorf("%d folders, want 26", len(names))
	}
	mailboxes := corpus.New(corpus.Small())
	last := mailboxes[0].Folders[len(names)-1]
	if len(last.Messages) != 0 {
		t.Errorf("%q holds %d messages, want none", last.Path, len(last.Messages))
	}
}
