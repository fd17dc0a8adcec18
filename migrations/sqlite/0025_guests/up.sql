-- An address by which people without an account put themselves down for an event.
CREATE TABLE guest_links (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    event_id BLOB NOT NULL REFERENCES events (id),
    token_hash BLOB NOT NULL,
    places INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0 CHECK (taken <= places),
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by BLOB NOT NULL,
    revoked_at INTEGER,
    revoked_by BLOB
) STRICT;
CREATE UNIQUE INDEX guest_links_token ON guest_links (token_hash);
CREATE INDEX guest_links_event ON guest_links (event_id, id);
CREATE INDEX guest_links_tenant ON guest_links (tenant_id);

-- Who came to one event, or means to, without being a member. What is personal is erased some time after it.
CREATE TABLE guests (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    event_id BLOB NOT NULL REFERENCES events (id),
    link_id BLOB REFERENCES guest_links (id), -- none: an organiser put them down
    name TEXT, -- personal; none: erased
    phone TEXT, -- personal; none: erased
    note TEXT NOT NULL, -- personal
    consent_at INTEGER NOT NULL,
    client_event_id BLOB, -- of who came by a link
    added_by BLOB,
    created_at INTEGER NOT NULL,
    cancelled_at INTEGER,
    cancelled_by BLOB, -- none: the guest
    checked_in_at INTEGER,
    check_in_source TEXT, -- pass, phone, by_hand
    checked_in_by BLOB, -- the organiser, if by hand
    erased_at INTEGER
) STRICT;
CREATE UNIQUE INDEX guests_phone ON guests (event_id, phone) WHERE phone IS NOT NULL AND cancelled_at IS NULL;
CREATE UNIQUE INDEX guests_client_event ON guests (link_id, client_event_id) WHERE client_event_id IS NOT NULL;
CREATE INDEX guests_event ON guests (event_id, id);
CREATE INDEX guests_to_erase ON guests (event_id) WHERE erased_at IS NULL;
CREATE INDEX guests_tenant ON guests (tenant_id);
