//! `zhibu backup`: what it takes to start again elsewhere. On SQLite a folder that is a data folder itself; on PostgreSQL
//! the words to say to its own tools, which do it better than we could.

use std::path::Path;

use crate::doctor;
use crate::platform::config::Config;
use crate::platform::db::copy_sqlite;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Copies the database and the key into `folder`, which it makes; a server may go on meanwhile. Tells what it did, and what
/// is left to do by hand.
pub fn take(config: &Config, folder: &Path) -> Result<String, Failure> {
    crate::cli::make_private_folder(folder)?;
    // The key first: of a backup that is broken off nobody takes a database without it for whole.
    let copies_here = config.database.url.is_none();
    if copies_here {
        require_copyable(config, folder)?;
    }
    let key = copy_key(config, folder)?;
    let lines = match copies_here {
        true => copy_database(config, folder)?,
        false => postgres_words(folder),
    };
    let files = files_words(config, folder);
    let [done, restore] = lines;
    Ok(format!("{done}\n{key}\n{files}\nTo restore: {restore}"))
}

fn require_copyable(config: &Config, folder: &Path) -> Result<(), Failure> {
    let (source, copy) = (&config.database.sqlite_path, folder.join("zhibu.db"));
    if !source.exists() {
        return Err(format!("there is no database at {}", source.display()).into());
    }
    if copy.exists() {
        return Err(format!("{} is there already: name another folder", copy.display()).into());
    }
    Ok(())
}

/// What is done, and how it is restored.
fn copy_database(config: &Config, folder: &Path) -> Result<[String; 2], Failure> {
    let copy = folder.join("zhibu.db");
    copy_sqlite(&doctor::manager(config), &copy)?;
    Ok([
        format!("The database is in {}, whole and on disk.", copy.display()),
        format!("start on a copy of the folder, zhibu --data {}", folder.display()),
    ])
}

fn postgres_words(folder: &Path) -> [String; 2] {
    let dump = folder.join("zhibu.dump");
    let dump = dump.display();
    [
        format!(
            "PostgreSQL copies itself, while servers go on; what is behind the fences of all trees comes along:\n  \
             PGOPTIONS=\"-c zhibu.tenant=*\" pg_dump --enable-row-security --format=custom --file={dump} \"$DATABASE_URL\""
        ),
        format!(
            "into an empty database, before the first server starts on it,\n  \
             pg_restore --no-owner --exit-on-error --single-transaction --dbname=\"$DATABASE_URL\" {dump}"
        ),
    ]
}

const KEY_IS_THERE: &str = "The key is beside it: who has both can be anybody.";

/// Without the key the codes and tokens of before are worth nothing. One from the environment stays where it is.
fn copy_key(config: &Config, folder: &Path) -> std::io::Result<&'static str> {
    let from = config.server.data.join("secret.key");
    if config.auth.secret_key.is_some() || !from.exists() {
        return Ok("Keep ZHIBU_SECRET_KEY as safe as the copy: it is not in it.");
    }
    let to = folder.join("secret.key");
    if to.exists() {
        // Of a backup that was broken off. Onto itself it would be emptied.
        return match std::fs::read(&to)? == std::fs::read(&from)? {
            true => Ok(KEY_IS_THERE),
            false => Err(std::io::Error::other(format!(
                "{} is another key: name another folder",
                to.display()
            ))),
        };
    }
    std::fs::copy(from, &to)?; // with its mode, 0600
    std::fs::File::open(to)?.sync_all()?;
    Ok(KEY_IS_THERE)
}

fn files_words(config: &Config, folder: &Path) -> String {
    match &config.media.bucket {
        Some(bucket) => format!(
            "Files lie in the bucket {}: copy that by its own means.",
            bucket.name
        ),
        None => format!(
            "Then copy the files, which never change:\n  cp -a {} {}",
            config.media.folder.display(),
            folder.join("media").display()
        ),
    }
}
