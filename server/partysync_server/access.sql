-- Who may enter which room, beside the operator of the server. One file for all rooms, and not in theirs: a room that is
-- restored from a backup must not bring back what was revoked since.

CREATE TABLE IF NOT EXISTS shares (
    id      TEXT PRIMARY KEY NOT NULL,  -- to revoke it by; it opens nothing
    party   TEXT NOT NULL,
    room    TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('link', 'user', 'group', 'everyone')),
    subject TEXT NOT NULL,              -- SHA-256 of a link's token; a user's or a group's name
    role    TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    note    TEXT NOT NULL,              -- the owner's own words: whom it is for
    by      TEXT NOT NULL,              -- who made it
    made    REAL NOT NULL,              -- seconds since 1970
    expires REAL,                       -- likewise; NULL: never
    UNIQUE (party, room, kind, subject)
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS shares_by_link ON shares (subject) WHERE kind = 'link';
