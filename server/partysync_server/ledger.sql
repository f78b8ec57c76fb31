-- What the room's file keeps of people's mutations, beside store.sql.

CREATE TABLE _partysync_epochs (     -- every time the room was opened; a copy of the file that goes on apart differs
    epoch   TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL         -- of the room when this epoch began
) STRICT;

CREATE TABLE _partysync_clients (
    id       TEXT PRIMARY KEY NOT NULL,
    owner    TEXT NOT NULL,          -- who may speak for it
    last_mid INTEGER NOT NULL,       -- every mutation up to this one is decided
    version  INTEGER NOT NULL        -- of the last one
) STRICT, WITHOUT ROWID;

CREATE INDEX _partysync_clients_by_version ON _partysync_clients (version);

CREATE TABLE _partysync_results (    -- until the client has seen them; accepted with no value needs no line
    client  TEXT NOT NULL,
    mid     INTEGER NOT NULL,
    version INTEGER NOT NULL,
    result  TEXT NOT NULL,           -- messages.Result as JSON
    PRIMARY KEY (client, mid)
) STRICT, WITHOUT ROWID;

CREATE INDEX _partysync_results_by_version ON _partysync_results (version);
