-- Times are microseconds since 1970, UTC. Hashes and digests are their 32 bytes.

-- The audit chain; see src/audit/chain.rs.
CREATE TABLE records (
    seq      INTEGER PRIMARY KEY,
    previous BLOB NOT NULL,
    hash     BLOB NOT NULL,
    event    TEXT NOT NULL
) STRICT;

CREATE TABLE plans (
    id         TEXT PRIMARY KEY,
    digest     BLOB NOT NULL,
    content    TEXT NOT NULL, -- canonical JSON, the text the digest is over
    agent      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT NOT NULL,
    owner      TEXT, -- the instance that applies it; null otherwise
    outcome    TEXT
) STRICT;
CREATE INDEX plans_by_time ON plans (created_at, id);
CREATE INDEX plans_under_way ON plans (state) WHERE state IN ('applying', 'unknown');

CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    plan       TEXT NOT NULL REFERENCES plans (id),
    digest     BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    record     TEXT NOT NULL -- the whole grant as JSON
) STRICT;
CREATE INDEX grants_by_plan ON grants (plan);

-- Targets that nothing else may change now.
CREATE TABLE held (
    arn  TEXT PRIMARY KEY,
    plan TEXT NOT NULL REFERENCES plans (id)
) STRICT;
CREATE INDEX held_by_plan ON held (plan);

-- What was taken from the hourly budgets.
CREATE TABLE spent (
    tool    TEXT NOT NULL,
    agent   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    targets INTEGER NOT NULL
) STRICT;
CREATE INDEX spent_by_tool ON spent (tool, agent, at);

-- Marks that may be used once.
CREATE TABLE marks (
    mark         TEXT PRIMARY KEY,
    forget_after INTEGER NOT NULL
) STRICT;
