//! What may happen to the tree, and what else must change with it.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::json;

use super::OrganizationId;
use super::access::{Access, require, visible, visible_or_archived};
use super::rules::{Kind, LeaderboardMode, MAX_LEVELS, Right, ids_of_path, is_within, levels, path_below};
use super::store::{self, OrganizationRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events;
use crate::leaderboards;
use crate::platform::config::CheckInConfig;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code, Conflict};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::platform::text::{Check, Patch, Problems, patch, present};

pub const DEFAULT_TIME_ZONE: &str = "Asia/Shanghai";

/// A new node. Without `parent_id` it is a tenant's root, which only a system admin may create.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "第一黨支部", "kind": "branch", "parent_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
pub struct CreateOrganization {
    #[schema(example = "第一黨支部")]
    pub name: String,
    pub kind: Kind,
    pub parent_id: Option<OrganizationId>,
    #[serde(default)]
    pub settings: SettingsPatch,
}

/// Settings of one node; null takes a setting back, so that it is inherited again. Durations are in seconds.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsPatch {
    /// IANA name, e.g. Asia/Shanghai.
    #[serde(with = "patch")]
    #[schema(value_type = Option<String>)]
    pub time_zone: Patch<String>,
    /// Check-in opens so long before an event starts.
    #[serde(with = "patch")]
    #[schema(value_type = Option<i32>)]
    pub opens_before_s: Patch<i32>,
    /// Who comes later than this after the start is late.
    #[serde(with = "patch")]
    #[schema(value_type = Option<i32>)]
    pub late_after_s: Patch<i32>,
    /// Check-in closes so long after the start.
    #[serde(with = "patch")]
    #[schema(value_type = Option<i32>)]
    pub closes_after_s: Patch<i32>,
    /// How long one code is shown; the one before it is still good.
    #[serde(with = "patch")]
    #[schema(value_type = Option<i32>)]
    pub code_window_s: Patch<i32>,
    #[serde(with = "patch")]
    #[schema(value_type = Option<bool>)]
    pub offline_allowed: Patch<bool>,
    /// What leaderboards show here.
    #[serde(with = "patch")]
    #[schema(value_type = Option<LeaderboardMode>)]
    pub leaderboards: Patch<LeaderboardMode>,
}

#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "第一黨支部", "settings": {"late_after_s": 600}}))]
pub struct UpdateOrganization {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    #[serde(default)]
    pub settings: SettingsPatch,
}

/// The settings in force at a node: its own, else its nearest ancestor's, else the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub time_zone: String,
    pub opens_before_s: i32,
    pub late_after_s: i32,
    pub closes_after_s: i32,
    pub code_window_s: i32,
    pub offline_allowed: bool,
    pub leaderboards: LeaderboardMode,
}

const DAY_S: i32 = 86_400;

impl Check for CreateOrganization {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/name", &mut self.name, 1, 100);
        self.settings.check(problems);
    }
}

impl Check for UpdateOrganization {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(name) = &mut self.name {
            problems.line("/name", name, 1, 100);
        }
        self.settings.check(problems);
    }
}

impl Check for SettingsPatch {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(Some(zone)) = &self.time_zone
            && zone.parse::<chrono_tz::Tz>().is_err()
        {
            problems.add(
                "/settings/time_zone",
                "unknown_time_zone",
                "is not an IANA time zone like Asia/Shanghai",
            );
        }
        for (field, value, min, max) in [
            ("/settings/opens_before_s", self.opens_before_s, 0, DAY_S),
            ("/settings/late_after_s", self.late_after_s, 0, DAY_S),
            ("/settings/closes_after_s", self.closes_after_s, 60, 7 * DAY_S),
            ("/settings/code_window_s", self.code_window_s, 5, 120),
        ] {
            problems.optional_range(field, &value.flatten(), min, max);
        }
    }
}

