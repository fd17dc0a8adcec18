//! Rosters as they come: both scripts, several layouts, and everything that can be wrong in one.

use proptest::prelude::*;

use super::*;
use crate::platform::sheet::{Cell, SheetFormat, SheetLimits, read_sheet, write_sheet};

/// Rows from lines of cells separated by `|`; blank lines are rows without content, as `read_sheet` leaves them out.
fn sheet(table: &str) -> Vec<SheetRow> {
    let lines = table.trim_matches('\n').lines().zip(1..);
    let rows = lines.map(|(line, number)| SheetRow {
        number,
        cells: line.split('|').map(|cell| cell.trim().to_owned()).collect(),
    });
    rows.filter(|row| row.cells.iter().any(|cell| !cell.is_empty()))
        .collect()
}

fn roster(table: &str) -> Roster {
    parse_roster(&sheet(table))
}

fn lines(table: &str) -> Vec<RosterLine> {
    roster(table).into_lines().unwrap()
}

/// (row, column, code) of each problem.
fn problems(table: &str) -> Vec<(u32, String, &'static str)> {
    let problems = roster(table).into_lines().unwrap_err().into_iter();
    problems
        .map(|p| (p.row.unwrap_or(0), p.column.unwrap_or_default(), p.code.as_str()))
        .collect()
}

fn problem(row: u32, column: &str, code: &'static str) -> (u32, String, &'static str) {
    (row, column.to_owned(), code)
}

fn date(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

#[test]
fn a_full_roster_is_read_in_both_scripts_and_in_english() {
    let tables = [
        "姓名|手機號碼|工號|黨員類別|所在支部|入黨日期\n張三|138 1234 5678|a-1|預備黨員|機關第一黨支部|2024-07-01",
        "姓名|手机号码|工号|党员类别|所在支部|入党日期\n張三|13812345678|A-1|预备党员|機關第一黨支部|2024年7月1日",
        "Name|Mobile|Employee No|Standing|Branch|Joined_on\n張三|+8613812345678|A-1|Probationary|機關第一黨支部|2024/7/1",
        "姓名*| ＊手机 |ＳＴＡＦＦ＿ＮＯ|人员 类别|党支部（必填）|入黨時間：\n張三|１３８１２３４５６７８|a-1|預備|機關第一黨支部|20240701",
    ];
    for table in tables {
        let lines = lines(table);
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line.row, 2);
        assert_eq!(line.name.as_str(), "張三");
        assert_eq!(line.phone.as_ref().map(Phone::as_str), Some("13812345678"));
        assert_eq!(line.employee_no.as_ref().map(EmployeeNo::as_str), Some("A-1"));
        assert_eq!(line.standing, Some(Standing::Probationary));
        assert_eq!(line.organization.as_deref(), Some("機關第一黨支部"));
        assert_eq!(line.joined_on, date("2024-07-01"));
    }
}

#[test]
fn every_header_of_the_list_is_known() {
    for (headers, field) in [
        ("姓名|name|full name|Full_Name", Field::Name),
        (
            "手機|手机|手機號碼|手机号码|手机号|手機號|電話|电话|phone|mobile",
            Field::Phone,
        ),
        ("工號|工号|employee_no|employee no|staff_no", Field::EmployeeNo),
        (
            "黨員類別|党员类别|人員類別|人员类别|standing|category",
            Field::Standing,
        ),
        (
            "所在支部|所屬支部|所属支部|支部|黨支部|党支部|branch|organization",
            Field::Organization,
        ),
        ("入黨日期|入党日期|入黨時間|入党时间|joined_on", Field::JoinedOn),
    ] {
        for header in headers.split('|') {
            let columns = Columns::of(&SheetRow {
                number: 1,
                cells: vec![header.to_owned()],
            });
            assert_eq!(columns.header(field).as_deref(), Some(header));
        }
    }
}

#[test]
fn every_word_for_a_standing_is_known() {
    for (words, standing) in [
        ("正式黨員 正式党员 正式 full FULL", Standing::Full),
        ("預備黨員 预备党员 預備 预备 probationary", Standing::Probationary),
        (
            "入黨積極分子 入党积极分子 積極分子 积极分子 activist",
            Standing::Activist,
        ),
        ("服務對象 服务对象 群众 群眾 guest", Standing::Guest),
    ] {
        for word in words.split(' ') {
            assert_eq!(parse_standing(word), Some(standing), "{word}");
        }
    }
    assert_eq!(parse_standing("發展對象"), None);
}

