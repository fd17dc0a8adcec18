-- What an organization means to spend in a year, on itself and everything below it.
CREATE TABLE organization_budgets (
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    year INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    currency TEXT NOT NULL, -- of everything that the organization plans and spends in that year
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by BLOB NOT NULL,
    PRIMARY KEY (organization_id, year)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_budgets_tenant ON organization_budgets (tenant_id, year);

CREATE TABLE organization_budget_lines (
    organization_id BLOB NOT NULL,
    year INTEGER NOT NULL,
    position INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    category TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (organization_id, year, position),
    FOREIGN KEY (organization_id, year) REFERENCES organization_budgets (organization_id, year)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_budget_lines_tenant ON organization_budget_lines (tenant_id);

-- What an event is planned to cost.
CREATE TABLE event_budgets (
    event_id BLOB NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by BLOB NOT NULL
) STRICT;
CREATE INDEX event_budgets_tenant ON event_budgets (tenant_id);

CREATE TABLE event_budget_lines (
    event_id BLOB NOT NULL REFERENCES event_budgets (event_id),
    position INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    category TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (event_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_budget_lines_tenant ON event_budget_lines (tenant_id);

-- What was spent. Nothing of it changes after it was submitted but what became of it.
CREATE TABLE expenses (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- the event's
    event_id BLOB NOT NULL REFERENCES events (id),
    category TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    currency TEXT NOT NULL,
    spent_on TEXT NOT NULL, -- its year is the expense's
    payee TEXT NOT NULL,
    note TEXT NOT NULL,
    receipt_media_id BLOB REFERENCES media_files (id),
    status TEXT NOT NULL, -- submitted, approved, rejected, withdrawn, annulled
    submitted_at INTEGER NOT NULL,
    submitted_by BLOB NOT NULL,
    decided_at INTEGER, -- approved, rejected or withdrawn
    decided_by BLOB,
    reason TEXT, -- of a rejection
    annulled_at INTEGER,
    annulled_by BLOB,
    annul_reason TEXT
) STRICT;
CREATE INDEX expenses_tenant ON expenses (tenant_id);
CREATE INDEX expenses_organization ON expenses (organization_id, spent_on);
CREATE INDEX expenses_event ON expenses (event_id, id);
CREATE INDEX expenses_receipt ON expenses (receipt_media_id);

-- What a file was uploaded for, and so who may see it.
ALTER TABLE media_files ADD COLUMN purpose TEXT NOT NULL DEFAULT 'lesson';
-- One receipt may be submitted twice: that is looked up by its bytes.
CREATE INDEX media_files_receipts ON media_files (tenant_id, sha256) WHERE purpose = 'receipt';
