//! The demonstration: one committee, three branches with groups, sixty members, a past quarter, a meeting that is open
//! now and one next week, a lesson and a plan that asks for it. Made through the same services that requests go through.

use diesel::prelude::*;
use uuid::Uuid;

use crate::app::{App, Ctx};
use crate::attendance::{self, Source};
use crate::auth::{self, Actor};
use crate::events::{self, CreateEvent, EventId, EventRow, Expected, Form, PublishEvent, Status};
use crate::lessons::{self, Audience, CreateLesson};
use crate::members::{self, CreateMember, MemberRow, Standing};
use crate::organizations::{
    self, CreateOrganization, Kind, OrganizationId, OrganizationRow, Role, SettingsPatch,
};
use crate::platform::db::schema::{accounts, events as events_table, organizations as organizations_table};
use crate::platform::db::{DbConnection, Instant, lock_first_start};
use crate::platform::error::{AppError, AppResult};
use crate::platform::keys::{Keys, random_secret};
use crate::platform::local_time;
use crate::sign_ups::{self, WriteSignUpPolicy};
use crate::study_plans::{self, CreateStudyPlan};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const DAY_S: i64 = 86_400;
const SURNAMES: [&str; 20] = [
    "王", "李", "張", "劉", "陳", "楊", "黃", "趙", "吳", "周", "徐", "孫", "馬", "朱", "胡", "郭", "何",
    "林", "羅", "鄭",
];
const GIVEN: [&str; 15] = [
    "建國", "秀英", "志強", "曉梅", "海燕", "文博", "麗華", "永剛", "思遠", "雅琴", "國棟", "雪梅", "子涵",
    "明哲", "佩珊",
];

/// Fills an empty database, and prints how to use it. Refuses one that holds real data. A later start makes a meeting
/// that is open now if there is none, and changes nothing else.
pub async fn fill(app: &App) -> Result<(), Failure> {
    let given = given_password(app.config.auth.password_min_length)?;
    let password = given.clone().unwrap_or_else(random_secret::<12>);
    let hash = auth::hash_password(&password, app.config.auth.hashing_memory_kib)?;
    let (ctx, keys) = (app.ctx(Actor::operator()), app.keys.clone());
    let found = app
        .db
        .write_long(move |conn| {
            // Of several processes that start together one fills it; to the others it is here already.
            lock_first_start(conn)?;
            match state(conn)? {
                State::Real => Ok(None),
                State::Empty => Ok(Some((true, make(conn, &ctx, &keys, &hash)?))),
                State::Demo(committee) => Ok(Some((false, open_meeting(conn, &ctx, committee)?))),
            }
        })
        .await?;
    let Some((is_new, event)) = found else {
        return Err("this database already holds real data: the demonstration stays out of it".into());
    };
    println!("{}", words(is_new, given.as_deref(), &password));
    println!(
        "{}",
        recipe(
            &app.config.server.public_url,
            (is_new || given.is_some()).then_some(&password),
            event.0
        )
    );
    Ok(())
}

fn given_password(min_length: usize) -> Result<Option<String>, Failure> {
    let given = std::env::var("ZHIBU_DEMO_PASSWORD")
        .ok()
        .filter(|password| !password.is_empty());
    match &given {
        Some(password) if password.chars().count() < min_length => {
            Err(format!("ZHIBU_DEMO_PASSWORD is too short: at least {min_length} characters").into())
        }
        Some(password) if password.chars().any(char::is_control) => {
            Err("ZHIBU_DEMO_PASSWORD has a control character".into())
        }
        _ => Ok(given),
    }
}

enum State {
    /// At most a system admin.
    Empty,
    /// The demonstration's tree, by its root, and nothing else.
    Demo(OrganizationId),
    Real,
}

fn state(conn: &mut DbConnection) -> AppResult<State> {
    use organizations_table::dsl as o;
    let roots: Vec<OrganizationId> = o::organizations
        .filter(o::parent_id.is_null())
        .select(o::id)
        .limit(2)
        .load(conn)?;
    let people: i64 = accounts::table
        .filter(accounts::is_system_admin.eq(false))
        .count()
        .get_result(conn)?;
    let [root] = roots.as_slice() else {
        return Ok(if roots.is_empty() && people == 0 {
            State::Empty
        } else {
            State::Real
        });
    };
    let demo: i64 = accounts::table
        .filter(accounts::account_name.eq("demo-admin"))
        .filter(accounts::tenant_id.eq(root))
        .count()
        .get_result(conn)?;
    Ok(if demo == 0 {
        State::Real
    } else {
        State::Demo(*root)
    })
}

