package imaptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/migrate/imap"
)

// moverJob, in the environment, makes the test binary a mover: a process of its own,
// whose memory can be measured and which can be killed. It holds the job as JSON.
const moverJob = "REFOREST_TEST_MOVER"

func TestMain(m *testing.M) {
	if text := os.Getenv(moverJob); text != "" {
		os.Exit(beMover(text))
	}
	os.Exit(m.Run())
}

// A job is what a mover process has to do.
type job struct {
	Store          string // the SQLite file, made where there is none
	Users          []string
	Suffix         string // of the target's user names
	Source, Target side
	Workers        int    // mailboxes at once
	Profile        string // file for a CPU profile; "" is none
	Tell           bool   // print a line whenever a chunk has been written
}

// A side is a server as a mover sees it.
type side struct {
	Address, CAFile, Admin, Password string
	Login                            imap.Login
	Conf                             string // of a Dovecot whose mailboxes are opened here, through a tunnel; "" goes to Address
}

func (s side) mailbox(user string) imap.Config {
	if s.Conf != "" {
		return imap.Config{Tunnel: []string{"doveadm", "-c", s.Conf, "exec", "imap", "-u", imap.MailboxWord}, Mailbox: user}
	}
	return imap.Config{Address: s.Address, CAFile: s.CAFile, Admin: s.Admin, Password: s.Password, Login: s.Login, Mailbox: user}
}

// command starts the test binary again, as a mover.
func (j job) command(ctx context.Context) (*exec.Cmd, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), moverJob+"="+string(text))
	return command, nil
}

// beMover is the mover process.
func beMover(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := j.profiled(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j job) profiled() error {
	if j.Profile == "" {
		return j.move(context.Background())
	}
	f, err := os.Create(j.Profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = j.move(context.Background())
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// move makes one pass over every mailbox, some of them side by side, as the product
// does: one store, one claim and one journal for each, one memory for all.
func (j job) move(ctx context.Context) (err error) {
	debug.SetGCPercent(migrate.TidyPercent)
	memory := migrate.NewMemory(batch.Ahead)
	s, err := store.Open(ctx, store.Config{Path: j.Store})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Plan(ctx, batch.Batch{ID: "b", Name: "b"}, j.moves()); err != nil {
		return err
	}
	claims, err := j.claims(ctx, s)
	if err != nil {
		return err
	}
	queue := make(chan batch.Claim)
	failures := make(chan error)
	var workers sync.WaitGroup
	for range j.Workers {
		workers.Go(func() {
			for claim := range queue {
				failures <- j.one(ctx, claim.Move.Identity, s.Journals(claim).Content, memory)
			}
		})
	}
	go func() {
		for _, claim := range claims {
			queue <- claim
		}
		close(queue)
	}()
	for range claims {
		err = errors.Join(err, <-failures)
	}
	workers.Wait()
	return err
}

func (j job) moves() []batch.Move {
	moves := make([]batch.Move, len(j.Users))
	for i, user := range j.Users {
		moves[i] = batch.Move{ID: batch.MoveID(user), Batch: "b", Seq: i, Identity: user, State: batch.Moving}
	}
	return moves
}

func (j job) claims(ctx context.Context, s *store.Store) ([]batch.Claim, error) {
	want := batch.Want{Run: "r", Batch: "b", Now: time.Now()}
	var claims []batch.Claim
	for range j.Users {
		claim, found, err := s.Claim(ctx, want)
		if err != nil || !found {
			return nil, fmt.Errorf("claim a move: found %t: %w", found, err)
		}
		want.Not = append(want.Not, claim.Move.ID)
		claims = append(claims, claim)
	}
	return claims, nil
}

// one makes a pass over one mailbox. No message may be skipped: all of them can be moved.
func (j job) one(ctx context.Context, user string, journal migrate.Journal, memory *migrate.Memory) error {
	source, err := imap.OpenSource(ctx, j.Source.mailbox(user))
	if err != nil {
		return fmt.Errorf("open the source of %s: %w", user, err)
	}
	defer closing(source)
	target, err := imap.OpenTarget(ctx, j.Target.mailbox(user+j.Suffix))
	if err != nil {
		return fmt.Errorf("open the target of %s: %w", user, err)
	}
	defer closing(target)
	options := migrate.Options{Memory: memory, Follow: true, Delete: true, Progress: j.teller()}
	if _, err := migrate.Copy(ctx, source, target, journal, options); err != nil {
		return fmt.Errorf("copy %s: %w", user, err)
	}
	return nil
}

// teller prints a line for every chunk that a pass over one mailbox has written.
func (j job) teller() func(migrate.Summary) {
	var brought int64
	return func(s migrate.Summary) {
		if j.Tell && s.Brought > brought {
			fmt.Println(s.Brought)
		}
		brought = s.Brought
	}
}

// closing closes what cannot fail to be closed in any way that matters here.
func closing(c io.Closer) { _ = c.Close() }
