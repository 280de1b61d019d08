package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// resolveOpen closes the intents that earlier processes left open, whether the source
// still has their folders or not.
func (p *pass) resolveOpen(ctx context.Context, folders []knownFolder) error {
	var open []Intent
	for i := range folders {
		open = append(open, folders[i].state.Open...)
		folders[i].state.Open = nil
	}
	if ledger, ok := p.journal.(Ledger); ok {
		var err error
		if open, err = ledger.Open(ctx); err != nil {
			return fmt.Errorf("list open intents: %w", err)
		}
	}
	return p.resolve(ctx, FolderState{Open: open})
}

// resolve closes the open intents: what the target holds of them is committed, the rest
// will be found and sent again. They are taken in the order in which they were noted,
// which is that of writing, and each item of the target is counted once. So of items that
// are equal as many are committed as there are, whatever of which intent landed.
func (p *pass) resolve(ctx context.Context, state FolderState) error {
	if len(state.Open) == 0 {
		return nil
	}
	open := slices.SortedFunc(slices.Values(state.Open), func(a, b Intent) int { return cmp.Compare(a.ID, b.ID) })
	others, err := p.others(ctx, open)
	if err != nil {
		return err
	}
	for _, intent := range open {
		if err := sleepUntil(ctx, later(intent.At, p.began).Add(p.Grace)); err != nil {
			return err
		}
		intent.Others = others[intent.Ref]
		done, err := p.landed(ctx, intent)
		if err != nil {
			return fmt.Errorf("find out what landed: %w", err)
		}
		if err := p.commit(ctx, intent, done); err != nil {
			return err
		}
		for _, d := range done {
			others[intent.Ref][d.Ref] = true
		}
	}
	return nil
}

// others returns what is known of the folders of open intents: the items that the ledger
// lists there.
func (p *pass) others(ctx context.Context, open []Intent) (map[Ref]map[ItemRef]bool, error) {
	others := map[Ref]map[ItemRef]bool{}
	for _, intent := range open {
		others[intent.Ref] = map[ItemRef]bool{}
	}
	ledger, ok := p.journal.(Ledger)
	if !ok {
		return others, nil
	}
	for pair, err := range ledger.Pairs(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		if here := others[pair.There.Ref]; here != nil {
			here[pair.There.Item] = true
		}
	}
	return others, nil
}

// landed says what became of an open intent. New flags leave no trace of their own: the
// next survey sees what is still to be done.
func (p *pass) landed(ctx context.Context, intent Intent) ([]Done, error) {
	if intent.Edit && (len(intent.Items) == 0 || intent.Items[0].Was == Place{}) {
		return nil, nil
	}
	done, err := p.target.Landed(ctx, intent)
	if err == nil && intent.Edit {
		done, err = p.finish(ctx, intent, done)
	}
	return done, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
