//! What a list can be answered as, by the Accept header (RFC 9110, 12.5.1).

use std::cmp::Reverse;

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION};
use actix_web::{HttpRequest, HttpResponse};

use crate::platform::error::{AppResult, Code};
use crate::platform::sheet::SheetFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Json,
    Sheet(SheetFormat),
    Html,
    Pdf,
}

/// What a list with an export is offered as.
pub const LIST_OR_SHEET: [Wanted; 3] = [
    Wanted::Json,
    Wanted::Sheet(SheetFormat::Csv),
    Wanted::Sheet(SheetFormat::Xlsx),
];

impl Wanted {
    fn media_type(self) -> (&'static str, &'static str) {
        let whole = match self {
            Self::Json => "application/json",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
            Self::Sheet(format) => format.content_type(),
        };
        let essence = whole.split(';').next().unwrap_or(whole);
        essence.split_once('/').unwrap_or((essence, ""))
    }
}

/// What the Accept header likes best of `offered`; the first when it does not care. 406 for none.
pub fn wanted(request: &HttpRequest, offered: &[Wanted]) -> AppResult<Wanted> {
    let lines: Vec<&str> = request
        .headers()
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .collect();
    negotiate(&lines.join(","), offered).ok_or_else(|| Code::NotAcceptable.into())
}

/// One element of the header: `*` in either place stands for all.
struct Range {
    kind: String,
    subkind: String,
    /// In thousandths; 0 is a refusal.
    weight: u16,
}

fn negotiate(header: &str, offered: &[Wanted]) -> Option<Wanted> {
    let ranges: Vec<Range> = header.split(',').filter_map(range).collect();
    if ranges.is_empty() {
        return offered.first().copied();
    }
    // Of equals: what is named, then what is named first, then what we would rather give.
    let liking = |(place, wanted): (usize, &Wanted)| {
        let (exactness, Reverse(at), weight) = best_match(&ranges, *wanted)?;
        (weight > 0).then_some(((weight, exactness, Reverse(at), Reverse(place)), *wanted))
    };
    let likings = offered.iter().enumerate().filter_map(liking);
    likings
        .max_by_key(|(liking, _)| *liking)
        .map(|(_, wanted)| wanted)
}

/// The most exact range speaks for a media type, whatever a wildcard says: its exactness, place and weight.
fn best_match(ranges: &[Range], wanted: Wanted) -> Option<(u8, Reverse<usize>, u16)> {
    let (kind, subkind) = wanted.media_type();
    let matches = ranges.iter().enumerate().filter_map(|(at, range)| {
        let exactness = match (range.kind.as_str(), range.subkind.as_str()) {
            ("*", "*") => 0,
            (its, "*") if its == kind => 1,
            (its, sub) if its == kind && sub == subkind => 2,
            _ => return None,
        };
        Some((exactness, Reverse(at), range.weight))
    });
    matches.max()
}

fn range(element: &str) -> Option<Range> {
    let mut pieces = element.split(';').map(|piece| piece.trim().to_ascii_lowercase());
    let essence = pieces.next()?;
    let (kind, subkind) = essence.split_once('/')?;
    let weight = pieces.find_map(|piece| piece.strip_prefix("q=").map(thousandths));
    Some(Range {
        kind: kind.to_owned(),
        subkind: subkind.to_owned(),
        weight: weight.unwrap_or(1_000),
    })
}

/// A weight that is none counts as a refusal.
fn thousandths(q: &str) -> u16 {
    let weight: f32 = q.trim().parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&weight) {
        (weight * 1_000.0).round() as u16
    } else {
        0
    }
}

/// A sheet to keep; `name` is without its ending.
pub fn sheet_response(format: SheetFormat, name: &str, bytes: Vec<u8>) -> HttpResponse {
    let name = format!("{name}.{}", format.extension());
    file_response(format.content_type(), &name, bytes)
}

/// A file to keep. The name is ours, so it needs no escaping.
pub fn file_response(content_type: &str, name: &str, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header(("cache-control", "private, no-store"))
        .body(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_decides() {
        const CSV: Option<Wanted> = Some(Wanted::Sheet(SheetFormat::Csv));
        const XLSX: Option<Wanted> = Some(Wanted::Sheet(SheetFormat::Xlsx));
        const JSON: Option<Wanted> = Some(Wanted::Json);
        for (header, expected) in [
            ("", JSON),
            (" , ", JSON),
            ("text/csv", CSV),
            ("Text/CSV; charset=UTF-8", CSV),
            ("text/csv;q=0.5, application/json", JSON),
            ("text/csv ; Q=0.9, application/json;q=0.8", CSV),
            ("application/json;q=0.5;ext=1,text/csv;q=0.51", CSV),
            // What is named goes before what a wildcard takes; of equals the first.
            ("*/*, text/csv", CSV),
            ("text/csv, application/json", CSV),
            ("application/json, text/plain, */*", JSON),
            ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
            ("application/*", JSON),
            ("text/*", CSV),
            // A named refusal holds against a wildcard.
            ("*/*, application/json;q=0", CSV),
            ("application/json;q=0, text/csv;q=0, */*;q=0.1", XLSX),
            ("application/json;q=0", None),
            ("text/csv;q=0", None),
            ("text/csv;q=2", None),
            ("text/csv;q=nan", None),
            ("image/png", None),
            (
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                XLSX,
            ),
        ] {
            assert_eq!(negotiate(header, &LIST_OR_SHEET), expected, "{header}");
        }
        let page = [Wanted::Json, Wanted::Html];
        assert_eq!(negotiate("text/html,*/*;q=0.8", &page), Some(Wanted::Html));
        assert_eq!(negotiate("*/*", &page), JSON);
    }
}
