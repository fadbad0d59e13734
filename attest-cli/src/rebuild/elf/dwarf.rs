//! DWARF, as far as it says where and by what a file was compiled: the first entry of each unit.
//!
//! [DWARF 5](https://dwarfstd.org/doc/DWARF5.pdf) sections 7.5.1 (units), 7.5.3 (abbreviations), 7.5.5 and 7.5.6 (attributes
//! and forms); versions 2 to 5 in their 32-bit format.

use std::borrow::Cow;

use super::{Elf, text_at, u16_at, u32_at};

/// Libraries with more are looked at in part, which is enough to know where they were built.
const MAX_UNITS: usize = 4096;
/// Of one entry; compilers write about a dozen.
const MAX_ATTRIBUTES: usize = 64;
/// How many are looked at for the one of a unit itself, which is the first in what compilers write.
const MAX_ABBREVIATIONS: usize = 256;
/// Longer texts are not paths.
const MAX_TEXT: usize = 4096;

const DW_AT_NAME: u64 = 0x03;
const DW_AT_COMP_DIR: u64 = 0x1b;
const DW_AT_PRODUCER: u64 = 0x25;
const DW_AT_STR_OFFSETS_BASE: u64 = 0x72;

/// What one compilation says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The source file as the compiler was given it.
    pub(crate) name: Option<String>,
    /// The folder that the compiler ran in.
    pub(crate) folder: Option<String>,
    /// The compiler with its options, `GNU C17 12.2.0 -O2 -g`.
    pub(crate) producer: Option<String>,
}

/// All units that read, in order. What follows one that does not read is left out.
pub(crate) fn units(elf: &Elf<'_>) -> Vec<Unit> {
    let section = |name| elf.section(name).and_then(super::Section::unpacked).unwrap_or_default();
    let sections = Sections {
        info: section(".debug_info"),
        abbreviations: section(".debug_abbrev"),
        strings: section(".debug_str"),
        line_strings: section(".debug_line_str"),
        offsets: section(".debug_str_offsets"),
    };
    let mut units = Vec::new();
    let mut at = 0;
    while units.len() < MAX_UNITS && at < sections.info.len() {
        let Some((unit, next)) = sections.unit(at) else { break };
        units.extend(unit);
        at = next;
    }
    units
}

struct Sections<'a> {
    info: Cow<'a, [u8]>,
    abbreviations: Cow<'a, [u8]>,
    strings: Cow<'a, [u8]>,
    line_strings: Cow<'a, [u8]>,
    offsets: Cow<'a, [u8]>,
}

/// What is needed to read values of one unit.
#[derive(Clone, Copy)]
struct Encoding {
    version: u16,
    address: usize,
}

/// A value, as far as this module needs one.
enum Value {
    Text(String),
    /// Into `.debug_str_offsets`, whose base may come later in the entry.
    Index(u64),
    Number(u64),
    Other,
}

