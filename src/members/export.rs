//! The members' list as a sheet that the import reads back.

use super::rules::Standing;
use super::store::FullMemberRow;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

/// Headers and words that the import knows, so that an export can be mended and sent back. `rows` come as they are
/// read, so that a list of any length takes little memory besides the file itself.
pub fn members_sheet(
    format: SheetFormat,
    language: Language,
    rows: impl Iterator<Item = AppResult<FullMemberRow>>,
) -> AppResult<Vec<u8>> {
    let headers: [&str; 8] = match language {
        Language::En => [
            "Name",
            "Mobile",
            "Employee no",
            "Standing",
            "Branch",
            "Joined on",
            "Account name",
            "Active",
        ],
        Language::ZhHans => [
            "姓名",
            "手机",
            "工号",
            "党员类别",
            "所在支部",
            "入党日期",
            "账号",
            "在册",
        ],
        Language::ZhHant => [
            "姓名",
            "手機",
            "工號",
            "黨員類別",
            "所在支部",
            "入黨日期",
            "帳號",
            "在冊",
        ],
    };
    let mut failed = None;
    let cells = rows.map_while(|row| match row {
        Ok(row) => Some(cells_of(row, language)),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let written = write_sheet(format, "members", &headers, cells);
    match failed {
        Some(error) => Err(error),
        None => written.map_err(|error| AppError::internal(error.to_string())),
    }
}

fn cells_of(row: FullMemberRow, language: Language) -> Vec<Cell<'static>> {
    let member = row.member;
    let standing = Standing::parse(&member.standing).map(|s| standing_word(s, language));
    let active = match (member.deactivated_at.is_none(), language) {
        (true, Language::En) => "yes",
        (false, Language::En) => "no",
        (true, _) => "是",
        (false, _) => "否",
    };
    vec![
        Cell::from(member.name),
        Cell::from(row.phone),
        Cell::from(member.employee_no),
        Cell::from(standing),
        Cell::from(row.organization_name),
        Cell::from(member.joined_on),
        Cell::from(row.account_name),
        Cell::from(active),
    ]
}

fn standing_word(standing: Standing, language: Language) -> &'static str {
    match (standing, language) {
        (_, Language::En) => standing.as_str(),
        (Standing::Full, Language::ZhHans) => "正式党员",
        (Standing::Full, Language::ZhHant) => "正式黨員",
        (Standing::Probationary, Language::ZhHans) => "预备党员",
        (Standing::Probationary, Language::ZhHant) => "預備黨員",
        (Standing::Activist, Language::ZhHans) => "入党积极分子",
        (Standing::Activist, Language::ZhHant) => "入黨積極分子",
        (Standing::Guest, Language::ZhHans) => "服务对象",
        (Standing::Guest, Language::ZhHant) => "服務對象",
    }
}
