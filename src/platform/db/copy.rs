//! A copy of a SQLite database while others read and write it.

use std::fs::File;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::conn::Manager;

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Connect(#[from] super::ConnectError),
    #[error("the database: {0}")]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

/// Everything that was committed when it began, in one file that is whole and on disk when this returns: looked through
/// (`integrity_check`), and readable by nobody but its owner. `into` must not exist; what is half done lies beside it,
/// as `….part`.
pub fn copy_sqlite(source: &Manager, into: &Path) -> Result<(), CopyError> {
    let part = into.with_extension("part");
    // Left by a copy that was killed.
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    make_private(&part)?;
    let target = part.to_string_lossy().into_owned();
    // One read transaction from beginning to end: writers go on beside it. It takes an empty file for none.
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(&target)
        .execute(&mut source.connect_untouched()?)?;
    look_through(&target)?;
    File::open(&part)?.sync_all()?;
    name_it(&part, into)?;
    if let Some(folder) = into.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Replaces nothing, unlike a rename. Some file systems, of sticks for example, have no links: there it looks first.
fn name_it(part: &Path, into: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{PermissionDenied, Unsupported};
    match std::fs::hard_link(part, into) {
        Ok(()) => std::fs::remove_file(part),
        Err(error) if matches!(error.kind(), PermissionDenied | Unsupported) && !into.exists() => {
            std::fs::rename(part, into)
        }
        Err(error) => Err(error),
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn look_through(path: &str) -> Result<(), CopyError> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    let mut conn = diesel::SqliteConnection::establish(path).map_err(super::ConnectError::from)?;
    let lines: Vec<Line> = diesel::sql_query("PRAGMA integrity_check").load(&mut conn)?;
    match lines.as_slice() {
        [line] if line.integrity_check == "ok" => Ok(()),
        lines => {
            let words: Vec<&str> = lines.iter().map(|line| line.integrity_check.as_str()).collect();
            Err(CopyError::Damaged(words.join("; ")))
        }
    }
}
