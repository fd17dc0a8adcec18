//! The files of a lesson: what it plays, its poster, subtitles and attachments. The bytes and their addresses are the
//! media slice's.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::LessonId;
use super::rules::Kind;
use super::store::{self, LessonFileRow, LessonRow};
use crate::app::Ctx;
use crate::media::{self, FileRow, MediaId, MediaKind, MediaPurpose};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::text::{Patch, Problems};

const MAX_SUBTITLES: usize = 10;
const MAX_ATTACHMENTS: usize = 20;
/// The number of the working copy, where versions begin with 1.
pub const WORKING_COPY: i32 = 0;

/// Subtitles of one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subtitles {
    /// As in BCP 47.
    #[schema(example = "zh-Hant")]
    pub language: String,
    pub media_id: MediaId,
}

/// The files of a working copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LessonFiles {
    pub media: Option<MediaId>,
    pub poster: Option<MediaId>,
    pub subtitles: Vec<Subtitles>,
    pub attachments: Vec<MediaId>,
}

/// What a client changes of them; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct FilesPatch {
    pub media: Patch<MediaId>,
    pub poster: Patch<MediaId>,
    pub subtitles: Option<Vec<Subtitles>>,
    pub attachments: Option<Vec<MediaId>>,
}

/// What a file is to its lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// What is played.
    Media,
    Poster,
    Subtitles,
    Attachment,
}

impl FileRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Poster => "poster",
            Self::Subtitles => "subtitles",
            Self::Attachment => "attachment",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Media => "/media_id",
            Self::Poster => "/poster_id",
            Self::Subtitles => "/subtitles",
            Self::Attachment => "/attachments",
        }
    }

    fn fits(self, lesson: Kind, file: MediaKind) -> bool {
        match self {
            Self::Media => match lesson {
                Kind::Video => file == MediaKind::Video,
                Kind::Audio => file == MediaKind::Audio,
                Kind::Article => false,
            },
            Self::Poster => file == MediaKind::Image,
            Self::Subtitles => file == MediaKind::Subtitle,
            Self::Attachment => true,
        }
    }
}

/// A file as it goes with a lesson.
#[derive(Debug, Clone)]
pub struct Attached {
    pub role: FileRole,
    pub language: Option<String>,
    pub file: FileRow,
}

pub fn check(problems: &mut Problems, subtitles: &[Subtitles], attachments: &[MediaId]) {
    if subtitles.len() > MAX_SUBTITLES {
        problems.add(
            "/subtitles",
            "too_many",
            format!("has more than {MAX_SUBTITLES} items"),
        );
    }
    let mut languages = HashSet::new();
    for (n, one) in subtitles.iter().enumerate() {
        let field = format!("/subtitles/{n}/language");
        if !is_language(&one.language) {
            problems.add(field, "malformed", "is no language tag like zh-Hant");
        } else if !languages.insert(one.language.to_ascii_lowercase()) {
            problems.add(field, "repeated", "stands there before");
        }
    }
    if attachments.len() > MAX_ATTACHMENTS {
        problems.add(
            "/attachments",
            "too_many",
            format!("has more than {MAX_ATTACHMENTS} items"),
        );
    }
    let once: HashSet<_> = attachments.iter().collect();
    if once.len() < attachments.len() {
        problems.add("/attachments", "repeated", "names a file twice");
    }
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let is_part =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_first = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    tag.len() <= 35 && is_first && parts.all(is_part)
}

impl LessonFiles {
    fn each(&self) -> impl Iterator<Item = (FileRole, Option<&str>, MediaId)> {
        let media = self.media.map(|id| (FileRole::Media, None, id));
        let poster = self.poster.map(|id| (FileRole::Poster, None, id));
        let subtitles = self.subtitles.iter();
        let subtitles = subtitles.map(|one| (FileRole::Subtitles, Some(one.language.as_str()), one.media_id));
        let attachments = self
            .attachments
            .iter()
            .map(|id| (FileRole::Attachment, None, *id));
        media
            .into_iter()
            .chain(poster)
            .chain(subtitles)
            .chain(attachments)
    }

    pub fn patched(&self, patch: FilesPatch) -> Self {
        Self {
            media: patch.media.unwrap_or(self.media),
            poster: patch.poster.unwrap_or(self.poster),
            subtitles: patch.subtitles.unwrap_or_else(|| self.subtitles.clone()),
            attachments: patch.attachments.unwrap_or_else(|| self.attachments.clone()),
        }
    }

