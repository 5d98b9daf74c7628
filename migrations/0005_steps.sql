-- Times are microseconds since 1970, UTC.

-- What plans do to which things: what chains of steps are recognised by.
CREATE TABLE steps (
    plan       TEXT NOT NULL REFERENCES plans (id),
    account    TEXT NOT NULL,
    agent      TEXT NOT NULL,
    human      TEXT NOT NULL, -- in lower case
    kind       TEXT NOT NULL,
    thing      TEXT NOT NULL, -- an ARN, or a name
    effect     TEXT NOT NULL,
    filed_at   INTEGER NOT NULL,
    claimed_at INTEGER -- when the plan was claimed; null while it hasn't been
) STRICT;
CREATE INDEX steps_by_plan ON steps (plan);
CREATE INDEX steps_taken ON steps (account, claimed_at);
