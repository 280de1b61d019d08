package imap

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// unescapeName reads what escapeName wrote.
func unescapeName(name string) (string, error) {
	if name == "=" {
		return "", nil
	}
	var out strings.Builder
	for rest := name; rest != ""; {
		before, after, found := strings.Cut(rest, "=")
		out.WriteString(before)
		if !found {
			break
		}
		if len(after) < 2 {
			return "", fmt.Errorf("unescape %q: =XX cut short", name)
		}
		b, err := hex.DecodeString(after[:2])
		if err != nil {
			return "", fmt.Errorf("unescape %q: %w", name, err)
		}
		out.Write(b)
		rest = after[2:]
	}
	return out.String(), nil
}

func TestEscapeNameCanBeReadBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", " ", "~tilde", "a/b", "50% = half", `q"b\\`, "..", "日本語", "a=2Fb", " lead", "trail ", "\x01"} {
		for _, got := range candidates(name, "/") {
			if strings.Contains(got, "-") {
				continue // cut: carries a hash
			}
			back, err := unescapeName(got)
			if got != name && (err != nil || back != name) {
				t.Errorf("unescape(%q) = %q, %v; want %q", got, back, err, name)
			}
		}
	}
}

// Whatever a folder is called, its first two spellings other than its name are read back,
// and each stands for that name alone.
func FuzzCandidatesCanBeReadBack(f *testing.F) {
	for _, name := range []string{"", "=", "==", "=7Etilde", "~tilde", " ", "  ", ".", "..", "...", "a.b", "🎄", "日本語", "&amp", "\x00", "\u0085", "\uFFFD", "=2Fb"} {
		f.Add(name, "/")
		f.Add(name, ".")
	}
	f.Fuzz(func(t *testing.T, name, delim string) {
		if !utf8.ValidString(name) || len(delim) != 1 || !strings.Contains(`/.\^!:|`, delim) {
			t.Skip("no server has such a name or delimiter")
		}
		mild := escapeName(name, func(r rune) bool { return disliked(r, delim) })
		strict := escapeName(name, func(r rune) bool { return !alphanumeric(r) && r != ' ' && r != '-' && r != '_' })
		for _, spelling := range []string{mild, strict} {
			if back, err := unescapeName(spelling); err != nil || back != name {
				t.Errorf("%q is spelt %q, which reads back as %q, %v", name, spelling, back, err)
			}
			if !slices.Contains(candidates(name, delim), spelling) || strings.Contains(spelling, delim) {
				t.Errorf("%q with delimiter %q: %q is none of %q, or holds the delimiter", name, delim, spelling, candidates(name, delim))
			}
		}
	})
}

func TestCutNamesStayApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 300)
	a, b := cutName(long+"1", long+"1"), cutName(long+"2", long+"2")
	if a == b {
		t.Errorf("both names are cut to %q", a)
	}
	if n := len(encodeUTF7(a)); n > maxName+10 {
		t.Errorf("cut name has %d bytes on the wire, want at most %d", n, maxName+10)
	}
}
