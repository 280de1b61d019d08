package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/imapd"
	"reforest/reports"
)

// The files of a rehearsal.
const (
	demoMarker = ".reforest-demo" // says that the directory is ours to replace
	demoConfig = "reforest.yaml"
	demoBatch  = "tonight.csv"
)

type demoOptions struct {
	*globalOptions
	dir string
}

func newDemoCommand(env *environment, global *globalOptions) *cobra.Command {
	options := &demoOptions{globalOptions: global}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Rehearse a whole batch on two forests inside this process",
		Long: `Rehearse a whole batch: two forests and two mail servers start inside this process, 25
mailboxes move from one to the other, and everything stops again. One message is torn
and one server is too busy for a moment, so that you see what becomes of them. It needs
nothing but this program, and leaves configuration, store and reports to look at.

EXIT STATUS
  0 the rehearsal ended as scripted; 10 the directory is somebody else's;
  130 interrupted; 1 any other error`,
		Example: "  reforest demo --dir reforest-demo",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), env, options)
		},
	}
	cmd.Flags().StringVar(&options.dir, "dir", "reforest-demo", "`directory` to leave the rehearsal's files in; an earlier rehearsal's is replaced")
	return cmd
}

func runDemo(ctx context.Context, env *environment, options *demoOptions) (err error) {
	if err := freshDir(options.dir); err != nil {
		return err
	}
	world, err := lab.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	path, err := writeDemo(options.dir, world)
	if err != nil {
		return fmt.Errorf("prepare the rehearsal: %w", err)
	}
	env.say("Two forests, %s and %s, are up with %d mailboxes; moving them.", lab.SourceDomain, lab.TargetDomain, len(lab.People()))
	global := &globalOptions{config: path, json: options.json}
	err = runRun(ctx, env, &runOptions{globalOptions: global, kind: batch.RunWhole, yes: true}, filepath.Join(options.dir, demoBatch))
	if err != nil && !errors.Is(err, errNeedsPerson) {
		return err
	}
	c, err := loadConfig(path)
	if err != nil {
		return err
	}
	if err := asScripted(ctx, c); err != nil {
		return fmt.Errorf("the rehearsal did not end as scripted: %w", err)
	}
	if err := asShared(world); err != nil {
		return fmt.Errorf("the rehearsal did not end as scripted: %w", err)
	}
	return tryNext(env, options)
}