impl SettingsPatch {
    fn apply(self, row: &mut OrganizationRow) {
        fn set<T>(target: &mut Option<T>, patch: Patch<T>) {
            if let Some(value) = patch {
                *target = value;
            }
        }
        set(&mut row.time_zone, self.time_zone);
        set(&mut row.opens_before_s, self.opens_before_s);
        set(&mut row.late_after_s, self.late_after_s);
        set(&mut row.closes_after_s, self.closes_after_s);
        set(&mut row.code_window_s, self.code_window_s);
        set(&mut row.offline_allowed, self.offline_allowed);
        let leaderboards = self
            .leaderboards
            .map(|mode| mode.map(|mode| mode.as_str().to_owned()));
        set(&mut row.leaderboards, leaderboards);
    }
}

pub fn create_organization(
    conn: &mut DbConnection,
    ctx: &Ctx,
    new: CreateOrganization,
) -> AppResult<OrganizationRow> {
    match new.parent_id {
        None if ctx.actor.is_system_admin => create_root(conn, ctx, new),
        None => Err(AppError::forbidden()),
        Some(parent) => {
            let tenant = require(conn, ctx, parent, Right::ManageOrganization)?.tenant_id;
            // Read again under the lock: a move may have changed the path meanwhile.
            store::lock_tenant(conn, tenant)?;
            let parent = require(conn, ctx, parent, Right::ManageOrganization)?;
            create_under(conn, ctx, &parent, new)
        }
    }
}

/// A tenant. The caller has made sure that the actor may.
pub fn create_root(
    conn: &mut DbConnection,
    ctx: &Ctx,
    new: CreateOrganization,
) -> AppResult<OrganizationRow> {
    let id: OrganizationId = ctx.ids.make();
    insert(conn, ctx, new, id, id, String::new())
}

/// A node below `parent`. The caller has made sure that the actor may.
pub fn create_under(
    conn: &mut DbConnection,
    ctx: &Ctx,
    parent: &OrganizationRow,
    new: CreateOrganization,
) -> AppResult<OrganizationRow> {
    check_kind(new.kind, parent)?;
    check_depth(levels(&parent.path) + 1)?;
    let new = CreateOrganization {
        parent_id: Some(parent.id),
        ..new
    };
    insert(
        conn,
        ctx,
        new,
        ctx.ids.make(),
        parent.tenant_id,
        parent.path.clone(),
    )
}

fn check_kind(kind: Kind, parent: &OrganizationRow) -> AppResult<()> {
    let below = Kind::parse(&parent.kind).is_some_and(|parent| kind.may_stand_below(parent));
    if below {
        Ok(())
    } else {
        Err(AppError::from(Code::KindNotAllowedHere).with("parent_kind", &parent.kind))
    }
}

fn check_depth(levels: usize) -> AppResult<()> {
    if levels <= MAX_LEVELS {
        Ok(())
    } else {
        Err(AppError::from(Code::TreeTooDeep).with("limit", MAX_LEVELS))
    }
}

fn insert(
    conn: &mut DbConnection,
    ctx: &Ctx,
    new: CreateOrganization,
    id: OrganizationId,
    tenant_id: OrganizationId,
    parent_path: String,
) -> AppResult<OrganizationRow> {
    let mut row = OrganizationRow {
        id,
        tenant_id,
        parent_id: new.parent_id,
        kind: new.kind.as_str().to_owned(),
        path: path_below(&parent_path, id.0),
        name: new.name,
        time_zone: None,
        opens_before_s: None,
        late_after_s: None,
        closes_after_s: None,
        code_window_s: None,
        offline_allowed: None,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
        archived_at: None,
        leaderboards: None,
    };
    new.settings.apply(&mut row);
    store::insert_organization(conn, &row).on_conflict_is(Code::NameTaken)?;
    check_window(conn, ctx, &row)?;
    note(
        conn,
        ctx,
        "organization.create",
        &row,
        json!({ "name": row.name, "kind": row.kind }),
    )?;
    Ok(row)
}

