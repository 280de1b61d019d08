package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"reforest/batch"
	"reforest/migrate"
)

var _ batch.Checks = (*Store)(nil)

// findingsBlob is the findings of a check.
type findingsBlob struct {
	Version  int               `json:"v"`
	Findings []migrate.Finding `json:"findings"`
}

// SaveCheck is batch.Checks'. Its time loses what is finer than a microsecond.
func (s *Store) SaveCheck(ctx context.Context, check batch.Check) error {
	findings, err := json.Marshal(findingsBlob{Version: format, Findings: check.Findings})
	if err != nil {
		return fmt.Errorf("save check: %w", err)
	}
	return s.change(ctx, "save check", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO checks (batch, digest, at, version, mailboxes, findings) VALUES (?, ?, ?, ?, ?, ?)`,
			string(check.Batch), check.Digest, micros(check.At), check.Version, check.Mailboxes, findings)
		if err != nil {
			return err
		}
		return t.count(ctx)
	})
}

// LastCheck is batch.Checks'.
func (s *Store) LastCheck(ctx context.Context, id batch.ID) (check batch.Check, found bool, err error) {
	err = s.view(ctx, "read check", func(v view) error {
		rows, err := v.query(ctx, `SELECT batch, digest, at, version, mailboxes, findings FROM checks
			WHERE batch = ? ORDER BY id DESC LIMIT 1`, string(id))
		checks, err := collect(rows, err, scanCheck)
		if len(checks) > 0 {
			check, found = checks[0], true
		}
		return err
	})
	return check, found && err == nil, err
}

func scanCheck(rows *sql.Rows) (batch.Check, error) {
	var c batch.Check
	var at int64
	var findings []byte
	if err := rows.Scan(&c.Batch, &c.Digest, &at, &c.Version, &c.Mailboxes, &findings); err != nil {
		return c, err
	}
	c.At = moment(at)
	var blob findingsBlob
	if err := decode(findings, &blob, &blob.Version); err != nil {
		return c, fmt.Errorf("read check: %w", err)
	}
	c.Findings = blob.Findings
	return c, nil
}
