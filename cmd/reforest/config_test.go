package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// The file that init writes names every key that there is.
func TestTemplateNamesEveryKey(t *testing.T) {
	t.Parallel()
	f := decodeStrict("reforest.yaml", configTemplate, defaultConfig())
	if len(f.list) > 0 {
		t.Fatal(f)
	}
	var keys []string
	collectKeys(reflect.TypeFor[config](), "", &keys)
	for _, key := range keys {
		if _, ok := f.place[key]; !ok {
			t.Errorf("%s is not in the template", key)
		}
	}
}

func collectKeys(t reflect.Type, path string, keys *[]string) {
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("yaml")
		if tag == "" {
			continue
		}
		key := strings.TrimPrefix(path+"."+tag, ".")
		*keys = append(*keys, key)
		if field.Type.Kind() == reflect.Struct {
			collectKeys(field.Type, key, keys)
		}
	}
}

// The template's values are the defaults, but for the canaries: a file that does not name
// them has none, and the one that we write recommends some.
func TestTemplateShowsDefaults(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reforest.yaml")
	if err := os.WriteFile(path, configTemplate, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Switch.Canary, want.Switch.StopAfter = 3, 5
	if got.Store != want.Store || got.Reports != want.Reports {
		t.Errorf("store and reports: %q, %q", got.Store, got.Reports)
	}
	if diff := cmp.Diff([]any{want.Retry, want.Switch, want.Clean, want.Limits}, []any{got.Retry, got.Switch, got.Clean, got.Limits}); diff != "" {
		t.Error(diff)
	}
}

// What is configured of permissions is what the directories are told.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for mode, good := range map[string]bool{"translate": true, "strip": true, "keep": true, "": false, "Keep": false} {
		path := filepath.Join(t.TempDir(), "reforest.yaml")
		text := strings.Replace(string(configTemplate), "permissions: translate", "permissions: \""+mode+"\"", 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(path)
		if good != (err == nil) || err != nil && !strings.Contains(err.Error(), "want translate, strip or keep") {
			t.Errorf("%q: got %v", mode, err)
		}
		if good && string(c.rules().Permissions) != mode {
			t.Errorf("%q: the directories are told %q", mode, c.rules().Permissions)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"00:00:30": 30 * time.Second, "01:02:03": 3723 * time.Second, "100:00:00": 100 * time.Hour} {
		var d duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want || d.String() != text {
			t.Errorf("%s reads as %v, %v", text, d, err)
		}
	}
	for _, bad := range []string{"", "30", "30s", "00:30", "00:60:00", "-1:00:00", "00:00:30:00", "00:00:30x", "00:00: 30 x"} {
		var d duration
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, d)
		}
	}
}

func TestSecretReferences(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, open := filepath.Join(dir, "private"), filepath.Join(dir, "open")
	for path, mode := range map[string]os.FileMode{private: 0o600, open: 0o644} {
		if err := os.WriteFile(path, []byte("geheim\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string { return map[string]string{"PW": "from env"}[name] }
	for ref, want := range map[secretRef]string{"env:PW": "from env", "file:private": "geheim"} {
		if got, err := ref.resolve(dir, getenv); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", ref, string(got), err)
		}
	}
	for ref, want := range map[secretRef]string{"env:NONE": "not set", "file:open": "chmod 600", "file:none": "none"} {
		if _, err := ref.resolve(dir, getenv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", ref, err, want)
		}
	}
	if s := secret("geheim"); strings.Contains(s.LogValue().String()+s.String()+s.GoString(), "geheim") {
		t.Error("a secret prints itself")
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 99_940: "99.9 KB", 99_960: "100 KB", 1_500_000: "1.5 MB", 2e12: "2.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// Every example in the help is a command line that the program takes.
func TestExamplesAreCommands(t *testing.T) {
	t.Parallel()
	root := newRootCommand(&environment{})
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Name() == "exit-codes" {
			continue
		}
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example", cmd.Name())
		}
		for line := range strings.Lines(cmd.Example) {
			words := strings.Fields(line)
			found, rest, err := newRootCommand(&environment{}).Find(words[1:])
			if err != nil || found.Name() != cmd.Name() || words[0] != "reforest" {
				t.Errorf("%q is no %s command: %v", line, cmd.Name(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	if !slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "run" }) {
		t.Error("there is no run command")
	}
}
