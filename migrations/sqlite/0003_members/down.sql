DROP TABLE role_grants;
DROP TABLE member_transfers;
DROP TABLE member_standings;
DROP TABLE members;
