-- Begin of what only SQLite needs.
DROP TRIGGER audit_log_keeps_lines;
DROP TRIGGER audit_log_keeps_words;
-- End of what only SQLite needs.
