//! What somebody sees of whom an event calls: people move, and somebody above may have called others too.

use std::collections::{HashMap, HashSet};

use super::commands::Expected;
use crate::app::Ctx;
use crate::members::{self, MemberId};
use crate::organizations::{self, OrganizationId};
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;

/// Who is called and out of the reader's sight.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    pub organizations: Vec<OrganizationId>,
    pub members: Vec<MemberId>,
}

/// Of many at once, in a few queries.
pub struct Sight {
    organizations: HashSet<OrganizationId>,
    members: HashSet<MemberId>,
}

impl Sight {
    /// `besides`: organizations that stand elsewhere.
    pub fn of(
        conn: &mut DbConnection,
        ctx: &Ctx,
        all: &[Expected],
        besides: impl IntoIterator<Item = OrganizationId>,
    ) -> AppResult<Self> {
        let named: Vec<MemberId> = all
            .iter()
            .flat_map(|one| one.member_ids.iter().copied())
            .collect();
        let people = members::briefs(conn, &named)?;
        let homes: HashMap<MemberId, OrganizationId> = people
            .into_iter()
            .map(|(id, person)| (id, person.organization_id))
            .collect();
        let called = all.iter().flat_map(|one| one.organization_ids.iter().copied());
        let asked: Vec<OrganizationId> = called.chain(homes.values().copied()).chain(besides).collect();
        let organizations = organizations::in_sight(conn, ctx, &asked)?;
        let members = homes
            .into_iter()
            .filter(|(_, home)| organizations.contains(home))
            .map(|(id, _)| id)
            .collect();
        Ok(Self {
            organizations,
            members,
        })
    }

    pub fn sees(&self, organization: OrganizationId) -> bool {
        self.organizations.contains(&organization)
    }

    /// What of it is seen, and the rest.
    pub fn split(&self, mut expected: Expected) -> (Expected, Elsewhere) {
        let organizations = expected
            .organization_ids
            .extract_if(.., |id| !self.sees(*id))
            .collect();
        let members = expected
            .member_ids
            .extract_if(.., |id| !self.members.contains(id))
            .collect();
        let elsewhere = Elsewhere {
            organizations,
            members,
        };
        (expected, elsewhere)
    }
}
