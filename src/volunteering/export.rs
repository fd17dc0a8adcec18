//! Yearly totals as a sheet.

use super::store::TotalRow;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

pub fn totals_sheet(
    format: SheetFormat,
    language: Language,
    year: i32,
    rows: Vec<TotalRow>,
) -> AppResult<Vec<u8>> {
    let headers = match language {
        Language::En => [
            "Name",
            "Employee no",
            "Branch",
            "Year",
            "Events",
            "Minutes",
            "Hours",
        ],
        Language::ZhHans => ["姓名", "工号", "所在支部", "年度", "次数", "分钟", "小时"],
        Language::ZhHant => ["姓名", "工號", "所在支部", "年度", "次數", "分鐘", "小時"],
    };
    let cells = rows.into_iter().map(|row| {
        vec![
            Cell::from(row.name),
            Cell::from(row.employee_no),
            Cell::from(row.organization_name),
            Cell::from(i64::from(year)),
            Cell::from(row.events),
            Cell::from(row.minutes),
            // Two digits behind the point.
            Cell::from((row.minutes as f64 / 0.6).round() / 100.0),
        ]
    });
    write_sheet(format, "service hours", &headers, cells)
        .map_err(|error| AppError::internal(error.to_string()))
}
