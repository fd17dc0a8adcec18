-- Few rows are in the first three, and what is written all the time is in none of them. All other check-ins of a member are found event by event.
CREATE INDEX check_ins_annulled ON check_ins (member_id) WHERE annulled_at IS NOT NULL;
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (next_at) WHERE status = 'pending';
CREATE INDEX jobs_failing ON jobs (target_id) WHERE finished_at IS NULL AND last_error IS NOT NULL;
-- With all that a board of branches adds up, so that it reads no row besides.
DROP INDEX leaderboard_results_organization;
CREATE INDEX leaderboard_results_organization ON leaderboard_results
    (tenant_id, span, starts_on, organization_id, points, reached_at);
-- The log of a whole tree, the newest first.
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, at, id);
