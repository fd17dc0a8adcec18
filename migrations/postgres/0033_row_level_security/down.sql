-- Begin of what only PostgreSQL needs.
DO $$
DECLARE
    fenced regclass;
BEGIN
    FOR fenced IN SELECT polrelid FROM pg_policy WHERE polname = 'tenant' LOOP
        EXECUTE format('DROP POLICY tenant ON %s', fenced);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', fenced);
    END LOOP;
END
$$;
DROP FUNCTION fence_by_tenant(regclass);
-- End of what only PostgreSQL needs.
