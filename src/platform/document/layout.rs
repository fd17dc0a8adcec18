//! Lines, columns and pages: what stands where, in points from the upper left corner of an A4 page.

use super::DocumentError;
use super::fonts::Fonts;
use super::write;

pub const PAGE_WIDTH: f32 = 595.0;
pub const PAGE_HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// Text ends here; below it stands the page's number.
const BOTTOM: f32 = PAGE_HEIGHT - 72.0;
const LEADING: f32 = 1.45;
/// Around the text of a table's cell.
const PAD: f32 = 6.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    pub title: &'a str,
    /// Of the whole width, as a share of all columns' shares.
    pub share: f32,
    pub align: Align,
}

/// What is drawn on a page.
#[derive(Debug, Clone)]
pub enum Mark {
    /// Its left end on the base line.
    Text {
        x: f32,
        y: f32,
        size: f32,
        grey: u8,
        text: String,
    },
    Line {
        y: f32,
        from: f32,
        to: f32,
        width: f32,
    },
    Band {
        y: f32,
        height: f32,
    },
}

/// A document as it grows.
pub struct Layout {
    fonts: Fonts,
    pages: Vec<Vec<Mark>>,
    /// Where the next line begins on the last page.
    y: f32,
}

const INK: u8 = 32;
const PALE: u8 = 110;

