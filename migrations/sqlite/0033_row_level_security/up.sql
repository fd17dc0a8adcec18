-- A second fence between trees, behind what each statement asks for (src/platform/db/fence.rs).

-- Begin of what only SQLite needs.
-- There is none: the statements are the only fence.
SELECT 1;
-- End of what only SQLite needs.
