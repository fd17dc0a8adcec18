//! Prepares a database for `scripts/bench.sh`: a tenant of many members, one event open to all of them, and an access
//! token for each, and a lesson for all of them. Not part of the server.
//!
//! `seed FOLDER MEMBERS [LESSONS]` with the settings of the environment writes FOLDER/tokens.txt, FOLDER/admin.txt,
//! FOLDER/event.txt, FOLDER/theme_day.txt, FOLDER/lesson.txt; with LESSONS it publishes so many more, for `zhibu reindex`, and writes
//! FOLDER/queries.txt. `seed FOLDER MEMBERS points` gives all of them points instead, opens leaderboards, and writes the tokens of the
//! first twenty thousand, and FOLDER/root.txt.

mod lessons;

use std::io::Write;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use zhibu::app::App;
use zhibu::auth::{AccountId, Actor, SessionId};
use zhibu::events::{self, CreateEvent, Expected, Form, PublishEvent};
use zhibu::members::{self, CreateMember, Standing};
use zhibu::organizations::{self, CreateOrganization, Kind, Role, SettingsPatch};
use zhibu::platform::clock::Clock;
use zhibu::platform::config::{Config, Overrides};
use zhibu::platform::db::{DbConnection, Instant};
use zhibu::platform::ids::Ids;
use zhibu::platform::local_time;
use zhibu::server;
use zhibu::sign_ups::{self, WriteSignUpPolicy};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("seed FOLDER MEMBERS")?);
    let members: usize = arguments.next().ok_or("seed FOLDER MEMBERS")?.parse()?;
    let what = arguments.next().unwrap_or_else(|| "0".to_owned());
    let has_points = what == "points";
    let lessons: usize = if has_points { 0 } else { what.parse()? };
    let config = Config::load(&Overrides::default())?;
    std::fs::create_dir_all(&config.server.data)?;
    server::migrate_now(&config)?;
    actix_web::rt::System::new().block_on(seed(folder, members, lessons, has_points, config))
}

async fn seed(
    folder: PathBuf,
    count: usize,
    lessons: usize,
    has_points: bool,
    config: Config,
) -> Result<(), Failure> {
    let app = App::build(config, Clock::system(), Ids::system())?;
    let ctx = app.ctx(Actor::operator());
    let theme_day = {
        let ctx = ctx.clone();
        move |conn: &mut DbConnection, root| make_theme_day(conn, &ctx, root)
    };
    let made = {
        let ctx = ctx.clone();
        app.db
            .write_long(move |conn| {
                let organization = |name: &str, kind| CreateOrganization {
                    name: name.into(),
                    kind,
                    parent_id: None,
                    settings: SettingsPatch::default(),
                };
                let root = organizations::create_root(conn, &ctx, organization("壓測黨委", Kind::Committee))?;
                let branch =
                    organizations::create_under(conn, &ctx, &root, organization("壓測支部", Kind::Branch))?;
                let admin = CreateMember {
                    name: "管理員".into(),
                    organization_id: root.id,
                    phone: None,
                    employee_no: None,
                    account_name: Some("bench-admin".into()),
                    standing: Standing::Full,
                    standing_since: None,
                    joined_on: None,
                };
                let admin = members::create_member(conn, &ctx, &admin)?;
                organizations::grant_role(conn, &ctx, root.id, admin.id, Role::Admin)?;
                let starts_at = ctx.now.plus_s(600);
                let event = CreateEvent {
                    organization_id: root.id,
                    title: "壓測大會".into(),
                    description: String::new(),
                    place: String::new(),
                    starts_at,
                    ends_at: starts_at.plus_s(7_200),
                    forms: vec![Form::GeneralMeeting],
                    expected: Expected::default(),
                    opens_before_s: Some(3_600),
                    late_after_s: Some(300),
                    closes_after_s: Some(7_200),
                    code_window_s: Some(120),
                    offline_allowed: Some(true),
                    geofence: None,
                };
                let event = events::create_event(conn, &ctx, event)?;
                Ok((root.id, branch.id, admin.id, event.row.id))
            })
            .await?
    };
    let (root, branch, admin, event) = made;
    let ids: Vec<uuid::Uuid> = (0..count).map(|_| app.ids.make()).collect();
    for chunk in ids.chunks(5_000) {
        let chunk = chunk.to_vec();
        app.db
            .write_long(move |conn| insert_people(conn, &chunk, root.0, branch.0))
            .await?;
    }
    if has_points {
        let now = app.clock.now();
        app.db
            .write_long(move |conn| insert_points(conn, now, root.0))
            .await?;
        std::fs::write(folder.join("root.txt"), root.to_string())?;
        let some: Vec<_> = ids.into_iter().take(20_000).collect();
        return write_tokens(&app, &folder, root, &some, admin);
    }
    app.db
        .write_long(move |conn| {
            events::publish_event(conn, &ctx, event, &PublishEvent::quietly()).map(|_| ())
        })
        .await?;
    let theme_day = app.db.write_long(move |conn| theme_day(conn, root)).await?;
    std::fs::write(folder.join("theme_day.txt"), theme_day.to_string())?;
    let for_lesson = app.ctx(Actor::operator());
    let lesson = app
        .db
        .write_long(move |conn| insert_lesson(conn, &for_lesson, root))
        .await?;
    std::fs::write(folder.join("lesson.txt"), lesson.to_string())?;
    if lessons > 0 {
        std::fs::write(folder.join("queries.txt"), lessons::queries())?;
        lessons::publish(&app, root, lessons).await?;
    }
    std::fs::write(folder.join("event.txt"), event.to_string())?;
    write_tokens(&app, &folder, root, &ids, admin)
}

