//! A member roster as people keep it in a spreadsheet, to lines the import can apply. Looks at the file only: whether a
//! member or a branch exists is the service's question. Finds every problem of the file in one go.

mod columns;
mod values;

use std::collections::HashMap;
use std::hash::Hash;

use chrono::NaiveDate;

use self::columns::{Columns, Field, find_header};
use self::values::{parse_date, parse_organization, parse_standing};
use crate::members::rules::{EmployeeNo, MemberName, NameError, Phone, Standing};
use crate::platform::sheet::SheetRow;

/// Characters of a cell that a problem shows.
const SHOWN_CHARS: usize = 20;

/// What a roster holds. `lines` are the rows without a problem, in the order of the file; with problems present they
/// are good for a preview only, since a duplicate is told at its second row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    pub lines: Vec<RosterLine>,
    pub problems: Vec<RowProblem>,
    /// Headers as in the file of the columns that were not read.
    pub ignored_columns: Vec<String>,
    pub headers: Headers,
}

/// Headers as in the file, for telling which column is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub employee_no: Option<String>,
    pub organization: Option<String>,
}

impl Headers {
    /// The columns that say who somebody is, both of them: which of the two matched is not for everybody to know.
    pub fn identity(&self) -> Option<String> {
        let known: Vec<&str> = [&self.phone, &self.employee_no]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!known.is_empty()).then(|| known.join(" / "))
    }
}

impl Roster {
    /// All or nothing.
    #[cfg(test)]
    pub fn into_lines(self) -> Result<Vec<RosterLine>, Vec<RowProblem>> {
        if self.problems.is_empty() {
            Ok(self.lines)
        } else {
            Err(self.problems)
        }
    }
}

/// One person. At least one of `phone` and `employee_no` is there, so that a second import knows them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterLine {
    /// 1-based row of the file.
    pub row: u32,
    pub name: MemberName,
    pub phone: Option<Phone>,
    pub employee_no: Option<EmployeeNo>,
    /// `None`: the file does not say.
    pub standing: Option<Standing>,
    /// The branch's name as in the file; `None` means the organization of the import.
    pub organization: Option<String>,
    pub joined_on: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// 1-based; `None` when the file as a whole is meant.
    pub row: Option<u32>,
    /// The header as in the file; for a missing column a header that would be understood.
    pub column: Option<String>,
    pub code: RowProblemCode,
    /// What stands there, shortened.
    pub value: String,
    /// The row that has the same value already, for duplicates.
    pub other_row: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowProblemCode {
    RequiredColumnMissing,
    ColumnDuplicate,
    NoRows,
    NameMissing,
    NameTooLong,
    NameInvalid,
    PhoneInvalid,
    PhoneDuplicateInFile,
    EmployeeNoInvalid,
    EmployeeNoDuplicateInFile,
    PhoneOrEmployeeNoMissing,
    StandingUnknown,
    OrganizationInvalid,
    DateInvalid,
}

impl RowProblemCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequiredColumnMissing => "required_column_missing",
            Self::ColumnDuplicate => "column_duplicate",
            Self::NoRows => "no_rows",
            Self::NameMissing => "name_missing",
            Self::NameTooLong => "name_too_long",
            Self::NameInvalid => "name_invalid",
            Self::PhoneInvalid => "phone_invalid",
            Self::PhoneDuplicateInFile => "phone_duplicate_in_file",
            Self::EmployeeNoInvalid => "employee_no_invalid",
            Self::EmployeeNoDuplicateInFile => "employee_no_duplicate_in_file",
            Self::PhoneOrEmployeeNoMissing => "phone_or_employee_no_missing",
            Self::StandingUnknown => "standing_unknown",
            Self::OrganizationInvalid => "organization_invalid",
            Self::DateInvalid => "date_invalid",
        }
    }
}

impl From<NameError> for RowProblemCode {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Missing => Self::NameMissing,
            NameError::TooLong => Self::NameTooLong,
            NameError::ControlCharacter => Self::NameInvalid,
        }
    }
}

/// Reads a roster out of the rows of a sheet. The headers may stand in any order below a title; unknown columns are
/// left alone, and rows that are empty in all known columns (numbered in advance, say) are passed over.
pub fn parse_roster(rows: &[SheetRow]) -> Roster {
    let header = find_header(rows);
    let columns = rows.get(header).map(Columns::of).unwrap_or_default();
    let mut parser = Parser {
        problems: columns.problems(),
        columns,
        phones: HashMap::new(),
        numbers: HashMap::new(),
    };
    let mut lines = Vec::new();
    let mut has_rows = false;
    for row in rows.iter().skip(header + 1) {
        if parser.columns.any_content(row) {
            has_rows = true;
            lines.extend(parser.line(row));
        }
    }
    if !has_rows && parser.problems.is_empty() {
        parser.problems.push(file_problem(RowProblemCode::NoRows, None));
    }
    Roster {
        lines,
        problems: parser.problems,
        headers: Headers {
            name: parser.columns.header(Field::Name),
            phone: parser.columns.header(Field::Phone),
            employee_no: parser.columns.header(Field::EmployeeNo),
            organization: parser.columns.header(Field::Organization),
        },
        ignored_columns: parser.columns.ignored,
    }
}

