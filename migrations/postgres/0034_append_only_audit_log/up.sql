-- The audit log is added to. No line goes or changes, whoever asks, but that an erasure empties the words about a person.
-- Begin of what only PostgreSQL needs.
CREATE FUNCTION audit_log_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_log_keeps_lines BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuses();
CREATE TRIGGER audit_log_keeps_all BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuses();
CREATE TRIGGER audit_log_keeps_words BEFORE UPDATE ON audit_log
    FOR EACH ROW WHEN (NEW.detail <> '{}' OR to_jsonb(NEW) - 'detail' <> to_jsonb(OLD) - 'detail')
    EXECUTE FUNCTION audit_log_refuses();
-- End of what only PostgreSQL needs.
