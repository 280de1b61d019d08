package real

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// searchTime bounds one run of ldapsearch: Samba may leave a request unanswered.
const searchTime = 30 * time.Second

// An Entry is one object as ldapsearch prints it: values by attribute, binary ones
// decoded; its DN stands under dn.
type Entry map[string][]string

// Search asks the forest with the ldapsearch command, as the administrator, over TLS:
// the whole subtree of base, security descriptors without the SACL. Without attributes
// it returns all user attributes.
func (f Forest) Search(t testing.TB, base, filter string, attributes ...string) []Entry {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(f.Password), 0o600); err != nil {
		t.Fatalf("write the password of ldapsearch: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), searchTime)
	defer cancel()
	args := []string{
		"-x", "-LLL", "-o", "ldif-wrap=no", "-o", "nettimeout=10", "-l", "20", "-H", f.URL, "-D", f.BindDN, "-y", secret,
		"-b", base, "-s", "sub",
		"-E", "!1.2.840.113556.1.4.801=::MAMCAQc=", // owner, group, DACL (MS-ADTS 3.1.1.3.4.1.11)
		"-E", "pr=500/noprompt", filter,
	}
	command := exec.CommandContext(ctx, "ldapsearch", append(args, attributes...)...)
	command.Env = append(os.Environ(), "LDAPTLS_CACERT="+f.CA, "LDAPTLS_REQCERT=demand")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		t.Fatalf("ldapsearch %s %s: %v: %s", base, filter, err, complaint.String())
	}
	entries, err := parseLDIF(string(out))
	if err != nil {
		t.Fatalf("ldapsearch %s %s: %v", base, filter, err)
	}
	return entries
}

// parseLDIF reads RFC 2849 records whose lines are not folded.
func parseLDIF(text string) ([]Entry, error) {
	var entries []Entry
	entry := Entry{}
	for _, line := range append(strings.Split(text, "\n"), "") {
		if line == "" {
			if len(entry["dn"]) > 0 {
				entries = append(entries, entry)
			}
			entry = Entry{}
			continue
		}
		if line[0] == '#' {
			continue
		}
		name, value, err := parseLDIFLine(line)
		if err != nil {
			return nil, err
		}
		entry[name] = append(entry[name], value)
	}
	return entries, nil
}

func parseLDIFLine(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, ":")
	if !found {
		return "", "", fmt.Errorf("read LDIF: no colon in %q", line)
	}
	if encoded, isBase64 := strings.CutPrefix(value, ":"); isBase64 {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			return "", "", fmt.Errorf("read LDIF: %s: %w", name, err)
		}
		return name, string(raw), nil
	}
	return name, strings.TrimPrefix(value, " "), nil
}
