package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// configTemplate is the commented configuration; a test keeps it and the config
// struct in step.
//
//go:embed reforest.yaml
var configTemplate []byte

func newInitCommand(env *environment, options *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a commented reforest.yaml",
		Long: `Write a commented configuration file. A file that is there already is left alone.

EXIT STATUS
  0 written; 10 the file exists already; 1 it could not be written`,
		Example: "  reforest init --config reforest.yaml",
		Args:    exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return writeTemplate(env, options.config)
		},
	}
}

func writeTemplate(env *environment, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage(fmt.Errorf("%s exists already; give another name with --config", path))
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = file.Write(configTemplate)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path) // half a configuration is worse than none
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = fmt.Fprintf(env.stderr, "Wrote %s. Fill it in, then: reforest check --config %s\n", path, path)
	return err
}
