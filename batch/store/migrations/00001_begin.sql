-- +goose Up
-- Times are microseconds since 1970 in UTC; 0 is "not set".

CREATE TABLE batches (
    id     TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    at     BIGINT NOT NULL
);

CREATE TABLE runs (
    id       TEXT NOT NULL PRIMARY KEY,
    batch_id TEXT NOT NULL,
    kind     TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    outcome  TEXT NOT NULL
);
CREATE INDEX runs_by_batch ON runs (batch_id, id);

CREATE TABLE moves (
    id               TEXT NOT NULL PRIMARY KEY,
    batch_id         TEXT NOT NULL,
    seq              BIGINT NOT NULL,
    identity         TEXT NOT NULL,
    target_database  TEXT NOT NULL,
    bad_item_limit   BIGINT NOT NULL,
    display_name     TEXT NOT NULL,
    mail             TEXT NOT NULL,
    source_dn        TEXT NOT NULL,
    source_guid      TEXT NOT NULL,
    target_dn        TEXT NOT NULL,
    target_guid      TEXT NOT NULL,
    state            TEXT NOT NULL,
    phase            TEXT NOT NULL,
    step             TEXT NOT NULL,
    reason           TEXT NOT NULL,
    hint             TEXT NOT NULL,
    attempt          BIGINT NOT NULL,
    attempts_allowed BIGINT NOT NULL,
    next_at          BIGINT NOT NULL,
    total_items      BIGINT NOT NULL,
    total_bytes      BIGINT NOT NULL,
    items            BIGINT NOT NULL,
    bytes            BIGINT NOT NULL,
    skips            BIGINT NOT NULL,
    passes           BIGINT NOT NULL,
    quiet            BIGINT NOT NULL,
    quiet_at         BIGINT NOT NULL,
    brought          BIGINT NOT NULL,
    kept_until       BIGINT NOT NULL,
    cause            TEXT NOT NULL,
    started_at       BIGINT NOT NULL,
    ended_at         BIGINT NOT NULL,
    epoch            BIGINT NOT NULL,
    -- Derived from the columns above when a row is written: whether the state is an
    -- end, and the names under which people look for a move.
    ended            BIGINT NOT NULL,
    identity_key     TEXT NOT NULL,
    mail_key         TEXT NOT NULL,
    name_key         TEXT NOT NULL,
    source_key       TEXT NOT NULL,
    target_key       TEXT NOT NULL,
    UNIQUE (batch_id, seq)
);
CREATE INDEX moves_to_claim ON moves (batch_id, ended, seq, next_at);
CREATE INDEX moves_by_identity ON moves (identity_key);
CREATE INDEX moves_by_mail ON moves (mail_key);
CREATE INDEX moves_by_name ON moves (name_key);
CREATE INDEX moves_by_source ON moves (source_key);
CREATE INDEX moves_by_target ON moves (target_key);
CREATE INDEX moves_by_guid ON moves (source_guid);

-- Further names under which people look for a move, in the form that is compared.
CREATE TABLE move_names (
    move_id TEXT NOT NULL,
    key     TEXT NOT NULL,
    PRIMARY KEY (move_id, key)
);
CREATE INDEX move_names_by_key ON move_names (key, move_id);

-- The move's row as each run left it; run '' is the row as planned.
CREATE TABLE move_runs (
    run_id           TEXT NOT NULL,
    id               TEXT NOT NULL,
    batch_id         TEXT NOT NULL,
    seq              BIGINT NOT NULL,
    identity         TEXT NOT NULL,
    target_database  TEXT NOT NULL,
    bad_item_limit   BIGINT NOT NULL,
    display_name     TEXT NOT NULL,
    mail             TEXT NOT NULL,
    source_dn        TEXT NOT NULL,
    source_guid      TEXT NOT NULL,
    target_dn        TEXT NOT NULL,
    target_guid      TEXT NOT NULL,
    state            TEXT NOT NULL,
    phase            TEXT NOT NULL,
    step             TEXT NOT NULL,
    reason           TEXT NOT NULL,
    hint             TEXT NOT NULL,
    attempt          BIGINT NOT NULL,
    attempts_allowed BIGINT NOT NULL,
    next_at          BIGINT NOT NULL,
    total_items      BIGINT NOT NULL,
    total_bytes      BIGINT NOT NULL,
    items            BIGINT NOT NULL,
    bytes            BIGINT NOT NULL,
    skips            BIGINT NOT NULL,
    passes           BIGINT NOT NULL,
    quiet            BIGINT NOT NULL,
    quiet_at         BIGINT NOT NULL,
    brought          BIGINT NOT NULL,
    kept_until       BIGINT NOT NULL,
    cause            TEXT NOT NULL,
    started_at       BIGINT NOT NULL,
    ended_at         BIGINT NOT NULL,
    epoch            BIGINT NOT NULL,
    PRIMARY KEY (id, run_id)
);

CREATE TABLE events (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id           TEXT NOT NULL,
    move_id          TEXT NOT NULL,
    at               BIGINT NOT NULL,
    kind             TEXT NOT NULL,
    phase            TEXT NOT NULL,
    step             TEXT NOT NULL,
    state            TEXT NOT NULL,
    text             TEXT NOT NULL,
    attempt          BIGINT NOT NULL,
    attempts_allowed BIGINT NOT NULL,
    next_at          BIGINT NOT NULL,
    items            BIGINT NOT NULL,
    bytes            BIGINT NOT NULL,
    brought          BIGINT NOT NULL,
    finding          TEXT NOT NULL
);
CREATE INDEX events_by_move ON events (move_id, run_id, id);

