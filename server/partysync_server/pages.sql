-- What the room's file keeps for pages that speak the ancestor's dialect. Made when the first of them comes.

CREATE TABLE _partysync_turns (      -- when each turn ended, since then; `from` is a time
    ended   INTEGER PRIMARY KEY,     -- milliseconds since 1970, each line later than the one before
    version INTEGER NOT NULL,        -- of the room by then
    opened  INTEGER NOT NULL         -- 1: no turn; the file was opened again, and nothing was told since the line before
) STRICT;

CREATE INDEX _partysync_turns_by_version ON _partysync_turns (version);

CREATE TABLE _partysync_actions (    -- those that are decided, so that one that is sent again runs once
    page    TEXT NOT NULL,           -- digest of whose it was and its connection id
    id      TEXT NOT NULL,           -- as it was sent, as JSON
    version INTEGER NOT NULL,        -- that it took
    channel TEXT NOT NULL,
    ids     TEXT,                    -- of the rows it touched in its channel, as JSON; NULL: many, look for its version
    refusal TEXT,                    -- why it was rejected; NULL: accepted
    PRIMARY KEY (page, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX _partysync_actions_by_version ON _partysync_actions (version);

CREATE TABLE _partysync_pages (      -- what a page holds at least: a line that comes back does not ask again
    page    TEXT NOT NULL,
    channel TEXT NOT NULL,
    epoch   TEXT NOT NULL,
    version INTEGER NOT NULL,        -- at which it first asked for the channel
    asked   INTEGER NOT NULL,        -- milliseconds since 1970
    PRIMARY KEY (page, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX _partysync_pages_by_time ON _partysync_pages (asked);
