DROP INDEX sign_ups_member;
CREATE UNIQUE INDEX sign_ups_standing ON sign_ups (event_id, member_id) WHERE status IN ('entered', 'confirmed', 'offered', 'waitlisted');
CREATE UNIQUE INDEX sign_ups_client_event ON sign_ups (submitted_by, client_event_id);
CREATE INDEX sign_ups_member ON sign_ups (member_id, event_id, seq);
