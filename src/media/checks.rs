//! Complete files: what they are is found out, a few at a time, and tasks that clear away what is of no use. Whatever
//! ends a check half-way, the next round does it again.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::MediaId;
use super::probe::{self, Probed};
use super::rules::{MediaState, Refusal};
use super::store::{self, FileRow};
use super::uploads::{Media, blocking, no_file};
use crate::organizations::OrganizationId;
use crate::platform::error::{AppError, AppResult};
use crate::platform::jobs::Jobs;

const PERIOD: Duration = Duration::from_secs(60);
/// Rows of one round.
const ROUND: i64 = 500;
/// For so long bytes that are nowhere are looked for, and so long after a start at least.
const GIVEN_UP_S: i64 = 86_400;
const STARTING_S: i64 = 3_600;

/// The bytes of a complete file.
enum Whole {
    Held(Arc<File>),
    /// Somebody else looks at it.
    Taken,
    Lost,
}

/// Every minute: uploads that were left expire, bytes of no use go, and checks that were broken off begin again.
pub fn jobs(jobs: &mut Jobs, media: &Media) {
    let swept = media.clone();
    jobs.every("media sweep", PERIOD, move || {
        let media = swept.clone();
        async move { media.sweep().await }
    });
    let resumed = media.clone();
    jobs.every("media checks", PERIOD, move || {
        let media = resumed.clone();
        async move { media.resume_checks().await }
    });
}

impl Media {
    /// One round of it.
    pub async fn sweep(&self) -> AppResult<()> {
        let now = self.clock.now();
        self.db
            .write(move |conn| Ok(store::expire_uploads(conn, now)?))
            .await?;
        let useless = self
            .db
            .read_fresh(|conn| Ok(store::list_uncleared(conn, ROUND)?))
            .await?;
        for (id, tenant) in useless {
            self.clear(id, tenant).await;
        }
        Ok(())
    }

