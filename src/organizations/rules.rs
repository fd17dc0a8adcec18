//! Kinds, roles and rights, and the arithmetic of paths. No database.

use serde::{Deserialize, Serialize};

/// What an organization is: 黨委、黨總支、黨支部、黨小組.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrganizationKind)]
pub enum Kind {
    Committee,
    GeneralBranch,
    Branch,
    Group,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committee => "committee",
            Self::GeneralBranch => "general_branch",
            Self::Branch => "branch",
            Self::Group => "group",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Committee, Self::GeneralBranch, Self::Branch, Self::Group]
            .into_iter()
            .find(|k| k.as_str() == text)
    }

    /// A group stands below a branch; everything else below something of higher rank (committees may nest).
    pub fn may_stand_below(self, parent: Self) -> bool {
        match self {
            Self::Committee => parent == Self::Committee,
            Self::GeneralBranch => parent == Self::Committee,
            Self::Branch => matches!(parent, Self::Committee | Self::GeneralBranch),
            Self::Group => parent == Self::Branch,
        }
    }
}

/// What leaderboards show in an organization. Public rules on mobile work apps warn against ranking pressure: so the default
/// tells everybody their own rank alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaderboardMode {
    Off,
    /// My rank; nobody else's.
    #[default]
    OwnRank,
    /// How branches stand; no people.
    BranchesOnly,
    Open,
}

impl LeaderboardMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OwnRank => "own_rank",
            Self::BranchesOnly => "branches_only",
            Self::Open => "open",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::OwnRank, Self::BranchesOnly, Self::Open]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// A role is granted on an organization and holds for everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    Secretary,
    Organizer,
    Lecturer,
    Inspector,
    /// Decides on what was spent, and writes the yearly budget.
    Treasurer,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Secretary => "secretary",
            Self::Organizer => "organizer",
            Self::Lecturer => "lecturer",
            Self::Inspector => "inspector",
            Self::Treasurer => "treasurer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Admin,
            Self::Secretary,
            Self::Organizer,
            Self::Lecturer,
            Self::Inspector,
            Self::Treasurer,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
    }

    pub fn gives(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            // Who has money spent is not who approves it.
            Self::Secretary => !matches!(
                right,
                Right::ManageOrganization | Right::ReadAuditLog | Right::ManageCosts
            ),
            Self::Organizer => matches!(right, Right::View | Right::ManageEvents),
            Self::Inspector => matches!(right, Right::View | Right::ReadAuditLog),
            Self::Lecturer => matches!(right, Right::WriteLessons),
            Self::Treasurer => matches!(right, Right::View | Right::ManageCosts),
        }
    }
}

/// What somebody wants to do with an organization and all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// See its people and their attendance.
    View,
    ManageEvents,
    ManageMembers,
    WriteLessons,
    /// Review and publish them, and decide whom they are for.
    PublishLessons,
    /// Its name, settings, place in the tree, and who has which role.
    ManageOrganization,
    /// Read who did what there.
    ReadAuditLog,
    /// Decide on what others have spent, and write what may be spent in a year.
    ManageCosts,
}

impl Right {
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::ManageEvents,
        Self::ManageMembers,
        Self::WriteLessons,
        Self::PublishLessons,
        Self::ManageOrganization,
        Self::ReadAuditLog,
        Self::ManageCosts,
    ];

    /// Such a right outlives the organization's archiving.
    pub fn only_reads(self) -> bool {
        matches!(self, Self::View | Self::ReadAuditLog)
    }
}

/// A new node's path below `parent` (the empty path for a root): '/root/…/self/'.
pub fn path_below(parent: &str, id: uuid::Uuid) -> String {
    format!("{}{}/", if parent.is_empty() { "/" } else { parent }, id.simple())
}

/// A tree's levels, the root's included: far more than the line from a central committee down to a group.
pub const MAX_LEVELS: usize = 16;

/// How deep the node stands; a root is at 1.
pub fn levels(path: &str) -> usize {
    path.matches('/').count().saturating_sub(1)
}

/// The half-open range of paths of a subtree, so that an ordinary index serves it: `path >= low AND path < high`.
pub fn path_range(path: &str) -> (String, String) {
    // '0' is the character after '/'.
    (path.to_owned(), format!("{}0", path.trim_end_matches('/')))
}

/// The ids on the way from the root down to the node itself.
pub fn ids_of_path(path: &str) -> Vec<uuid::Uuid> {
    path.split('/')
        .filter_map(|part| uuid::Uuid::try_parse(part).ok())
        .collect()
}

/// Is `path` the node `ancestor` or something below it?
pub fn is_within(path: &str, ancestor: &str) -> bool {
    path.starts_with(ancestor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    #[test]
    fn rights_follow_roles() {
        assert!(Role::Admin.gives(Right::ManageOrganization));
        assert!(!Role::Secretary.gives(Right::ManageOrganization));
        assert!(Role::Secretary.gives(Right::ManageMembers));
        assert!(!Role::Organizer.gives(Right::ManageMembers));
        assert!(Role::Inspector.gives(Right::View));
        assert!(!Role::Inspector.gives(Right::ManageEvents));
        assert!(Role::Inspector.gives(Right::ReadAuditLog) && Role::Admin.gives(Right::ReadAuditLog));
        assert!(!Role::Secretary.gives(Right::ReadAuditLog) && !Role::Organizer.gives(Right::ReadAuditLog));
        assert!(Role::Treasurer.gives(Right::View) && !Role::Treasurer.gives(Right::ManageEvents));
        let may_approve = |role: Role| role.gives(Right::ManageCosts);
        assert!(may_approve(Role::Treasurer) && may_approve(Role::Admin));
        assert!(
            !may_approve(Role::Secretary) && !may_approve(Role::Organizer) && !may_approve(Role::Inspector)
        );
    }

    #[test]
    fn only_committees_nest_and_a_group_stands_below_a_branch() {
        use Kind::{Branch, Committee, GeneralBranch, Group};
        let all = [Committee, GeneralBranch, Branch, Group];
        let allowed = [
            (Committee, Committee),
            (GeneralBranch, Committee),
            (Branch, Committee),
            (Branch, GeneralBranch),
            (Group, Branch),
        ];
        for below in all {
            for above in all {
                let is_allowed = allowed.contains(&(below, above));
                assert_eq!(
                    below.may_stand_below(above),
                    is_allowed,
                    "{below:?} below {above:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn the_range_holds_exactly_the_subtree(a in 1u128.., b in 1u128.., c in 1u128..) {
            prop_assume!(a != b);
            let root = path_below("", node(a));
            let child = path_below(&root, node(c));
            let stranger = path_below("", node(b));
            let (low, high) = path_range(&root);
            prop_assert!(root >= low && root < high);
            prop_assert!(child >= low && child < high);
            prop_assert!(!(stranger >= low && stranger < high));
            prop_assert_eq!((levels(&root), levels(&child)), (1, 2));
            prop_assert_eq!(ids_of_path(&child), vec![node(a), node(c)]);
            prop_assert!(is_within(&child, &root) && !is_within(&root, &child));
        }
    }
}
