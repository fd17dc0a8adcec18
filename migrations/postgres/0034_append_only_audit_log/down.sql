-- Begin of what only PostgreSQL needs.
DROP FUNCTION audit_log_refuses CASCADE;
-- End of what only PostgreSQL needs.
