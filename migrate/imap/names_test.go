package imap

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
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
