//! What clients may send about service hours, and what is wrong with it before anybody looks into the database.

use std::collections::HashSet;

use serde::Deserialize;

use crate::members::MemberId;
use crate::platform::text::{Check, Problems};

const MAX_ITEMS: usize = 500;
/// Ten days and nights.
const MAX_MINUTES: i32 = 14_400;

/// Somebody's hours.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmItem {
    pub member_id: MemberId,
    /// Left out: as proposed.
    pub minutes: Option<i32>,
    /// Of minutes other than those proposed, or of somebody who has not checked out.
    pub reason: Option<String>,
}

/// Either `items`, or `all`: everybody's hours as they are proposed, except of who waits for review.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"all": true}))]
pub struct ConfirmServiceHours {
    /// At most 500: all of them, or none.
    #[serde(default)]
    pub items: Vec<ConfirmItem>,
    #[serde(default)]
    pub all: bool,
}

impl Check for ConfirmServiceHours {
    fn check(&mut self, problems: &mut Problems) {
        if self.all != self.items.is_empty() {
            problems.add("/items", "one_of", "give either items, or all: true");
        }
        if self.items.len() > MAX_ITEMS {
            problems.add("/items", "too_many", format!("has more than {MAX_ITEMS} items"));
        }
        let mut seen = HashSet::new();
        for (n, item) in self.items.iter_mut().enumerate() {
            problems.within(&format!("/items/{n}"), |problems| {
                problems.optional_range("/minutes", &item.minutes, 0, MAX_MINUTES);
                problems.optional_line("/reason", &mut item.reason, 500);
                if !seen.insert(item.member_id) {
                    problems.add("/member_id", "duplicate", "is there twice");
                }
            });
        }
    }
}
