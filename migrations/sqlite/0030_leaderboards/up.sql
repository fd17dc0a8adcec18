-- Whether and to whom a ranking is shown: off, own_rank, branches_only, open; null: as the nearest ancestor that sets it.
ALTER TABLE organizations ADD COLUMN leaderboards TEXT;

-- What members want of leaderboards for themselves; no row: as everybody.
CREATE TABLE leaderboard_wishes (
    member_id BLOB NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    hides_name INTEGER NOT NULL CHECK (hides_name IN (0, 1)),
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX leaderboard_wishes_tenant ON leaderboard_wishes (tenant_id);

-- Who must be looked at again though no points were given: who came, left or moved. Kept for a day.
CREATE TABLE leaderboard_moves (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    member_id BLOB, -- null: the tree itself has changed
    organization_id BLOB, -- where they were before
    change_no INTEGER NOT NULL, -- one row of numbers with those of point_entries
    moved_at INTEGER NOT NULL
) STRICT;
CREATE INDEX leaderboard_moves_change ON leaderboard_moves (change_no);
CREATE INDEX leaderboard_moves_age ON leaderboard_moves (moved_at);

-- Periods whose standings are final.
CREATE TABLE leaderboard_periods (
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    span TEXT NOT NULL, -- day, week, month, quarter, year
    starts_on TEXT NOT NULL,
    final_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on)
) STRICT, WITHOUT ROWID;

-- What members had then, and where they belonged. Never changed.
CREATE TABLE leaderboard_results (
    member_id BLOB NOT NULL,
    span TEXT NOT NULL,
    starts_on TEXT NOT NULL,
    tenant_id BLOB NOT NULL,
    organization_id BLOB NOT NULL,
    points INTEGER NOT NULL,
    reached_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leaderboard_results_organization ON leaderboard_results (tenant_id, span, starts_on, organization_id);

-- How many belonged where then: an average is over all of them.
CREATE TABLE leaderboard_sizes (
    tenant_id BLOB NOT NULL,
    span TEXT NOT NULL,
    starts_on TEXT NOT NULL,
    organization_id BLOB NOT NULL,
    members INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, span, starts_on, organization_id)
) STRICT, WITHOUT ROWID;