    /// The bytes of one file; one that cannot be removed stops no other.
    pub(super) async fn clear(&self, id: MediaId, tenant: OrganizationId) {
        let now = self.clock.now();
        self.end_writer(id).await;
        let cleared = async {
            self.remove(id, tenant).await?;
            self.db
                .write(move |conn| Ok(store::set_cleared(conn, id, now)?))
                .await
        };
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "a file's bytes could not be removed; the next round tries again");
        }
    }

    /// Whatever there is of it, wherever it is.
    async fn remove(&self, id: MediaId, tenant: OrganizationId) -> AppResult<()> {
        let folder = self.folder.clone();
        blocking(move || folder.remove(tenant, id)).await?;
        match &self.bucket {
            Some(bucket) => bucket.remove(tenant, id).await,
            None => Ok(()),
        }
    }

    /// One round of them.
    pub async fn resume_checks(&self) -> AppResult<()> {
        let waiting = self
            .db
            .read_fresh(|conn| Ok(store::list_checking(conn, ROUND)?))
            .await?;
        for id in waiting {
            // One that cannot be looked at now stops no other.
            if let Err(error) = self.check(id, None).await {
                tracing::warn!(%error, file = %id.0, "a file could not be checked; the next round tries again");
            }
        }
        Ok(())
    }

    /// Finds out what a complete file is. `held` is the locked part, if the caller has it.
    pub(super) async fn check(&self, id: MediaId, held: Option<Arc<File>>) -> AppResult<()> {
        let _turn = self
            .checks
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| AppError::unavailable().caused_by(error.to_string()))?;
        let row = self
            .db
            .read_fresh(move |conn| Ok(store::find_file(conn, id)?))
            .await?;
        let Some(row) = row.filter(|row| row.state() == MediaState::Checking) else {
            return Ok(());
        };
        let whole = match held {
            Some(file) => Whole::Held(file),
            None => self.lock_whole(&row).await?,
        };
        let file = match whole {
            Whole::Held(file) => file,
            Whole::Taken => return Ok(()),
            Whole::Lost => return self.give_up(&row).await,
        };
        let longest_ms = self.config.max_duration_ms;
        let size = row.size_bytes.unsigned_abs();
        let looked = {
            let file = file.clone();
            tokio::task::spawn_blocking(move || look(&file, size, longest_ms)).await
        };
        // A reader that panics was broken by the file.
        let found = match looked {
            Ok(read) => read.map_err(no_file)?,
            Err(_) => Err(Refusal::Unreadable),
        };
        let found = found.and_then(|(probed, sha256)| match row.purpose().takes(probed.kind) {
            true => Ok((probed, sha256)),
            false => Err(Refusal::TypeNotAllowed),
        });
        let is_settled = match found {
            Ok((probed, sha256)) => self.keep(&row, probed, sha256, &file).await?,
            Err(why) => self.refuse(&row, why).await?,
        };
        drop(file);
        // Another check may have settled it meanwhile: the bytes are that one's. Nobody's are those of a deleted file.
        if !is_settled && self.is_deleted(id).await? {
            self.clear(row.id, row.tenant_id).await;
        }
        Ok(())
    }

    async fn is_deleted(&self, id: MediaId) -> AppResult<bool> {
        self.db
            .read_fresh(move |conn| Ok(store::find_file(conn, id)?.is_none()))
            .await
    }

    async fn lock_whole(&self, row: &FileRow) -> AppResult<Whole> {
        let (folder, id, tenant) = (self.folder.clone(), row.id, row.tenant_id);
        let is_empty = row.size_bytes == 0;
        let locked = blocking(move || {
            let locked = match folder.lock_whole(id) {
                // Nothing was ever written, or it was moved before the process ended.
                Err(error) if error.kind() == ErrorKind::NotFound => match folder.open(tenant, id) {
                    Err(_) if is_empty => folder.lock_part(id),
                    opened => opened.map(Some),
                },
                locked => locked,
            };
            match locked {
                Ok(Some(file)) => Ok(Whole::Held(Arc::new(file))),
                Ok(None) => Ok(Whole::Taken),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Whole::Lost),
                Err(error) => Err(error),
            }
        });
        locked.await
    }

    /// Nobody waits for ever for bytes that are nowhere, as after a restore; but a folder may be away for a while, and a
    /// server may start before it is there. Where a bucket has them already nobody knows whether they are whole.
    async fn give_up(&self, row: &FileRow) -> AppResult<()> {
        let now = self.clock.now();
        if row.updated_at > now.plus_s(-GIVEN_UP_S) || self.started_at > now.plus_s(-STARTING_S) {
            return Err(AppError::unavailable().caused_by("its bytes are nowhere"));
        }
        self.refuse(row, Refusal::Unreadable).await?;
        Ok(())
    }

    /// To where it is served from, then ready. In a bucket: its part stays until the database knows.
    async fn keep(
        &self,
        row: &FileRow,
        probed: Probed,
        sha256: Vec<u8>,
        file: &Arc<File>,
    ) -> AppResult<bool> {
        let (folder, id, tenant, now) = (self.folder.clone(), row.id, row.tenant_id, self.clock.now());
        match &self.bucket {
            Some(bucket) => {
                bucket
                    .put(tenant, id, file.clone(), row.size_bytes.unsigned_abs())
                    .await?
            }
            None => blocking(move || folder.keep(tenant, id)).await?,
        }
        let settled = self
            .db
            .write(move |conn| Ok(store::set_ready(conn, id, &probed, &sha256, now)?));
        let is_settled = settled.await?;
        if self.bucket.is_some() {
            let folder = self.folder.clone();
            blocking(move || folder.remove(tenant, id)).await?;
        }
        Ok(is_settled)
    }

    async fn refuse(&self, row: &FileRow, why: Refusal) -> AppResult<bool> {
        let (id, now) = (row.id, self.clock.now());
        let is_settled = self
            .db
            .write(move |conn| Ok(store::set_refused(conn, id, why, now)?))
            .await?;
        if is_settled {
            self.clear(row.id, row.tenant_id).await;
        }
        Ok(is_settled)
    }
}

/// The kind and the SHA-256 of a file that is good.
type Looked = Result<(Probed, Vec<u8>), Refusal>;

fn look(file: &File, size: u64, longest_ms: i32) -> std::io::Result<Looked> {
    if size == 0 || file.metadata()?.len() < size {
        return Ok(Err(Refusal::Unreadable));
    }
    // Most refusals need no hash.
    let probed = match probe::probe(file, size, longest_ms) {
        Ok(probed) => probed,
        Err(why) => return Ok(Err(why)),
    };
    let (mut hash, mut piece, mut at) = (Sha256::new(), vec![0; 256 * 1024], 0);
    while at < size {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        hash.update(piece.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(Ok((probed, hash.finalize().to_vec())))
}
