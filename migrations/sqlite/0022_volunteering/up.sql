-- Service hours that an organiser has confirmed. A row never changes: it is annulled, and the hours are confirmed anew.
CREATE TABLE service_hours (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    event_id BLOB NOT NULL REFERENCES events (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- theirs at the time
    check_in_id BLOB NOT NULL REFERENCES check_ins (id), -- annulled with it
    served_on TEXT NOT NULL, -- the day it began, where the event is
    year INTEGER NOT NULL, -- of that day
    minutes INTEGER NOT NULL,
    proposed_minutes INTEGER, -- what its points told at the time; null: there was no check-out
    reason TEXT, -- of other minutes than those
    confirmed_at INTEGER NOT NULL,
    confirmed_by BLOB NOT NULL,
    annulled_at INTEGER,
    annulled_by BLOB,
    annul_reason TEXT
) STRICT;
CREATE UNIQUE INDEX service_hours_effective ON service_hours (event_id, member_id) WHERE annulled_at IS NULL;
CREATE INDEX service_hours_member ON service_hours (member_id, served_on, id);
CREATE INDEX service_hours_event ON service_hours (event_id);
CREATE INDEX service_hours_check_in ON service_hours (check_in_id);
CREATE INDEX service_hours_organization ON service_hours (organization_id);
CREATE INDEX service_hours_tenant ON service_hours (tenant_id);
