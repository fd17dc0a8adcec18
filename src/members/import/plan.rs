//! What each line of a roster means for the people who are there already. Pure: no database.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use super::file::{Headers, RosterLine, RowProblem};
use crate::members::MemberId;
use crate::members::rules::Standing;
use crate::members::store::KnownRow;
use crate::organizations::OrganizationId;

/// Who new members are when their row does not say; the report counts them.
pub const ASSUMED_STANDING: Standing = Standing::Full;

/// The tenant's people by what a roster knows them by, and the organizations of the import by name.
pub struct Known {
    people: Vec<KnownRow>,
    by_phone: HashMap<String, usize>,
    by_employee_no: HashMap<String, usize>,
    home: OrganizationId,
    ids: HashSet<OrganizationId>,
    by_name: HashMap<String, Vec<OrganizationId>>,
    headers: Headers,
}

/// A line that was understood.
#[derive(Debug)]
pub enum Step {
    Create {
        line: RosterLine,
        organization: OrganizationId,
    },
    Update {
        change: Change,
    },
    Nothing,
}

/// What differs; none means 'stays'.
#[derive(Debug)]
pub struct Change {
    pub row: u32,
    pub known: KnownRow,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub employee_no: Option<String>,
    pub standing: Option<Standing>,
    pub joined_on: Option<NaiveDate>,
    pub organization: Option<OrganizationId>,
}

impl Change {
    /// Becomes a guest, or is one no more: boards of branches leave guests out.
    pub fn turns_guest(&self) -> bool {
        let was_guest = self.known.member.standing == Standing::Guest.as_str();
        let turns = |standing: Standing| (standing == Standing::Guest) != was_guest;
        self.standing.is_some_and(turns)
    }
}

/// A row that cannot be applied: a stable code, and the value it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    pub row: Option<u32>,
    pub column: Option<String>,
    pub code: &'static str,
    pub value: String,
    pub other_row: Option<u32>,
}

impl From<RowProblem> for BadRow {
    fn from(problem: RowProblem) -> Self {
        Self {
            row: problem.row,
            column: problem.column,
            code: problem.code.as_str(),
            value: problem.value,
            other_row: problem.other_row,
        }
    }
}

impl Known {
    /// `organizations` are those of the import: `home` and all below it.
    pub fn new(
        people: Vec<KnownRow>,
        home: OrganizationId,
        organizations: Vec<(OrganizationId, String)>,
        headers: Headers,
    ) -> Self {
        let (mut by_phone, mut by_employee_no) = (HashMap::new(), HashMap::new());
        for (index, person) in people.iter().enumerate() {
            by_phone.extend(person.phone.clone().map(|phone| (phone, index)));
            by_employee_no.extend(person.member.employee_no.clone().map(|number| (number, index)));
        }
        let ids = organizations.iter().map(|(id, _)| *id).collect();
        let mut by_name: HashMap<String, Vec<OrganizationId>> = HashMap::new();
        for (id, name) in organizations {
            by_name.entry(name).or_default().push(id);
        }
        Self {
            people,
            by_phone,
            by_employee_no,
            home,
            ids,
            by_name,
            headers,
        }
    }

    /// What to do for each line, in their order, and every line that cannot be applied. `progress` hears how many are done.
    pub fn plan(&self, lines: Vec<RosterLine>, mut progress: impl FnMut(usize)) -> (Vec<Step>, Vec<BadRow>) {
        let mut seen: HashMap<MemberId, u32> = HashMap::new();
        let (mut steps, mut bad) = (Vec::with_capacity(lines.len()), Vec::new());
        for (done, line) in lines.into_iter().enumerate() {
            match self.step(line, &mut seen) {
                Ok(step) => steps.push(step),
                Err(row) => bad.push(row),
            }
            progress(done + 1);
        }
        (steps, bad)
    }

    fn step(&self, line: RosterLine, seen: &mut HashMap<MemberId, u32>) -> Result<Step, BadRow> {
        let known = self.recognise(&line)?;
        let organization = self.organization(&line, known.map(|k| k.member.organization_id))?;
        let Some(known) = known else {
            return Ok(Step::Create {
                organization: organization.unwrap_or(self.home),
                line,
            });
        };
        if known.member.deactivated_at.is_some() {
            return Err(self.bad(&line, "member_inactive", line.name.as_str(), None));
        }
        if let Some(other) = seen.insert(known.member.id, line.row) {
            let name = line.name.as_str();
            return Err(self.bad(&line, "member_duplicate_in_file", name, Some(other)));
        }
        Ok(change(known, &line, organization))
    }

