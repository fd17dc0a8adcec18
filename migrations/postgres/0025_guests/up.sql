-- An address by which people without an account put themselves down for an event.
CREATE TABLE guest_links (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL REFERENCES events (id),
    token_hash bytea NOT NULL,
    places integer NOT NULL,
    taken integer NOT NULL DEFAULT 0 CHECK (taken <= places),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    revoked_at timestamptz,
    revoked_by uuid
);
CREATE UNIQUE INDEX guest_links_token ON guest_links (token_hash);
CREATE INDEX guest_links_event ON guest_links (event_id, id);
CREATE INDEX guest_links_tenant ON guest_links (tenant_id);

-- Who came to one event, or means to, without being a member. What is personal is erased some time after it.
CREATE TABLE guests (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL REFERENCES events (id),
    link_id uuid REFERENCES guest_links (id), -- none: an organiser put them down
    name text, -- personal; none: erased
    phone text, -- personal; none: erased
    note text NOT NULL, -- personal
    consent_at timestamptz NOT NULL,
    client_event_id uuid, -- of who came by a link
    added_by uuid,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    cancelled_by uuid, -- none: the guest
    checked_in_at timestamptz,
    check_in_source text, -- pass, phone, by_hand
    checked_in_by uuid, -- the organiser, if by hand
    erased_at timestamptz
);
CREATE UNIQUE INDEX guests_phone ON guests (event_id, phone) WHERE phone IS NOT NULL AND cancelled_at IS NULL;
CREATE UNIQUE INDEX guests_client_event ON guests (link_id, client_event_id) WHERE client_event_id IS NOT NULL;
CREATE INDEX guests_event ON guests (event_id, id);
CREATE INDEX guests_to_erase ON guests (event_id) WHERE erased_at IS NULL;
CREATE INDEX guests_tenant ON guests (tenant_id);