/// The committee's meeting whose check-in is open now; a new one if there is none.
fn open_meeting(conn: &mut DbConnection, ctx: &Ctx, committee: OrganizationId) -> AppResult<EventId> {
    use events_table::dsl as e;
    let open = e::events
        .filter(e::organization_id.eq(committee))
        .filter(e::status.eq(Status::Published.as_str()))
        .filter(e::check_in_opens_at.le(ctx.now))
        // Long enough to try it.
        .filter(e::check_in_closes_at.gt(ctx.now.plus_s(600)))
        .order((e::starts_at.desc(), e::id.desc()))
        .select(e::id)
        .first(conn)
        .optional()?;
    match open {
        Some(id) => Ok(id),
        None => {
            let committee = organizations::find_organization(conn, committee)?;
            publish_open(conn, ctx, &committee)
        }
    }
}

fn publish_open(conn: &mut DbConnection, ctx: &Ctx, committee: &OrganizationRow) -> AppResult<EventId> {
    let soon = ctx.now.plus_s(600);
    let forms = [Form::GeneralMeeting, Form::ThemeDay];
    Ok(publish(
        conn,
        ctx,
        meeting(committee, "季度黨員大會暨主題黨日", soon, &forms),
    )?
    .id)
}

fn make(conn: &mut DbConnection, ctx: &Ctx, keys: &Keys, password_hash: &str) -> AppResult<EventId> {
    let committee = organizations::create_root(conn, ctx, organization("機關黨委", Kind::Committee))?;
    let mut branches = Vec::new();
    for name in ["第一黨支部", "第二黨支部", "第三黨支部"] {
        let branch = organizations::create_under(conn, ctx, &committee, organization(name, Kind::Branch))?;
        let first = organizations::create_under(conn, ctx, &branch, organization("第一黨小組", Kind::Group))?;
        let second =
            organizations::create_under(conn, ctx, &branch, organization("第二黨小組", Kind::Group))?;
        branches.push([branch, first, second]);
    }
    let people = make_members(conn, ctx, &branches, password_hash)?;
    let first_branch = branches
        .first()
        .map(|[branch, ..]| branch)
        .ok_or_else(|| AppError::internal("no branch"))?;

    let admin = staff(conn, ctx, &committee, "demo-admin", "陳管理", password_hash)?;
    let secretary = staff(conn, ctx, first_branch, "demo-secretary", "林書記", password_hash)?;
    organizations::grant_role(conn, ctx, committee.id, admin.id, Role::Admin)?;
    organizations::grant_role(conn, ctx, first_branch.id, secretary.id, Role::Secretary)?;

    make_history(conn, ctx, keys, &committee, first_branch, &people)?;
    make_lesson(conn, ctx, &committee)?;
    let open = publish_open(conn, ctx, &committee)?;
    publish(
        conn,
        ctx,
        meeting(
            first_branch,
            "微黨課：黨章學習",
            ctx.now.plus_s(7 * DAY_S),
            &[Form::Lecture],
        ),
    )?;
    make_theme_day(conn, ctx, &committee)?;
    Ok(open)
}

/// A theme day in ten days, with places to sign up for.
fn make_theme_day(conn: &mut DbConnection, ctx: &Ctx, committee: &OrganizationRow) -> AppResult<()> {
    let soon = ctx.now.plus_s(10 * DAY_S);
    let new = meeting(committee, "主題黨日：參觀革命紀念館", soon, &[Form::ThemeDay]);
    let event = events::create_event(conn, ctx, new)?.row.id;
    let policy = WriteSignUpPolicy {
        capacity: Some(20),
        ..WriteSignUpPolicy::default()
    };
    sign_ups::write_policy(conn, ctx, event, None, &policy)?;
    events::publish_event(conn, ctx, event, &PublishEvent::quietly())?;
    Ok(())
}

fn organization(name: &str, kind: Kind) -> CreateOrganization {
    CreateOrganization {
        name: name.to_owned(),
        kind,
        parent_id: None,
        settings: SettingsPatch::default(),
    }
}

