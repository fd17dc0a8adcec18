//! Applies a roster: all rows or none, in the caller's transaction. People are loaded once, new ones written in bulk.

use serde::Serialize;
use serde_json::json;

use super::file::{Roster, RosterLine, parse_roster};
use super::plan::{ASSUMED_STANDING, BadRow, Change, Known, Step};
use super::words::message;
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth::{self, NewAccount};
use crate::leaderboards;
use crate::members::MemberId;
use crate::members::service::{change_standing, save, standing_row, today, transfer_row};
use crate::members::store::{self, MemberRow};
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code, Language};
use crate::platform::sheet::{SheetLimits, read_sheet};
use crate::points;

const TRANSFER_REASON: &str = "roster import";
/// New people written at once.
const CHUNK: usize = 500;

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ImportReport {
    pub dry_run: bool,
    /// People in the file.
    pub rows: usize,
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// New members whose row does not say their standing: taken as full.
    pub standing_assumed: usize,
    /// Headers of the columns that were not read.
    pub ignored_columns: Vec<String>,
}

/// A row that keeps the file from being imported.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RejectedRow {
    /// As a spreadsheet program counts; null when the whole file is meant.
    row: Option<u32>,
    column: Option<String>,
    #[schema(example = "phone_invalid")]
    code: &'static str,
    message: &'static str,
    value: String,
    /// The row that has the same value already.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_row: Option<u32>,
}

/// What an import is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportStage {
    Checking,
    Writing,
}

/// Hears how many rows of how many a stage has done. A transaction that is run again begins at nought again.
pub type Progress<'p> = &'p dyn Fn(ImportStage, usize, usize);

/// Reads and applies a file (XLSX, or CSV in UTF-8 or GB18030) to an organization and what is below it.
pub fn import_roster(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    bytes: &[u8],
    dry_run: bool,
    progress: Progress<'_>,
) -> AppResult<ImportReport> {
    let roster = read_roster(bytes)?;
    apply_roster(conn, ctx, organization, &roster, dry_run, Language::En, progress)
}

/// `no_spreadsheet` for what is none; wrong rows are told by `apply_roster`, all at once.
pub fn read_roster(bytes: &[u8]) -> AppResult<Roster> {
    let rows = read_sheet(bytes, &SheetLimits::default()).map_err(|error| {
        AppError::from(Code::NoSpreadsheet)
            .with("reason", error.code())
            .with("message", error.to_string())
    })?;
    Ok(parse_roster(&rows))
}

pub fn apply_roster(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    roster: &Roster,
    dry_run: bool,
    language: Language,
    progress: Progress<'_>,
) -> AppResult<ImportReport> {
    let mut home = organizations::require(conn, ctx, organization, Right::ManageMembers)?;
    if !dry_run {
        // Two imports of one file: the second waits here, and then finds everybody there.
        organizations::lock_tree(conn, home.tenant_id)?;
        // It may have been archived or moved meanwhile.
        home = organizations::require(conn, ctx, organization, Right::ManageMembers)?;
    }
    let steps = plan(conn, ctx, &home, roster, language, progress)?;
    let report = count(&steps, roster, dry_run);
    // The same file again changes nothing, and leaves no line.
    if !dry_run && report.created + report.updated > 0 {
        crate::attendance::freeze_due_rosters(conn, ctx, home.tenant_id)?;
        apply(conn, ctx, &home, steps, progress)?;
        let detail =
            json!({ "created": report.created, "updated": report.updated, "unchanged": report.unchanged });
        let entry = Entry {
            action: "member.import",
            object: home.id.0,
            tenant: Some(home.tenant_id),
            organization: Some(home.id),
            detail,
        };
        audit::record(conn, ctx, entry)?;
    }
    Ok(report)
}

/// What each row means, or everything that is wrong with any of them.
fn plan(
    conn: &mut DbConnection,
    ctx: &Ctx,
    home: &OrganizationRow,
    roster: &Roster,
    language: Language,
    progress: Progress<'_>,
) -> AppResult<Vec<Step>> {
    let below = organizations::subtree(conn, home)?
        .into_iter()
        .map(|row| (row.id, row.name))
        .collect();
    let people = store::list_known(conn, home.tenant_id)?;
    let known = Known::new(people, home.id, below, roster.headers.clone());
    let total = roster.lines.len();
    let (steps, mut bad) = known.plan(roster.lines.clone(), |done| {
        progress(ImportStage::Checking, done, total);
    });
    let changed = || {
        steps.iter().filter_map(|step| match step {
            Step::Update { change } => Some(change),
            _ => None,
        })
    };
    let above = organizations::above(conn, ctx, changed().map(|change| change.known.member.id))?;
    bad.extend(
        changed()
            .filter(|change| above.contains(&change.known.member.id))
            .map(|change| known.out_of_reach(change)),
    );
    bad.extend(roster.problems.iter().cloned().map(BadRow::from));
    if bad.is_empty() {
        Ok(steps)
    } else {
        Err(rejected(bad, language))
    }
}

fn count(steps: &[Step], roster: &Roster, dry_run: bool) -> ImportReport {
    let mut report = ImportReport {
        dry_run,
        rows: steps.len(),
        created: 0,
        updated: 0,
        unchanged: 0,
        standing_assumed: 0,
        ignored_columns: roster.ignored_columns.clone(),
    };
    for step in steps {
        match step {
            Step::Create { line, .. } => {
                report.created += 1;
                report.standing_assumed += usize::from(line.standing.is_none());
            }
            Step::Update { .. } => report.updated += 1,
            Step::Nothing => report.unchanged += 1,
        }
    }
    report
}

