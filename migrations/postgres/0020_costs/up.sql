-- What an organization means to spend in a year, on itself and everything below it.
CREATE TABLE organization_budgets (
    organization_id uuid NOT NULL REFERENCES organizations (id),
    year integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    currency text NOT NULL, -- of everything that the organization plans and spends in that year
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    PRIMARY KEY (organization_id, year)
);
CREATE INDEX organization_budgets_tenant ON organization_budgets (tenant_id, year);

CREATE TABLE organization_budget_lines (
    organization_id uuid NOT NULL,
    year integer NOT NULL,
    position integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    category text NOT NULL,
    amount_cents bigint NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (organization_id, year, position),
    FOREIGN KEY (organization_id, year) REFERENCES organization_budgets (organization_id, year)
);
CREATE INDEX organization_budget_lines_tenant ON organization_budget_lines (tenant_id);

-- What an event is planned to cost.
CREATE TABLE event_budgets (
    event_id uuid NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    currency text NOT NULL,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL
);
CREATE INDEX event_budgets_tenant ON event_budgets (tenant_id);

CREATE TABLE event_budget_lines (
    event_id uuid NOT NULL REFERENCES event_budgets (event_id),
    position integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    category text NOT NULL,
    amount_cents bigint NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (event_id, position)
);
CREATE INDEX event_budget_lines_tenant ON event_budget_lines (tenant_id);

-- What was spent. Nothing of it changes after it was submitted but what became of it.
CREATE TABLE expenses (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- the event's
    event_id uuid NOT NULL REFERENCES events (id),
    category text NOT NULL,
    amount_cents bigint NOT NULL,
    currency text NOT NULL,
    spent_on date NOT NULL, -- its year is the expense's
    payee text NOT NULL,
    note text NOT NULL,
    receipt_media_id uuid REFERENCES media_files (id),
    status text NOT NULL, -- submitted, approved, rejected, withdrawn, annulled
    submitted_at timestamptz NOT NULL,
    submitted_by uuid NOT NULL,
    decided_at timestamptz, -- approved, rejected or withdrawn
    decided_by uuid,
    reason text, -- of a rejection
    annulled_at timestamptz,
    annulled_by uuid,
    annul_reason text
);
CREATE INDEX expenses_tenant ON expenses (tenant_id);
CREATE INDEX expenses_organization ON expenses (organization_id, spent_on);
CREATE INDEX expenses_event ON expenses (event_id, id);
CREATE INDEX expenses_receipt ON expenses (receipt_media_id);

-- What a file was uploaded for, and so who may see it.
ALTER TABLE media_files ADD COLUMN purpose text NOT NULL DEFAULT 'lesson';
-- One receipt may be submitted twice: that is looked up by its bytes.
CREATE INDEX media_files_receipts ON media_files (tenant_id, sha256) WHERE purpose = 'receipt';
