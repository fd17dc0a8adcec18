DROP INDEX media_files_receipts;
ALTER TABLE media_files DROP COLUMN purpose;
DROP TABLE expenses;
DROP TABLE event_budget_lines;
DROP TABLE event_budgets;
DROP TABLE organization_budget_lines;
DROP TABLE organization_budgets;
