-- Whether and to whom a ranking is shown: off, own_rank, branches_only, open; null: as the nearest ancestor that sets it.
ALTER TABLE organizations ADD COLUMN leaderboards text;

-- What members want of leaderboards for themselves; no row: as everybody.
CREATE TABLE leaderboard_wishes (
    member_id uuid NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    hides_name boolean NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX leaderboard_wishes_tenant ON leaderboard_wishes (tenant_id);

-- Who must be looked at again though no points were given: who came, left or moved. Kept for a day.
CREATE TABLE leaderboard_moves (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    member_id uuid, -- null: the tree itself has changed
    organization_id uuid, -- where they were before
    change_no bigint NOT NULL, -- one row of numbers with those of point_entries
    moved_at timestamptz NOT NULL
);
CREATE INDEX leaderboard_moves_change ON leaderboard_moves (change_no);
CREATE INDEX leaderboard_moves_age ON leaderboard_moves (moved_at);

-- Periods whose standings are final.
CREATE TABLE leaderboard_periods (
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    span text NOT NULL, -- day, week, month, quarter, year
    starts_on date NOT NULL,
    final_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on)
);

-- What members had then, and where they belonged. Never changed.
CREATE TABLE leaderboard_results (
    member_id uuid NOT NULL,
    span text NOT NULL,
    starts_on date NOT NULL,
    tenant_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    points bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on, member_id)
);
CREATE INDEX leaderboard_results_organization ON leaderboard_results (tenant_id, span, starts_on, organization_id);

-- How many belonged where then: an average is over all of them.
CREATE TABLE leaderboard_sizes (
    tenant_id uuid NOT NULL,
    span text NOT NULL,
    starts_on date NOT NULL,
    organization_id uuid NOT NULL,
    members integer NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on, organization_id)
);
