//! The fonts that documents are set in: the one that the settings name, or the first of the usual ones that has Chinese
//! signs; and one for what it lacks, for some of those have no Latin letters.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};

use super::DocumentError;

/// Where systems keep fonts with Chinese signs, and which of a collection's faces it is: simplified forms where that is
/// a choice.
pub const USUAL_FONTS: [(&str, u32); 13] = [
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
    (
        "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
        2,
    ),
    (
        "/usr/share/fonts/opentype/source-han-sans/SourceHanSans-Regular.ttc",
        2,
    ),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/wqy-microhei/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/wqy-zenhei/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
    ("/usr/share/fonts/droid/DroidSansFallbackFull.ttf", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("/System/Library/Fonts/STHeiti Light.ttc", 0),
];

/// For letters and digits that a font with Chinese signs may lack.
const LATIN_FONTS: [&str; 5] = [
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
];

/// What every document has.
const NEEDED: &str = "黨時长第0123456789Aa:-";

/// Faces in the order in which they are asked for a sign.
pub struct Fonts(Vec<Face>);

struct Face {
    path: PathBuf,
    data: Arc<Vec<u8>>,
    index: u32,
    font: Font,
}

impl Face {
    fn open(path: &Path, index: u32) -> Option<Self> {
        let data = Arc::new(std::fs::read(path).ok()?);
        Some(Self {
            path: path.to_owned(),
            font: Font::new(data.clone().into(), index)?,
            data,
            index,
        })
    }

    fn read(&self) -> Option<FontRef<'_>> {
        FontRef::from_index(&self.data, self.index).ok()
    }

    fn has(&self, sign: char) -> bool {
        self.read().and_then(|font| font.charmap().map(sign)).is_some()
    }
}

/// Signs that follow one another in one face.
pub struct Run {
    pub font: Font,
    /// The part of the text.
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    /// In points.
    pub width: f32,
}

impl Fonts {
    /// `named` is the path of the settings, `#2` behind it for the third face of a collection.
    pub fn find(named: Option<&str>) -> Result<Self, DocumentError> {
        let first = match named {
            Some(named) => {
                let (path, index) = match named.rsplit_once('#') {
                    Some((path, index)) => (path, index.parse().unwrap_or(0)),
                    None => (named, 0),
                };
                Face::open(Path::new(path), index)
                    .ok_or_else(|| DocumentError::Fonts(format!("{named} is not a font that can be read")))?
            }
            None => USUAL_FONTS
                .iter()
                .find_map(|(path, index)| Face::open(Path::new(path), *index))
                .ok_or_else(|| DocumentError::Fonts("none is installed".into()))?,
        };
        let mut fonts = Self(vec![first]);
        if fonts.lacks().is_some() {
            let latin = LATIN_FONTS.iter().map(Path::new);
            fonts
                .0
                .extend(latin.filter_map(|path| Face::open(path, 0)).next());
        }
        match fonts.lacks() {
            Some(sign) => {
                let names: Vec<_> = fonts
                    .0
                    .iter()
                    .map(|face| face.path.display().to_string())
                    .collect();
                Err(DocumentError::Fonts(format!("{} lacks {sign}", names.join(", "))))
            }
            None => Ok(fonts),
        }
    }

    /// The file of the font that is asked first.
    pub fn path(&self) -> &Path {
        self.0.first().map_or(Path::new(""), |face| &face.path)
    }

    fn lacks(&self) -> Option<char> {
        NEEDED
            .chars()
            .find(|sign| !self.0.iter().any(|face| face.has(*sign)))
    }

    /// The width of a text in points.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        self.runs(text, size).iter().map(|run| run.width).sum()
    }

    /// A text as glyphs, face by face. What no face has is the first one's box for it.
    pub fn runs(&self, text: &str, size: f32) -> Vec<Run> {
        let mut setters: Vec<Setter<'_>> = self.0.iter().filter_map(Setter::of).collect();
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for sign in text.chars() {
            let found = setters.iter().position(|setter| setter.has(sign)).unwrap_or(0);
            let Some(setter) = setters.get_mut(found) else {
                continue;
            };
            if runs.last().is_none_or(|(face, _)| *face != found) {
                let font = setter.face.font.clone();
                let run = Run {
                    font,
                    text: String::new(),
                    glyphs: Vec::new(),
                    width: 0.0,
                };
                runs.push((found, run));
            }
            if let Some((_, run)) = runs.last_mut() {
                let start = run.text.len();
                run.text.push(sign);
                let (glyph, advance) = setter.set(sign, start..run.text.len());
                run.glyphs.push(glyph);
                run.width += advance * size;
            }
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }
}

/// A face that is read to set text.
struct Setter<'a> {
    face: &'a Face,
    font: FontRef<'a>,
    metrics: GlyphMetrics<'a>,
    units: f32,
}

impl<'a> Setter<'a> {
    fn of(face: &'a Face) -> Option<Self> {
        let font = face.read()?;
        let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
        let units = f32::from(
            font.metrics(Size::unscaled(), LocationRef::default())
                .units_per_em,
        );
        Some(Self {
            face,
            font,
            metrics,
            units,
        })
    }

    fn has(&self, sign: char) -> bool {
        self.font.charmap().map(sign).is_some()
    }

    /// The glyph, and how far it goes on, in ems.
    fn set(&self, sign: char, range: Range<usize>) -> (KrillaGlyph, f32) {
        let glyph = self.font.charmap().map(sign).unwrap_or_default();
        let advance = self.metrics.advance_width(glyph).unwrap_or(self.units) / self.units;
        let set = KrillaGlyph::new(GlyphId::new(glyph.to_u32()), advance, 0.0, 0.0, 0.0, range, None);
        (set, advance)
    }
}
