-- Reading the log: of an organization and what is below it, or of one person, the newest first.
CREATE INDEX audit_log_organization ON audit_log (organization_id, at);
CREATE INDEX audit_log_actor ON audit_log (actor_id, at);
CREATE INDEX audit_log_at ON audit_log (at, id);
