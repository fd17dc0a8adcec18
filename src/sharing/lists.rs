//! Who sees which reflections, and what is shown with them: a few queries for a page, whatever its length.

use std::collections::{HashMap, HashSet};

use super::ReflectionId;
use super::rules::ReflectionStatus;
use super::store::{self, PictureRow, Reader, ReflectionFilter, ReflectionRow};
use crate::app::Ctx;
use crate::attendance;
use crate::events::{self, EventId};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::page::{Found, Page};

/// A reflection as it is shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pub row: ReflectionRow,
    pub event_title: String,
    pub author_name: String,
    pub branch_name: String,
    pub pictures: Vec<PictureRow>,
    pub liked_by_me: bool,
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListReflections {
    /// Only my own.
    pub mine: bool,
    /// Only those that wait for a decision.
    pub pending: bool,
    pub page: Page<ReflectionId>,
}

/// The branch that somebody belongs to: their home, or what stands above their group.
pub fn branch_of(conn: &mut DbConnection, member: MemberId) -> AppResult<OrganizationId> {
    let home = members::find_member(conn, member)?.organization_id;
    let home = organizations::find_organization(conn, home)?;
    match home.parent_id {
        Some(above) if organizations::Kind::parse(&home.kind) == Some(organizations::Kind::Group) => {
            Ok(above)
        }
        _ => Ok(home.id),
    }
}

/// None for the system admin, who sees everything.
pub fn reader(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Option<Reader>> {
    let Some(tenant) = ctx.actor.tenant else {
        return Ok(None);
    };
    let member = ctx.actor.member()?;
    Ok(Some(Reader {
        tenant,
        member,
        branch: branch_of(conn, member)?,
        manages: organizations::ids_with_right(conn, ctx, Right::ManageEvents)?.unwrap_or_default(),
        views: organizations::ids_with_right(conn, ctx, Right::View)?.unwrap_or_default(),
    }))
}

/// The row, if the actor may see it: to everybody else it is not there.
pub fn seen(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<ReflectionRow> {
    let reader = reader(conn, ctx)?;
    store::find_seen(conn, id, reader)?.ok_or_else(AppError::not_found)
}

pub fn view_reflection(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<Shown> {
    let row = seen(conn, ctx, id)?;
    show(conn, ctx, row)
}

/// What is published and for me; or my own, or what waits for me to decide.
pub fn list_reflections(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &ListReflections,
) -> AppResult<Found<Shown>> {
    let status = match (asked.pending, asked.mine) {
        (true, _) => Some(ReflectionStatus::Pending),
        (false, true) => None,
        (false, false) => Some(ReflectionStatus::Published),
    };
    let filter = ReflectionFilter {
        reader: reader(conn, ctx)?,
        author: match asked.mine {
            true => Some(ctx.actor.member()?),
            false => None,
        },
        status: status.map(ReflectionStatus::as_str),
        page: asked.page.clone(),
        ..ReflectionFilter::default()
    };
    list(conn, ctx, &filter)
}

/// What I may see of an event. For whoever may see neither the event nor anything of it, it is not there.
pub fn list_of_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    page: &Page<ReflectionId>,
) -> AppResult<Found<Shown>> {
    let row = events::find_event(conn, event)?;
    let filter = ReflectionFilter {
        reader: reader(conn, ctx)?,
        event: Some(event),
        page: page.clone(),
        ..ReflectionFilter::default()
    };
    let came = match &filter.reader {
        Some(reader) => attendance::takes_part(conn, &row, reader.member)?,
        None => true,
    };
    if !came {
        let first = ReflectionFilter {
            page: Page::first(1),
            ..filter.clone()
        };
        if store::list_reflections(conn, &first)?.rows.is_empty() {
            events::view_event_row(conn, ctx, event)?;
        }
    }
    list(conn, ctx, &filter)
}

fn list(conn: &mut DbConnection, ctx: &Ctx, filter: &ReflectionFilter) -> AppResult<Found<Shown>> {
    let found = store::list_reflections(conn, filter)?;
    Ok(Found {
        rows: show_all(conn, ctx, found.rows)?,
        count: found.count,
    })
}

/// For whoever may see it.
pub fn show(conn: &mut DbConnection, ctx: &Ctx, row: ReflectionRow) -> AppResult<Shown> {
    let mut shown = show_all(conn, ctx, vec![row])?;
    shown.pop().ok_or_else(AppError::not_found)
}

fn show_all(conn: &mut DbConnection, ctx: &Ctx, rows: Vec<ReflectionRow>) -> AppResult<Vec<Shown>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<ReflectionId> = rows.iter().map(|row| row.id).collect();
    let mut pictures: HashMap<ReflectionId, Vec<PictureRow>> = HashMap::new();
    for picture in store::list_pictures(conn, &ids)? {
        pictures.entry(picture.reflection_id).or_default().push(picture);
    }
    let liked: HashSet<ReflectionId> = match ctx.actor.member() {
        Ok(member) => store::list_liked(conn, member, &ids)?.into_iter().collect(),
        Err(_) => HashSet::new(),
    };
    let events: Vec<EventId> = rows.iter().map(|row| row.event_id).collect();
    let events = events::briefs(conn, &events)?;
    let authors: Vec<MemberId> = rows.iter().map(|row| row.author_id).collect();
    let authors = members::briefs(conn, &authors)?;
    let branches: Vec<OrganizationId> = rows.iter().map(|row| row.branch_id).collect();
    let branches = organizations::names(conn, &branches)?;
    let shown = |row: ReflectionRow| Shown {
        event_title: events
            .get(&row.event_id)
            .map_or_else(String::new, |event| event.title.clone()),
        author_name: name(&authors, row.author_id),
        branch_name: branches.get(&row.branch_id).cloned().unwrap_or_default(),
        pictures: pictures.remove(&row.id).unwrap_or_default(),
        liked_by_me: liked.contains(&row.id),
        row,
    };
    Ok(rows.into_iter().map(shown).collect())
}

fn name(people: &HashMap<MemberId, MemberBrief>, member: MemberId) -> String {
    people
        .get(&member)
        .map_or_else(String::new, |person| person.name.clone())
}

/// Somebody who likes a reflection.
#[derive(Debug, Clone)]
pub struct Like {
    pub member: MemberId,
    pub name: String,
    pub liked_at: Instant,
}

/// For its author and for nobody else.
pub fn list_likes(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ReflectionId,
    page: &Page<(Instant, MemberId)>,
) -> AppResult<Found<Like>> {
    let row = seen(conn, ctx, id)?;
    if ctx.actor.account != row.author_id.into() {
        return Err(AppError::forbidden());
    }
    let likes = store::list_likes(conn, id, page)?;
    let people: Vec<MemberId> = likes.iter().map(|(member, _)| *member).collect();
    let people = members::briefs(conn, &people)?;
    let like = |(member, liked_at)| Like {
        member,
        name: name(&people, member),
        liked_at,
    };
    Ok(Found {
        rows: likes.into_iter().map(like).collect(),
        count: None,
    })
}
