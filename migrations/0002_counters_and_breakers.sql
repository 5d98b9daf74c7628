-- Times are microseconds since 1970, UTC. Scopes are `agent:NAME` and `account:DIGITS`.

-- Resources that claims took, each kept for an hour.
CREATE TABLE changes (
    agent     TEXT NOT NULL,
    at        INTEGER NOT NULL,
    resources INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_by_agent ON changes (agent, at, resources);
CREATE INDEX changes_by_time ON changes (at);

-- Resources that a session's claims took, kept for 48 hours after the last of them.
CREATE TABLE sessions (
    agent   TEXT NOT NULL,
    session TEXT NOT NULL,
    changed INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (agent, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_time ON sessions (last_at);

-- Errors and denials, each kept for an hour or until the scope's breaker is closed.
CREATE TABLE mishaps (
    scope TEXT NOT NULL,
    kind  TEXT NOT NULL, -- error, denial
    at    INTEGER NOT NULL
) STRICT;
CREATE INDEX mishaps_by_scope ON mishaps (scope, kind, at);
CREATE INDEX mishaps_by_time ON mishaps (at);

-- The open breakers.
CREATE TABLE breakers (
    scope     TEXT PRIMARY KEY,
    opened_at INTEGER NOT NULL,
    record    TEXT NOT NULL -- the whole breaker as JSON
) STRICT;
