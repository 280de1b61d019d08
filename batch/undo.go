package batch

import (
	"cmp"
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
	s.gate()
	people, touched, err := staged(ctx, jobs, choose)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.writers())
	for _, person := range inOrder(people) {
		if ctx.Err() != nil || s.stopping() {
			break
		}
		changes := people[person]
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

// inOrder returns the persons with most to take back first, and then the last one first.
// Large groups are thereby gone before their members: a server that deletes an object
// looks through every list that it is in.
func inOrder(people map[migrate.GUID][]directory.Change) []migrate.GUID {
	size := make(map[migrate.GUID]int, len(people))
	for person, changes := range people {
		for _, change := range changes {
			for _, mod := range change.Mods {
				size[person] += len(mod.Values)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(people), func(a, b migrate.GUID) int {
		return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(people[b][0].ID, people[a][0].ID))
	})
}

// undoTries is how often a person is planned anew. Links go with the object that they
// lead to, which may be deleted for another person at the same time.
const undoTries = 3

func (s *Stager) undoOne(ctx context.Context, jobs Jobs, done *Undone, changes []directory.Change, touched directory.Touched) (err error) {
	for range undoTries {
		done.Plan, err = s.Directories.PlanUndo(ctx, changes, touched)
		if err != nil || len(done.Plan.Forbidden()) > 0 {
			return err
		}
		if done.Err, err = s.patiently(ctx, done.Plan); err != nil {
			return fmt.Errorf("take back what was staged: %w", err)
		}
		if e := migrate.AsError(done.Err); e == nil || e.Retry != migrate.Now {
			break
		}
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
	for _, person := range inOrder(people) {
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
