-- +goose Up

-- How a folder stood at its source when a pass last brought everything that there was.
ALTER TABLE folders ADD COLUMN seen TEXT NOT NULL DEFAULT '';
