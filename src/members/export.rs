//! What a list can be answered as, and the members' list as a sheet that the import reads back.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION};
use actix_web::{HttpRequest, HttpResponse};

use super::rules::Standing;
use super::store::FullMemberRow;
use crate::platform::error::{AppError, AppResult, Code, Language};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Json,
    Sheet(SheetFormat),
    Html,
}

/// The first of `offered` that the Accept header takes, by its weights; JSON when it does not care. 406 for none.
pub fn wanted(request: &HttpRequest, offered: &[Wanted]) -> AppResult<Wanted> {
    let header = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    negotiate(header, offered).ok_or_else(|| Code::NotAcceptable.into())
}

fn negotiate(header: &str, offered: &[Wanted]) -> Option<Wanted> {
    if header.trim().is_empty() {
        return Some(Wanted::Json);
    }
    let mut best: Option<(f32, Wanted)> = None;
    for part in header.split(',') {
        let mut pieces = part.split(';').map(str::trim);
        let kind = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let weight = pieces
            .find_map(|piece| piece.strip_prefix("q="))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let means = match kind.as_str() {
            "*/*" | "application/*" | "application/json" => Wanted::Json,
            "text/csv" => Wanted::Sheet(SheetFormat::Csv),
            "text/html" => Wanted::Html,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => {
                Wanted::Sheet(SheetFormat::Xlsx)
            }
            _ => continue,
        };
        if weight > 0.0 && offered.contains(&means) && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, means));
        }
    }
    best.map(|(_, means)| means)
}

/// A file to keep. The name is ours, so it needs no escaping.
pub fn sheet_response(format: SheetFormat, name: &str, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{}\"", format.extension()),
        ))
        .insert_header(("cache-control", "private, no-store"))
        .body(bytes)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_decides() {
        let list = [
            Wanted::Json,
            Wanted::Sheet(SheetFormat::Csv),
            Wanted::Sheet(SheetFormat::Xlsx),
        ];
        assert_eq!(negotiate("", &list), Some(Wanted::Json));
        assert_eq!(
            negotiate("text/csv", &list),
            Some(Wanted::Sheet(SheetFormat::Csv))
        );
        assert_eq!(
            negotiate("text/csv;q=0.5, application/json", &list),
            Some(Wanted::Json)
        );
        assert_eq!(
            negotiate("text/html,application/xhtml+xml,*/*;q=0.8", &list),
            Some(Wanted::Json)
        );
        assert_eq!(
            negotiate("text/html,*/*;q=0.8", &[Wanted::Json, Wanted::Html]),
            Some(Wanted::Html)
        );
        assert_eq!(negotiate("image/png", &list), None);
    }
}
