//! Expenses and a year's totals as sheets: amounts as decimal numbers, times where the event is.

use super::lists::Listed;
use super::rules::{CostCategory, ExpenseStatus, Sums};
use super::totals::OrganizationTotals;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::local_time;
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

pub fn expense_sheet(format: SheetFormat, language: Language, rows: Vec<Listed>) -> AppResult<Vec<u8>> {
    let headers = match language {
        Language::En => [
            "Day",
            "Branch",
            "Event",
            "Category",
            "Amount",
            "Currency",
            "Payee",
            "Note",
            "State",
            "Submitted by",
            "Submitted at",
            "Decided by",
            "Decided at",
            "Reason",
            "Receipt",
        ],
        Language::ZhHans => [
            "日期",
            "所在支部",
            "活动",
            "类别",
            "金额",
            "币种",
            "收款方",
            "说明",
            "状态",
            "提交人",
            "提交时间",
            "审批人",
            "审批时间",
            "原因",
            "凭证",
        ],
        Language::ZhHant => [
            "日期",
            "所在支部",
            "活動",
            "類別",
            "金額",
            "幣種",
            "收款方",
            "說明",
            "狀態",
            "提交人",
            "提交時間",
            "審批人",
            "審批時間",
            "原因",
            "憑證",
        ],
    };
    let cells = rows.into_iter().map(|listed| line(listed, language));
    write_sheet(format, "expenses", &headers, cells).map_err(|error| AppError::internal(error.to_string()))
}

fn line<'a>(listed: Listed, language: Language) -> Vec<Cell<'a>> {
    let submitted_by = listed.name(Some(listed.row.submitted_by));
    // Of an annulled one, who annulled it.
    let decided_by = listed.name(listed.row.annulled_by.or(listed.row.decided_by));
    let zone = local_time::zone(&listed.event.time_zone);
    let local = |at: Instant| Cell::local(at, zone);
    let row = listed.row;
    let status = row.status();
    let category = CostCategory::parse(&row.category).unwrap_or(CostCategory::Other);
    vec![
        Cell::Date(row.spent_on),
        Cell::from(listed.organization_name),
        Cell::from(listed.event.title),
        Cell::from(category_word(category, language)),
        Cell::Hundredths(row.amount_cents),
        Cell::from(row.currency),
        Cell::from(row.payee),
        Cell::from(row.note),
        Cell::from(status_word(status, language)),
        Cell::from(submitted_by),
        local(row.submitted_at),
        Cell::from(decided_by),
        row.annulled_at.or(row.decided_at).map_or(Cell::Empty, local),
        Cell::from(row.annul_reason.or(row.reason)),
        Cell::from(row.receipt_media_id.map(|_| yes(language))),
    ]
}

/// A line for each organization and currency.
pub fn totals_sheet(
    format: SheetFormat,
    language: Language,
    rows: Vec<OrganizationTotals>,
) -> AppResult<Vec<u8>> {
    let headers = match language {
        Language::En => [
            "Organization",
            "Currency",
            "Budget",
            "Budgets below",
            "Planned",
            "Submitted",
            "Approved",
            "Remaining",
        ],
        Language::ZhHans => [
            "组织",
            "币种",
            "年度预算",
            "下级预算",
            "活动计划",
            "待审批",
            "已批准",
            "结余",
        ],
        Language::ZhHant => [
            "組織",
            "幣種",
            "年度預算",
            "下級預算",
            "活動計劃",
            "待審批",
            "已批准",
            "結餘",
        ],
    };
    let cells = rows.into_iter().flat_map(|totals| {
        let name = totals.organization.name;
        let line = move |(currency, sums): (String, Sums)| {
            let mut line = vec![Cell::from(name.clone()), Cell::from(currency)];
            let amounts = [
                sums.budget,
                sums.budget_below,
                sums.planned,
                sums.submitted,
                sums.approved,
                sums.remaining(),
            ];
            line.extend(amounts.map(Cell::Hundredths));
            line
        };
        totals.by_currency.into_iter().map(line)
    });
    write_sheet(format, "cost totals", &headers, cells).map_err(|error| AppError::internal(error.to_string()))
}

fn yes(language: Language) -> &'static str {
    match language {
        Language::En => "yes",
        _ => "有",
    }
}

fn category_word(category: CostCategory, language: Language) -> &'static str {
    let (hans, hant) = match category {
        CostCategory::Venue => ("场地租金", "場地租金"),
        CostCategory::Transport => ("交通", "交通"),
        CostCategory::Lodging => ("住宿", "住宿"),
        CostCategory::Catering => ("伙食", "伙食"),
        CostCategory::Materials => ("资料耗材", "資料耗材"),
        CostCategory::Books => ("书报音像", "書報音像"),
        CostCategory::Equipment => ("设备", "設備"),
        CostCategory::LecturerFee => ("讲课费", "講課費"),
        CostCategory::Training => ("培训费", "培訓費"),
        CostCategory::Admission => ("门票讲解", "門票講解"),
        CostCategory::Publicity => ("宣传", "宣傳"),
        CostCategory::Awards => ("表彰", "表彰"),
        CostCategory::Assistance => ("慰问补助", "慰問補助"),
        CostCategory::Insurance => ("保险", "保險"),
        CostCategory::Other => ("其他", "其他"),
    };
    match language {
        Language::En => category.as_str(),
        Language::ZhHans => hans,
        Language::ZhHant => hant,
    }
}

fn status_word(status: ExpenseStatus, language: Language) -> &'static str {
    let (hans, hant) = match status {
        ExpenseStatus::Submitted => ("待审批", "待審批"),
        ExpenseStatus::Approved => ("已批准", "已批准"),
        ExpenseStatus::Rejected => ("已驳回", "已駁回"),
        ExpenseStatus::Withdrawn => ("已撤回", "已撤回"),
        ExpenseStatus::Annulled => ("已作废", "已作廢"),
    };
    match language {
        Language::En => status.as_str(),
        Language::ZhHans => hans,
        Language::ZhHant => hant,
    }
}