/// Name and settings; what changes nothing leaves the version and the log alone. `version` is what the caller has read; none means 'whatever is there'.
pub fn update_organization(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    version: Option<i32>,
    change: UpdateOrganization,
) -> AppResult<OrganizationRow> {
    require(conn, ctx, id, Right::ManageOrganization)?;
    // Read again under the lock: `If-Match: *` edits what is there, not what was.
    store::lock_organization(conn, id)?;
    let mut row = require(conn, ctx, id, Right::ManageOrganization)?;
    let before = row.clone();
    if let Some(name) = change.name {
        row.name = name;
    }
    change.settings.apply(&mut row);
    let window_changed =
        (row.late_after_s, row.closes_after_s) != (before.late_after_s, before.closes_after_s);
    if row == before {
        let current = version.is_none_or(|version| version == row.version);
        return current.then_some(row).ok_or_else(|| Code::VersionMismatch.into());
    }
    let row = save(conn, ctx, row, version, "organization.update")?;
    leaderboards::settings_changed(conn, &ctx.ids, ctx.now, row.tenant_id, row.id)?;
    if window_changed {
        check_window(conn, ctx, &row)?;
    }
    Ok(row)
}

/// What is set here must make a window with what holds here; asked after the row was written, which a refusal undoes.
fn check_window(conn: &mut DbConnection, ctx: &Ctx, row: &OrganizationRow) -> AppResult<()> {
    let most = settings_of(conn, row, &ctx.config.check_in)?.closes_after_s;
    match row.late_after_s {
        Some(late) if late > most => {
            let message = format!("must be at most closes_after_s, which is {most} here");
            Err(AppError::invalid_field(
                "/settings/late_after_s",
                "too_large",
                message,
            ))
        }
        _ => Ok(()),
    }
}

/// An organization without members and without others below it is put away; its history stays. Whether it is there is
/// a matter of the line above it, so the actor administers its parent.
pub fn archive_organization(conn: &mut DbConnection, ctx: &Ctx, id: OrganizationId) -> AppResult<()> {
    let tenant = require(conn, ctx, id, Right::ManageOrganization)?.tenant_id;
    store::lock_tenant(conn, tenant)?;
    // Whoever is about to come in here holds the row; what they wrote is seen after them.
    store::lock_organization(conn, id)?;
    let mut row = require(conn, ctx, id, Right::ManageOrganization)?;
    require_above(conn, ctx, &row)?;
    if store::has_content(conn, id)? || events::has_unfinished(conn, id, ctx.now)? {
        return Err(Code::OrganizationNotEmpty.into());
    }
    row.archived_at = Some(ctx.now);
    leaderboards::settings_changed(conn, &ctx.ids, ctx.now, row.tenant_id, row.id)?;
    save(conn, ctx, row, None, "organization.archive").map(|_| ())
}

fn save(
    conn: &mut DbConnection,
    ctx: &Ctx,
    mut row: OrganizationRow,
    version: Option<i32>,
    action: &str,
) -> AppResult<OrganizationRow> {
    row.updated_at = ctx.now;
    if !store::update_organization(conn, &row, version).on_conflict_is(Code::NameTaken)? {
        return Err(Code::VersionMismatch.into());
    }
    row.version = version.unwrap_or(row.version) + 1;
    note(conn, ctx, action, &row, json!({ "name": row.name }))?;
    Ok(row)
}

/// The parent's administration decides whether and where a node stands; a root's is the system admin's.
fn require_above(conn: &mut DbConnection, ctx: &Ctx, row: &OrganizationRow) -> AppResult<()> {
    match row.parent_id {
        Some(parent) => require(conn, ctx, parent, Right::ManageOrganization).map(|_| ()),
        None if ctx.actor.is_system_admin => Ok(()),
        None => Err(AppError::forbidden()),
    }
}

