package store

import (
	"database/sql"
	"strings"
	"time"

	"reforest/batch"
	"reforest/migrate"
)

// moveColumns are the columns of a move's row, in the order of moveValues and
// scanMove.
const moveColumns = `id, batch_id, seq, identity, target_database, bad_item_limit,
	display_name, mail, source_dn, source_guid, target_dn, target_guid,
	state, phase, step, reason, hint, attempt, attempts_allowed, next_at,
	total_items, total_bytes, items, bytes, skips, passes, quiet, quiet_at,
	brought, kept_until, cause,
	started_at, ended_at, epoch`

// keyColumns follow them in the table moves, in the order of keyValues.
const keyColumns = `ended, identity_key, mail_key, name_key, source_key, target_key`

// eventColumns are the columns of an event, in the order of eventValues and scanEvent.
const eventColumns = `run_id, move_id, at, kind, phase, step, state, text, attempt,
	attempts_allowed, next_at, items, bytes, brought, finding`

// fixedColumns are those at the head of moveColumns that never change.
const fixedColumns = 4

func columnList(columns string) []string {
	return strings.FieldsFunc(columns, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })
}

// marks returns n placeholders: "?, ?, ?".
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// assignments returns "a = ?, b = ?" for the columns, or with excluded
// "a = excluded.a".
func assignments(columns []string, excluded bool) string {
	parts := make([]string, len(columns))
	for i, column := range columns {
		parts[i] = column + " = ?"
		if excluded {
			parts[i] = column + " = excluded." + column
		}
	}
	return strings.Join(parts, ", ")
}

func moveValues(m batch.Move) []any {
	return []any{
		string(m.ID), string(m.Batch), m.Seq, m.Identity, m.TargetDatabase, m.BadItemLimit,
		m.DisplayName, string(m.Mail), m.SourceDN, guidText(m.SourceGUID), m.TargetDN, guidText(m.TargetGUID),
		string(m.State), string(m.Phase), m.Step, m.Reason, m.Hint, m.Attempt, m.Of, micros(m.NextAt),
		m.TotalItems, m.TotalBytes, m.Items, m.Bytes, m.Skips, m.Passes, m.Quiet, micros(m.QuietAt),
		m.Brought, micros(m.KeptUntil), m.Cause,
		micros(m.StartedAt), micros(m.EndedAt), m.Epoch,
	}
}

func keyValues(m batch.Move) []any {
	return []any{
		m.State.Ended(), key(m.Identity), key(string(m.Mail)), key(m.DisplayName),
		dnKey(m.SourceDN), dnKey(m.TargetDN),
	}
}

func scanMove(rows *sql.Rows) (batch.Move, error) {
	var m batch.Move
	var sourceGUID, targetGUID string
	var nextAt, quietAt, startedAt, endedAt, keptUntil int64
	err := rows.Scan(
		&m.ID, &m.Batch, &m.Seq, &m.Identity, &m.TargetDatabase, &m.BadItemLimit,
		&m.DisplayName, &m.Mail, &m.SourceDN, &sourceGUID, &m.TargetDN, &targetGUID,
		&m.State, &m.Phase, &m.Step, &m.Reason, &m.Hint, &m.Attempt, &m.Of, &nextAt,
		&m.TotalItems, &m.TotalBytes, &m.Items, &m.Bytes, &m.Skips, &m.Passes, &m.Quiet, &quietAt,
		&m.Brought, &keptUntil, &m.Cause,
		&startedAt, &endedAt, &m.Epoch,
	)
	if err != nil {
		return m, err
	}
	m.NextAt, m.QuietAt = moment(nextAt), moment(quietAt)
	m.StartedAt, m.EndedAt, m.KeptUntil = moment(startedAt), moment(endedAt), moment(keptUntil)
	if m.SourceGUID, err = parseGUID(sourceGUID); err != nil {
		return m, err
	}
	m.TargetGUID, err = parseGUID(targetGUID)
	return m, err
}

// micros is how a time is stored: microseconds in UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func guidText(g migrate.GUID) string {
	if g.IsZero() {
		return ""
	}
	return g.String()
}

func parseGUID(text string) (migrate.GUID, error) {
	if text == "" {
		return migrate.GUID{}, nil
	}
	return migrate.ParseGUID(text)
}