-- The journals of content. way is '' from source to target and 'back' for the way back,
-- where folder_id and item_id are the target's and ref is the source's.
CREATE TABLE folders (
    move_id   TEXT NOT NULL,
    way       TEXT NOT NULL,
    folder_id TEXT NOT NULL,
    path      TEXT NOT NULL,
    ref       TEXT NOT NULL,
    mapped    TEXT NOT NULL,
    cursor    TEXT NOT NULL,
    items     BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    skips     BIGINT NOT NULL,
    PRIMARY KEY (move_id, way, folder_id)
);
CREATE INDEX folders_by_ref ON folders (move_id, way, ref);

CREATE TABLE intents (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    move_id   TEXT NOT NULL,
    way       TEXT NOT NULL,
    folder_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    epoch     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    ref       TEXT NOT NULL,
    mark      TEXT NOT NULL,
    planned   BLOB NOT NULL
);
CREATE INDEX intents_open ON intents (move_id, way, folder_id, id) WHERE closed_at = 0;

-- The ledger: one row per chunk, under the number of its intent.
CREATE TABLE chunks (
    intent_id BIGINT NOT NULL PRIMARY KEY,
    move_id   TEXT NOT NULL,
    way       TEXT NOT NULL,
    folder_id TEXT NOT NULL,
    ref       TEXT NOT NULL,   -- the intent's
    edit      BIGINT NOT NULL, -- 1: nothing was added, what was there has been changed
    run_id    TEXT NOT NULL,
    epoch     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    items     BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    done      BLOB NOT NULL
);
CREATE INDEX chunks_by_folder ON chunks (move_id, way, folder_id, intent_id);
CREATE INDEX chunks_by_ref ON chunks (move_id, way, ref, intent_id);
CREATE INDEX chunks_by_run ON chunks (move_id, way, run_id, items, bytes);
CREATE INDEX chunks_by_move ON chunks (move_id, intent_id);

CREATE TABLE skips (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    move_id       TEXT NOT NULL,
    way           TEXT NOT NULL,
    folder_id     TEXT NOT NULL,
    item_id       TEXT NOT NULL,
    run_id        TEXT NOT NULL,
    at            BIGINT NOT NULL,
    path          TEXT NOT NULL,
    received      BIGINT NOT NULL,
    received_zone BIGINT NOT NULL, -- seconds east of UTC
    size          BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    mended_run    TEXT NOT NULL,   -- the run in which the item was written after all
    mended_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX skips_standing ON skips (move_id, way, folder_id, item_id) WHERE mended_at = 0;
CREATE INDEX skips_by_move ON skips (move_id, way, id);

-- What folders' access control lists said before they were changed; the first row of a
-- folder is how it was found.
CREATE TABLE lists (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    move_id   TEXT NOT NULL,
    side      TEXT NOT NULL, -- source or target
    folder_id TEXT NOT NULL,
    path      TEXT NOT NULL, -- of the source folder
    run_id    TEXT NOT NULL,
    epoch     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    others    BIGINT NOT NULL, -- entries that are not the owner's
    grants    TEXT NOT NULL
);
CREATE INDEX lists_by_folder ON lists (move_id, side, folder_id, id);

-- Directory work that is not part of a move: staging, undoing, cleaning.
CREATE TABLE jobs (
    id       TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    scope    TEXT NOT NULL, -- the batch's name; '' is everyone
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    outcome  TEXT NOT NULL
);

CREATE TABLE changes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    move_id      TEXT NOT NULL, -- '' where run_id is a job's
    run_id       TEXT NOT NULL,
    person       TEXT NOT NULL, -- objectGUID of the source object that staging wanted it for; '' if it was not staging
    undone_at    BIGINT NOT NULL,
    epoch        BIGINT NOT NULL,
    intended_at  BIGINT NOT NULL,
    committed_at BIGINT NOT NULL, -- known to have been carried out
    dropped_at   BIGINT NOT NULL, -- known not to have been
    forest       TEXT NOT NULL,
    op           TEXT NOT NULL,
    dn           TEXT NOT NULL,
    why          TEXT NOT NULL,
    mods         BLOB NOT NULL,
    before       BLOB NOT NULL
);
CREATE INDEX changes_by_move ON changes (move_id, id);
CREATE INDEX changes_open ON changes (move_id, id) WHERE committed_at = 0 AND dropped_at = 0;
CREATE INDEX changes_to_undo ON changes (id) WHERE person <> '' AND undone_at = 0;

-- What preflight found, each time. A batch is checked before it is planned, so its name
-- stands here alone.
CREATE TABLE checks (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    batch     TEXT NOT NULL,
    digest    TEXT NOT NULL,
    at        BIGINT NOT NULL,
    version   TEXT NOT NULL,
    mailboxes BIGINT NOT NULL,
    findings  BLOB NOT NULL
);
CREATE INDEX checks_by_batch ON checks (batch, id);

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL
);
INSERT INTO counters (name, n) VALUES ('entries', 0);
