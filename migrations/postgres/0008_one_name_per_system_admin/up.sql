-- Names are unique in a tenant; where there is none, NULL is equal to nothing, so system admins need a key of their own.
CREATE UNIQUE INDEX accounts_name_of_system_admin ON accounts (account_name) WHERE tenant_id IS NULL;
