//! An event's sign-ups as a sheet: a line each, a column for each question.

use serde_json::Value;

use super::lists::{FullPolicy, Listed};
use super::rules::Status;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::local_time;
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

pub fn sign_up_sheet(
    format: SheetFormat,
    language: Language,
    policy: &FullPolicy,
    rows: Vec<Listed>,
) -> AppResult<Vec<u8>> {
    let fixed = match language {
        Language::En => [
            "No.",
            "Name",
            "Branch",
            "Session",
            "State",
            "Signed up at",
            "Reason",
        ],
        Language::ZhHans => ["序号", "姓名", "所在支部", "场次", "状态", "报名时间", "原因"],
        Language::ZhHant => ["序號", "姓名", "所在支部", "場次", "狀態", "報名時間", "原因"],
    };
    let zone = local_time::zone(&policy.time_zone);
    let asked = policy.questions.iter().map(|question| question.text.as_str());
    let headers: Vec<&str> = fixed.into_iter().chain(asked).collect();
    let cells = rows.into_iter().map(|listed| {
        let row = listed.row;
        let session = policy
            .sessions
            .iter()
            .find(|session| session.id == row.session_id);
        let mut line = vec![
            Cell::from(row.seq),
            Cell::from(listed.name),
            Cell::from(listed.organization_name),
            Cell::from(session.map(|session| session.name.clone())),
            Cell::from(word(listed.status, language)),
            Cell::local(row.received_at, zone),
            Cell::from(row.end_reason),
        ];
        let answers = policy
            .questions
            .iter()
            .map(|question| row.answers.0.get(&question.key));
        line.extend(answers.map(answer));
        line
    });
    write_sheet(format, "sign-ups", &headers, cells).map_err(|error| AppError::internal(error.to_string()))
}

fn answer<'a>(value: Option<&Value>) -> Cell<'a> {
    match value {
        Some(Value::String(text)) => Cell::from(text.clone()),
        Some(Value::Number(number)) => Cell::from(number.as_f64()),
        _ => Cell::Empty,
    }
}

fn word(status: Status, language: Language) -> &'static str {
    match (status, language) {
        (_, Language::En) => status.as_str(),
        (Status::Entered, Language::ZhHans) => "待抽签",
        (Status::Entered, Language::ZhHant) => "待抽籤",
        (Status::Confirmed, Language::ZhHans) => "已确认",
        (Status::Confirmed, Language::ZhHant) => "已確認",
        (Status::Offered, Language::ZhHans) => "待接受",
        (Status::Offered, Language::ZhHant) => "待接受",
        (Status::Waitlisted, Language::ZhHans) => "候补",
        (Status::Waitlisted, Language::ZhHant) => "候補",
        (Status::Declined, Language::ZhHans) => "已谢绝",
        (Status::Declined, Language::ZhHant) => "已謝絕",
        (Status::Expired, Language::ZhHans) => "逾期未接受",
        (Status::Expired, Language::ZhHant) => "逾期未接受",
        (Status::Cancelled, _) => "已取消",
        (Status::Attended, Language::ZhHans) => "已参加",
        (Status::Attended, Language::ZhHant) => "已參加",
        (Status::NoShow, _) => "未到",
    }
}
