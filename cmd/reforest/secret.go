package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A secretRef says where a secret is kept: env:NAME or file:PATH. It is not the
// secret.
type secretRef string

// errNotReference does not repeat the text: it may be the password itself.
var errNotReference = errors.New("a secret is given by reference: env:NAME or file:PATH")

// UnmarshalText accepts references only, so that no secret stands in the file.
func (r *secretRef) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*r = "" // none; where one is needed, the check says so
		return nil
	}
	kind, name, ok := strings.Cut(s, ":")
	if !ok || name == "" || kind != "env" && kind != "file" {
		return errNotReference
	}
	*r = secretRef(s)
	return nil
}

// A secret is a password in memory. It prints as [redacted].
type secret string

// LogValue keeps the secret out of logs.
func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

func (secret) String() string { return "[redacted]" }

// GoString keeps the secret out of %#v.
func (secret) GoString() string { return "[redacted]" }

// resolve fetches the secret. dir is what a relative path is relative to.
func (r secretRef) resolve(dir string, getenv func(string) string) (secret, error) {
	kind, name, _ := strings.Cut(string(r), ":")
	if kind == "env" {
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("environment variable %s is empty or not set", name)
		}
		return secret(value), nil
	}
	path := within(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode()&0o077&fs.ModePerm != 0 {
		return "", fmt.Errorf("%s may be read by others (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	value, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	trimmed := strings.TrimRight(string(value), "\r\n")
	if trimmed == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret(trimmed), nil
}

// A namedSecret is a secret with the key that it stands under.
type namedSecret struct {
	key string
	ref secretRef
}

// checkSecrets says of every secret at once why it cannot be fetched.
func (c *config) checkSecrets(getenv func(string) string) error {
	var missing []string
	secrets := append([]namedSecret{{"source.directory.password", c.Source.Directory.Password}}, c.Source.Mail.secrets("source.mail")...)
	secrets = append(secrets, namedSecret{"target.directory.password", c.Target.Directory.Password})
	secrets = append(secrets, c.Target.Mail.secrets("target.mail")...)
	for _, s := range secrets {
		if _, err := s.ref.resolve(c.dir(), getenv); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", s.key, err))
		}
	}
	if len(missing) > 0 {
		return usage(errors.New(strings.Join(missing, "\n")))
	}
	return nil
}

// within returns path, relative to dir unless it is absolute.
func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
