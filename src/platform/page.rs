//! Lists in pages: what was asked for, and what was found.

/// A page that was asked for: `K` is the last key of the page before.
#[derive(Debug, Clone)]
pub struct Page<K> {
    pub limit: usize,
    pub after: Option<K>,
    /// How many are there on all pages together?
    pub count: bool,
}

/// One row, and no cursor.
impl<K> Default for Page<K> {
    fn default() -> Self {
        Self::first(1)
    }
}

impl<K> Page<K> {
    /// The first rows of a list whose next page nobody will ask for.
    pub fn first(rows: usize) -> Self {
        Self {
            limit: rows.saturating_sub(1),
            after: None,
            count: false,
        }
    }

    /// Stores fetch this many: the one too many tells that there is a next page.
    pub fn fetch(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// The rows of a page with the one too many, and how many the whole list has, if that was asked.
#[derive(Debug, Clone)]
pub struct Found<R> {
    pub rows: Vec<R>,
    pub count: Option<i64>,
}
