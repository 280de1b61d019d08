package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// A lists is the batch.Lists of one claim.
type lists struct {
	store *Store
	claim batch.Claim
}

type (
	grantsBlob struct {
		Version int         `json:"v"`
		Grants  []grantItem `json:"grants"`
	}
	grantItem struct {
		Who    string `json:"i,omitempty"`
		Octets []byte `json:"o,omitempty"` // in place of Who: what is not UTF-8, JSON would alter
		Rights string `json:"r"`
		Denied bool   `json:"d,omitempty"`
	}
)

// encodeGrants writes the list in one order, whichever the server chose this time.
func encodeGrants(grants []migrate.Grant) (string, error) {
	blob := grantsBlob{Version: format, Grants: []grantItem{}}
	for _, g := range grants {
		item := grantItem{Who: g.Who, Rights: string(g.Rights.Ordered()), Denied: g.Denied}
		if !utf8.ValidString(g.Who) {
			item.Who, item.Octets = "", []byte(g.Who)
		}
		blob.Grants = append(blob.Grants, item)
	}
	slices.SortFunc(blob.Grants, func(a, b grantItem) int {
		return cmp.Or(strings.Compare(a.Who, b.Who), bytes.Compare(a.Octets, b.Octets), strings.Compare(a.Rights, b.Rights))
	})
	text, err := json.Marshal(blob)
	return string(text), err
}

func decodeGrants(text string) ([]migrate.Grant, error) {
	var blob grantsBlob
	if err := decode([]byte(text), &blob, &blob.Version); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	var grants []migrate.Grant
	for _, g := range blob.Grants {
		grants = append(grants, migrate.Grant{Who: g.Who + string(g.Octets), Rights: migrate.Rights(g.Rights), Denied: g.Denied})
	}
	return grants, nil
}

// Keep is batch.Lists'.
func (l *lists) Keep(ctx context.Context, all []batch.FolderList) error {
	return l.store.change(ctx, "keep lists", func(ctx context.Context, t *tx) error {
		if err := fence(ctx, t, l.claim); err != nil {
			return err
		}
		for _, list := range all {
			if err := l.keep(ctx, t, list); err != nil {
				return fmt.Errorf("list of folder %q: %w", list.Folder, err)
			}
		}
		return nil
	})
}

func (l *lists) keep(ctx context.Context, t *tx, list batch.FolderList) error {
	path, err := encodePath(list.Path)
	if err != nil {
		return err
	}
	grants, err := encodeGrants(list.Grants)
	if err != nil {
		return err
	}
	move := string(l.claim.Move.ID)
	var last string
	err = t.row(ctx, `SELECT grants FROM lists WHERE move_id = ? AND side = ? AND folder_id = ? ORDER BY id DESC LIMIT 1`,
		[]any{move, string(list.Side), list.Folder}, &last)
	switch {
	case err == nil && last == grants:
		return nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO lists (move_id, side, folder_id, path, run_id, epoch, at, others, grants) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		move, string(list.Side), list.Folder, path, string(l.claim.Run), l.claim.Move.Epoch, micros(time.Now()), list.Others, grants)
	if err != nil {
		return err
	}
	return t.count(ctx)
}

// Kept is batch.Lists'.
func (l *lists) Kept(ctx context.Context) (kept []batch.KeptList, err error) {
	return l.store.Lists(ctx, l.claim.Move.ID)
}

// Lists returns the lists that the move has kept, oldest first.
func (s *Store) Lists(ctx context.Context, move batch.MoveID) (kept []batch.KeptList, err error) {
	err = s.view(ctx, "read lists", func(v view) error {
		rows, err := v.query(ctx, `SELECT side, folder_id, path, run_id, at, others, grants FROM lists WHERE move_id = ? ORDER BY id`, string(move))
		kept, err = collect(rows, err, scanList)
		return err
	})
	return kept, err
}

// Shared counts who else could use the move's folders at the source, as found last.
func (s *Store) Shared(ctx context.Context, move batch.MoveID) (shared batch.Shared, err error) {
	err = s.view(ctx, "count lists", func(v view) error {
		shared, err = selectShared(ctx, v, move, lastRun)
		return err
	})
	return shared, err
}

// selectShared counts by the last list of each source folder up to the run.
func selectShared(ctx context.Context, v view, move batch.MoveID, run batch.RunID) (s batch.Shared, err error) {
	err = v.row(ctx, `SELECT COUNT(*), COALESCE(SUM(others), 0) FROM lists l WHERE move_id = ? AND side = ? AND others > 0
		AND id = (SELECT MAX(id) FROM lists x WHERE x.move_id = l.move_id AND x.side = l.side AND x.folder_id = l.folder_id
		AND x.run_id <= ?)`, []any{string(move), string(directory.Source), string(run)}, &s.Folders, &s.Entries)
	return s, err
}

func scanList(rows *sql.Rows) (k batch.KeptList, err error) {
	var side, path, grants string
	var at int64
	if err = rows.Scan(&side, &k.Folder, &path, &k.Run, &at, &k.Others, &grants); err != nil {
		return k, err
	}
	k.Side, k.At = directory.Side(side), moment(at)
	if err = json.Unmarshal([]byte(path), &k.Path); err != nil {
		return k, err
	}
	k.Grants, err = decodeGrants(grants)
	return k, err
}
