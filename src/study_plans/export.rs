//! Who stands where with a plan, as a sheet.

use super::rules::State;
use super::service::Line;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

pub fn lines_sheet(format: SheetFormat, language: Language, lines: Vec<Line>) -> AppResult<Vec<u8>> {
    let headers = match language {
        Language::En => [
            "Name",
            "Branch",
            "State",
            "Completed",
            "Lessons",
            "Late",
            "Due",
            "Completed at",
            "Excused",
        ],
        Language::ZhHans => [
            "姓名",
            "所在支部",
            "状态",
            "已完成",
            "课程数",
            "逾期",
            "截止时间",
            "完成时间",
            "免学原因",
        ],
        Language::ZhHant => [
            "姓名",
            "所在支部",
            "狀態",
            "已完成",
            "課程數",
            "逾期",
            "截止時間",
            "完成時間",
            "免學原因",
        ],
    };
    let cells = lines.into_iter().map(|line| {
        vec![
            Cell::from(line.name),
            Cell::from(line.organization_name),
            Cell::from(word(line.state, language)),
            Cell::from(line.completed.to_string()),
            Cell::from(line.lessons.to_string()),
            Cell::from(yes(line.late, language)),
            Cell::from(line.due_at.to_string()),
            Cell::from(line.completed_at.map(|at| at.to_string())),
            Cell::from(line.excuse),
        ]
    });
    write_sheet(format, "study plan", &headers, cells).map_err(|error| AppError::internal(error.to_string()))
}

fn yes(is: bool, language: Language) -> &'static str {
    match (is, language) {
        (true, Language::En) => "yes",
        (true, _) => "是",
        (false, _) => "",
    }
}

fn word(state: State, language: Language) -> &'static str {
    match (state, language) {
        (_, Language::En) => state.as_str(),
        (State::Done, _) => "已完成",
        (State::Doing, Language::ZhHans) => "学习中",
        (State::Doing, Language::ZhHant) => "學習中",
        (State::NotBegun, Language::ZhHans) => "未开始",
        (State::NotBegun, Language::ZhHant) => "未開始",
    }
}
