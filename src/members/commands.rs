//! The bodies of requests about members, and how each looks itself over. No database.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use super::rules::{EmployeeNo, MemberName, Phone, Standing};
use crate::organizations::OrganizationId;
use crate::platform::text::{Check, Patch, Problems, patch, present};

/// A new member. Sign in with the phone number, the account name or the employee number, once an activation code has
/// set a password.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "王小明", "organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "phone": "13900000001", "employee_no": "G0001", "standing": "full"}))]
pub struct CreateMember {
    #[schema(example = "張三")]
    pub name: String,
    pub organization_id: OrganizationId,
    /// A mainland mobile number, or an international one with +.
    #[schema(example = "13800000001")]
    pub phone: Option<String>,
    #[schema(example = "A0017")]
    pub employee_no: Option<String>,
    #[schema(example = "zhangsan")]
    pub account_name: Option<String>,
    pub standing: Standing,
    /// Today where the organization is, when left out.
    pub standing_since: Option<NaiveDate>,
    pub joined_on: Option<NaiveDate>,
}

/// A merge patch: what is left out stays, null empties what may be empty.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"phone": null, "employee_no": "G0002"}))]
pub struct UpdateMember {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    #[serde(default, with = "patch")]
    #[schema(value_type = Option<String>)]
    pub phone: Patch<String>,
    #[serde(default, with = "patch")]
    #[schema(value_type = Option<String>)]
    pub employee_no: Patch<String>,
    #[serde(default, with = "patch")]
    #[schema(value_type = Option<String>)]
    pub account_name: Patch<String>,
    /// Another standing begins a new entry of the history.
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub standing: Option<Standing>,
    /// When the standing began (today, when left out). Alone, it corrects the date of the present standing.
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub standing_since: Option<NaiveDate>,
    #[serde(default, with = "patch")]
    #[schema(value_type = Option<NaiveDate>)]
    pub joined_on: Patch<NaiveDate>,
}

/// A merge patch of what members may change about themselves.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"phone": "13900000002"}))]
pub struct UpdateMe {
    #[serde(with = "patch")]
    #[schema(value_type = Option<String>)]
    pub phone: Patch<String>,
    #[serde(with = "patch")]
    #[schema(value_type = Option<String>)]
    pub account_name: Patch<String>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "reason": "工作調動"}))]
pub struct TransferMember {
    pub organization_id: OrganizationId,
    #[schema(example = "工作調動")]
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "調離"}))]
pub struct DeactivateMember {
    #[schema(example = "調離本市")]
    pub reason: String,
}

impl Check for CreateMember {
    fn check(&mut self, problems: &mut Problems) {
        check_name(problems, &mut self.name);
        check_phone(problems, &mut self.phone);
        check_employee_no(problems, &mut self.employee_no);
        check_account_name(problems, &mut self.account_name);
        check_date(problems, "/standing_since", self.standing_since);
        check_date(problems, "/joined_on", self.joined_on);
    }
}

impl Check for UpdateMember {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(name) = &mut self.name {
            check_name(problems, name);
        }
        self.phone
            .iter_mut()
            .for_each(|phone| check_phone(problems, phone));
        self.employee_no
            .iter_mut()
            .for_each(|number| check_employee_no(problems, number));
        self.account_name
            .iter_mut()
            .for_each(|name| check_account_name(problems, name));
        check_date(problems, "/standing_since", self.standing_since);
        check_date(problems, "/joined_on", self.joined_on.flatten());
    }
}

impl UpdateMember {
    /// The names of what changes, for the audit log.
    pub fn fields(&self) -> Vec<&'static str> {
        [
            ("name", self.name.is_some()),
            ("phone", self.phone.is_some()),
            ("employee_no", self.employee_no.is_some()),
            ("account_name", self.account_name.is_some()),
            ("standing", self.standing.is_some()),
            ("standing_since", self.standing_since.is_some()),
            ("joined_on", self.joined_on.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, changes)| changes.then_some(field))
        .collect()
    }
}

impl Check for UpdateMe {
    fn check(&mut self, problems: &mut Problems) {
        self.phone
            .iter_mut()
            .for_each(|phone| check_phone(problems, phone));
        self.account_name
            .iter_mut()
            .for_each(|name| check_account_name(problems, name));
    }
}

impl UpdateMe {
    pub fn fields(&self) -> Vec<&'static str> {
        [
            ("phone", self.phone.is_some()),
            ("account_name", self.account_name.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, changes)| changes.then_some(field))
        .collect()
    }
}

impl Check for TransferMember {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

impl Check for DeactivateMember {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

fn check_name(problems: &mut Problems, name: &mut String) {
    match MemberName::parse(name) {
        Ok(parsed) => *name = parsed.into(),
        Err(error) => problems.add("/name", error.code(), error.to_string()),
    }
}

/// Empty text counts as none, in this and the next two.
fn check_phone(problems: &mut Problems, phone: &mut Option<String>) {
    match phone.as_deref().map(str::trim) {
        None | Some("") => *phone = None,
        Some(text) => match Phone::parse(text) {
            Ok(parsed) => *phone = Some(parsed.into()),
            Err(error) => problems.add("/phone", error.code(), error.to_string()),
        },
    }
}

fn check_employee_no(problems: &mut Problems, number: &mut Option<String>) {
    match number.as_deref().map(str::trim) {
        None | Some("") => *number = None,
        Some(text) => match EmployeeNo::parse(text) {
            Ok(parsed) => *number = Some(parsed.into()),
            Err(error) => problems.add("/employee_no", error.code(), error.to_string()),
        },
    }
}

fn check_account_name(problems: &mut Problems, name: &mut Option<String>) {
    let mut checked = name.take().unwrap_or_default();
    problems.line("/account_name", &mut checked, 0, 50);
    if checked.chars().any(char::is_whitespace) {
        problems.add("/account_name", "malformed", "has white space in it");
    }
    // Somebody's phone number as another's account name would take over their sign-in.
    if Phone::parse(&checked).is_ok() {
        problems.add("/account_name", "is_a_phone_number", "looks like a phone number");
    }
    *name = (!checked.is_empty()).then_some(checked);
}

fn check_date(problems: &mut Problems, field: &str, date: Option<NaiveDate>) {
    if date.is_some_and(|date| !(1900..2200).contains(&date.year())) {
        problems.add(field, "out_of_range", "is not between 1900 and 2199");
    }
}
