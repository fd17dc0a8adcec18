//! States of a series, and what an order of lessons with prerequisites must be like. No database, no clock.

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesStatus {
    Draft,
    Published,
    Archived,
}

impl SeriesStatus {
    pub const ALL: [Self; 3] = [Self::Draft, Self::Published, Self::Archived];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What is wrong with a place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The lesson at this place stands further up already.
    Repeated(usize),
    /// Of the lesson at this place, the prerequisite with that number does not stand further up.
    NotEarlier(usize, usize),
}

/// A lesson once, its prerequisites before it: so that nobody waits in a circle.
pub fn flaws<Id: Copy + Eq + Hash>(order: &[(Id, &[Id])]) -> Vec<Flaw> {
    let mut earlier = HashSet::new();
    let mut found = Vec::new();
    for (place, (lesson, prerequisites)) in order.iter().enumerate() {
        let missing = prerequisites
            .iter()
            .enumerate()
            .filter(|(_, prerequisite)| !earlier.contains(*prerequisite))
            .map(|(number, _)| Flaw::NotEarlier(place, number));
        found.extend(missing);
        if !earlier.insert(*lesson) {
            found.push(Flaw::Repeated(place));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prerequisite_stands_before_what_needs_it() {
        assert_eq!(flaws::<u8>(&[]), []);
        assert_eq!(flaws(&[(1, &[][..]), (2, &[1]), (3, &[1, 2])]), []);
        assert_eq!(flaws(&[(1, &[1][..])]), [Flaw::NotEarlier(0, 0)]);
        assert_eq!(flaws(&[(1, &[2][..]), (2, &[1])]), [Flaw::NotEarlier(0, 0)]);
        assert_eq!(flaws(&[(1, &[][..]), (1, &[])]), [Flaw::Repeated(1)]);
        assert_eq!(flaws(&[(1, &[][..]), (2, &[1, 9])]), [Flaw::NotEarlier(1, 1)]);
    }

    proptest! {
        /// Whatever has no flaw can be studied to the end, in its order.
        #[test]
        fn what_has_no_flaw_can_be_finished(order in prop::collection::vec((0u8..6, prop::collection::vec(0u8..6, 0..3)), 0..6)) {
            let order: Vec<(u8, &[u8])> = order.iter().map(|(id, before)| (*id, before.as_slice())).collect();
            let mut done = HashSet::new();
            let mut finished = true;
            for (lesson, before) in &order {
                finished &= before.iter().all(|id| done.contains(id));
                finished &= done.insert(*lesson);
            }
            prop_assert_eq!(flaws(&order).is_empty(), finished);
        }
    }
}
