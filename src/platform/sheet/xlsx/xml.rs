//! The events of one part of a workbook, and the text inside elements.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::MALFORMED;
use super::values::unescape_ooxml;
use crate::platform::sheet::SheetError;

/// Elements within elements; a workbook of an honest program needs about ten.
const MAX_DEPTH: usize = 100;

/// The events of a part; an empty element comes as its start and its end. Document types are refused: a workbook has
/// none, and entities are declared there.
pub(super) struct Xml<'t> {
    reader: Reader<&'t [u8]>,
    depth: usize,
}

impl<'t> Xml<'t> {
    pub fn new(text: &'t str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0 }
    }

    /// `None` at the end, which comes after all elements have ended.
    pub fn next(&mut self) -> Result<Option<Event<'t>>, SheetError> {
        let event = self.reader.read_event().map_err(|_| MALFORMED)?;
        match &event {
            Event::Start(_) if self.depth >= MAX_DEPTH => return Err(MALFORMED),
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(SheetError::UnsafeArchive("a document type")),
            Event::Eof if self.depth > 0 => return Err(MALFORMED),
            Event::Eof => return Ok(None),
            _ => {}
        }
        Ok(Some(event))
    }
}

/// The value of an attribute, whatever prefix its name has.
pub(super) fn attribute<'e>(
    element: &'e BytesStart<'_>,
    name: &str,
) -> Result<Option<Cow<'e, str>>, SheetError> {
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| MALFORMED)?;
        if attribute.key.local_name().as_ref() == name {
            return attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map(Some)
                .map_err(|_| MALFORMED);
        }
    }
    Ok(None)
}

/// Collects the text of an element with `t` children, rich text included, pronunciation guides (`rPh`) left out.
#[derive(Default)]
pub(super) struct CellText {
    text: String,
    open: bool,
    guide: bool,
}

impl CellText {
    pub fn clear(&mut self) {
        *self = Self {
            text: std::mem::take(&mut self.text),
            ..Self::default()
        };
        self.text.clear();
    }

    pub fn take(&mut self) -> String {
        let text = unescape_ooxml(&self.text).into_owned();
        self.clear();
        text
    }

    pub fn take_in(&mut self, event: &Event<'_>) -> Result<(), SheetError> {
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                "t" => self.open = !self.guide,
                "rPh" => self.guide = true,
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                "t" => self.open = false,
                "rPh" => self.guide = false,
                _ => {}
            },
            event if self.open => append(&mut self.text, event)?,
            _ => {}
        }
        Ok(())
    }
}

pub(super) fn append(text: &mut String, event: &Event<'_>) -> Result<(), SheetError> {
    match event {
        Event::Text(piece) => text.push_str(&piece.xml10_content()),
        Event::CData(piece) => text.push_str(&piece.xml10_content()),
        Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|_| MALFORMED)? {
            Some(c) => text.push(c),
            // Only the five of XML itself: a workbook has no business declaring others.
            None => text.push_str(resolve_predefined_entity(name).ok_or(MALFORMED)?),
        },
        _ => {}
    }
    Ok(())
}
