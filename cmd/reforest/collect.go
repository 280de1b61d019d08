package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"reforest/directory"
	forestfile "reforest/directory/snapshot"
)

// runCollect reads one forest into a file. Of the configuration it needs that side's
// directory alone.
func runCollect(ctx context.Context, env *environment, options *checkOptions, args []string) error {
	side := directory.Side(options.collect)
	if err := options.mayCollect(side, args); err != nil {
		return usage(err)
	}
	needs := needSource
	if side == directory.Target {
		needs = needTarget
	}
	c, err := loadConfigFor(options.config, needs)
	if err != nil {
		return err
	}
	if err := mayReplace(options.out, side); err != nil {
		return usage(err)
	}
	summary, took, err := collect(ctx, env, c, side, options.out)
	if err != nil {
		return err
	}
	return printCollected(env, options, side, summary, took)
}

func (o *checkOptions) mayCollect(side directory.Side, args []string) error {
	switch {
	case side != directory.Source && side != directory.Target:
		return fmt.Errorf("--collect %q: want source or target", o.collect)
	case o.out == "":
		return errors.New("--collect needs the name of a file: --out alpine.forest")
	case len(o.offline) > 0:
		return errors.New("--collect and --offline do not go together: collect both sides first, then judge")
	case len(args) > 0:
		return errors.New("--collect takes no batch file: the whole forest is collected")
	}
	return nil
}

// mayReplace refuses to overwrite anything but an older file of the same side: the other
// side's may have been made by somebody who is not here.
func mayReplace(path string, side directory.Side) error {
	origin, err := forestfile.OriginOf(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s is there already, and is not replaced: %w", path, err)
	case origin.Side != side:
		return fmt.Errorf("%s holds the %s forest, %s; give the %s another name", path, origin.Side, origin.Domain, side)
	}
	return nil
}

func collect(ctx context.Context, env *environment, c *config, side directory.Side, path string) (forestfile.Summary, time.Duration, error) {
	began := time.Now()
	conn := &connection{}
	defer func() { _ = conn.Close() }() // read only: nothing can be lost
	dial, err := dialConfig(env, c, side, c.directory(side))
	if err != nil {
		return forestfile.Summary{}, 0, err
	}
	reader, err := conn.dial(ctx, side, dial)
	if err != nil {
		return forestfile.Summary{}, 0, err
	}
	patience := newPatience(env)
	summary, err := forestfile.Save(ctx, reader, path, forestfile.Config{
		Side: side, Account: dial.BindDN,
		Progress: func(entries int) { patience.say("Collected %d entries of the %s forest.", entries, side) },
	})
	if err != nil {
		return summary, 0, fmt.Errorf("collect the %s forest: %w", side, err)
	}
	return summary, time.Since(began), nil
}

func printCollected(env *environment, options *checkOptions, side directory.Side, summary forestfile.Summary, took time.Duration) error {
	if options.json {
		return json.NewEncoder(env.stdout).Encode(map[string]any{
			"message_type": "collected", "side": side, "domain": summary.Domain, "entries": summary.Entries, "file": options.out,
		})
	}
	_, err := fmt.Fprintf(env.stdout, "Collected %d entries of %s, the %s, to %s in %s. It holds no password, and everybody's name and address: whoever judges the batch needs it, nobody else.\n",
		summary.Entries, summary.Domain, side, options.out, took.Round(time.Second/10))
	return err
}