fn rejected(mut bad: Vec<BadRow>, language: Language) -> AppError {
    bad.sort_by_key(|row| row.row);
    let rows: Vec<RejectedRow> = bad
        .into_iter()
        .map(|row| RejectedRow {
            row: row.row,
            column: row.column,
            code: row.code,
            message: message(row.code, language),
            value: row.value,
            other_row: row.other_row,
        })
        .collect();
    AppError::from(Code::ImportRejected).with("rows", rows)
}

fn apply(
    conn: &mut DbConnection,
    ctx: &Ctx,
    home: &OrganizationRow,
    steps: Vec<Step>,
    progress: Progress<'_>,
) -> AppResult<()> {
    let today = today(conn, ctx, home)?;
    let (mut new, mut changes) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Nothing => {}
            Step::Update { change } => changes.push(change),
            Step::Create { line, organization } => new.push((line, organization)),
        }
    }
    let total = new.len() + changes.len();
    if !new.is_empty() || changes.iter().any(|change| change.organization.is_some()) {
        leaderboards::tree_moved(conn, &ctx.ids, ctx.now, home.tenant_id)?;
    } else {
        if changes.iter().any(|change| change.name.is_some()) {
            leaderboards::settings_changed(conn, &ctx.ids, ctx.now, home.tenant_id, home.id)?;
        }
        let turned = changes.iter().filter(|change| change.turns_guest());
        let turned: Vec<_> = turned.map(|change| (change.known.member.id, None)).collect();
        if !turned.is_empty() {
            leaderboards::members_moved(conn, &ctx.ids, ctx.now, home.tenant_id, &turned)?;
        }
    }
    let mut done = 0;
    changes.sort_unstable_by_key(|change| change.known.member.id);
    hold(conn, &changes)?;
    for change in changes {
        apply_change(conn, ctx, change, today)?;
        done += 1;
        progress(ImportStage::Writing, done, total);
    }
    let mut new = new.into_iter().peekable();
    while new.peek().is_some() {
        let chunk: Vec<_> = new.by_ref().take(CHUNK).collect();
        done += chunk.len();
        create(conn, ctx, home, chunk, today)?;
        progress(ImportStage::Writing, done, total);
    }
    Ok(())
}

/// Takes the rows of those who change, before any of their accounts; and runs the import again when somebody edited one
/// of them since they were read.
fn hold(conn: &mut DbConnection, changes: &[Change]) -> AppResult<()> {
    let held = store::lock_members(conn, changes.iter().map(|change| change.known.member.id))?;
    let read = changes.iter().map(|change| &change.known.member);
    if held.iter().eq(read) {
        Ok(())
    } else {
        Err(AppError::again())
    }
}

/// People with their accounts, standings and entries in the log: a few statements for all of them.
fn create(
    conn: &mut DbConnection,
    ctx: &Ctx,
    home: &OrganizationRow,
    new: Vec<(RosterLine, OrganizationId)>,
    today: chrono::NaiveDate,
) -> AppResult<()> {
    let (mut accounts, mut rows) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    for (line, organization) in new {
        let id: MemberId = ctx.ids.make();
        accounts.push(NewAccount {
            id: id.into(),
            tenant: Some(home.tenant_id),
            account_name: None,
            phone: line.phone.map(String::from),
        });
        rows.push(MemberRow {
            id,
            tenant_id: home.tenant_id,
            organization_id: organization,
            name: line.name.into(),
            employee_no: line.employee_no.map(String::from),
            standing: line.standing.unwrap_or(ASSUMED_STANDING).as_str().to_owned(),
            standing_since: today,
            joined_on: line.joined_on,
            deactivated_at: None,
            deactivate_reason: None,
            version: 1,
            created_at: ctx.now,
            updated_at: ctx.now,
        });
    }
    auth::create_accounts(conn, ctx, accounts)?;
    store::insert_members(conn, &rows).map_err(AppError::overtaken)?;
    let standings: Vec<_> = rows.iter().map(|row| standing_row(ctx, row)).collect();
    store::insert_standings(conn, &standings)?;
    audit::record_all(conn, ctx, rows.iter().map(creation))
}

/// Each person of a roster is on record, as if created alone.
fn creation(row: &MemberRow) -> Entry<'static> {
    Entry {
        action: "member.create",
        object: row.id.0,
        tenant: Some(row.tenant_id),
        organization: Some(row.organization_id),
        detail: json!({ "standing": row.standing, "import": true }),
    }
}

fn apply_change(
    conn: &mut DbConnection,
    ctx: &Ctx,
    change: Change,
    today: chrono::NaiveDate,
) -> AppResult<()> {
    let mut row = change.known.member;
    let mut fields = Vec::new();
    if let Some(name) = change.name {
        row.name = name;
        fields.push("name");
    }
    if let Some(number) = change.employee_no {
        row.employee_no = Some(number);
        fields.push("employee_no");
    }
    if let Some(date) = change.joined_on {
        row.joined_on = Some(date);
        fields.push("joined_on");
    }
    if let Some(phone) = change.phone {
        auth::update_account(conn, ctx, row.id.into(), None, Some(Some(phone)))?;
        fields.push("phone");
    }
    if change.standing.is_some() {
        change_standing(conn, ctx, &mut row, change.standing, None, today)?;
        fields.push("standing");
    }
    if let Some(to) = change.organization {
        let transfer = transfer_row(ctx, &row, to, TRANSFER_REASON);
        points::take_along(conn, row.id, to)?;
        store::insert_transfers(conn, &[transfer])?;
        row.organization_id = to;
        fields.push("organization_id");
    }
    let detail = json!({ "fields": fields, "import": true });
    save(conn, ctx, row, "member.update", detail).map(|_| ())
}
