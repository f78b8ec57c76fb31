-- What a store keeps beside the party's own tables, in the room's file and in every replica.

CREATE TABLE _partysync_meta (
    key   TEXT PRIMARY KEY NOT NULL,  -- 'version', 'horizon', 'party', 'room' …
    value ANY                         -- an integer, or text
) STRICT, WITHOUT ROWID;

CREATE TABLE _partysync_tables (
    key     INTEGER PRIMARY KEY,      -- stands for the table in _partysync_rows
    name    TEXT NOT NULL UNIQUE,     -- as declared
    spec    TEXT NOT NULL,            -- messages.TableSpec as JSON
    version INTEGER NOT NULL          -- when it was made or last changed
) STRICT;

CREATE TABLE _partysync_rows (        -- one line for each row touched since the horizon
    tbl     INTEGER NOT NULL,         -- _partysync_tables.key
    id      TEXT NOT NULL,            -- the row's id
    version INTEGER NOT NULL,         -- of the mutation that last touched it
    dead    INTEGER NOT NULL,         -- 1: a tombstone
    PRIMARY KEY (tbl, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX _partysync_rows_by_version ON _partysync_rows (tbl, version);

INSERT INTO _partysync_meta (key, value) VALUES ('version', 0), ('horizon', 0);
