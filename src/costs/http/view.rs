//! How an expense is shown.

use chrono::NaiveDate;
use serde::Serialize;

use crate::app::App;
use crate::auth::{AccountId, Actor};
use crate::costs::ExpenseId;
use crate::costs::lists::{Listed, Receipt};
use crate::costs::rules::{CostCategory, ExpenseStatus};
use crate::events::EventId;
use crate::media::{self, MediaId, MediaKind};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;

/// Something that was spent, and what became of it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExpenseView {
    pub id: ExpenseId,
    event_id: EventId,
    event_title: String,
    /// The event's.
    organization_id: OrganizationId,
    organization_name: String,
    category: CostCategory,
    /// In hundredths of the currency.
    #[schema(example = 86_050)]
    amount_cents: i64,
    #[schema(example = "CNY")]
    currency: String,
    /// The day of the payment. Its year is the expense's.
    spent_on: NaiveDate,
    payee: String,
    note: String,
    receipt_media_id: Option<MediaId>,
    status: ExpenseStatus,
    submitted_at: Instant,
    submitted_by: AccountId,
    /// Null for a system admin.
    submitted_by_name: Option<String>,
    /// When it was approved, rejected or withdrawn.
    decided_at: Option<Instant>,
    decided_by: Option<AccountId>,
    decided_by_name: Option<String>,
    /// Why it was rejected.
    reason: Option<String>,
    annulled_at: Option<Instant>,
    annulled_by: Option<AccountId>,
    annulled_by_name: Option<String>,
    annul_reason: Option<String>,
    /// Only of one expense that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptView>,
}

/// A receipt, with an address at which it is read for some hours without a token.
#[derive(Serialize, utoipa::ToSchema)]
struct ReceiptView {
    media_id: MediaId,
    #[schema(example = "發票.pdf")]
    name: String,
    kind: Option<MediaKind>,
    content_type: Option<String>,
    size_bytes: i64,
    /// In hexadecimal: of the same bytes the same, whatever the file is called.
    sha256: Option<String>,
    url: String,
    /// Other expenses in my sight, waiting or approved, whose receipt has the same bytes: perhaps one bill twice, perhaps
    /// one bill of two kinds. At most twenty.
    also_of_expense_ids: Vec<ExpenseId>,
}

impl From<Listed> for ExpenseView {
    fn from(listed: Listed) -> Self {
        let submitted_by_name = listed.name(Some(listed.row.submitted_by));
        let decided_by_name = listed.name(listed.row.decided_by);
        let annulled_by_name = listed.name(listed.row.annulled_by);
        let row = listed.row;
        Self {
            id: row.id,
            event_id: row.event_id,
            event_title: listed.event.title,
            organization_id: row.organization_id,
            organization_name: listed.organization_name,
            category: CostCategory::parse(&row.category).unwrap_or(CostCategory::Other),
            amount_cents: row.amount_cents,
            status: row.status(),
            currency: row.currency,
            spent_on: row.spent_on,
            payee: row.payee,
            note: row.note,
            receipt_media_id: row.receipt_media_id,
            submitted_at: row.submitted_at,
            submitted_by: row.submitted_by,
            submitted_by_name,
            decided_at: row.decided_at,
            decided_by: row.decided_by,
            decided_by_name,
            reason: row.reason,
            annulled_at: row.annulled_at,
            annulled_by: row.annulled_by,
            annulled_by_name,
            annul_reason: row.annul_reason,
            receipt: None,
        }
    }
}

impl ExpenseView {
    /// For who may see the expense, which is who may see its receipt.
    pub fn with_receipt(self, receipt: Option<Receipt>, app: &App, actor: &Actor) -> Self {
        let receipt = receipt.map(|Receipt { file, also_of }| ReceiptView {
            media_id: file.id,
            kind: file.kind(),
            sha256: file.sha256_hex(),
            url: media::url_of(app, actor, file.id),
            name: file.name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            also_of_expense_ids: also_of,
        });
        Self { receipt, ..self }
    }
}
