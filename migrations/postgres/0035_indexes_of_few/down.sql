DROP INDEX jobs_failing;
DROP INDEX webhook_deliveries_pending;
DROP INDEX check_ins_annulled;