fn make_members(
    conn: &mut DbConnection,
    ctx: &Ctx,
    branches: &[[OrganizationRow; 3]],
    password_hash: &str,
) -> AppResult<Vec<MemberRow>> {
    let homes: Vec<&OrganizationRow> = branches.iter().flatten().collect();
    let mut people = Vec::new();
    for n in 1..=60_usize {
        let home = homes
            .get(n % homes.len())
            .ok_or_else(|| AppError::internal("no home"))?;
        // Mostly full members; some of every other standing.
        let standing = match n % 12 {
            10 => Standing::Probationary,
            11 => Standing::Activist,
            0 => Standing::Guest,
            _ => Standing::Full,
        };
        let surname = SURNAMES.get(n % SURNAMES.len()).copied().unwrap_or("王");
        let given = GIVEN.get(n * 7 % GIVEN.len()).copied().unwrap_or("建國");
        let member = members::create_member(
            conn,
            ctx,
            &CreateMember {
                name: format!("{surname}{given}"),
                organization_id: home.id,
                phone: Some(format!("1390000{n:04}")),
                employee_no: Some(format!("D{n:03}")),
                account_name: Some(format!("demo-member-{n:03}")),
                standing,
                standing_since: None,
                joined_on: None,
            },
        )?;
        auth::set_password(conn, ctx.now, member.id.into(), password_hash)?;
        people.push(member);
    }
    Ok(people)
}

fn staff(
    conn: &mut DbConnection,
    ctx: &Ctx,
    home: &OrganizationRow,
    account_name: &str,
    name: &str,
    password_hash: &str,
) -> AppResult<MemberRow> {
    let new = CreateMember {
        name: name.to_owned(),
        organization_id: home.id,
        phone: None,
        employee_no: None,
        account_name: Some(account_name.to_owned()),
        standing: Standing::Full,
        standing_since: None,
        joined_on: None,
    };
    let member = members::create_member(conn, ctx, &new)?;
    auth::set_password(conn, ctx.now, member.id.into(), password_hash)?;
    Ok(member)
}

fn meeting(organization: &OrganizationRow, title: &str, starts_at: Instant, forms: &[Form]) -> CreateEvent {
    CreateEvent {
        organization_id: organization.id,
        title: title.to_owned(),
        description: String::new(),
        place: "三樓會議室".to_owned(),
        starts_at,
        ends_at: starts_at.plus_s(5_400),
        forms: forms.to_vec(),
        expected: Expected::default(),
        opens_before_s: Some(1_800),
        late_after_s: Some(300),
        closes_after_s: Some(7_200),
        code_window_s: Some(10),
        offline_allowed: Some(true),
        geofence: None,
    }
}

fn publish(conn: &mut DbConnection, ctx: &Ctx, new: CreateEvent) -> AppResult<EventRow> {
    let event = events::create_event(conn, ctx, new)?;
    Ok(events::publish_event(conn, ctx, event.row.id, &PublishEvent::quietly())?.row)
}

/// A past quarter: three meetings that most attended, some late, some not at all.
fn make_history(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    committee: &OrganizationRow,
    branch: &OrganizationRow,
    people: &[MemberRow],
) -> AppResult<()> {
    let past = [
        (committee, "第三季度黨員大會", 75, Form::GeneralMeeting),
        (branch, "支部主題黨日：社區服務", 45, Form::ThemeDay),
        (committee, "專題黨課", 20, Form::Lecture),
    ];
    for (organization, title, days_ago, form) in past {
        let starts_at = ctx.now.plus_s(-days_ago * DAY_S);
        let event = publish(conn, ctx, meeting(organization, title, starts_at, &[form]))?;
        for (n, member) in people.iter().enumerate() {
            if n % 9 == 4 {
                continue;
            }
            let minutes = if n % 11 == 3 {
                12
            } else {
                -i64::try_from(n % 20).unwrap_or(0)
            };
            let at = starts_at.plus_s(minutes * 60);
            attendance::record_past(conn, ctx, keys, &event, member.id, at, Source::Code)?;
        }
        let after = Ctx {
            now: starts_at.plus_s(7_200),
            ..ctx.clone()
        };
        events::close_event(conn, &after, event.id)?;
    }
    Ok(())
}

