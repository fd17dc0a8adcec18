-- Whose personal data were erased. They are not looked for any more, and nobody gives them back.
CREATE TABLE erasures (
    member_id BLOB NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    erased_at INTEGER NOT NULL,
    erased_by BLOB NOT NULL
) STRICT;
CREATE INDEX erasures_tenant ON erasures (tenant_id);