    /// By phone or employee number. Whoever stands outside the import is `member_elsewhere` before anything else is
    /// looked at, so that nothing of them can be guessed row by row. Then both must mean the same person; and a phone
    /// alone knows somebody again only by the same name, for numbers go from one person to another.
    fn recognise(&self, line: &RosterLine) -> Result<Option<&KnownRow>, BadRow> {
        let find = |index: Option<&usize>| index.and_then(|index| self.people.get(*index));
        let phone = line.phone.as_ref().map(|phone| phone.as_str());
        let number = line.employee_no.as_ref().map(|number| number.as_str());
        let by_phone = find(phone.and_then(|phone| self.by_phone.get(phone)));
        let by_number = find(number.and_then(|number| self.by_employee_no.get(number)));
        let outside = |known: &&KnownRow| !self.ids.contains(&known.member.organization_id);
        if by_phone.iter().chain(&by_number).any(outside) {
            return Err(self.bad(line, "member_elsewhere", "", None));
        }
        let known = match (by_phone, by_number) {
            (Some(a), Some(b)) if a.member.id != b.member.id => {
                return Err(self.bad(line, "identity_conflict", number.unwrap_or_default(), None));
            }
            // The number at work is the person's: the name behind it may be mended.
            (_, Some(known)) => return Ok(Some(known)),
            (Some(known), None) => known,
            (None, None) => return Ok(None),
        };
        // Another number at work behind the same phone is rather somebody else.
        if let (Some(_), Some(number)) = (&known.member.employee_no, number) {
            return Err(self.bad(line, "identity_conflict", number, None));
        }
        if known.member.name != line.name.as_str() {
            let name = self.bad(line, "identity_conflict", line.name.as_str(), None);
            return Err(BadRow {
                column: self.headers.name.clone(),
                ..name
            });
        }
        Ok(Some(known))
    }

    /// Of several organizations of one name, the one where the member is already.
    fn organization(
        &self,
        line: &RosterLine,
        present: Option<OrganizationId>,
    ) -> Result<Option<OrganizationId>, BadRow> {
        let Some(name) = &line.organization else {
            return Ok(None);
        };
        match self
            .by_name
            .get(&crate::platform::text::clean(name))
            .map(Vec::as_slice)
        {
            Some([id]) => Ok(Some(*id)),
            Some(several) if present.is_some_and(|id| several.contains(&id)) => Ok(present),
            Some([_, _, ..]) => Err(self.bad(line, "organization_ambiguous", name, None)),
            _ => Err(self.bad(line, "organization_unknown", name, None)),
        }
    }

    fn bad(&self, line: &RosterLine, code: &'static str, value: &str, other_row: Option<u32>) -> BadRow {
        BadRow {
            row: Some(line.row),
            column: column(&self.headers, code),
            code,
            value: value.to_owned(),
            other_row,
        }
    }

    /// Of the people a roster would change, one whom the importer may not touch.
    pub fn out_of_reach(&self, change: &Change) -> BadRow {
        let code = "member_has_more_rights";
        BadRow {
            row: Some(change.row),
            column: column(&self.headers, code),
            code,
            value: change.known.member.name.clone(),
            other_row: None,
        }
    }
}

fn column(headers: &Headers, code: &str) -> Option<String> {
    match code {
        "organization_unknown" | "organization_ambiguous" => headers.organization.clone(),
        "identity_conflict" => headers.employee_no.clone(),
        _ => headers.identity(),
    }
}

fn change(known: &KnownRow, line: &RosterLine, organization: Option<OrganizationId>) -> Step {
    let member = &known.member;
    let phone = line.phone.as_ref().map(|phone| phone.as_str());
    let number = line.employee_no.as_ref().map(|number| number.as_str());
    let change = Change {
        row: line.row,
        name: differs(Some(line.name.as_str()), Some(member.name.as_str())),
        phone: differs(phone, known.phone.as_deref()),
        employee_no: differs(number, member.employee_no.as_deref()),
        standing: line
            .standing
            .filter(|standing| standing.as_str() != member.standing),
        joined_on: line.joined_on.filter(|date| Some(*date) != member.joined_on),
        organization: organization.filter(|id| *id != member.organization_id),
        known: known.clone(),
    };
    let stays = change.name.is_none()
        && change.phone.is_none()
        && change.employee_no.is_none()
        && change.standing.is_none()
        && change.joined_on.is_none()
        && change.organization.is_none();
    if stays {
        Step::Nothing
    } else {
        Step::Update { change }
    }
}

fn differs(new: Option<&str>, stored: Option<&str>) -> Option<String> {
    new.filter(|_| new != stored).map(str::to_owned)
}
