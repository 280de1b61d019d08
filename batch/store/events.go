package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// A finding is how migrate.Finding is stored. Its names are the store's format.
type finding struct {
	Rule     string `json:"rule"`
	Severity int    `json:"severity"`
	Whom     string `json:"whom,omitempty"`
	What     string `json:"what,omitempty"`
	Mend     string `json:"mend,omitempty"`
}

func insertEvent(ctx context.Context, t *tx, claim batch.Claim, e batch.Event) error {
	if e.Move != "" && e.Move != claim.Move.ID {
		return refuse("append event: it is of move %q, the claim is on move %q", e.Move, claim.Move.ID)
	}
	if e.Run == "" {
		e.Run = claim.Run
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	noticed, err := encodeFinding(e.Finding)
	if err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	e.Move = claim.Move.ID
	_, err = t.exec(ctx, insertEventRow, eventValues(e, noticed)...)
	if err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	return nil
}

var insertEventRow = `INSERT INTO events (` + eventColumns + `) VALUES (` + marks(len(columnList(eventColumns))) + `)`

func eventValues(e batch.Event, noticed string) []any {
	return []any{
		string(e.Run), string(e.Move), micros(e.At), string(e.Kind), string(e.Phase), e.Step, string(e.State), e.Text, e.Attempt,
		e.Of, micros(e.NextAt), e.Items, e.Bytes, e.Brought, noticed,
	}
}

// selectEvents returns the move's events of one run, oldest first.
func selectEvents(ctx context.Context, v view, move batch.MoveID, run batch.RunID) ([]batch.Event, error) {
	rows, err := v.query(ctx, `SELECT `+eventColumns+` FROM events
		WHERE move_id = ? AND run_id = ? ORDER BY id`, string(move), string(run))
	return collect(rows, err, scanEvent)
}

// selectAllEvents returns the move's events of every run, oldest first.
func selectAllEvents(ctx context.Context, v view, move batch.MoveID) ([]batch.Event, error) {
	rows, err := v.query(ctx, `SELECT `+eventColumns+` FROM events
		WHERE move_id = ? ORDER BY id`, string(move))
	return collect(rows, err, scanEvent)
}

// selectSwitch returns the move's events up to the run that batch.Timeline makes facts of,
// oldest first.
func selectSwitch(ctx context.Context, v view, move batch.MoveID, run batch.RunID) ([]batch.Event, error) {
	rows, err := v.query(ctx, `SELECT `+eventColumns+` FROM events
		WHERE move_id = ? AND run_id <= ? AND kind IN (?, ?) AND phase IN (?, ?, ?) ORDER BY id`,
		string(move), string(run), string(batch.EventStep), string(batch.EventPass),
		string(batch.PhaseSwitch), string(batch.PhaseVerify), string(batch.PhaseRollback))
	return collect(rows, err, scanEvent)
}

func scanEvent(rows *sql.Rows) (e batch.Event, err error) {
	var at, nextAt int64
	var noticed string
	err = rows.Scan(&e.Run, &e.Move, &at, &e.Kind, &e.Phase, &e.Step, &e.State, &e.Text, &e.Attempt,
		&e.Of, &nextAt, &e.Items, &e.Bytes, &e.Brought, &noticed)
	if err != nil {
		return e, err
	}
	e.At, e.NextAt = moment(at), moment(nextAt)
	e.Finding, err = decodeFinding(noticed)
	return e, err
}

func encodeFinding(f *migrate.Finding) (string, error) {
	if f == nil {
		return "", nil
	}
	text, err := json.Marshal(finding{f.Rule, int(f.Severity), f.Whom, f.What, f.Mend})
	return string(text), err
}

func decodeFinding(text string) (*migrate.Finding, error) {
	if text == "" {
		return nil, nil
	}
	var f finding
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("read finding: %w", err)
	}
	return &migrate.Finding{Rule: f.Rule, Severity: migrate.Severity(f.Severity), Whom: f.Whom, What: f.What, Mend: f.Mend}, nil
}