#[test]
fn dates_are_read_as_people_write_them() {
    for text in [
        "2024-07-01",
        "2024-7-1",
        "2024/7/1",
        "2024.07.01",
        "2024年7月1日",
        "2024 年 7 月 1 日",
        "2024年7月1號",
        "20240701",
        "2024-07-01T00:00:00",
        "2024-07-01 00:00:00",
        "２０２４－７－１",
    ] {
        assert_eq!(parse_date(text), date("2024-07-01"), "{text}");
    }
    for text in [
        "2024-07",
        "2024.07",
        "2024年7月",
        "2024",
        "45474",
        "24-7-1",
        "2024-13-01",
        "2024-02-30",
        "1899-12-31",
        "2200-01-01",
        "2024-7-1-1",
        "7/1/2024",
        "20240732",
        "不詳",
        "-",
        "",
        "12:00:00",
        "2024-+7-1",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
}

#[test]
fn headers_are_found_below_a_title_and_in_any_order() {
    let table = "\n機關黨委黨員名冊（姓名、手機）\n|2026 年 7 月||\n\n序號|手機|備註|姓名\n1|13812345678|x|張三\n2|||\n\n合計 1 人\n";
    let roster = roster(table);
    assert_eq!(roster.problems, []);
    assert_eq!(roster.lines.len(), 1);
    assert_eq!(roster.lines[0].row, 5);
    assert_eq!(roster.ignored_columns, ["序號", "備註"]);
}

#[test]
fn optional_cells_may_be_empty() {
    let lines = lines("姓名|手機|工號|黨員類別|所在支部|入黨日期\n張三|13812345678\n李四||7");
    assert_eq!(lines[0].employee_no, None);
    assert_eq!(
        (lines[0].standing, &lines[0].organization, lines[0].joined_on),
        (None, &None, None)
    );
    assert_eq!(lines[1].phone, None);
    assert_eq!(lines[1].employee_no.as_ref().map(EmployeeNo::as_str), Some("7"));
}

#[test]
fn a_mobile_number_goes_before_a_fixed_line() {
    for table in [
        "姓名|電話|手機\n張三|010-65529988|13812345678",
        "姓名|手機|電話\n張三|13812345678|010-65529988",
    ] {
        let roster = roster(table);
        assert_eq!(roster.ignored_columns, ["電話"]);
        assert_eq!(
            roster.into_lines().unwrap()[0].phone.as_ref().map(Phone::as_str),
            Some("13812345678")
        );
    }
}

#[test]
fn columns_of_one_name_are_a_problem() {
    let table = "姓名|手機|姓名*\n張三|13812345678|李四";
    assert_eq!(problems(table), [problem(0, "姓名*", "column_duplicate")]);
    assert_eq!(roster(table).ignored_columns, Vec::<String>::new());
}

#[test]
fn required_columns_are_told_all_at_once() {
    let missing = "required_column_missing";
    assert_eq!(
        problems("電子郵箱|部門\na|b"),
        [problem(0, "姓名", missing), problem(0, "手機 / 工號", missing)]
    );
    assert_eq!(
        problems("姓名|部門\n張三|b"),
        [problem(0, "手機 / 工號", missing)]
    );
    assert_eq!(
        problems("手機|黨員類別\n138|甲\n13812345678|"),
        [
            problem(0, "姓名", missing),
            problem(2, "手機", "phone_invalid"),
            problem(2, "黨員類別", "standing_unknown")
        ]
    );
    assert_eq!(parse_roster(&[]).problems.len(), 2);
}

#[test]
fn a_roster_without_people_is_a_problem() {
    assert_eq!(problems("姓名|手機|序號\n||1\n||2"), [problem(0, "", "no_rows")]);
}

#[test]
fn all_problems_of_all_rows_are_told() {
    let name = "長".repeat(51);
    let table = format!(
        "姓名 *|手機|工號|黨員類別|支部|入黨日期\n\
         |1381234567|a b|正式黨员?|機關\u{7}支部|2024-07\n\
         {name}||||{}|\n\
         張三|13812345678|7||機關支部|\n\
         李四|+86 138-1234-5678|８||機關支部|\n\
         王\u{202E}五|13812345679|07||機關支部|\n\
         趙六|13812345670|#7||機關支部|\n\
         錢七|13812345671|7||機關支部|",
        "部".repeat(101)
    );
    assert_eq!(
        problems(&table),
        [
            problem(2, "姓名 *", "name_missing"),
            problem(2, "手機", "phone_invalid"),
            problem(2, "工號", "employee_no_invalid"),
            problem(2, "黨員類別", "standing_unknown"),
            problem(2, "支部", "organization_invalid"),
            problem(2, "入黨日期", "date_invalid"),
            problem(3, "姓名 *", "name_too_long"),
            problem(3, "支部", "organization_invalid"),
            problem(3, "手機", "phone_or_employee_no_missing"),
            problem(5, "手機", "phone_duplicate_in_file"),
            problem(6, "姓名 *", "name_invalid"),
            problem(8, "工號", "employee_no_duplicate_in_file"),
        ]
    );
    let roster = roster(&table);
    assert_eq!(
        roster.lines.iter().map(|line| line.row).collect::<Vec<_>>(),
        [4, 7]
    );
    let others: Vec<_> = roster.problems.iter().filter_map(|p| p.other_row).collect();
    assert_eq!(others, [4, 4]);
}

#[test]
fn a_row_with_problems_still_holds_its_number() {
    let table = "姓名|手機\n|13812345678\n張三|13812345678\n李四|13812345678";
    let duplicates: Vec<_> = roster(table)
        .problems
        .into_iter()
        .map(|p| (p.row, p.other_row))
        .collect();
    assert_eq!(
        duplicates,
        [(Some(2), None), (Some(3), Some(2)), (Some(4), Some(2))]
    );
}

#[test]
fn values_are_shortened() {
    let table = format!("姓名|手機\n張三|{}", "９".repeat(300));
    let shown = &roster(&table).problems[0].value;
    assert_eq!(*shown, format!("{}…", "９".repeat(20)));
    assert_eq!(roster("姓名|手機\n張三|12345").problems[0].value, "12345");
}

#[test]
fn a_csv_from_a_chinese_windows_is_read_from_its_bytes() {
    let table =
        "姓名,手机号,党员类别,所属支部,入党时间\r\n张　三,13812345678,正式党员,机关第一党支部,2011/7/1\r\n";
    let (bytes, _, _) = encoding_rs::GB18030.encode(table);
    let rows = read_sheet(&bytes, &SheetLimits::default()).unwrap();
    let lines = parse_roster(&rows).into_lines().unwrap();
    assert_eq!(lines[0].name.as_str(), "张三");
    assert_eq!(lines[0].standing, Some(Standing::Full));
    assert_eq!(lines[0].joined_on, date("2011-07-01"));
}

#[test]
fn two_hundred_people_come_back_from_either_format() {
    let headers = ["姓名", "手機", "工號", "黨員類別", "所在支部", "入黨日期"];
    let words = ["正式黨員", "預備黨員", "積極分子", "群眾"];
    let joined = |i: i64| NaiveDate::from_ymd_opt(1990, 1, 1).unwrap() + chrono::Days::new(i as u64 * 40);
    for format in [SheetFormat::Csv, SheetFormat::Xlsx] {
        let table = (0..200_i64).map(|i| {
            // Phones as numbers and as text, some from abroad, which begin with a plus sign.
            let phone = match i % 3 {
                0 => Cell::from(13_800_000_000 + i),
                1 => Cell::from(format!("{}", 13_800_000_000 + i)),
                _ => Cell::from(format!("+852{}", 90_000_000 + i)),
            };
            let word = words[i as usize % words.len()];
            vec![
                Cell::from(format!("成員{i}")),
                phone,
                Cell::from(i),
                Cell::from(word),
                Cell::from("機關黨支部"),
                Cell::from(joined(i)),
            ]
        });
        let bytes = write_sheet(format, "黨員名冊", &headers, table).unwrap();
        let rows = read_sheet(&bytes, &SheetLimits::default()).unwrap();
        let lines = parse_roster(&rows).into_lines().unwrap();
        assert_eq!(lines.len(), 200);
        for (i, line) in (0_i64..).zip(&lines) {
            assert_eq!(i64::from(line.row), i + 2);
            assert_eq!(line.name.as_str(), format!("成員{i}"));
            let abroad = i % 3 == 2;
            let phone = if abroad {
                format!("+852{}", 90_000_000 + i)
            } else {
                format!("{}", 13_800_000_000 + i)
            };
            assert_eq!(line.phone.as_ref().map(Phone::as_str), Some(phone.as_str()));
            assert_eq!(
                line.employee_no.as_ref().map(EmployeeNo::as_str),
                Some(i.to_string().as_str())
            );
            assert_eq!(line.standing, Some(Standing::ALL[i as usize % 4]));
            assert_eq!(line.joined_on, Some(joined(i)));
        }
    }
}

proptest! {
    #[test]
    fn any_cells_never_panic_and_each_row_is_a_line_or_a_problem(
        table in prop::collection::vec(prop::collection::vec("[张三|0-9+ a-z\u{0}-\u{2FFF}]{0,14}", 3), 0..12),
    ) {
        let header = ["姓名", "手機", "入黨日期"].map(str::to_owned).to_vec();
        let rows: Vec<SheetRow> = std::iter::once(header).chain(table)
            .zip(1..).map(|(cells, number)| SheetRow { number, cells }).collect();
        let roster = parse_roster(&rows);
        for row in rows.iter().skip(1).filter(|row| row.cells.iter().any(|cell| !cell.is_empty())) {
            let line = roster.lines.iter().any(|line| line.row == row.number);
            let problem = roster.problems.iter().any(|p| p.row == Some(row.number));
            prop_assert!(line != problem, "{:?}", row);
        }
    }
}
