-- A member has one calendar address at a time; of two made in the same instant only the newer stays.
UPDATE calendar_feeds SET revoked_at = created_at
WHERE revoked_at IS NULL AND EXISTS (
    SELECT 1 FROM calendar_feeds AS newer
    WHERE newer.member_id = calendar_feeds.member_id AND newer.revoked_at IS NULL AND newer.id > calendar_feeds.id
);
CREATE UNIQUE INDEX calendar_feeds_once ON calendar_feeds (member_id) WHERE revoked_at IS NULL;
