//! Pictures that members send with what they write: looked at, turned upright, made smaller and written anew as JPEG, so
//! that of the file nothing is kept but what is to be seen. Then they are files like others: a place, a quota, a ticket.

use std::io::{Cursor, Write};
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::MediaId;
use super::probe::MAX_PIXELS;
use super::probe::picture::{self, Format};
use super::rules::{MediaPurpose, Refusal};
use super::service::{new_file, require_room};
use super::store::{self, FileRow};
use super::uploads::{Media, blocking};
use crate::app::Ctx;
use crate::organizations::{self, OrganizationId};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code};

/// What is sent, of one picture.
pub const PICTURE_BYTES: usize = 10 << 20;
/// Of the longer side, once it is written anew.
const MOST_PIXELS_A_SIDE: u32 = 2_048;
const QUALITY: u8 = 85;
/// A decoded picture: four bytes for each pixel of the largest that is taken.
const MOST_DECODED: u64 = MAX_PIXELS * 4;
/// Read into memory at once, by this process.
const BODIES_AT_ONCE: usize = 16;
/// Decoded at once: each takes a core, and up to `MOST_DECODED`.
const REWRITES_AT_ONCE: usize = 2;

/// Turns at reading and rewriting pictures.
#[derive(Clone)]
pub struct PictureTurns {
    bodies: Arc<Semaphore>,
    rewrites: Arc<Semaphore>,
}

impl Default for PictureTurns {
    fn default() -> Self {
        Self {
            bodies: Arc::new(Semaphore::new(BODIES_AT_ONCE)),
            rewrites: Arc::new(Semaphore::new(REWRITES_AT_ONCE)),
        }
    }
}

/// A picture as it is kept: a JPEG without a word about itself.
#[derive(Debug, Clone)]
pub struct Picture {
    pub jpeg: Bytes,
    pub sha256: Vec<u8>,
    pub width: i32,
    pub height: i32,
}

impl Media {
    /// A turn at reading a picture into memory; whoever finds none soon is told to come again.
    pub async fn picture_turn(&self) -> AppResult<OwnedSemaphorePermit> {
        self.turn(&self.pictures.bodies).await
    }

    async fn turn(&self, turns: &Arc<Semaphore>) -> AppResult<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.db.deadline(), turns.clone().acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(AppError::overloaded()),
        }
    }

    /// The picture in these bytes, written anew, or why there is none.
    pub async fn rewrite_picture(&self, sent: Bytes) -> AppResult<Picture> {
        let turn = self.turn(&self.pictures.rewrites).await?;
        let rewritten = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            rewrite(&sent)
        });
        // A reader that panics was broken by the file.
        let rewritten = rewritten.await.unwrap_or(Err(Refusal::Unreadable));
        rewritten.map_err(|why| match why {
            Refusal::TooLarge => AppError::from(Code::TooLarge).with("limit_pixels", MAX_PIXELS),
            Refusal::TypeNotAllowed => Code::UnsupportedMediaType.into(),
            Refusal::Unreadable | Refusal::TooLong => Code::PictureUnreadable.into(),
        })
    }

    /// Writes a picture to where files are served from; `settle_picture` makes it one of them.
    pub async fn put_picture(&self, row: &FileRow, picture: &Picture) -> AppResult<()> {
        let (folder, id, tenant, jpeg) = (self.folder.clone(), row.id, row.tenant_id, picture.jpeg.clone());
        let is_moved = self.bucket.is_none();
        let file = blocking(move || {
            let mut file = folder.lock_part(id)?.ok_or(std::io::ErrorKind::WouldBlock)?;
            file.write_all(&jpeg)?;
            file.sync_data()?;
            if is_moved {
                folder.keep(tenant, id)?;
            }
            Ok(Arc::new(file))
        });
        let file = file.await?;
        if let Some(bucket) = &self.bucket {
            bucket
                .put(tenant, id, file, row.size_bytes.unsigned_abs())
                .await?;
            let folder = self.folder.clone();
            blocking(move || folder.remove(tenant, id)).await?;
        }
        Ok(())
    }

    /// Gives room and bytes of a picture back that was not settled, whatever the reason. One that was stays.
    pub async fn drop_picture(&self, row: &FileRow) {
        let (id, by, now) = (row.id, row.created_by, self.clock.now());
        let dropped = self
            .db
            .write(move |conn| Ok(store::drop_upload(conn, id, by, now)?));
        match dropped.await {
            Ok(true) => self.clear(row.id, row.tenant_id).await,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a picture of no use expires later"),
        }
    }
}

/// Makes room for a picture in the organization's tree. Until it is settled it is an upload, which expires when it is left.
pub fn begin_picture(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    picture: &Picture,
) -> AppResult<FileRow> {
    let organization = organizations::find_organization(conn, organization)?;
    let size_bytes = i64::try_from(picture.jpeg.len()).unwrap_or(i64::MAX);
    organizations::lock_tree(conn, organization.tenant_id)?;
    require_room(conn, ctx, organization.tenant_id, size_bytes)?;
    let name = "picture.jpg".to_owned();
    let row = new_file(ctx, &organization, MediaPurpose::Picture, name, size_bytes);
    store::insert_file(conn, &row)?;
    Ok(row)
}

