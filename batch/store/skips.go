package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// storeSkips notes the skips of a chunk and closes those whose item has been
// written after all. It returns by how much the number of standing skips changed.
func (c *content) storeSkips(ctx context.Context, t *tx, folder migrate.FolderID, done []migrate.Done) (int64, error) {
	var standing int64
	err := t.row(ctx, `SELECT COUNT(*) FROM skips WHERE move_id = ? AND way = ? AND folder_id = ? AND mended_at = 0`,
		[]any{c.move(), string(c.way), string(folder)}, &standing)
	if err != nil {
		return 0, err
	}
	var change int64
	for _, d := range done {
		switch {
		case d.Skip != nil:
			n, err := c.noteSkip(ctx, t, folder, d)
			if err != nil {
				return 0, err
			}
			change += n
		case standing > 0:
			n, err := t.affected(ctx, `UPDATE skips SET mended_at = ?, mended_run = ?
				WHERE move_id = ? AND way = ? AND folder_id = ? AND item_id = ? AND mended_at = 0`,
				micros(time.Now()), string(c.claim.Run), c.move(), string(c.way), string(folder), string(d.Item))
			if err != nil {
				return 0, err
			}
			change -= n
		}
	}
	return change, nil
}

// noteSkip returns 1, or 0 if the skip is noted already.
func (c *content) noteSkip(ctx context.Context, t *tx, folder migrate.FolderID, d migrate.Done) (int64, error) {
	path, err := encodePath(d.Skip.Folder)
	if err != nil {
		return 0, err
	}
	return t.affected(ctx, `INSERT INTO skips (move_id, way, folder_id, item_id, run_id, at, path, received,
		received_zone, size, kind, reason, mended_run, mended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)
		ON CONFLICT (move_id, way, folder_id, item_id) WHERE mended_at = 0 DO NOTHING`,
		c.move(), string(c.way), string(folder), string(d.Item), string(c.claim.Run), micros(time.Now()), path,
		micros(d.Skip.Received), zone(d.Skip.Received), d.Skip.Size, d.Skip.Kind, d.Skip.Reason)
}

// zone returns the time's offset in seconds east of UTC.
func zone(at time.Time) int {
	_, offset := at.Zone()
	return offset
}

// selectSkips returns the move's skips in one direction that were standing when the run
// ended.
func selectSkips(ctx context.Context, v view, move batch.MoveID, w way, run batch.RunID) ([]batch.SkipRecord, error) {
	rows, err := v.query(ctx, `SELECT run_id, at, path, item_id, received, received_zone, size, kind, reason
		FROM skips WHERE move_id = ? AND way = ? AND run_id <= ? AND (mended_at = 0 OR mended_run > ?) ORDER BY id`,
		string(move), string(w), string(run), string(run))
	return collect(rows, err, func(rows *sql.Rows) (r batch.SkipRecord, err error) {
		var at, received int64
		var offset int
		var path string
		err = rows.Scan(&r.Run, &at, &path, &r.Skip.Item, &received, &offset, &r.Skip.Size, &r.Skip.Kind, &r.Skip.Reason)
		if err != nil {
			return r, err
		}
		r.At = moment(at)
		if received != 0 {
			r.Skip.Received = time.UnixMicro(received).In(time.FixedZone("", offset))
		}
		return r, json.Unmarshal([]byte(path), &r.Skip.Folder)
	})
}
