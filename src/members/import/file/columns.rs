//! Which column of a roster holds what: recognising headers in both scripts and in English.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::{RowProblem, RowProblemCode, file_problem};
use crate::platform::sheet::SheetRow;

/// Rosters often have a title and a line of notes above the headers.
const HEADER_SEARCH_ROWS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Name,
    Phone,
    EmployeeNo,
    Standing,
    Organization,
    JoinedOn,
}

/// Known headers in the form that `plain` gives. Where a file has several columns for one field the first in this list
/// is taken: a mobile number before a fixed line.
const HEADERS: [(Field, &[&str]); 6] = [
    (Field::Name, &["姓名", "name", "fullname"]),
    (
        Field::Phone,
        &[
            "手機號碼",
            "手机号码",
            "手機號",
            "手机号",
            "手機",
            "手机",
            "mobile",
            "phone",
            "電話",
            "电话",
        ],
    ),
    (Field::EmployeeNo, &["工號", "工号", "employeeno", "staffno"]),
    (
        Field::Standing,
        &[
            "黨員類別",
            "党员类别",
            "人員類別",
            "人员类别",
            "standing",
            "category",
        ],
    ),
    (
        Field::Organization,
        &[
            "所在支部",
            "所屬支部",
            "所属支部",
            "黨支部",
            "党支部",
            "支部",
            "branch",
            "organization",
        ],
    ),
    (
        Field::JoinedOn,
        &["入黨日期", "入党日期", "入黨時間", "入党时间", "joinedon"],
    ),
];

/// Half-width lower case without spaces, marks of duty and punctuation, for comparing headers and labels.
pub(super) fn plain(text: &str) -> String {
    let text: String = text
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_filler(*c))
        .collect();
    let remarks = [
        "(必填)",
        "(必須)",
        "(必须)",
        "(選填)",
        "(选填)",
        "(required)",
        "(optional)",
    ];
    remarks
        .iter()
        .find_map(|remark| text.strip_suffix(remark))
        .unwrap_or(&text)
        .to_owned()
}

fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '*' | '_' | '-' | ':' | '\u{200B}'..='\u{200F}' | '\u{FEFF}')
}

/// The field a header stands for, with its place in the order of preference.
fn field_of(header: &str) -> Option<(Field, usize)> {
    let header = plain(header);
    HEADERS
        .iter()
        .find_map(|(field, known)| known.iter().position(|k| *k == header).map(|rank| (*field, rank)))
}

/// Index of the row with most known headers among the first rows; the first row when none has any.
pub(super) fn find_header(rows: &[SheetRow]) -> usize {
    let mut best = (0, 0);
    for (index, row) in rows.iter().take(HEADER_SEARCH_ROWS).enumerate() {
        let known = row.cells.iter().filter(|cell| field_of(cell).is_some()).count();
        if known > best.1 {
            best = (index, known);
        }
    }
    best.0
}

#[derive(Default)]
pub(super) struct Columns {
    /// The header's index and text, by field.
    known: BTreeMap<Field, (usize, String)>,
    pub ignored: Vec<String>,
    /// Headers that stand twice.
    duplicates: Vec<String>,
}

impl Columns {
    pub fn of(header: &SheetRow) -> Self {
        let mut columns = Self::default();
        let mut ranks: BTreeMap<Field, usize> = BTreeMap::new();
        let mut taken: Vec<(Field, usize)> = Vec::new();
        for (index, text) in header
            .cells
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
        {
            let Some((field, rank)) = field_of(text) else {
                columns.ignored.push(text.clone());
                continue;
            };
            if taken.contains(&(field, rank)) {
                columns.duplicates.push(text.clone());
                continue;
            }
            taken.push((field, rank));
            if ranks.get(&field).is_some_and(|best| *best < rank) {
                columns.ignored.push(text.clone());
                continue;
            }
            ranks.insert(field, rank);
            columns.ignored.extend(
                columns
                    .known
                    .insert(field, (index, text.clone()))
                    .map(|(_, replaced)| replaced),
            );
        }
        columns
    }

    pub fn problems(&self) -> Vec<RowProblem> {
        let mut problems = Vec::new();
        let missing = RowProblemCode::RequiredColumnMissing;
        if !self.has(Field::Name) {
            problems.push(file_problem(missing, Some("姓名")));
        }
        if !self.has(Field::Phone) && !self.has(Field::EmployeeNo) {
            problems.push(file_problem(missing, Some("手機 / 工號")));
        }
        problems.extend(
            self.duplicates
                .iter()
                .map(|text| file_problem(RowProblemCode::ColumnDuplicate, Some(text))),
        );
        problems
    }

    pub fn has(&self, field: Field) -> bool {
        self.known.contains_key(&field)
    }

    pub fn header(&self, field: Field) -> Option<String> {
        self.known.get(&field).map(|(_, text)| text.clone())
    }

    /// The text of a field in a row: empty when the column is missing or the cell has nothing.
    pub fn text<'r>(&self, row: &'r SheetRow, field: Field) -> &'r str {
        self.known.get(&field).map_or("", |(index, _)| row.cell(*index))
    }

    pub fn any_content(&self, row: &SheetRow) -> bool {
        self.known.values().any(|(index, _)| !row.cell(*index).is_empty())
    }
}
