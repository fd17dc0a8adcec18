//! Marks on pages, written as PDF.

use krilla::Document;
use krilla::color::luma;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;

use super::DocumentError;
use super::fonts::Fonts;
use super::layout::{Mark, PAGE_HEIGHT, PAGE_WIDTH};

pub fn write(
    fonts: &Fonts,
    pages: &[Vec<Mark>],
    title: &str,
    language: &str,
) -> Result<Vec<u8>, DocumentError> {
    let mut document = Document::new();
    document.set_metadata(
        Metadata::new()
            .title(title.to_owned())
            .language(language.to_owned())
            .creator("zhibu".to_owned()),
    );
    let settings = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT)
        .ok_or_else(|| DocumentError::Write("a page without a size".into()))?;
    for marks in pages {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        for mark in marks {
            draw(&mut surface, fonts, mark);
        }
        surface.finish();
        page.finish();
    }
    document
        .finish()
        .map_err(|error| DocumentError::Write(format!("{error:?}")))
}

fn draw(surface: &mut Surface<'_>, fonts: &Fonts, mark: &Mark) {
    match mark {
        Mark::Text {
            x,
            y,
            size,
            grey,
            text,
        } => {
            surface.set_fill(Some(ink(*grey)));
            let mut x = *x;
            for run in fonts.runs(text, *size) {
                let start = Point::from_xy(x, *y);
                surface.draw_glyphs(start, &run.glyphs, run.font, &run.text, *size, false);
                x += run.width;
            }
        }
        Mark::Line { y, from, to, width } => {
            surface.set_fill(Some(ink(90)));
            draw_box(surface, *from, *y - width / 2.0, to - from, *width);
        }
        Mark::Band { y, height } => {
            surface.set_fill(Some(ink(238)));
            draw_box(surface, 56.0, *y, PAGE_WIDTH - 112.0, *height);
        }
    }
}

fn draw_box(surface: &mut Surface<'_>, x: f32, y: f32, width: f32, height: f32) {
    let path: Option<Path> = Rect::from_xywh(x, y, width, height).and_then(|rect| {
        let mut builder = PathBuilder::new();
        builder.push_rect(rect);
        builder.finish()
    });
    if let Some(path) = path {
        surface.draw_path(&path);
    }
}

fn ink(grey: u8) -> Fill {
    Fill {
        paint: luma::Color::new(grey).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::default(),
    }
}
