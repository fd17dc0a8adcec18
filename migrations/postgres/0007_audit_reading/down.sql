DROP INDEX audit_log_at;
DROP INDEX audit_log_actor;
DROP INDEX audit_log_organization;
