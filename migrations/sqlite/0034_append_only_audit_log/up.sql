-- The audit log is added to. No line goes or changes, whoever asks, but that an erasure empties the words about a person.
-- Begin of what only SQLite needs.
CREATE TRIGGER audit_log_keeps_lines BEFORE DELETE ON audit_log BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_log_keeps_words BEFORE UPDATE ON audit_log
WHEN NEW.detail <> '{}'
    OR (NEW.id, NEW.tenant_id, NEW.at, NEW.actor_id, NEW.action, NEW.outcome, NEW.object_kind, NEW.object_id, NEW.organization_id, NEW.request_id)
    IS NOT (OLD.id, OLD.tenant_id, OLD.at, OLD.actor_id, OLD.action, OLD.outcome, OLD.object_kind, OLD.object_id, OLD.organization_id, OLD.request_id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- End of what only SQLite needs.