const LESSON: &str = "# 為什麼要開好支部黨員大會\n\n支部黨員大會由全體黨員參加，一般每季度召開一次，討論和決定支部的重要事項。\n\n\
    # 會前\n\n提前把議題和時間告訴每一位黨員；不能到會的，會前請假。\n\n\
    # 會上\n\n到會的有表決權黨員達到半數方可表決；贊成人數超過應到會有表決權黨員的半數為通過。\n\n\
    # 會後\n\n決定的事落實到人；缺席的同志在三十天內補課。\n";

/// A lesson for everybody, and a plan that asks for it within two weeks.
fn make_lesson(conn: &mut DbConnection, ctx: &Ctx, committee: &OrganizationRow) -> AppResult<()> {
    let lesson = CreateLesson {
        organization_id: committee.id,
        kind: lessons::Kind::Article,
        title: "五分鐘微黨課：開好支部黨員大會".to_owned(),
        summary: "會前、會上、會後各做什麼".to_owned(),
        body: LESSON.to_owned(),
        transcript: String::new(),
        tags: vec!["三會一課".to_owned()],
        audience: Audience::default(),
        media_id: None,
        poster_id: None,
        subtitles: Vec::new(),
        attachments: Vec::new(),
        threshold_permille: None,
        speed_percent: None,
    };
    let lesson = lessons::create_lesson(conn, ctx, lesson)?.row.id;
    lessons::submit_lesson(conn, ctx, lesson)?;
    lessons::publish_lesson(conn, ctx, lesson, None)?;
    let plan = CreateStudyPlan {
        organization_id: committee.id,
        title: "本月學習計劃".to_owned(),
        description: String::new(),
        lesson_ids: vec![lesson],
        series_ids: Vec::new(),
        due_on: local_time::local_date(ctx.now.plus_s(14 * DAY_S), local_time::zone("Asia/Shanghai")),
        standings: Vec::new(),
        grace_days: None,
    };
    let plan = study_plans::create_plan(conn, ctx, plan)?.row.id;
    study_plans::publish_plan(conn, ctx, plan)?;
    Ok(())
}

fn words(is_new: bool, given: Option<&str>, password: &str) -> String {
    let accounts = "Accounts: demo-admin, demo-secretary, demo-member-001 … demo-member-060";
    let password = match (is_new, given) {
        (true, _) => format!("Password of all of them: {password}"),
        (false, Some(_)) => "Their password is what it was set to when they were made.".to_owned(),
        (false, None) => "Their password was printed when they were made.".to_owned(),
    };
    let state = if is_new { "is ready" } else { "is here already" };
    format!("Demonstration data {state}. {accounts}\n{password}\n")
}

/// Lines to paste that check a member in. `password`: none when only its first print tells it.
fn recipe(url: &str, password: Option<&String>, event: Uuid) -> String {
    let password = match password {
        Some(password) => shell_quoted(&json_inside(password)),
        None => "'put it here'".to_owned(),
    };
    format!(
        "Check a member in, copy and paste:\n\
         \n\
         Z={url}/api/v1; EVENT={event}; PASSWORD={password}\n\
         login() {{ curl -s $Z/auth/login -H 'Content-Type: application/json' -d \"{{\\\"account\\\":\\\"$1\\\",\\\"password\\\":\\\"$PASSWORD\\\"}}\" | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'; }}\n\
         CODE=$(curl -s $Z/events/$EVENT/code -H \"Authorization: Bearer $(login demo-admin)\" | sed 's/.*\"code\":\"\\([^\"]*\\)\".*/\\1/')\n\
         curl -i $Z/check-ins -H \"Authorization: Bearer $(login demo-member-001)\" -H 'Content-Type: application/json' \\\n  \
         -d \"{{\\\"code\\\":\\\"$CODE\\\",\\\"client_event_id\\\":\\\"$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)\\\",\\\"occurred_at\\\":\\\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\\"}}\"\n"
    )
}

/// As it stands between the quotes of a JSON string.
fn json_inside(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

/// One word to a POSIX shell, whatever is in it.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_password_survives_the_shell_and_json() {
        for password in ["plain enough", r#"it's "so" \ $HOME `id`"#, r#""""#] {
            let word = shell_quoted(&json_inside(password));
            let script = format!("PASSWORD={word}; printf '%s' \"{{\\\"p\\\":\\\"$PASSWORD\\\"}}\"");
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            let back: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(back["p"], password);
        }
    }
}