/// Hangs a subtree below another node of the same tree. The actor administers the node's parent, the old and the new.
pub fn move_organization(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    new_parent: OrganizationId,
) -> AppResult<OrganizationRow> {
    let tenant = require(conn, ctx, id, Right::ManageOrganization)?.tenant_id;
    store::lock_tenant(conn, tenant)?;
    // Read again under the lock: another move may have changed either path.
    let row = require(conn, ctx, id, Right::ManageOrganization)?;
    require_above(conn, ctx, &row)?;
    let parent = require(conn, ctx, new_parent, Right::ManageOrganization)?;
    if parent.tenant_id != tenant {
        return Err(AppError::not_found());
    }
    if is_within(&parent.path, &row.path) {
        return Err(Code::MoveIntoOwnSubtree.into());
    }
    let kind = Kind::parse(&row.kind).ok_or_else(|| AppError::internal("an organization of unknown kind"))?;
    check_kind(kind, &parent)?;
    let below = store::list_subtree(conn, &row.path)?;
    let deepest = below.iter().map(|node| levels(&node.path)).max();
    let height = deepest.unwrap_or_default() - levels(&row.path);
    check_depth(levels(&parent.path) + 1 + height)?;
    // Before the events, as whoever brings somebody in does.
    store::lock_subtree(conn, &row.path)?;
    crate::attendance::freeze_due_rosters(conn, ctx, tenant)?;
    let new_path = path_below(&parent.path, id.0);
    store::move_subtree(conn, &row, parent.id, &new_path, ctx.now).on_conflict_is(Code::NameTaken)?;
    leaderboards::tree_moved(conn, &ctx.ids, ctx.now, tenant)?;
    note(
        conn,
        ctx,
        "organization.move",
        &row,
        json!({ "from": row.parent_id, "to": parent.id }),
    )?;
    find_organization(conn, id)
}

/// Whoever brings many people into a tree takes turns with whoever else does, or changes the tree.
pub fn lock_tree(conn: &mut DbConnection, tenant: OrganizationId) -> AppResult<()> {
    Ok(store::lock_tenant(conn, tenant)?)
}

/// The row, archived or not, for services that have checked the actor's right already.
pub fn find_organization(conn: &mut DbConnection, id: OrganizationId) -> AppResult<OrganizationRow> {
    store::find_ever(conn, id)?.ok_or_else(AppError::not_found)
}

/// The node and everything below it, parents before children.
pub fn subtree(conn: &mut DbConnection, top: &OrganizationRow) -> AppResult<Vec<OrganizationRow>> {
    Ok(store::list_subtree(conn, &top.path)?)
}

/// The node and everything that stands or stood below it, parents before children: for reading what was.
pub fn subtree_ever(conn: &mut DbConnection, top: &OrganizationRow) -> AppResult<Vec<OrganizationRow>> {
    Ok(store::list_subtree_ever(conn, &top.path)?)
}

/// The node and everything that stands or stood below it, archived ones included: for reading what was.
pub fn ids_ever_below(conn: &mut DbConnection, top: &OrganizationRow) -> AppResult<Vec<OrganizationId>> {
    Ok(store::list_ids_ever_below(conn, &top.path)?)
}

/// What a list is narrowed to: an organization that the actor may know of, archived or not, with all that stands or stood
/// below it. None: nothing.
pub fn narrowed(
    conn: &mut DbConnection,
    ctx: &Ctx,
    to: Option<OrganizationId>,
) -> AppResult<Option<Vec<OrganizationId>>> {
    let Some(id) = to else { return Ok(None) };
    let top = visible_or_archived(conn, ctx, id)?;
    Ok(Some(ids_ever_below(conn, &top)?))
}

/// All organizations the actor may know of: what they administer, and the nodes above; after `after` in order of path.
pub fn list_visible(
    conn: &mut DbConnection,
    ctx: &Ctx,
    page: &Page<String>,
) -> AppResult<Found<OrganizationRow>> {
    let access = Access::load(conn, ctx)?;
    Ok(store::list_visible(conn, access.sight().as_ref(), page)?)
}

