//! The attendance sheet as a spreadsheet: one row for each line, in the glossary's words.

use chrono_tz::Tz;

use std::collections::HashMap;

use super::checkpoints::PassageRow;
use super::rules::Presence;
use super::sheet::{self, Line, Sheet};
use crate::app::Ctx;
use crate::events::EventId;
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, OrganizationId};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};
use crate::platform::local_time;
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

const HEADERS: [&str; 12] = [
    "姓名",
    "工號",
    "所在支部",
    "黨員類別",
    "應到",
    "狀態",
    "簽到時間",
    "收到時間",
    "方式",
    "待審核",
    "提示",
    "事由",
];

/// Where the event has points.
const STAY_HEADERS: [&str; 5] = ["首次簽到", "簽退時間", "分鐘", "經過簽到點", "缺簽到點"];

/// A sheet with what a file says besides: read in one look, written without the database.
pub struct Export {
    sheet: Sheet,
    people: HashMap<MemberId, MemberBrief>,
    organizations: HashMap<OrganizationId, String>,
}

/// `keep` says which lines.
pub fn load(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    keep: impl Fn(&Line) -> bool,
) -> AppResult<Export> {
    let mut sheet = sheet::sheet(conn, ctx, event)?;
    sheet.lines.retain(keep);
    let ids: Vec<MemberId> = sheet.lines.iter().map(|line| line.member).collect();
    let people = members::briefs(conn, &ids)?;
    // Of the day of the event, not of today: people move.
    let then: Vec<OrganizationId> = sheet.lines.iter().filter_map(|line| line.organization).collect();
    Ok(Export {
        organizations: organizations::names(conn, &then)?,
        sheet,
        people,
    })
}

impl Export {
    /// What the file is called, without its ending.
    pub fn file_name(&self) -> String {
        let part = if self.sheet.whole { "" } else { "-part" };
        format!("attendance-{}{part}", self.sheet.event.id)
    }

    pub fn write(&self, format: SheetFormat) -> AppResult<Vec<u8>> {
        let event = &self.sheet.event;
        let zone = local_time::zone(&event.time_zone);
        let rows = self.sheet.lines.iter().map(|line| self.row(line, zone));
        let mut headers = HEADERS.to_vec();
        if !self.sheet.plan.points.is_empty() {
            headers.extend(STAY_HEADERS);
        }
        write_sheet(format, &event.title, &headers, rows)
            .map_err(|error| AppError::internal(error.to_string()))
    }

    fn row<'a>(&'a self, line: &'a Line, zone: Tz) -> Vec<Cell<'a>> {
        let employee_no = self
            .people
            .get(&line.member)
            .and_then(|p| p.employee_no.as_deref());
        let organization = line.organization.and_then(|id| self.organizations.get(&id));
        let mut cells = vec![
            Cell::Text(line.name.as_str().into()),
            employee_no.map_or(Cell::Empty, Cell::from),
            organization.map_or(Cell::Empty, |name| Cell::from(name.as_str())),
        ];
        cells.extend(attendance(line, zone));
        if !self.sheet.plan.points.is_empty() {
            cells.extend(self.stay(line, zone));
        }
        cells
    }

    fn stay(&self, line: &Line, zone: Tz) -> [Cell<'_>; 5] {
        let Some((stay, passages)) = &line.stay else {
            return std::array::from_fn(|_| Cell::Empty);
        };
        let name = |row: &PassageRow| {
            let points = &self.sheet.plan.points;
            let point = points.iter().find(|point| point.id == row.checkpoint_id);
            point.map(|point| point.name.as_str())
        };
        let names: Vec<&str> = passages.iter().filter_map(name).collect();
        [
            Cell::local(stay.first_in_at, zone),
            stay.out_at.map_or(Cell::Empty, |at| Cell::local(at, zone)),
            stay.minutes
                .map_or(Cell::Empty, |minutes| Cell::Integer(i64::from(minutes))),
            Cell::Text(names.join("、").into()),
            Cell::Text(if stay.is_incomplete { "是" } else { "" }.into()),
        ]
    }
}

fn attendance(line: &Line, zone: Tz) -> Vec<Cell<'_>> {
    let check_in = line.check_in.as_ref();
    let text = |text: &'static str| Cell::Text(text.into());
    let of = |pick: fn(&super::store::CheckInRow) -> Option<String>| match check_in.and_then(pick) {
        Some(value) => Cell::Text(value.into()),
        None => Cell::Empty,
    };
    vec![
        text(standing(&line.standing)),
        text(if line.expected { "是" } else { "否" }),
        text(presence(line.presence)),
        check_in.map_or(Cell::Empty, |row| Cell::local(row.occurred_at, zone)),
        check_in.map_or(Cell::Empty, |row| Cell::local(row.received_at, zone)),
        match check_in {
            Some(row) => text(source(&row.source)),
            None => Cell::Empty,
        },
        text(if line.waits_for_review() { "是" } else { "" }),
        match line.flags.is_empty() {
            true => Cell::Empty,
            false => Cell::Text(line.flags.join(",").into()),
        },
        of(|row| row.reason.clone()),
    ]
}

fn standing(word: &str) -> &'static str {
    match word {
        "full" => "正式黨員",
        "probationary" => "預備黨員",
        "activist" => "入黨積極分子",
        _ => "服務對象",
    }
}

fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Expected => "未簽到",
        Presence::Present => "實到",
        Presence::Late => "遲到",
        Presence::OnLeave => "請假",
        Presence::Absent => "缺席",
        Presence::MadeUp => "已補課",
        Presence::NotExpected => "未報名",
    }
}

fn source(word: &str) -> &'static str {
    match word {
        "code" => "掃碼",
        "typed_code" => "輸入碼",
        "proof" => "掃碼後登入",
        "personal_code" => "個人碼",
        "by_hand" => "手動登記",
        "exit_all" => "全體簽退",
        _ => "離線補傳",
    }
}
