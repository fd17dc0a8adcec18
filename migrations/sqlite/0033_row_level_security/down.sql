-- Begin of what only SQLite needs.
SELECT 1;
-- End of what only SQLite needs.