/// What these organizations are called. No permission asked.
pub fn names(conn: &mut DbConnection, ids: &[OrganizationId]) -> AppResult<HashMap<OrganizationId, String>> {
    let ids: HashSet<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = store::list_by_path(conn, ids)?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Those of these organizations that the actor sees.
pub fn in_sight(
    conn: &mut DbConnection,
    ctx: &Ctx,
    ids: &[OrganizationId],
) -> AppResult<HashSet<OrganizationId>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let access = Access::load(conn, ctx)?;
    let mut rows = store::list_by_path(conn, ids.iter().map(|id| id.0).collect::<HashSet<_>>())?;
    rows.retain(|row| access.sees(&row.path));
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// What leaderboards show in each of these organizations: two queries, whatever their number.
pub fn leaderboard_modes(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = OrganizationId>,
) -> AppResult<HashMap<OrganizationId, LeaderboardMode>> {
    let ids: HashSet<uuid::Uuid> = ids.into_iter().map(|id| id.0).collect();
    let rows = store::list_by_path(conn, ids)?;
    let above: HashSet<uuid::Uuid> = rows.iter().flat_map(|row| ids_of_path(&row.path)).collect();
    let set: HashMap<uuid::Uuid, Option<LeaderboardMode>> = store::list_by_path(conn, above)?
        .into_iter()
        .map(|row| {
            (
                row.id.0,
                row.leaderboards.as_deref().and_then(LeaderboardMode::parse),
            )
        })
        .collect();
    let mode_of = |row: &OrganizationRow| {
        let line = ids_of_path(&row.path);
        let nearest = line.iter().rev().find_map(|id| set.get(id).copied().flatten());
        nearest.unwrap_or_default()
    };
    Ok(rows.iter().map(|row| (row.id, mode_of(row))).collect())
}

/// The roots of all trees, archived ones too.
pub fn trees(conn: &mut DbConnection) -> AppResult<Vec<OrganizationRow>> {
    Ok(store::list_roots(conn)?)
}

/// The zone of a tree's calendar, as its root has set it.
pub fn tree_zone(set: Option<&str>) -> Tz {
    local_time::zone(set.unwrap_or(DEFAULT_TIME_ZONE))
}

/// The settings in force at `row`, from one query over its ancestors.
pub fn settings_of(
    conn: &mut DbConnection,
    row: &OrganizationRow,
    server: &CheckInConfig,
) -> AppResult<Settings> {
    let line = store::list_by_path(conn, ids_of_path(&row.path))?;
    fn nearest<T>(line: &[OrganizationRow], pick: impl Fn(&OrganizationRow) -> Option<T>) -> Option<T> {
        line.iter().rev().find_map(pick)
    }
    let closes_after_s = nearest(&line, |o| o.closes_after_s).unwrap_or(server.closes_after_s);
    Ok(Settings {
        time_zone: nearest(&line, |o| o.time_zone.clone()).unwrap_or_else(|| DEFAULT_TIME_ZONE.to_owned()),
        opens_before_s: nearest(&line, |o| o.opens_before_s).unwrap_or(server.opens_before_s),
        // The two may be set at different places: nobody is late after the end of check-in.
        late_after_s: nearest(&line, |o| o.late_after_s)
            .unwrap_or(server.late_after_s)
            .min(closes_after_s),
        closes_after_s,
        code_window_s: nearest(&line, |o| o.code_window_s).unwrap_or(server.code_window_s),
        offline_allowed: nearest(&line, |o| o.offline_allowed).unwrap_or(true),
        leaderboards: nearest(&line, |o| LeaderboardMode::parse(o.leaderboards.as_deref()?))
            .unwrap_or_default(),
    })
}

/// One organization the actor may know of.
pub fn view_organization(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
) -> AppResult<(OrganizationRow, Settings)> {
    let row = visible(conn, ctx, id)?;
    let settings = settings_of(conn, &row, &ctx.config.check_in)?;
    Ok((row, settings))
}

pub(super) fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &OrganizationRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.id, detail);
    audit::record(conn, ctx, entry)
}
