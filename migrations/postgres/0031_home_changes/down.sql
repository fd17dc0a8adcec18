-- Begin of what only PostgreSQL needs.
DROP FUNCTION home_changed_for_members CASCADE;
DROP FUNCTION home_changed_for_trees CASCADE;
DROP FUNCTION home_changed_for_person CASCADE;
DROP FUNCTION home_changed_for_tree CASCADE;
-- End of what only PostgreSQL needs.
DROP TABLE home_changes;
-- Begin of what only PostgreSQL needs.
DROP SEQUENCE home_change_no;
-- End of what only PostgreSQL needs.