fn file_problem(code: RowProblemCode, column: Option<&str>) -> RowProblem {
    RowProblem {
        row: None,
        column: column.map(str::to_owned),
        code,
        value: String::new(),
        other_row: None,
    }
}

struct Parser {
    columns: Columns,
    problems: Vec<RowProblem>,
    /// The row in which each was seen first.
    phones: HashMap<Phone, u32>,
    numbers: HashMap<EmployeeNo, u32>,
}

impl Parser {
    /// The person of a row, or `None` with what is wrong added to the problems.
    fn line(&mut self, row: &SheetRow) -> Option<RosterLine> {
        let before = self.problems.len();
        let name = self.name(row);
        let phone = self.phone(row);
        let employee_no = self.employee_no(row);
        let standing = self.read(
            row,
            Field::Standing,
            RowProblemCode::StandingUnknown,
            parse_standing,
        );
        let organization = self.read(
            row,
            Field::Organization,
            RowProblemCode::OrganizationInvalid,
            parse_organization,
        );
        let joined_on = self.read(row, Field::JoinedOn, RowProblemCode::DateInvalid, parse_date);
        self.check_recognisable(row);
        if self.problems.len() > before {
            return None;
        }
        Some(RosterLine {
            row: row.number,
            name: name?,
            phone,
            employee_no,
            standing,
            organization,
            joined_on,
        })
    }

    fn name(&mut self, row: &SheetRow) -> Option<MemberName> {
        if !self.columns.has(Field::Name) {
            return None;
        }
        let text = self.columns.text(row, Field::Name);
        MemberName::parse(text)
            .map_err(|error| self.report(row, Field::Name, error.into(), text, None))
            .ok()
    }

    fn phone(&mut self, row: &SheetRow) -> Option<Phone> {
        let parse = |text: &str| Phone::parse(text).ok();
        let phone = self.read(row, Field::Phone, RowProblemCode::PhoneInvalid, parse)?;
        if let Some(other) = first_seen(&mut self.phones, &phone, row.number) {
            let text = self.columns.text(row, Field::Phone);
            self.report(
                row,
                Field::Phone,
                RowProblemCode::PhoneDuplicateInFile,
                text,
                Some(other),
            );
        }
        Some(phone)
    }

    fn employee_no(&mut self, row: &SheetRow) -> Option<EmployeeNo> {
        let parse = |text: &str| EmployeeNo::parse(text).ok();
        let number = self.read(row, Field::EmployeeNo, RowProblemCode::EmployeeNoInvalid, parse)?;
        if let Some(other) = first_seen(&mut self.numbers, &number, row.number) {
            let text = self.columns.text(row, Field::EmployeeNo);
            self.report(
                row,
                Field::EmployeeNo,
                RowProblemCode::EmployeeNoDuplicateInFile,
                text,
                Some(other),
            );
        }
        Some(number)
    }

    /// An unreadable phone has been reported already; this is for rows that have neither.
    fn check_recognisable(&mut self, row: &SheetRow) {
        let has_column = |field| self.columns.has(field);
        let empty = |field| self.columns.text(row, field).is_empty();
        let fields = [Field::Phone, Field::EmployeeNo];
        if fields.into_iter().any(has_column) && fields.into_iter().all(empty) {
            let field = if has_column(Field::Phone) {
                Field::Phone
            } else {
                Field::EmployeeNo
            };
            self.report(row, field, RowProblemCode::PhoneOrEmployeeNoMissing, "", None);
        }
    }

    /// An optional cell: nothing when it is empty, nothing and a problem when it cannot be read.
    fn read<T>(
        &mut self,
        row: &SheetRow,
        field: Field,
        code: RowProblemCode,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.columns.text(row, field);
        if text.is_empty() {
            return None;
        }
        let value = parse(text);
        if value.is_none() {
            self.report(row, field, code, text, None);
        }
        value
    }

    fn report(
        &mut self,
        row: &SheetRow,
        field: Field,
        code: RowProblemCode,
        text: &str,
        other_row: Option<u32>,
    ) {
        let column = self.columns.header(field);
        self.problems.push(RowProblem {
            row: Some(row.number),
            column,
            code,
            value: shorten(text),
            other_row,
        });
    }
}

/// The row that had the value before this one, if any did.
fn first_seen<K: Hash + Eq + Clone>(seen: &mut HashMap<K, u32>, value: &K, row: u32) -> Option<u32> {
    let first = seen.get(value).copied();
    if first.is_none() {
        seen.insert(value.clone(), row);
    }
    first
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
