//! Members: who they are, where they belong, and their standing by date; the roster import and the activation codes.
//! Tells nothing of events or attendance.

mod activation;
mod commands;
mod export;
mod http;
mod import;
mod lists;
mod lookup;
mod rules;
mod service;
mod store;

pub use http::configure;
#[cfg(feature = "failpoints")]
pub(crate) use import::read_roster;
pub use import::{ImportReport, ImportStage, import_roster};
pub use lookup::{
    FormerPlace, HeldMember, MemberBrief, briefs, came_since, former_places, hold_members, list_ids,
    require_managed, require_members,
};
pub use rules::{Phone, Standing};
pub use service::{
    CreateMember, ExpectedMember, MemberSummary, TransferMember, UpdateMember, create_member,
    deactivate_member, expected_members, find_member, hold_member, list_by_employee_no, may_manage,
    reactivate_member, require_member, summary, today, transfer_member, update_member,
};
pub use store::{MemberRow, TransferRow};

use crate::auth::AccountId;

crate::id_types! {
    /// A person; the account has the same id.
    MemberId,
    StandingId,
    TransferId,
}

impl From<MemberId> for AccountId {
    fn from(id: MemberId) -> Self {
        Self(id.0)
    }
}

impl From<AccountId> for MemberId {
    fn from(id: AccountId) -> Self {
        Self(id.0)
    }
}
