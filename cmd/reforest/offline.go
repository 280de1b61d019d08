package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"reforest/batch/store"
	"reforest/directory"
	forestfile "reforest/directory/snapshot"
	"reforest/migrate"
)

// staleAfter is how old a file may be before what it says is doubted.
const staleAfter = 7 * 24 * time.Hour

// runOffline judges both forests, and a batch if one is named, from two files. Of the
// configuration it needs what joins the two sides alone.
func runOffline(ctx context.Context, env *environment, options *checkOptions, args []string) error {
	c, err := loadConfigFor(options.config, needRules)
	if err != nil {
		return err
	}
	b, err := batchOf(c, args)
	if err != nil {
		return err
	}
	forests, files, err := openForests(ctx, env, c, options.offline)
	if err != nil {
		return err
	}
	return withRecord(ctx, c, &b, func(st *store.Store) error {
		p := &preflight{patience: newPatience(env), findings: provenance(files, time.Now())}
		if err := p.directories(ctx, forests, st, b.moves); err != nil {
			return err
		}
		if err := p.sweep(ctx, forests, nil, options.all, len(args) == 1); err != nil {
			return err
		}
		asked := ask(env, c, p.looked, p.open)
		return errors.Join(printCheck(env, options.globalOptions, p, len(b.moves)), asked)
	})
}

// openForests opens the files of the two sides, in whatever order they are named.
func openForests(ctx context.Context, env *environment, c *config, paths []string) (*directory.Directories, map[directory.Side]forestfile.Origin, error) {
	rules, err := c.decidedRules()
	if err != nil {
		return nil, nil, err
	}
	d := &directory.Directories{Rules: rules}
	files := map[directory.Side]forestfile.Origin{}
	if len(paths) != 2 {
		return nil, nil, usage(fmt.Errorf("--offline takes two files, one of each side: --offline alpine.forest,fabrikam.forest; there are %d", len(paths)))
	}
	for _, path := range paths {
		forest, origin, err := openForest(ctx, env, path)
		if err != nil {
			return nil, nil, err
		}
		if other, twice := files[origin.Side]; twice {
			return nil, nil, usage(fmt.Errorf("%s and %s both hold a %s forest; one of each side is needed", other.Path, path, origin.Side))
		}
		files[origin.Side] = origin
		if origin.Side == directory.Source {
			d.Source = forest
		} else {
			d.Target = forest
		}
	}
	if d.Source.Info.ConfigNC.Equal(d.Target.Info.ConfigNC) {
		return nil, nil, usage(fmt.Errorf("%s and %s hold the same forest, %s", paths[0], paths[1], files[directory.Source].Domain))
	}
	return d, files, nil
}

// largeFile is from where on reading a file takes a while.
const largeFile = 2_000_000

func openForest(ctx context.Context, env *environment, path string) (directory.Forest, forestfile.Origin, error) {
	if info, err := os.Stat(path); err == nil && info.Size() >= largeFile {
		env.say("Reading %s, %s.", path, size(info.Size()))
	}
	reader, err := forestfile.Open(path)
	if err != nil {
		return directory.Forest{}, forestfile.Origin{}, usage(err)
	}
	origin := reader.Origin()
	info, err := directory.Survey(ctx, reader)
	if err != nil {
		return directory.Forest{}, origin, fmt.Errorf("survey %s: %w", path, err)
	}
	return directory.Forest{Side: origin.Side, Reader: reader, Info: info, Account: origin.Account}, origin, nil
}

// provenance says what a judgement from files rests on, and what it leaves out.
func provenance(files map[directory.Side]forestfile.Origin, now time.Time) []migrate.Finding {
	source, target := files[directory.Source], files[directory.Target]
	findings := []migrate.Finding{
		{
			Rule: "check.offline", Severity: migrate.Note, Whom: "both forests",
			What: fmt.Sprintf("Judged from files: %s; %s. Rights are those of these accounts; what they may write of people was not collected.", asOf(source), asOf(target)),
		},
		{
			Rule: "mail.untried", Severity: migrate.Note, Whom: "both mail servers",
			What: "The mail servers were not tried, because the forests were judged from files.",
			Mend: "Check the batch once more where they can be reached.",
		},
	}
	for _, origin := range []forestfile.Origin{source, target} {
		if age := now.Sub(origin.At); age > staleAfter {
			findings = append(findings, stale(origin, age))
		}
	}
	return findings
}

func asOf(origin forestfile.Origin) string {
	return fmt.Sprintf("the %s (%s) as of %s, seen by %s", origin.Side, origin.Domain, origin.At.UTC().Format("2006-01-02 15:04 UTC"), origin.Account)
}

func stale(origin forestfile.Origin, age time.Duration) migrate.Finding {
	return migrate.Finding{
		Rule: "check.stale", Severity: migrate.Warn, Whom: string(origin.Side),
		What: fmt.Sprintf("%s is %d days old; what has changed in the forest since is not judged.", origin.Path, int(age.Hours()/24)),
		Mend: fmt.Sprintf("Collect it again: reforest check --collect %s --out %s", origin.Side, origin.Path),
	}
}
