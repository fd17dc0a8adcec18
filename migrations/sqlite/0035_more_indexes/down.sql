DROP INDEX audit_log_tenant;
DROP INDEX leaderboard_results_organization;
CREATE INDEX leaderboard_results_organization ON leaderboard_results (tenant_id, span, starts_on, organization_id);
DROP INDEX jobs_failing;
DROP INDEX webhook_deliveries_pending;
DROP INDEX check_ins_annulled;
