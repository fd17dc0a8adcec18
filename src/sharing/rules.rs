//! How a reflection stands, what may be made of it, and who it is for. No database, no clock.

/// Of one reflection.
pub const MAX_PICTURES: usize = 9;
/// Of one event.
pub const MAX_MATERIALS: usize = 50;

crate::words! {
    /// Who sees a reflection once it is published, beside its author.
    Visibility {
        /// Those who were expected at the event or came to it, and its administration.
        Event "event",
        /// And everybody of the author's branch.
        Branch "branch",
        /// Everybody of the tree.
        Tree "tree",
    }
}

crate::words! {
    /// Where a reflection stands. Only a published one is seen by others than its author and who manages the event.
    ReflectionStatus {
        /// Waits to be read by somebody who manages the event.
        Pending "pending",
        Published "published",
        /// Not published, and why is said to the author. Another one may be written.
        Rejected "rejected",
        /// Published before, and taken out of sight, with a reason.
        Hidden "hidden",
        /// Taken back by its author. Another one may be written.
        Withdrawn "withdrawn",
    }
}

impl ReflectionStatus {
    /// May its author change its words and pictures?
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Pending | Self::Published)
    }

    /// What a new one is, and what one becomes that was changed: `moderated` as the installation has it. Whose was
    /// refused before is read before it is shown, whatever the installation says.
    pub fn first(moderated: bool, was_refused: bool) -> Self {
        if moderated || was_refused {
            Self::Pending
        } else {
            Self::Published
        }
    }

    /// What it becomes, if that decision can be taken of it.
    pub fn decided(self, decision: Decision) -> Option<Self> {
        match (decision, self) {
            // What was hidden by mistake can be shown again.
            (Decision::Approve, Self::Pending | Self::Hidden) => Some(Self::Published),
            (Decision::Reject, Self::Pending) => Some(Self::Rejected),
            (Decision::Hide, Self::Published) => Some(Self::Hidden),
            _ => None,
        }
    }
}

/// What somebody who manages the event decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Reject,
    Hide,
}

impl Decision {
    pub fn action(self) -> &'static str {
        match self {
            Self::Approve => "reflection.approve",
            Self::Reject => "reflection.reject",
            Self::Hide => "reflection.hide",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for status in ReflectionStatus::ALL {
            assert_eq!(ReflectionStatus::parse(status.as_str()), Some(*status));
            assert_eq!(serde_json::json!(status), status.as_str());
        }
        for visibility in Visibility::ALL {
            assert_eq!(Visibility::parse(visibility.as_str()), Some(*visibility));
            assert_eq!(serde_json::json!(visibility), visibility.as_str());
        }
    }

    #[test]
    fn each_decision_has_its_time() {
        use ReflectionStatus::{Hidden, Pending, Published, Rejected, Withdrawn};
        for (decision, becomes) in [
            (
                Decision::Approve,
                [Some(Published), None, None, Some(Published), None],
            ),
            (Decision::Reject, [Some(Rejected), None, None, None, None]),
            (Decision::Hide, [None, Some(Hidden), None, None, None]),
        ] {
            let decided = [Pending, Published, Rejected, Hidden, Withdrawn].map(|one| one.decided(decision));
            assert_eq!(decided, becomes, "{decision:?}");
        }
    }

    #[test]
    fn who_was_refused_is_read_first() {
        assert_eq!(ReflectionStatus::first(false, false), ReflectionStatus::Published);
        for (moderated, was_refused) in [(true, false), (false, true), (true, true)] {
            assert_eq!(
                ReflectionStatus::first(moderated, was_refused),
                ReflectionStatus::Pending
            );
        }
    }
}
