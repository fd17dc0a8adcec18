//! Receiving bytes: one writer for each upload, a bounded piece of it in memory, and nothing told as received that is not
//! on disk. The writer is a task of its own, so that what arrived on a lost connection is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::sync::{Semaphore, watch};

use super::MediaId;
use super::bucket::Bucket;
use super::files::Folder;
use super::pictures::PictureTurns;
use super::rules::MediaState;
use super::store::{self, FileRow};
use super::tus::Checksum;
use crate::platform::clock::Clock;
use crate::platform::config::MediaConfig;
use crate::platform::db::{Db, Instant};
use crate::platform::error::{AppError, AppResult, Code};

/// In memory of one upload.
const PIECE: usize = 512 * 1024;
/// After so many bytes what arrived is made safe and told to the database: a killed server loses less than this.
const CHECKPOINT: i64 = 16 << 20;
/// One request lasts no longer; the client goes on with the next one.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long whoever comes back waits for the writer of their lost connection to put down what it has.
const TAKE_OVER: Duration = Duration::from_secs(5);
/// Files looked at at once: each takes a core.
const CHECKS_AT_ONCE: usize = 2;

/// The folder, and the uploads that are being written by this process. Clones share everything.
#[derive(Clone)]
pub struct Media {
    pub(super) folder: Folder,
    /// Where complete files lie, when that is not the folder.
    pub(super) bucket: Option<Bucket>,
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) config: Arc<MediaConfig>,
    pub(super) checks: Arc<Semaphore>,
    pub(super) pictures: PictureTurns,
    /// By the server's clock.
    pub(super) started_at: Instant,
    running: Arc<Mutex<HashMap<MediaId, watch::Sender<bool>>>>,
}

impl Media {
    pub fn new(config: &MediaConfig, db: Db, clock: Clock) -> Result<Self, object_store::Error> {
        let started_at = clock.now();
        Ok(Self {
            started_at,
            bucket: config.bucket.as_ref().map(Bucket::open).transpose()?,
            folder: Folder::new(&config.folder),
            db,
            clock,
            config: Arc::new(config.clone()),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            pictures: PictureTurns::default(),
            running: Arc::default(),
        })
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<MediaId, watch::Sender<bool>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer that a client has left behind with its lost connection puts down what it has and ends.
    pub(super) async fn end_writer(&self, id: MediaId) {
        let running = self.running().get(&id).cloned();
        if let Some(writer) = running {
            writer.send_replace(true);
            let _ = tokio::time::timeout(TAKE_OVER, writer.closed()).await;
        }
    }

    /// The one writer of an upload that stands at `offset`: 423 while there is another, 409 when it stands elsewhere.
    pub(super) async fn begin(
        &self,
        id: MediaId,
        offset: i64,
        checksum: Option<Checksum>,
    ) -> AppResult<Writer> {
        let folder = self.folder.clone();
        let file = blocking(move || folder.lock_part(id))
            .await?
            .ok_or(Code::UploadLocked)?;
        // From here on nobody else moves it.
        let found = self
            .db
            .read_fresh(move |conn| Ok(store::find_file(conn, id)?))
            .await?;
        let row = found.ok_or_else(AppError::not_found)?;
        if row.state() != MediaState::Uploading || row.received_bytes != offset {
            return Err(elsewhere(&row));
        }
        let (stop, stopped) = watch::channel(false);
        self.running().insert(id, stop);
        Ok(Writer {
            file: Arc::new(file),
            buffer: BytesMut::new(),
            written: offset,
            saved: offset,
            size: row.size_bytes,
            checksum,
            turn: Turn {
                id,
                media: self.clone(),
                stopped,
            },
        })
    }
}

pub(super) fn elsewhere(row: &FileRow) -> AppError {
    AppError::from(Code::UploadOffset).with("offset", row.received_bytes)
}

/// File work on a thread that may block.
pub(super) async fn blocking<T, F>(work: F) -> AppResult<T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| AppError::internal(format!("a file job ended abnormally: {panic}")))?
        .map_err(no_file)
}

/// A full disk, or a share that is gone, is no fault of the client's: it comes back.
pub(super) fn no_file(error: io::Error) -> AppError {
    AppError::unavailable().caused_by(format!("the media folder: {error}"))
}

/// Whose turn it is; the next one begins when it is dropped, after the file's lock.
struct Turn {
    id: MediaId,
    media: Media,
    stopped: watch::Receiver<bool>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.media.running().remove(&self.id);
    }
}

/// How the body of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// The connection is lost, or the client has come back on another one.
    Left,
    Idle,
    TooLong,
    Revoked,
}

