//! Rows and queries of the log. Nothing changes or deletes a row.

use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::audit_log;
use crate::platform::db::{AnyId, Backend, DbConnection, Instant, Json, MultiBackend, UuidList, sql};
use crate::platform::page::{Found, Page};

/// Rows of one INSERT: 11 columns each stay below SQLite's bound on binds.
const BATCH: usize = 500;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = audit_log, treat_none_as_default_value = false)]
pub struct AuditRow {
    pub id: AnyId,
    pub tenant_id: Option<OrganizationId>,
    pub at: Instant,
    pub actor_id: Option<AccountId>,
    pub action: String,
    pub outcome: String,
    pub object_kind: String,
    pub object_id: Option<AnyId>,
    pub organization_id: Option<OrganizationId>,
    pub detail: Json,
    pub request_id: Option<String>,
}

pub fn insert(conn: &mut DbConnection, rows: &[AuditRow]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(audit_log::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

/// What a reading is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// None means everywhere, entries that belong to no organization included.
    pub organizations: Option<Vec<OrganizationId>>,
    /// The tree of which those are all.
    pub tree: Option<OrganizationId>,
    pub actor: Option<AccountId>,
    pub object: Option<AnyId>,
    pub action: Option<String>,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
    pub page: Page<(Instant, AnyId)>,
}

/// The newest first.
pub fn list(conn: &mut DbConnection, filter: &AuditFilter) -> QueryResult<Found<AuditRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order((audit_log::at.desc(), audit_log::id.desc()))
        .limit(page.fetch());
    if let Some((at, id)) = page.after {
        // As one value it is a range of the index; as conditions joined by OR it is none.
        let before = fragment::<Bool>("(audit_log.at, audit_log.id) < (").bind::<sql::Instant, _>(at);
        query = query.filter(before.sql(", ").bind::<sql::Uuid, _>(id).sql(")"));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// All that the filter lets through, whatever the page.
fn narrowed<'a>(conn: &DbConnection, filter: &'a AuditFilter) -> audit_log::BoxedQuery<'a, MultiBackend> {
    let (open, close) = conn.among_parts();
    let mut query = audit_log::table.into_boxed();
    // All lines of a tree are read by time. Those of one actor or about one thing are fewer, and have an index.
    let tree = filter
        .tree
        .filter(|_| filter.actor.is_none() && filter.object.is_none());
    if let Some(tree) = tree {
        query = query.filter(audit_log::tenant_id.eq(tree));
    }
    if let Some(organizations) = &filter.organizations {
        let ids = UuidList::from_iter(organizations.iter().copied());
        // With the sign SQLite does not go organization by organization, and sort all that it finds.
        let column = match (conn.backend(), tree) {
            (Backend::Sqlite, Some(_)) => "+audit_log.organization_id ",
            _ => "audit_log.organization_id ",
        };
        let among = fragment::<Bool>(column)
            .sql(open)
            .bind::<sql::UuidList, _>(ids)
            .sql(close);
        query = query.filter(among);
    }
    if let Some(actor) = filter.actor {
        query = query.filter(audit_log::actor_id.eq(actor));
    }
    if let Some(object) = filter.object {
        query = query.filter(audit_log::object_id.eq(object));
    }
    if let Some(action) = &filter.action {
        query = query.filter(audit_log::action.eq(action));
    }
    if let Some(from) = filter.from {
        query = query.filter(audit_log::at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(audit_log::at.lt(to));
    }
    query
}
