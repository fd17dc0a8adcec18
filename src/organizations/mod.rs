//! Organizations: the tree (黨委、黨總支、黨支部、黨小組), settings inherited down it, roles that hold for a subtree,
//! and the one answer to 'may this person do that here?'. Tells nothing of members or events.

mod access;
mod http;
mod roles;
mod rules;
mod service;
mod store;

pub use access::{
    Access, Reach, above, ids_with_right, reach, require, require_all, require_anywhere, require_ever,
    require_held, require_locked, require_of_tree, require_over, visible, visible_or_archived, visible_to,
};
pub use http::configure;
pub use roles::{grant_role, keep_an_admin_besides};
pub use rules::{Kind, LeaderboardMode, Right, Role, ids_of_path, path_range};
pub use service::{
    CreateOrganization, Settings, SettingsPatch, create_root, create_under, find_organization,
    ids_ever_below, in_sight, leaderboard_modes, lock_tree, names, narrowed, settings_of, subtree,
    subtree_ever, tree_zone, trees,
};
pub use store::OrganizationRow;

crate::id_types! {
    /// A node of the tree; the root's id is the tenant's.
    OrganizationId,
    RoleGrantId,
}