pub(super) struct Writer {
    file: Arc<File>,
    buffer: BytesMut,
    /// On the way to the disk.
    written: i64,
    /// On disk, and so told.
    saved: i64,
    size: i64,
    checksum: Option<Checksum>,
    turn: Turn,
}

/// Where the upload stands after a request; the locked file when it is complete.
pub(super) struct Received {
    pub offset: i64,
    pub whole: Option<Arc<File>>,
}

impl Writer {
    /// Writes a body as it comes, to its end or to the loss of the connection. `is_live` is asked at each checkpoint:
    /// whoever was disabled meanwhile does not go on.
    pub async fn receive<S, E>(mut self, body: S, is_live: impl Fn() -> bool) -> AppResult<Received>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let end = self.read(body, is_live).await?;
        match (end, self.checksum.take()) {
            (End::TooLong, _) => {
                let room = self.size - self.saved;
                return Err(AppError::from(Code::TooLarge).with("limit_bytes", room));
            }
            (End::Revoked, _) => return Err(AppError::unauthorized()),
            (End::Idle, Some(_)) => return Err(Code::RequestTimeout.into()),
            // What cannot be verified is not kept.
            (End::Left, Some(_)) => return Ok(self.received()),
            (End::Whole, Some(checksum)) => {
                self.checksum = Some(checksum);
                self.write().await?;
                if !self.checksum.take().is_some_and(Checksum::holds) {
                    return Err(Code::ChecksumMismatch.into());
                }
            }
            (_, None) => {}
        }
        self.save().await?;
        if end == End::Idle {
            return Err(AppError::from(Code::RequestTimeout).with("offset", self.saved));
        }
        Ok(self.received())
    }

    fn received(self) -> Received {
        Received {
            offset: self.saved,
            whole: (self.saved == self.size).then(|| self.file.clone()),
        }
    }

    async fn read<S, E>(&mut self, body: S, is_live: impl Fn() -> bool) -> AppResult<End>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let (begun, idle) = (Moment::now(), self.turn.media.config.idle);
        let mut body = std::pin::pin!(body);
        loop {
            let next = tokio::select! {
                biased;
                _ = self.turn.stopped.changed() => return Ok(End::Left),
                next = tokio::time::timeout(idle, body.next()) => next,
            };
            let bytes = match next {
                Err(_) => return Ok(End::Idle),
                Ok(None) => return Ok(End::Whole),
                Ok(Some(Err(_))) => return Ok(End::Left),
                Ok(Some(Ok(bytes))) => bytes,
            };
            let waiting = self.buffer.len().saturating_add(bytes.len());
            if self.written.saturating_add_unsigned(waiting as u64) > self.size {
                return Ok(End::TooLong);
            }
            self.buffer.extend_from_slice(&bytes);
            if self.buffer.len() >= PIECE {
                self.write().await?;
            }
            if self.written - self.saved >= CHECKPOINT && self.checksum.is_none() {
                self.save().await?;
                if !is_live() {
                    return Ok(End::Revoked);
                }
            }
            if begun.elapsed() > LONGEST {
                return Ok(End::Idle);
            }
        }
    }

    /// What is in memory goes to the file, and into the checksum.
    async fn write(&mut self) -> AppResult<()> {
        let (piece, file, at) = (self.buffer.split().freeze(), self.file.clone(), self.written);
        let (length, mut checksum) = (piece.len() as u64, self.checksum.take());
        self.checksum = blocking(move || {
            file.write_all_at(&piece, at.unsigned_abs())?;
            if let Some(checksum) = &mut checksum {
                checksum.update(&piece);
            }
            Ok(checksum)
        })
        .await?;
        self.written = self.written.saturating_add_unsigned(length);
        Ok(())
    }

    /// What is in the file is made safe, and then told to the database.
    async fn save(&mut self) -> AppResult<()> {
        self.write().await?;
        if self.written == self.saved {
            return Ok(());
        }
        let file = self.file.clone();
        blocking(move || file.sync_data()).await?;
        let (id, from, to) = (self.turn.id, self.saved, self.written);
        let state = if to == self.size {
            MediaState::Checking
        } else {
            MediaState::Uploading
        };
        let media = &self.turn.media;
        let now = media.clock.now();
        let expires_at = now.plus_s(media.config.upload_s);
        let moved = media
            .db
            .write(move |conn| Ok(store::advance(conn, id, (from, to), state, now, expires_at)?));
        if !moved.await? {
            // Ended from elsewhere meanwhile.
            return Err(AppError::not_found());
        }
        self.saved = to;
        Ok(())
    }
}