impl Sections<'_> {
    /// The unit at an offset, where it is a compilation, and the offset of the next one.
    fn unit(&self, at: usize) -> Option<(Option<Unit>, usize)> {
        let length = usize::try_from(u32_at(&self.info, at)?).ok().filter(|length| *length < 0xffff_fff0)?;
        let next = at.checked_add(4)?.checked_add(length)?;
        let unit = self.info.get(at + 4..next)?;
        let version = u16_at(unit, 0)?;
        let (abbreviations, address, kind, entry) = match version {
            2..=4 => (u32_at(unit, 2)?, *unit.get(6)?, 1, 7),
            5 => (u32_at(unit, 4)?, *unit.get(3)?, *unit.get(2)?, 8),
            _ => return None,
        };
        // 1 and 3: whole and partial compilations; 4: a skeleton, with an id before its entry.
        let entry = match kind {
            1 | 3 => entry,
            4 => entry + 8,
            _ => return Some((None, next)),
        };
        let encoding = Encoding { version, address: usize::from(address) };
        let mut cursor = Cursor(unit.get(entry..)?);
        let code = cursor.unsigned()?;
        let attributes = self.abbreviation(usize::try_from(abbreviations).ok()?, code)?;
        Some((Some(self.entry(&mut cursor, &attributes, encoding)?), next))
    }

    /// Attributes and forms of one abbreviation, with the values that it holds itself.
    fn abbreviation(&self, at: usize, code: u64) -> Option<Vec<(u64, u64)>> {
        let mut cursor = Cursor(self.abbreviations.get(at..)?);
        for _ in 0..MAX_ABBREVIATIONS {
            let found = cursor.unsigned().filter(|found| *found != 0)?;
            let (_tag, _children) = (cursor.unsigned()?, cursor.take(1)?);
            let mut attributes = Vec::new();
            loop {
                let (name, form) = (cursor.unsigned()?, cursor.unsigned()?);
                // DW_FORM_implicit_const
                if form == 0x21 {
                    cursor.unsigned()?;
                }
                if (name, form) == (0, 0) {
                    break;
                }
                if attributes.len() == MAX_ATTRIBUTES {
                    return None;
                }
                attributes.push((name, form));
            }
            if found == code {
                return Some(attributes);
            }
        }
        None
    }

    fn entry(&self, cursor: &mut Cursor<'_>, attributes: &[(u64, u64)], encoding: Encoding) -> Option<Unit> {
        // After the table's own header, where the unit does not say.
        let mut base = 8;
        let mut found = Vec::new();
        for (name, form) in attributes {
            match (*name, self.value(cursor, *form, encoding)?) {
                (DW_AT_STR_OFFSETS_BASE, Value::Number(number)) => base = usize::try_from(number).ok()?,
                (DW_AT_NAME | DW_AT_COMP_DIR | DW_AT_PRODUCER, value) => found.push((*name, value)),
                _ => {}
            }
        }
        let mut unit = Unit::default();
        for (name, value) in found {
            let text = match value {
                Value::Text(text) => Some(text),
                Value::Index(index) => self.indexed(base, index),
                Value::Number(_) | Value::Other => None,
            };
            match name {
                DW_AT_NAME => unit.name = text,
                DW_AT_COMP_DIR => unit.folder = text,
                _ => unit.producer = text,
            }
        }
        Some(unit)
    }

    fn indexed(&self, base: usize, index: u64) -> Option<String> {
        let at = base.checked_add(usize::try_from(index).ok()?.checked_mul(4)?)?;
        bounded(text_at(&self.strings, usize::try_from(u32_at(&self.offsets, at)?).ok()?)?)
    }

    /// One value; every form has to be known, since the next value begins where this one ends.
    fn value(&self, cursor: &mut Cursor<'_>, form: u64, encoding: Encoding) -> Option<Value> {
        let skip = match form {
            0x01 => encoding.address,
            0x0b | 0x0c | 0x11 | 0x29 => 1,
            0x05 | 0x12 | 0x2a => 2,
            0x2b => 3,
            // DW_FORM_ref_addr was as wide as an address in version 2.
            0x10 if encoding.version == 2 => encoding.address,
            0x06 | 0x10 | 0x13 | 0x1c | 0x1d | 0x2c | 0x1f20 | 0x1f21 => 4,
            0x07 | 0x14 | 0x20 | 0x24 => 8,
            0x1e => 16,
            0x19 | 0x21 => 0,
            0x03 => usize::from(u16_at(cursor.take(2)?, 0)?),
            0x04 => usize::try_from(u32_at(cursor.take(4)?, 0)?).ok()?,
            0x0a => usize::from(*cursor.take(1)?.first()?),
            0x09 | 0x18 => usize::try_from(cursor.unsigned()?).ok()?,
            0x0d | 0x0f | 0x15 | 0x1b | 0x22 | 0x23 => {
                cursor.unsigned()?;
                0
            }
            0x17 => return Some(Value::Number(cursor.number(4)?)),
            0x08 => return Some(Value::Text(cursor.text()?)),
            0x0e => return string(&self.strings, cursor),
            0x1f => return string(&self.line_strings, cursor),
            0x1a => return Some(Value::Index(cursor.unsigned()?)),
            0x25..=0x28 => return Some(Value::Index(cursor.number(usize::try_from(form - 0x24).ok()?)?)),
            _ => return None,
        };
        cursor.take(skip)?;
        Some(Value::Other)
    }
}

/// A text in a table, which may be missing from a file that was stripped in part.
fn string(table: &[u8], cursor: &mut Cursor<'_>) -> Option<Value> {
    let at = usize::try_from(cursor.number(4)?).ok()?;
    Some(text_at(table, at).and_then(bounded).map_or(Value::Other, Value::Text))
}

fn bounded(text: Cow<'_, str>) -> Option<String> {
    (text.len() <= MAX_TEXT).then(|| text.into_owned())
}

/// Bytes that are read from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?;
        Some(bytes.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }

    /// LEB128, section 7.6. A signed number has the same length.
    fn unsigned(&mut self) -> Option<u64> {
        let mut sum = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first()?;
            sum |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(sum);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let text = text_at(self.0, 0)?;
        let length = self.0.iter().position(|b| *b == 0)?;
        let text = bounded(text);
        self.take(length + 1)?;
        text
    }
}
