DROP TABLE sign_up_steps;
DROP TABLE sign_up_lines;
DROP TABLE sign_ups;
DROP TABLE sign_up_quotas;
DROP TABLE sign_up_sessions;
DROP TABLE sign_up_policies;
ALTER TABLE events DROP COLUMN admission;