fn write_tokens(
    app: &App,
    folder: &Path,
    root: organizations::OrganizationId,
    ids: &[uuid::Uuid],
    admin: members::MemberId,
) -> Result<(), Failure> {
    let now = app.clock.now();
    let token = |member: uuid::Uuid| {
        let session = SessionId(app.ids.make());
        let actor = Actor {
            account: AccountId(member),
            session,
            tenant: Some(root),
            is_system_admin: false,
        };
        app.auth.access_token(&actor, now).map(|(token, _)| token)
    };
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("tokens.txt"))?);
    for id in ids {
        writeln!(file, "{}", token(*id)?)?;
    }
    std::fs::write(folder.join("admin.txt"), token(admin.0)?)?;
    Ok(())
}

/// One to a thousand points for each, today, so that there are many equals; and everybody may see it.
fn insert_points(
    conn: &mut DbConnection,
    now: Instant,
    tenant: uuid::Uuid,
) -> zhibu::platform::error::AppResult<()> {
    let now = local_time::local_date(now, chrono_tz::Asia::Shanghai);
    let month = now.format("%Y-%m-01");
    let (points, date, at, tenant) = match conn {
        DbConnection::Sqlite(_) => (
            "abs(random()) % 1000 + 1",
            "",
            "abs(random()) % 1000000000",
            format!("x'{}'", tenant.simple()),
        ),
        DbConnection::Pg(_) => (
            "CAST(floor(random() * 1000) AS bigint) + 1",
            "::date",
            "now() - random() * interval '1 hour'",
            format!("'{tenant}'::uuid"),
        ),
    };
    for (span, day) in [
        ("day", now.to_string()),
        ("month", month.to_string()),
        ("year", now.format("%Y-01-01").to_string()),
    ] {
        diesel::sql_query(format!(
            "INSERT INTO point_totals (member_id, span, starts_on, tenant_id, points, reached_at) \
             SELECT id, '{span}', '{day}'{date}, tenant_id, {points}, {at} FROM members WHERE tenant_id = {tenant}"
        ))
        .execute(conn)?;
    }
    diesel::sql_query(format!(
        "UPDATE organizations SET leaderboards = 'open' WHERE id = {tenant}"
    ))
    .execute(conn)?;
    Ok(())
}

