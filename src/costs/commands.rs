//! What clients may send about money, and what is wrong with it before anybody looks into the database.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::rules::{CostCategory, MAX_CENTS, YEARS, is_currency};
use crate::media::MediaId;
use crate::platform::text::{Check, Problems};

const MAX_LINES: usize = 100;

/// One thing that money is meant for; several of one category add up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetLine {
    pub category: CostCategory,
    /// In hundredths of the currency, 1 to 10,000,000,000.
    #[schema(example = 120_000, minimum = 1, maximum = 10_000_000_000i64)]
    pub amount_cents: i64,
    #[serde(default)]
    pub note: String,
}

/// A budget, whole: at most 100 lines; none is a budget of nothing.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"currency": "CNY", "lines": [{"category": "training", "amount_cents": 2_000_000, "note": "黨員輪訓"}, {"category": "books", "amount_cents": 500_000}]}))]
pub struct WriteBudget {
    /// As in ISO 4217; when left out, that of the organization's year: CNY unless its budget says otherwise.
    pub currency: Option<String>,
    pub lines: Vec<BudgetLine>,
}

/// Something that was spent.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"category": "transport", "amount_cents": 86_050, "spent_on": "2026-11-20", "payee": "市公交集團", "note": "主題黨日包車"}))]
pub struct CreateExpense {
    pub category: CostCategory,
    /// In hundredths of the currency, 1 to 10,000,000,000.
    #[schema(minimum = 1, maximum = 10_000_000_000i64)]
    pub amount_cents: i64,
    /// As in ISO 4217: that of the organization's year, and it when left out.
    pub currency: Option<String>,
    /// The day of the payment, not after today where the event is. Its year is the expense's.
    pub spent_on: NaiveDate,
    /// Who was paid.
    pub payee: String,
    #[serde(default)]
    pub note: String,
    /// A file that was uploaded for the event's organization with `purpose` `receipt`: a picture or a PDF.
    pub receipt_media_id: Option<MediaId>,
}

/// Why.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "發票抬頭不符"}))]
pub struct ExpenseReason {
    pub reason: String,
}

impl Check for WriteBudget {
    fn check(&mut self, problems: &mut Problems) {
        check_currency(problems, self.currency.as_deref());
        if self.lines.len() > MAX_LINES {
            problems.add("/lines", "too_many", format!("has more than {MAX_LINES} items"));
        }
        for (n, line) in self.lines.iter_mut().enumerate() {
            problems.within(&format!("/lines/{n}"), |problems| {
                problems.range("/amount_cents", &line.amount_cents, 1, MAX_CENTS);
                problems.line("/note", &mut line.note, 0, 200);
            });
        }
    }
}

impl Check for CreateExpense {
    fn check(&mut self, problems: &mut Problems) {
        problems.range("/amount_cents", &self.amount_cents, 1, MAX_CENTS);
        check_currency(problems, self.currency.as_deref());
        if !YEARS.contains(&self.spent_on.year()) {
            let message = format!("lies outside of the years {} to {}", YEARS.start(), YEARS.end());
            problems.add("/spent_on", "out_of_range", message);
        }
        problems.line("/payee", &mut self.payee, 1, 200);
        problems.paragraph("/note", &mut self.note, 0, 1_000);
    }
}

impl Check for ExpenseReason {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

fn check_currency(problems: &mut Problems, currency: Option<&str>) {
    if currency.is_some_and(|code| !is_currency(code)) {
        let message = "is no currency of ISO 4217 with hundredths, like CNY";
        problems.add("/currency", "unknown_currency", message);
    }
}