/// From now on it is a file: whoever is given its address reads it.
pub fn settle_picture(conn: &mut DbConnection, ctx: &Ctx, id: MediaId, picture: &Picture) -> AppResult<()> {
    if store::settle_picture(conn, id, &picture.sha256, ctx.now)? {
        Ok(())
    } else {
        // It took so long that the upload was given up.
        Err(AppError::unavailable())
    }
}

/// Takes a picture away from whoever has shown it; its bytes go after the commit, with the next round of clearing.
pub fn remove_picture(conn: &mut DbConnection, ctx: &Ctx, id: MediaId) -> AppResult<()> {
    store::delete_file(conn, id, ctx.actor.account, ctx.now)?;
    Ok(())
}

fn rewrite(sent: &[u8]) -> Result<Picture, Refusal> {
    let format = Format::of(sent).ok_or(Refusal::TypeNotAllowed)?;
    // Said by the header, before anything is unpacked.
    let (width, height) = picture::size(format, sent).ok_or(Refusal::Unreadable)?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Refusal::TooLarge);
    }
    if format == Format::Jpeg && !picture::is_whole_jpeg(sent) {
        return Err(Refusal::Unreadable);
    }
    let shown = on_white(decode(format, sent)?);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&shown)
        .map_err(|_| Refusal::Unreadable)?;
    Ok(Picture {
        sha256: Sha256::digest(&jpeg).to_vec(),
        jpeg: jpeg.into(),
        width: i32::try_from(shown.width()).unwrap_or(i32::MAX),
        height: i32::try_from(shown.height()).unwrap_or(i32::MAX),
    })
}

/// Not too large, and upright, as the camera's note says; of what moves the first picture.
fn decode(format: Format, sent: &[u8]) -> Result<DynamicImage, Refusal> {
    let format = match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
    };
    let mut reader = ImageReader::with_format(Cursor::new(sent), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    if decoder.total_bytes() > MOST_DECODED {
        return Err(Refusal::TooLarge);
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut shown = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    if shown.width().max(shown.height()) > MOST_PIXELS_A_SIDE {
        shown = shown.thumbnail(MOST_PIXELS_A_SIDE, MOST_PIXELS_A_SIDE);
    }
    shown.apply_orientation(orientation);
    Ok(shown)
}

fn unreadable(error: image::ImageError) -> Refusal {
    match error {
        image::ImageError::Limits(_) => Refusal::TooLarge,
        _ => Refusal::Unreadable,
    }
}

/// A JPEG has no holes: what shines through is paper.
fn on_white(shown: DynamicImage) -> RgbImage {
    if !shown.color().has_alpha() {
        return shown.into_rgb8();
    }
    let shown = shown.into_rgba8();
    RgbImage::from_fn(shown.width(), shown.height(), |x, y| {
        let image::Rgba([r, g, b, alpha]) = *shown.get_pixel(x, y);
        let over = |colour: u8| {
            let mixed = u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            u8::try_from(mixed / 255).unwrap_or(u8::MAX)
        };
        image::Rgb([r, g, b].map(over))
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, Rgba, RgbaImage};

    use super::*;

    fn png(width: u32, height: u32, pixel: Rgba<u8>) -> Vec<u8> {
        let drawn = RgbaImage::from_pixel(width, height, pixel);
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(&drawn, width, height, image::ExtendedColorType::Rgba8)
            .unwrap();
        png
    }

    #[test]
    fn a_large_picture_is_made_smaller_and_a_small_one_stays() {
        let size = |sent: &[u8]| rewrite(sent).map(|made| (made.width, made.height));
        assert_eq!(size(&png(4_096, 1_024, Rgba([1, 2, 3, 255]))), Ok((2_048, 512)));
        assert_eq!(size(&png(3, 5, Rgba([1, 2, 3, 255]))), Ok((3, 5)));
    }

    #[test]
    fn what_shines_through_is_white() {
        let made = rewrite(&png(8, 8, Rgba([0, 0, 0, 0]))).unwrap();
        let shown = image::load_from_memory(&made.jpeg).unwrap().into_rgb8();
        assert!(shown.pixels().all(|pixel| pixel.0.iter().all(|one| *one > 250)));
    }

    #[test]
    fn what_is_cut_off_or_lies_about_itself_is_no_picture() {
        let whole = png(64, 64, Rgba([9, 9, 9, 255]));
        for length in [9, 30, 60, whole.len() - 14] {
            assert_eq!(
                rewrite(&whole[..length]).unwrap_err(),
                Refusal::Unreadable,
                "{length}"
            );
        }
        let made = rewrite(&whole).unwrap().jpeg;
        assert!(rewrite(&made).is_ok());
        for length in [4, 100, made.len() - 2] {
            assert_eq!(
                rewrite(&made[..length]).unwrap_err(),
                Refusal::Unreadable,
                "{length}"
            );
        }
        assert_eq!(rewrite(b"<svg/>").unwrap_err(), Refusal::TypeNotAllowed);
        // 60,000 x 60,000 in a few bytes.
        let mut bomb = whole;
        bomb[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
        assert_eq!(rewrite(&bomb).unwrap_err(), Refusal::TooLarge);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for head in [b"\x89PNG\r\n\x1A\n".as_slice(), b"\xFF\xD8\xFF", b"RIFF\0\0\0\0WEBP"] {
                proptest::prop_assert!(rewrite(&[head, &rest].concat()).is_err());
            }
        }
    }
}
