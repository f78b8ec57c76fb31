-- When rooms want to be woken: no later than their own files say.

CREATE TABLE IF NOT EXISTS alarms (
    party TEXT NOT NULL,             -- its name
    room  TEXT NOT NULL,             -- its name
    at    REAL NOT NULL,             -- seconds since 1970
    PRIMARY KEY (party, room)
) STRICT, WITHOUT ROWID;
