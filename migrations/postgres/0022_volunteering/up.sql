-- Service hours that an organiser has confirmed. A row never changes: it is annulled, and the hours are confirmed anew.
CREATE TABLE service_hours (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL REFERENCES events (id),
    member_id uuid NOT NULL REFERENCES members (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- theirs at the time
    check_in_id uuid NOT NULL REFERENCES check_ins (id), -- annulled with it
    served_on date NOT NULL, -- the day it began, where the event is
    year integer NOT NULL, -- of that day
    minutes integer NOT NULL,
    proposed_minutes integer, -- what its points told at the time; null: there was no check-out
    reason text, -- of other minutes than those
    confirmed_at timestamptz NOT NULL,
    confirmed_by uuid NOT NULL,
    annulled_at timestamptz,
    annulled_by uuid,
    annul_reason text
);
CREATE UNIQUE INDEX service_hours_effective ON service_hours (event_id, member_id) WHERE annulled_at IS NULL;
CREATE INDEX service_hours_member ON service_hours (member_id, served_on, id);
CREATE INDEX service_hours_event ON service_hours (event_id);
CREATE INDEX service_hours_check_in ON service_hours (check_in_id);
CREATE INDEX service_hours_organization ON service_hours (organization_id);
CREATE INDEX service_hours_tenant ON service_hours (tenant_id);
