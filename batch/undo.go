package batch

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"reforest/directory"
	"reforest/migrate"
)

// Undo takes back what staging changed for the persons that choose says yes to. What
// cannot be taken back without undoing somebody else's work is told to Notify, in
// findings, and left as it is.
func (s *Stager) Undo(ctx context.Context, jobs Jobs, choose func(migrate.GUID) bool, notify func(Undone)) error {
	if err := s.Directories.Resume(ctx, s.Journal); err != nil {
		return fmt.Errorf("look at what an earlier run left open: %w", err)
	}
	people, touched, err := staged(ctx, jobs, choose)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.writers())
	for person, changes := range people {
		if ctx.Err() != nil || s.stopping() {
			break
		}
		group.Go(func() error {
			done := Undone{Person: person}
			err := s.undoOne(ctx, jobs, &done, changes, touched)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err == nil {
				notify(done)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if s.stopping() {
		return errStopping
	}
	return nil
}

// An Undone is what taking back one person's staging came to.
type Undone struct {
	Person migrate.GUID // objectGUID of the source object
	Plan   directory.Plan
	Err    error // why it was not taken back, or not wholly
}

// staged collects the changes of those who are chosen, by person, the newest first, and
// everything that staging changed.
func staged(ctx context.Context, jobs Jobs, choose func(migrate.GUID) bool) (map[migrate.GUID][]directory.Change, directory.Touched, error) {
	people, touched := map[migrate.GUID][]directory.Change{}, directory.Touched{}
	for change, err := range jobs.Staged(ctx) {
		if err != nil {
			return nil, touched, err
		}
		touched.Note(change)
		if choose(change.Person) {
			people[change.Person] = append(people[change.Person], change)
		}
	}
	return people, touched, nil
}

func (s *Stager) undoOne(ctx context.Context, jobs Jobs, done *Undone, changes []directory.Change, touched directory.Touched) error {
	plan, err := s.Directories.PlanUndo(ctx, changes, touched)
	if err != nil {
		return err
	}
	done.Plan = plan
	if len(plan.Forbidden()) > 0 {
		return nil
	}
	if done.Err, err = s.patiently(ctx, plan); err != nil {
		return fmt.Errorf("take back what was staged: %w", err)
	}
	if done.Err == nil {
		err = jobs.Undone(ctx, done.Person, idsOf(changes))
	}
	return err
}

func idsOf(changes []directory.Change) []int64 {
	var ids []int64
	for _, change := range changes {
		ids = append(ids, change.ID)
	}
	return ids
}

// PlanUndo plans what Undo would take back, person by person, and changes nothing.
func PlanUndo(ctx context.Context, directories *directory.Directories, jobs Jobs, choose func(migrate.GUID) bool, each func(Undone) error) error {
	people, touched, err := staged(ctx, jobs, choose)
	if err != nil {
		return err
	}
	byGUID := func(a, b migrate.GUID) int { return bytes.Compare(a[:], b[:]) }
	for _, person := range slices.SortedFunc(maps.Keys(people), byGUID) {
		plan, err := directories.PlanUndo(ctx, people[person], touched)
		if err != nil {
			return err
		}
		if err := each(Undone{Person: person, Plan: plan}); err != nil {
			return err
		}
	}
	return nil
}