    /// As they stand in the working copy.
    pub fn of(conn: &mut DbConnection, row: &LessonRow) -> AppResult<Self> {
        let mut files = Self {
            media: row.media_id.map(|id| MediaId(id.0)),
            ..Self::default()
        };
        for one in store::list_files(conn, row.id, WORKING_COPY)? {
            let id = MediaId(one.media_id.0);
            match one.role.as_str() {
                "poster" => files.poster = Some(id),
                "subtitles" => files.subtitles.push(Subtitles {
                    language: one.language.unwrap_or_default(),
                    media_id: id,
                }),
                _ => files.attachments.push(id),
            }
        }
        Ok(files)
    }

    /// Makes these the files of the working copy. Each that was not among `before` must be one that the actor may
    /// see, of the lesson's tree, ready, and of the right kind; they are held, so that nobody deletes them meanwhile.
    pub fn settle(
        &self,
        conn: &mut DbConnection,
        ctx: &Ctx,
        row: &mut LessonRow,
        kind: Kind,
        before: &Self,
    ) -> AppResult<()> {
        let known: HashSet<_> = before.each().map(|(role, _, id)| (role.as_str(), id)).collect();
        let new: Vec<_> = self
            .each()
            .filter(|(role, _, id)| !known.contains(&(role.as_str(), *id)))
            .collect();
        let ids: Vec<MediaId> = new.iter().map(|(_, _, id)| *id).collect();
        let held = if ids.is_empty() {
            Vec::new()
        } else {
            media::hold_files(conn, ctx, &ids)?
        };
        for (role, _, id) in new {
            let file = held
                .iter()
                .find(|file| file.id == id && file.tenant_id == row.tenant_id);
            let file = file.ok_or_else(AppError::not_found)?;
            if file.purpose() != MediaPurpose::Lesson {
                // Members would see it.
                let words = "was not uploaded for lessons";
                return Err(AppError::invalid_field(role.field(), "wrong_purpose", words));
            }
            let kind_of_file = file.kind().ok_or(Code::MediaNotReady)?;
            if !role.fits(kind, kind_of_file) {
                let words = format!("a {} does not go there", kind_of_file.as_str());
                return Err(AppError::invalid_field(role.field(), "wrong_kind", words));
            }
        }
        row.media_id = self.media.map(|id| AnyId(id.0));
        store::replace_files(
            conn,
            row.id,
            WORKING_COPY,
            &self.rows(row.id, row.tenant_id, WORKING_COPY),
        )?;
        Ok(())
    }

    /// What is played stands in the lesson's own row.
    fn rows(&self, lesson: LessonId, tenant: OrganizationId, number: i32) -> Vec<LessonFileRow> {
        let beside = self.each().filter(|(role, ..)| *role != FileRole::Media);
        beside
            .zip(0..)
            .map(|((role, language, id), position)| LessonFileRow {
                lesson_id: lesson,
                number,
                role: role.as_str().to_owned(),
                position,
                tenant_id: tenant,
                language: language.map(str::to_owned),
                media_id: AnyId(id.0),
            })
            .collect()
    }

    /// Copies them into a version, and says how long what it plays lasts.
    pub fn publish(&self, conn: &mut DbConnection, row: &LessonRow, number: i32) -> AppResult<Option<i32>> {
        store::replace_files(conn, row.id, number, &self.rows(row.id, row.tenant_id, number))?;
        let played: Vec<MediaId> = self.media.into_iter().collect();
        Ok(media::list_files(conn, &played)?
            .pop()
            .and_then(|file| file.duration_ms))
    }
}

/// The files of a version, or of the working copy, with what is known of them.
pub fn attached(
    conn: &mut DbConnection,
    lesson: LessonId,
    number: i32,
    played: Option<AnyId>,
) -> AppResult<Vec<Attached>> {
    let mut wanted: Vec<(FileRole, Option<String>, MediaId)> = Vec::new();
    wanted.extend(played.map(|id| (FileRole::Media, None, MediaId(id.0))));
    for one in store::list_files(conn, lesson, number)? {
        let role = match one.role.as_str() {
            "poster" => FileRole::Poster,
            "subtitles" => FileRole::Subtitles,
            _ => FileRole::Attachment,
        };
        wanted.push((role, one.language, MediaId(one.media_id.0)));
    }
    let ids: Vec<MediaId> = wanted.iter().map(|(_, _, id)| *id).collect();
    let files = media::list_files(conn, &ids)?;
    Ok(wanted
        .into_iter()
        .filter_map(|(role, language, id)| {
            let file = files.iter().find(|file| file.id == id)?.clone();
            Some(Attached { role, language, file })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        for good in ["zh", "zh-Hant", "zh-Hant-TW", "yue", "en-GB", "es-419"] {
            assert!(is_language(good), "{good}");
        }
        for bad in [
            "",
            "z",
            "中文",
            "zh_TW",
            "zh-",
            "-zh",
            "1a",
            "zh-H",
            "zh-toolongpart",
        ] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
