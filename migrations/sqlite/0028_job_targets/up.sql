-- Whom a job talks to: what works outside waits for nobody but its own target, and what works in the database for none.
ALTER TABLE jobs ADD COLUMN target_id BLOB; -- none: it works in the database
DROP INDEX jobs_due;
CREATE INDEX jobs_due_inside ON jobs (run_at) WHERE finished_at IS NULL AND target_id IS NULL;
CREATE INDEX jobs_due_outside ON jobs (target_id, run_at) WHERE finished_at IS NULL AND target_id IS NOT NULL;
