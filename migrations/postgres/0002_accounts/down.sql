DROP TABLE auth_changes;
DROP TABLE sessions;
DROP TABLE activation_codes;
DROP TABLE accounts;
