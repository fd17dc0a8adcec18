-- A second fence between trees, behind what each statement asks for (src/platform/db/fence.rs).

-- Begin of what only PostgreSQL needs.
-- A transaction that says whose rows it is about sees and writes no others, and one that says nothing sees none. Only the
-- server of this migration and later ones say so.
--
-- A migration that makes a table with a tenant_id calls this for it.
CREATE FUNCTION fence_by_tenant(fenced regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', fenced);
    -- Each SELECT is evaluated once for a statement, not for each row.
    EXECUTE format('CREATE POLICY tenant ON %s USING ('
        'tenant_id = (SELECT nullif(nullif(current_setting(''zhibu.tenant'', true), ''''), ''*'')::uuid) '
        'OR (SELECT current_setting(''zhibu.tenant'', true) = ''*''))', fenced);
END
$$;

-- Full text is not searched by its index behind a fence: what `@@` is told might get out. Who searches joins lessons.
SELECT fence_by_tenant(format('%I', c.table_name)::regclass)
FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
    AND c.column_name = 'tenant_id' AND c.table_name <> 'lesson_search';
-- End of what only PostgreSQL needs.