/// A theme day with 120 places that everybody may sign up for.
fn make_theme_day(
    conn: &mut DbConnection,
    ctx: &zhibu::app::Ctx,
    root: organizations::OrganizationId,
) -> zhibu::platform::error::AppResult<events::EventId> {
    let starts_at = ctx.now.plus_s(3 * 86_400);
    let event = CreateEvent {
        organization_id: root,
        title: "壓測主題黨日".into(),
        description: String::new(),
        place: String::new(),
        starts_at,
        ends_at: starts_at.plus_s(7_200),
        forms: vec![Form::ThemeDay],
        expected: Expected::default(),
        opens_before_s: None,
        late_after_s: None,
        closes_after_s: None,
        code_window_s: None,
        offline_allowed: None,
        geofence: None,
    };
    let event = events::create_event(conn, ctx, event)?.row.id;
    let policy = WriteSignUpPolicy {
        capacity: Some(120),
        ..WriteSignUpPolicy::default()
    };
    sign_ups::write_policy(conn, ctx, event, None, &policy)?;
    events::publish_event(conn, ctx, event, &PublishEvent::quietly())?;
    Ok(event)
}

/// A published lesson of five minutes, without its file.
fn insert_lesson(
    conn: &mut DbConnection,
    ctx: &zhibu::app::Ctx,
    root: organizations::OrganizationId,
) -> zhibu::platform::error::AppResult<uuid::Uuid> {
    let id: uuid::Uuid = ctx.ids.make();
    let literal = |id: uuid::Uuid, conn: &DbConnection| match conn {
        DbConnection::Sqlite(_) => format!("x'{}'", id.simple()),
        DbConnection::Pg(_) => format!("'{id}'::uuid"),
    };
    let now = match conn {
        DbConnection::Sqlite(_) => ctx.now.micros().to_string(),
        DbConnection::Pg(_) => "now()".to_owned(),
    };
    let (lesson, tenant) = (literal(id, conn), literal(root.0, conn));
    for statement in [
        format!(
            "INSERT INTO lessons (id, tenant_id, organization_id, kind, status, title, summary, body, transcript, \
             threshold_permille, speed_percent, audience_standings, published_number, created_at, updated_at) VALUES \
             ({lesson}, {tenant}, {tenant}, 'video', 'published', '微黨課', '', '', '', 900, 200, 15, 1, {now}, {now})"
        ),
        format!(
            "INSERT INTO lesson_versions (lesson_id, number, tenant_id, title, summary, body, body_html, transcript, \
             duration_ms, sections, threshold_permille, speed_percent, published_at) VALUES \
             ({lesson}, 1, {tenant}, '微黨課', '', '', '', '', 300000, '[]', 900, 200, {now})"
        ),
        format!(
            "INSERT INTO lesson_organizations (lesson_id, organization_id, tenant_id) VALUES ({lesson}, {tenant}, {tenant})"
        ),
    ] {
        diesel::sql_query(statement).execute(conn)?;
    }
    Ok(id)
}

/// Many rows at once, below the services: 100,000 members in seconds.
fn insert_people(
    conn: &mut DbConnection,
    ids: &[uuid::Uuid],
    tenant: uuid::Uuid,
    home: uuid::Uuid,
) -> zhibu::platform::error::AppResult<()> {
    let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
    let (tenant, home) = (tenant.simple(), home.simple());
    for chunk in hex.chunks(500) {
        let (accounts, people): (Vec<String>, Vec<String>) = match conn {
            DbConnection::Sqlite(_) => chunk
                .iter()
                .map(|id| {
                    (
                        format!("(x'{id}', x'{tenant}', 0, 0)"),
                        format!("(x'{id}', x'{tenant}', x'{home}', 'P{id}', 'full', '2020-01-01', 0, 0)"),
                    )
                })
                .unzip(),
            DbConnection::Pg(_) => chunk
                .iter()
                .map(|id| {
                    (
                        format!("('{id}'::uuid, '{tenant}'::uuid, now(), now())"),
                        format!("('{id}'::uuid, '{tenant}'::uuid, '{home}'::uuid, 'P{id}', 'full', '2020-01-01'::date, now(), now())"),
                    )
                })
                .unzip(),
        };
        let accounts = accounts.join(",");
        let people = people.join(",");
        diesel::sql_query(format!(
            "INSERT INTO accounts (id, tenant_id, created_at, updated_at) VALUES {accounts}"
        ))
        .execute(conn)?;
        diesel::sql_query(format!(
            "INSERT INTO members (id, tenant_id, organization_id, name, standing, standing_since, created_at, updated_at) VALUES {people}"
        ))
        .execute(conn)?;
    }
    Ok(())
}
