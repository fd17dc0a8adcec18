-- One key for three: a member has one sign-up of an event that stands, all they ever had are found by it, and so is what
-- a phone sends again. The fewer indexes, the more people sign up in a second.
DROP INDEX sign_ups_standing;
DROP INDEX sign_ups_client_event;
DROP INDEX sign_ups_member;
CREATE UNIQUE INDEX sign_ups_member ON sign_ups (event_id, member_id, (CASE WHEN status IN ('entered', 'confirmed', 'offered', 'waitlisted') THEN 0 ELSE seq END));
