package directory

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"reforest/migrate"
)

// FuzzWithPrimary: whatever strangers stored, there is at most one primary address
// afterwards, no value twice, and nothing lost.
func FuzzWithPrimary(f *testing.F) {
	f.Add("SMTP:a@x\nSMTP:b@x\nsmtp:A@X\nSIP:a\nX500:/o=a\nx500:/O=A", "a@x")
	f.Add("smtp:\n:\n\nSMTP:", "")
	f.Add("X400:c=DE;s=a:b;\nSMTP:K@x\nsmtp:\u212a@x", "k@x")
	f.Fuzz(func(t *testing.T, text, primary string) {
		stored := Proxies(strings.Split(text, "\n"))
		got := stored.withPrimary(migrate.SMTPAddress(primary))
		if n := len(got.primaries()); n > 1 {
			t.Errorf("%d primary addresses in %q", n, got)
		}
		for i, value := range got {
			if got[:i].has(value) {
				t.Errorf("%q is there twice", value)
			}
		}
		for _, value := range stored {
			if !got.has(value) {
				t.Errorf("%q is lost", value)
			}
		}
		if again := got.withPrimary(migrate.SMTPAddress(primary)); !slices.Equal(got, again) {
			t.Errorf("got %q, and then %q", got, again)
		}
	})
}

// FuzzCut: a name is never longer than allowed, and never cut within a character.
func FuzzCut(f *testing.F) {
	f.Add("Müller 😀😀", 8)
	f.Add("a. . ", 3)
	f.Fuzz(func(t *testing.T, name string, limit int) {
		limit = limit&63 + 1
		got := cut(name, limit)
		if !strings.HasPrefix(name, got) {
			t.Errorf("%q does not begin with %q", name, got)
		}
		if n := len(utf16.Encode([]rune(got))); n > limit {
			t.Errorf("%q has %d units, more than %d", got, n, limit)
		}
		if got != strings.TrimRight(got, " .") {
			t.Errorf("%q ends in a space or period", got)
		}
	})
}