// freshDir makes an empty directory, in place of an earlier rehearsal's if need be.
func freshDir(dir string) error {
	_, err := os.Stat(dir)
	if err == nil {
		if _, err := os.Stat(filepath.Join(dir, demoMarker)); err != nil {
			return usage(fmt.Errorf("%s exists and is not an earlier rehearsal's; give another name with --dir", dir))
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the earlier rehearsal: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the rehearsal's directory: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, demoMarker), []byte("reforest demo may replace this directory\n"), 0o600)
}

// writeDemo writes configuration, batch file, passwords and the CA's certificate, and
// returns the configuration's path.
func writeDemo(dir string, world *lab.World) (string, error) {
	if err := world.Authority.WriteFile(filepath.Join(dir, "ca.pem")); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(demoConfiguration(world))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, demoConfig)
	for name, content := range map[string]string{
		demoConfig:        "# The rehearsal's. Its servers end with it; the store and the reports stay.\n" + string(text),
		demoBatch:         demoRows(),
		"source.password": world.Source.Password + "\n",
		"target.password": world.Target.Password + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return path, nil
}

func demoConfiguration(world *lab.World) *config {
	c := defaultConfig()
	directoryOf := func(side lab.Side, password secretRef) directoryConfig {
		return directoryConfig{URL: side.Directory.URL(), CA: "ca.pem", Bind: string(side.Directory.AdminDN()), Password: password}
	}
	mailOf := func(side lab.Side, password secretRef) mailConfig {
		return mailConfig{IMAP: side.Mail.Addr(), CA: "ca.pem", Admin: lab.MailAdmin, Password: password, Login: "master", Separator: "*", Mailbox: "mail"}
	}
	const sourcePassword, targetPassword = secretRef("file:source.password"), secretRef("file:target.password")
	c.Source = sourceConfig{
		Directory: directoryOf(world.Source, sourcePassword), Mail: mailOf(world.Source, sourcePassword), Domain: lab.SourceDomain,
	}
	c.Target = targetConfig{
		Directory: directoryOf(world.Target, targetPassword), Mail: mailOf(world.Target, targetPassword), Domain: lab.TargetDomain,
		OU: string(world.TargetOU), LegacyDN: lab.LegacyPrefix, Database: lab.TargetDatabase,
	}
	c.Match.Adopt = directory.DefaultMatch()
	c.Retry.Interval = duration(2 * time.Second)
	c.Switch.Drain = duration(time.Second)
	return c
}

func demoRows() string {
	var rows strings.Builder
	rows.WriteString("EmailAddress,TargetDatabase\n")
	for _, p := range lab.People() {
		fmt.Fprintf(&rows, "%s,%s\n", p.Mail(), lab.TargetDatabase)
	}
	return rows.String()
}

// asShared checks that the delegate can open the folder in its new place, by a name of the
// target, and that nobody else can.
func asShared(world *lab.World) error {
	owner, delegate := lab.People()[0].Mail(), lab.Delegate().Mail()
	for _, f := range world.Target.Mail.Snapshot(owner) {
		if !slices.Equal(f.Path, lab.SharedFolder()) {
			continue
		}
		if want := []imapd.Grant{{Who: delegate, Rights: "lrs"}}; !slices.Equal(f.Grants, want) {
			return fmt.Errorf("folder %q of %s is open to %v, want %v", f.Path, owner, f.Grants, want)
		}
		return nil
	}
	return fmt.Errorf("%s has no folder %q at the target", owner, lab.SharedFolder())
}

// asScripted checks that everything has ended as the rehearsal's script has it.
func asScripted(ctx context.Context, c *config) error {
	st, err := store.OpenReadOnly(ctx, store.Config{Path: c.storePath()})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // read only: nothing can be lost
	moves, err := movesOf(ctx, st, batch.Query{})
	if err != nil {
		return err
	}
	if len(moves) != len(lab.People()) {
		return fmt.Errorf("%d mailboxes are on record, want %d", len(moves), len(lab.People()))
	}
	for _, move := range moves {
		want := batch.Moved
		if string(move.Mail) == lab.Torn().Mail() {
			want = batch.MovedWithSkips
		}
		if move.State != want {
			return fmt.Errorf("%s is %s, want %s: %s", nameOf(move), move.State, want, move.Reason)
		}
	}
	return scriptedTroubles(ctx, st)
}

// scriptedTroubles looks for the torn message and the busy server in the report.
func scriptedTroubles(ctx context.Context, st *store.Store) error {
	runs, err := st.Runs(ctx, batch.ID(batchName(demoBatch)))
	if err != nil {
		return err
	}
	if len(runs) != 1 {
		return fmt.Errorf("%d runs are on record, want 1", len(runs))
	}
	report, err := reports.Build(ctx, st, runs[0].ID)
	if err != nil {
		return err
	}
	waited := false
	for _, move := range report.Moves {
		for _, w := range move.Waits {
			waited = waited || move.Mail == lab.PushedBack().Mail() && strings.Contains(w.Reason, "come back later")
		}
	}
	switch {
	case report.Totals.Skips != 1:
		return fmt.Errorf("%d items were skipped, want the torn one alone", report.Totals.Skips)
	case !waited:
		return fmt.Errorf("%s did not have to wait for the busy server", lab.PushedBack().Name)
	}
	return nil
}

// tryNext says what there is to look at.
func tryNext(env *environment, options *demoOptions) error {
	if options.json {
		return nil
	}
	config := filepath.Join(options.dir, demoConfig)
	_, err := fmt.Fprintf(env.stdout, `
The rehearsal ended as scripted: one torn message was skipped and listed, and %[1]s had
to wait for a busy server. Its servers are gone; try next:

  %[2]s status %[3]s --config %[4]s
  %[2]s report --format csv --config %[4]s
  %[2]s init
`, lab.PushedBack().Name, programName(), lab.Torn().Mail(), config)
	return err
}

// programName is what to type to start this program once more: "go run" keeps it in a
// place that is gone afterwards.
func programName() string {
	path, err := os.Executable()
	if err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/reforest"
	}
	return "reforest"
}
