DROP INDEX jobs_due_outside;
DROP INDEX jobs_due_inside;
CREATE INDEX jobs_due ON jobs (run_at) WHERE finished_at IS NULL;
ALTER TABLE jobs DROP COLUMN target_id;