impl Layout {
    pub fn new(fonts: Fonts) -> Self {
        Self {
            fonts,
            pages: vec![Vec::new()],
            y: MARGIN,
        }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn width() -> f32 {
        PAGE_WIDTH - 2.0 * MARGIN
    }

    pub fn space(&mut self, height: f32) {
        self.y += height;
    }

    /// Goes to a new page unless so much is left of this one.
    pub fn keep(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
    }

    /// A paragraph over the whole width.
    pub fn text(&mut self, text: &str, size: f32, align: Align) {
        for line in self.broken(text, size, Self::width()) {
            self.keep(size * LEADING);
            self.line(&line, size, INK, align, (MARGIN, Self::width()), self.y);
            self.y += size * LEADING;
        }
    }

    /// Pairs of a name and a value, two in a row.
    pub fn facts(&mut self, facts: &[(&str, &str)]) {
        const SIZE: f32 = 11.0;
        let half = Self::width() / 2.0;
        let longest = facts.iter().map(|(name, _)| self.fonts.width(name, SIZE));
        let name_width = longest.fold(0.0, f32::max) + 12.0;
        for row in facts.chunks(2) {
            let cells: Vec<Vec<String>> = row
                .iter()
                .map(|(_, value)| self.broken(value, SIZE, half - name_width - PAD))
                .collect();
            let lines = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
            self.keep(lines as f32 * SIZE * LEADING + PAD);
            for (n, ((name, _), lines)) in row.iter().zip(cells).enumerate() {
                let x = MARGIN + n as f32 * half;
                self.line(name, SIZE, PALE, Align::Left, (x, name_width), self.y);
                let at = (x + name_width, half - name_width);
                self.lines(&lines, SIZE, Align::Left, at, self.y);
            }
            self.y += lines as f32 * SIZE * LEADING + PAD;
        }
    }

    /// A table over the whole width, whose head stands again on each page; the last row may be told apart as a sum.
    pub fn table(&mut self, columns: &[Column<'_>], rows: &[Vec<String>], sum: Option<Vec<String>>) {
        const SIZE: f32 = 10.5;
        let all: f32 = columns.iter().map(|column| column.share).sum();
        let mut x = MARGIN;
        let places: Vec<(f32, f32, Align)> = columns
            .iter()
            .map(|column| {
                let width = Self::width() * column.share / all;
                let place = (x, width, column.align);
                x += width;
                place
            })
            .collect();
        let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
        self.keep(4.0 * SIZE * LEADING);
        self.head(&titles, &places, SIZE);
        for row in rows {
            let pages = self.pages.len();
            self.keep(self.row_height(row, &places, SIZE));
            if self.pages.len() > pages {
                self.head(&titles, &places, SIZE);
            }
            self.row(row, &places, SIZE, 0.4);
        }
        if let Some(sum) = sum {
            self.keep(self.row_height(&sum, &places, SIZE));
            self.rule(0.9);
            self.row(&sum, &places, SIZE, 0.9);
        }
    }

    fn head(&mut self, titles: &[String], places: &[(f32, f32, Align)], size: f32) {
        let height = self.row_height(titles, places, size);
        self.mark(Mark::Band { y: self.y, height });
        self.rule(0.9);
        self.row(titles, places, size, 0.9);
    }

    fn row_height(&self, cells: &[String], places: &[(f32, f32, Align)], size: f32) -> f32 {
        let lines = cells
            .iter()
            .zip(places)
            .map(|(cell, (_, width, _))| self.broken(cell, size, width - 2.0 * PAD).len());
        lines.max().unwrap_or(1).max(1) as f32 * size * LEADING + PAD
    }

    /// With a rule of this width below it.
    fn row(&mut self, cells: &[String], places: &[(f32, f32, Align)], size: f32, rule: f32) {
        let height = self.row_height(cells, places, size);
        for (cell, (x, width, align)) in cells.iter().zip(places) {
            let inside = (x + PAD, width - 2.0 * PAD);
            let lines = self.broken(cell, size, inside.1);
            self.lines(&lines, size, *align, inside, self.y + PAD / 2.0);
        }
        self.y += height;
        self.rule(rule);
    }

    fn rule(&mut self, width: f32) {
        self.mark(Mark::Line {
            y: self.y,
            from: MARGIN,
            to: PAGE_WIDTH - MARGIN,
            width,
        });
    }

    fn lines(&mut self, lines: &[String], size: f32, align: Align, at: (f32, f32), y: f32) {
        for (n, line) in lines.iter().enumerate() {
            self.line(line, size, INK, align, at, y + n as f32 * size * LEADING);
        }
    }

    /// One line in a place of this left end and width, its top at `y`.
    fn line(&mut self, text: &str, size: f32, grey: u8, align: Align, (x, width): (f32, f32), y: f32) {
        let left = width - self.fonts.width(text, size);
        let shift = match align {
            Align::Left => 0.0,
            Align::Center => left / 2.0,
            Align::Right => left,
        };
        self.mark(Mark::Text {
            x: x + shift,
            y: y + size * 1.08,
            size,
            grey,
            text: text.to_owned(),
        });
    }

    /// A text in lines that fit: broken between Chinese signs and at spaces, within a word that is too long itself.
    fn broken(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        break_lines(text, width, |text| self.fonts.width(text, size))
    }

    /// The file. `page_of` says on which page of how many one is, at the foot of each.
    pub fn finish(
        mut self,
        title: &str,
        language: &str,
        page_of: impl Fn(usize, usize) -> String,
    ) -> Result<Vec<u8>, DocumentError> {
        let pages = self.pages.len();
        for (n, page) in self.pages.iter_mut().enumerate() {
            const SIZE: f32 = 9.0;
            let text = page_of(n + 1, pages);
            page.push(Mark::Text {
                x: (PAGE_WIDTH - self.fonts.width(&text, SIZE)) / 2.0,
                y: PAGE_HEIGHT - 40.0,
                size: SIZE,
                grey: PALE,
                text,
            });
        }
        write::write(&self.fonts, &self.pages, title, language)
    }
}

/// No line begins with these.
const CLOSING: &str = "，。、；：！？）」』》〉】,.;:!?)%";

fn break_lines(text: &str, width: f32, measure: impl Fn(&str) -> f32) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut last_break) = (String::new(), 0);
    for sign in text.chars() {
        let may_break = line.ends_with(' ')
            || (is_wide(sign) && !CLOSING.contains(sign))
            || line
                .chars()
                .next_back()
                .is_some_and(|last| is_wide(last) && !CLOSING.contains(sign));
        if may_break {
            last_break = line.len();
        }
        line.push(sign);
        if line.chars().nth(1).is_some() && measure(line.trim_end()) > width {
            let at = match last_break {
                0 => line.len() - sign.len_utf8(),
                at => at,
            };
            let rest = line.split_off(at);
            lines.push(line.trim_end().to_owned());
            line = rest;
            last_break = 0;
        }
    }
    lines.push(line);
    lines
}

/// Chinese signs and their punctuation, between which a line may break.
fn is_wide(sign: char) -> bool {
    matches!(sign, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Chinese signs are two wide, others one.
    fn measure(text: &str) -> f32 {
        text.chars()
            .map(|sign| if is_wide(sign) { 2.0 } else { 1.0 })
            .sum()
    }

    #[test]
    fn lines_break_between_signs_and_words_and_not_before_a_comma() {
        let of = |text: &str, width: f32| break_lines(text, width, measure);
        assert_eq!(of("環保志願服務", 8.0), ["環保志願", "服務"]);
        assert_eq!(of("學雷鋒，做好事", 6.0), ["學雷", "鋒，做", "好事"]);
        assert_eq!(of("Open day 開放日", 9.0), ["Open day", "開放日"]);
        assert_eq!(of("abcdefgh", 3.0), ["abc", "def", "gh"]);
        assert_eq!(of("", 3.0), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_every_line_fits(text in "[a-z 學習時長]{0,60}", width in 4u8..30) {
            let lines = break_lines(&text, f32::from(width), measure);
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
            prop_assert!(lines.iter().all(|line| measure(line.trim_end()) <= f32::from(width)));
        }
    }
}
