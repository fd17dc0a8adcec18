//! The attendance sheet as a spreadsheet: one row for each line, in the glossary's words.

use chrono_tz::Tz;

use super::rules::Presence;
use super::service::{Line, Sheet};
use crate::platform::error::{AppError, AppResult};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

const HEADERS: [&str; 9] = [
    "姓名",
    "黨員類別",
    "應到",
    "狀態",
    "簽到時間",
    "方式",
    "待審核",
    "提示",
    "事由",
];

pub fn export(sheet: &Sheet, format: SheetFormat) -> AppResult<Vec<u8>> {
    let zone: Tz = sheet.event.time_zone.parse().unwrap_or(chrono_tz::Asia::Shanghai);
    let rows = sheet.lines.iter().map(|line| row(line, zone));
    write_sheet(format, &sheet.event.title, &HEADERS, rows)
        .map_err(|error| AppError::internal(error.to_string()))
}

fn row(line: &Line, zone: Tz) -> Vec<Cell<'_>> {
    let check_in = line.check_in.as_ref();
    let text = |text: &'static str| Cell::Text(text.into());
    let of = |pick: fn(&super::store::CheckInRow) -> Option<String>| match check_in.and_then(pick) {
        Some(value) => Cell::Text(value.into()),
        None => Cell::Empty,
    };
    vec![
        Cell::Text(line.name.as_str().into()),
        text(standing(&line.standing)),
        text(if line.expected { "是" } else { "否" }),
        text(presence(line.presence)),
        match check_in {
            Some(row) => Cell::DateTime(row.received_at.utc().with_timezone(&zone).naive_local()),
            None => Cell::Empty,
        },
        match check_in {
            Some(row) => text(source(&row.source)),
            None => Cell::Empty,
        },
        text(
            if check_in.is_some_and(super::store::CheckInRow::waits_for_review) {
                "是"
            } else {
                ""
            },
        ),
        of(|row| Some(row.flags.clone()).filter(|flags| !flags.is_empty())),
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
    }
}

fn source(word: &str) -> &'static str {
    match word {
        "code" => "掃碼",
        "typed_code" => "輸入碼",
        "proof" => "掃碼後登入",
        "personal_code" => "個人碼",
        "by_hand" => "手動登記",
        _ => "離線補傳",
    }
}
