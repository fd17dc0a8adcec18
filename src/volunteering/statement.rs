//! A member's hours as a document to print.

use super::service::Statement;
use crate::platform::document::{Align, Column, DocumentError, Fonts, Layout};
use crate::platform::error::{AppError, AppResult, Code, Language};

/// What a statement says, in the words of one language.
struct Words {
    tag: &'static str,
    title: &'static str,
    name: &'static str,
    employee_no: &'static str,
    organization: &'static str,
    period: &'static str,
    all_years: &'static str,
    columns: [&'static str; 4],
    total: &'static str,
    note: &'static str,
    issued_on: &'static str,
    issued_by: &'static str,
    seal: &'static str,
}

const ZH_HANT: Words = Words {
    tag: "zh-Hant",
    title: "志願服務時長證明",
    name: "姓名",
    employee_no: "工號",
    organization: "所在組織",
    period: "年度",
    all_years: "全部",
    columns: ["序號", "日期", "活動", "服務時長"],
    total: "合計",
    note: "以上時長均由活動組織者根據簽到、簽退記錄確認。",
    issued_on: "出具日期",
    issued_by: "出具人",
    seal: "（蓋章）",
};

const ZH_HANS: Words = Words {
    tag: "zh-Hans",
    title: "志愿服务时长证明",
    name: "姓名",
    employee_no: "工号",
    organization: "所在组织",
    period: "年度",
    all_years: "全部",
    columns: ["序号", "日期", "活动", "服务时长"],
    total: "合计",
    note: "以上时长均由活动组织者根据签到、签退记录确认。",
    issued_on: "出具日期",
    issued_by: "出具人",
    seal: "（盖章）",
};

const EN: Words = Words {
    tag: "en",
    title: "Statement of volunteer service",
    name: "Name",
    employee_no: "Employee no",
    organization: "Organization",
    period: "Year",
    all_years: "all",
    columns: ["No", "Date", "Event", "Time served"],
    total: "Total",
    note: "Each of these was confirmed by the organiser of the event from the records of check-in and check-out.",
    issued_on: "Issued on",
    issued_by: "Issued by",
    seal: "(seal)",
};

/// The PDF. Without a font for it the code names the setting.
pub fn statement_pdf(
    statement: &Statement,
    language: Language,
    font: Option<&str>,
    server: &str,
) -> AppResult<Vec<u8>> {
    let words = match language {
        Language::ZhHant => &ZH_HANT,
        Language::ZhHans => &ZH_HANS,
        Language::En => &EN,
    };
    let fonts = Fonts::find(font).map_err(|error| {
        let missing = AppError::from(Code::DocumentFontMissing).with("setting", "documents.font");
        missing.retry_after(3_600).caused_by(error.to_string())
    })?;
    let mut layout = Layout::new(fonts);
    write_head(&mut layout, statement, words);
    write_items(&mut layout, statement, language, words);
    write_foot(&mut layout, statement, words);
    let page_of = |page, pages| match language {
        Language::En => format!("{server}    Page {page} of {pages}"),
        Language::ZhHans => format!("{server}    第 {page} 页，共 {pages} 页"),
        Language::ZhHant => format!("{server}    第 {page} 頁，共 {pages} 頁"),
    };
    layout
        .finish(words.title, words.tag, page_of)
        .map_err(|error: DocumentError| AppError::internal(error.to_string()))
}

fn write_head(layout: &mut Layout, statement: &Statement, words: &Words) {
    let year = statement
        .year
        .map_or_else(|| words.all_years.to_owned(), |year| year.to_string());
    layout.space(12.0);
    layout.text(words.title, 22.0, Align::Center);
    layout.space(22.0);
    let mut facts = vec![
        (words.name, statement.name.as_str()),
        (words.organization, statement.organization.as_str()),
    ];
    if let Some(number) = &statement.employee_no {
        facts.push((words.employee_no, number));
    }
    facts.push((words.period, &year));
    layout.facts(&facts);
    layout.space(12.0);
}

fn write_items(layout: &mut Layout, statement: &Statement, language: Language, words: &Words) {
    let [number, date, event, time] = words.columns;
    let columns = [
        column(number, 0.9, Align::Center),
        column(date, 1.7, Align::Left),
        column(event, 5.4, Align::Left),
        column(time, 2.2, Align::Right),
    ];
    let row = |(n, (hours, title)): (usize, &(super::store::HoursRow, String))| {
        vec![
            (n + 1).to_string(),
            hours.served_on.to_string(),
            title.clone(),
            time_words(i64::from(hours.minutes), language),
        ]
    };
    let rows: Vec<Vec<String>> = statement.items.iter().enumerate().map(row).collect();
    let count = match language {
        Language::En => format!("{} events", rows.len()),
        Language::ZhHans => format!("{} 次", rows.len()),
        Language::ZhHant => format!("{} 次", rows.len()),
    };
    let total = time_words(statement.total_minutes, language);
    let sum = vec![words.total.to_owned(), String::new(), count, total];
    layout.table(&columns, &rows, Some(sum));
}

fn column(title: &str, share: f32, align: Align) -> Column<'_> {
    Column { title, share, align }
}

fn write_foot(layout: &mut Layout, statement: &Statement, words: &Words) {
    // The signature does not stand alone on a page if that can be.
    layout.keep(150.0);
    layout.space(14.0);
    layout.text(words.note, 10.0, Align::Left);
    layout.space(36.0);
    let signed = |name: &str, value: &str| format!("{name}　{value}");
    layout.text(&statement.organization, 12.0, Align::Right);
    layout.text(words.seal, 10.0, Align::Right);
    layout.space(4.0);
    if let Some(issuer) = &statement.issued_by {
        layout.text(&signed(words.issued_by, issuer), 11.0, Align::Right);
    }
    let day = statement.issued_on.to_string();
    layout.text(&signed(words.issued_on, &day), 11.0, Align::Right);
}

/// Hours and minutes.
fn time_words(minutes: i64, language: Language) -> String {
    let (hours, rest) = (minutes / 60, minutes % 60);
    match language {
        Language::En => format!("{hours} h {rest:02} min"),
        Language::ZhHans => format!("{hours} 小时 {rest:02} 分"),
        Language::ZhHant => format!("{hours} 小時 {rest:02} 分"),
    }
}
