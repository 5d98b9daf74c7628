-- What is known of a plan only after its call: what its undo needs, recovery points, its targets right after; JSON.
ALTER TABLE plans ADD COLUMN kept TEXT;
-- What has become of undoing it; JSON. Null while nobody has tried.
ALTER TABLE plans ADD COLUMN undone TEXT;
CREATE INDEX plans_stuck ON plans (created_at, id) WHERE json_extract(undone, '$.state') = 'stuck';
