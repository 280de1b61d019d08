// Command reforest moves mailboxes from one Active Directory forest to another.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// An environment is all that commands have to do with the world around them.
type environment struct {
	stdin     io.Reader
	stdout    io.Writer // results
	stderr    io.Writer // talk
	getenv    func(string) string
	terminal  bool            // stdin and stderr are a terminal somebody sits at
	interrupt <-chan struct{} // closed by the first Ctrl-C while working: finish the item, save, stop
	working   atomic.Bool     // there is something to finish and save
}

// width returns how many columns the terminal has.
func (e *environment) width() int {
	if file, ok := e.stderr.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			return columns
		}
	}
	return 80
}

// say talks to whoever runs the program. Talk that nobody can hear stops nothing.
func (e *environment) say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.stderr, format+"\n", args...)
}

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	env := &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) &&
			os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "",
	}
	env.interrupt = interrupts(cancel, &env.working)
	os.Exit(execute(ctx, env, os.Args[1:]))
}

// interrupts turns signals into a stop in three stages: the first closes the channel,
// the second ends the context, the third ends the process. Where nothing is being
// worked on yet the first ends the context at once.
func interrupts(cancel context.CancelCauseFunc, working *atomic.Bool) <-chan struct{} {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first := make(chan struct{})
	go func() {
		<-signals
		if !working.Load() {
			cancel(errInterrupted)
			<-signals
			os.Exit(exitInterrupted)
		}
		fmt.Fprintln(os.Stderr, "\nStopping after the item in hand; everything is saved. Once more: stop at once.")
		close(first)
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(exitInterrupted)
	}()
	return first
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, env *environment, args []string) int {
	root := newRootCommand(env) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := codeOf(err)
	if err != nil {
		printError(env, root, code, err)
	}
	return code
}

// printError says what went wrong: in words, or as an object where --json was asked.
func printError(env *environment, root *cobra.Command, code int, err error) {
	if asJSON, flagErr := root.PersistentFlags().GetBool("json"); flagErr == nil && asJSON {
		_ = json.NewEncoder(env.stderr).Encode(exitLine(code, err))
		return
	}
	if code == exitInterrupted {
		env.say("Interrupted; run the same command again to go on.")
		return
	}
	env.say("reforest: %s", explain(err))
}

// exitLine is an error as --json prints it.
func exitLine(code int, err error) map[string]any {
	if code == exitInterrupted {
		err = errInterrupted // whatever it broke off
	}
	line := map[string]any{"message_type": "exit_error", "code": code, "message": err.Error()}
	if e := asError(err); e != nil && e.Hint != "" {
		line["hint"] = e.Hint
	}
	return line
}

// explain adds the hint of the adapter, if it has one.
func explain(err error) string {
	text := err.Error()
	if e := asError(err); e != nil && e.Hint != "" && !strings.Contains(text, e.Hint) {
		text += "\n  " + e.Hint
	}
	return text
}

func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "reforest",
		Short: "Move mailboxes from one Active Directory forest to another",
		Long: `reforest moves mailboxes from one Active Directory forest to another, in nightly
batches, and can tell anyone where any mailbox is.

Begin with a rehearsal on two forests inside this process; it needs nothing else:

  reforest demo`,
		Version:       version + " " + commit(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("there is no command %q; reforest help lists them", args[0]))
			}
			return cmd.Help()
		},
	}
	options := &globalOptions{}
	root.PersistentFlags().StringVarP(&options.config, "config", "c", "reforest.yaml", "configuration `file`")
	root.PersistentFlags().BoolVar(&options.json, "json", false, "write results as JSON objects, one a line")
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newDemoCommand(env, options), newInitCommand(env, options), newCheckCommand(env, options),
		newStageCommand(env, options), newCleanCommand(env, options), newVerifyCommand(env, options),
		newRunCommand(env, options), newSyncCommand(env, options), newSwitchCommand(env, options), newRollbackCommand(env, options),
		newStatusCommand(env, options), newReportCommand(env, options), newJournalCommand(env, options),
		newVersionCommand(env, options), newExitCodesTopic(),
	)
	return root
}

// globalOptions are the flags that every command has.
type globalOptions struct {
	config string
	json   bool
}

// exactly checks the number of arguments and says what is missing in words.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return usage(fmt.Errorf("%s takes %s; see: reforest %s --help", cmd.Name(), what, cmd.Name()))
	}
}

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `0    done
1    error
3    finished, but some mailboxes or items need a person
4    preflight forbids it, nothing was changed
10   usage or configuration
11   locked by another run
12   a server refused the credentials
130  interrupted; run the same command again to go on

Any other code is a failure too.`,
	}
}
