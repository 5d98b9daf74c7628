-- Times are microseconds since 1970, UTC. Digests are their 32 bytes. A person's key is their name in lower case.

ALTER TABLE plans ADD COLUMN parked_at INTEGER; -- when it was put before people; null while it hasn't been
ALTER TABLE plans ADD COLUMN input TEXT; -- the tool's arguments as JSON; null where one is sensitive
-- All that lists are filtered by, so that no content is read for plans that aren't shown.
CREATE INDEX plans_to_list ON plans (created_at, id, agent, state, expires_at, parked_at);

-- What plans are searched for, in lower case.
CREATE TABLE plan_texts (
    plan TEXT PRIMARY KEY REFERENCES plans (id),
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO plan_texts (plan, text)
    SELECT id, lower(concat_ws(char(10), id, agent, json_extract(content, '$.human'), json_extract(content, '$.tool'),
        json_extract(content, '$.title'), json_extract(content, '$.operation'), json_extract(content, '$.account.id'),
        json_extract(content, '$.account.name'), json_extract(content, '$.ticket'), json_extract(content, '$.reason'),
        (SELECT group_concat(json_extract(value, '$.arn'), char(10)) FROM json_each(content, '$.targets'))))
    FROM plans WHERE json_valid(content);

-- `used` is 0, 1 once it was used, and 2 once its signer was revoked.
ALTER TABLE grants ADD COLUMN kind TEXT NOT NULL DEFAULT 'confirmation';
ALTER TABLE grants ADD COLUMN signer TEXT; -- the key of who signed; null without a passkey
CREATE UNIQUE INDEX one_approval_each ON grants (plan, signer) WHERE kind = 'approval' AND used <> 2;
CREATE INDEX grants_by_signer ON grants (signer) WHERE signer IS NOT NULL AND used = 0;

-- Everybody who ever enrolled a passkey.
CREATE TABLE people (
    key    TEXT PRIMARY KEY,
    record TEXT NOT NULL -- the whole approver as JSON
) STRICT;

-- Changes of people that wait for an admin's signature.
CREATE TABLE proposals (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    record     TEXT NOT NULL -- the whole proposal as JSON
) STRICT;

-- Invitations that are not used up; one a person.
CREATE TABLE invitations (
    token      BLOB PRIMARY KEY,
    person     TEXT NOT NULL UNIQUE,
    first      INTEGER NOT NULL, -- 1 where no admin signed it, because there was none
    expires_at INTEGER NOT NULL,
    record     TEXT NOT NULL -- the whole invitation as JSON
) STRICT;

-- How often each passkey has signed, by its own count.
CREATE TABLE signatures (
    passkey TEXT PRIMARY KEY,
    counter INTEGER NOT NULL
) STRICT;

-- Where those who follow the record have got to.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT;

-- Signed checkpoints of the record: signed notes, by how many records they cover.
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
