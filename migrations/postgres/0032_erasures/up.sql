-- Whose personal data were erased. They are not looked for any more, and nobody gives them back.
CREATE TABLE erasures (
    member_id uuid NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    erased_at timestamptz NOT NULL,
    erased_by uuid NOT NULL
);
CREATE INDEX erasures_tenant ON erasures (tenant_id);
