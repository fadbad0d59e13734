//! ELF files, as far as two builds of one can differ: sections, notes, and what the dynamic linker is asked for.
//!
//! [System V ABI, chapter 4](https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html): 64 bits, little-endian, which
//! is every Linux platform that this rebuilds for. Out of scope: code, symbols, relocations. The bytes are a stranger's: every
//! offset is checked, and everything is bounded.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

pub(crate) mod difference;
pub(crate) mod dwarf;

const HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
/// Debug builds of huge libraries have some hundreds.
const MAX_SECTIONS: usize = 4096;
const MAX_NAME: usize = 128;
/// The biggest compressed section that is unpacked.
const MAX_UNPACKED: u64 = 64 << 20;
/// Of lists in a file: compilers, libraries.
const MAX_LIST: usize = 256;

const SHT_STRTAB: u32 = 3;
const SHT_DYNAMIC: u32 = 6;
const SHT_NOTE: u32 = 7;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;
const SHF_COMPRESSED: u64 = 0x800;
const ELFCOMPRESS_ZLIB: u32 = 1;
const NT_GNU_BUILD_ID: u32 = 3;

/// Why bytes are not an ELF file as this reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ElfError {
    /// Something else.
    #[error("expected an ELF file, found other bytes")]
    Magic,
    /// Another word size or byte order.
    #[error("expected a little-endian 64-bit ELF file, found class {class} and data {data}")]
    Class {
        /// `EI_CLASS`
        class: u8,
        /// `EI_DATA`
        data: u8,
    },
    /// The header ends early or gives sizes that no version of the format has.
    #[error("expected an ELF header of version 1 with section headers of {SECTION_HEADER} bytes")]
    Header,
    /// None, or more than anybody links.
    #[error("expected 1 to {MAX_SECTIONS} sections, found {found}")]
    Sections {
        /// `e_shnum`
        found: usize,
    },
    /// A section header, or what it points at, lies outside of the file.
    #[error("expected section {section} inside the file, found it outside")]
    OutOfBounds {
        /// Its number.
        section: usize,
    },
    /// No table of section names, or a name outside of it.
    #[error("expected a name for section {section}, found none")]
    Name {
        /// Its number.
        section: usize,
    },
}

/// An ELF file, read.
#[derive(Clone, Debug)]
pub(crate) struct Elf<'a> {
    sections: Vec<Section<'a>>,
}

/// One section.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    name: String,
    kind: u32,
    flags: u64,
    link: usize,
    size: u64,
    content: &'a [u8],
}

/// What the dynamic linker is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dynamic {
    /// `DT_NEEDED`, in order.
    pub(crate) needed: Vec<String>,
    /// `DT_SONAME`
    pub(crate) soname: Option<String>,
    /// `DT_RPATH` or `DT_RUNPATH`
    pub(crate) rpath: Option<String>,
}

impl<'a> Elf<'a> {
    /// Reads headers and names; contents are slices of `bytes`.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::Magic);
        }
        let header = bytes.get(..HEADER).ok_or(ElfError::Header)?;
        let (class, data) = (header[4], header[5]);
        if (class, data) != (2, 1) {
            return Err(ElfError::Class { class, data });
        }
        let half = |at| u16_at(header, at).map(usize::from).ok_or(ElfError::Header);
        if header[6] != 1 || half(58)? != SECTION_HEADER {
            return Err(ElfError::Header);
        }
        let (start, count, table) = (u64_at(header, 40).ok_or(ElfError::Header)?, half(60)?, half(62)?);
        // 0 with sections means: too many for this field. Nobody links that.
        if count == 0 || count > MAX_SECTIONS {
            return Err(ElfError::Sections { found: count });
        }
        let raw = |section: usize| -> Result<(usize, Section<'a>), ElfError> {
            let outside = ElfError::OutOfBounds { section };
            let at = start.checked_add((section * SECTION_HEADER) as u64).ok_or(outside)?;
            read_section(bytes, at).ok_or(outside)
        };
        let (_, names) = raw(table)?;
        if names.kind != SHT_STRTAB {
            return Err(ElfError::Name { section: 0 });
        }
        let whole = |section: usize| {
            let (name, raw) = raw(section)?;
            let name = text_at(names.content, name).ok_or(ElfError::Name { section })?;
            Ok(Section { name: name.chars().take(MAX_NAME).collect(), ..raw })
        };
        Ok(Self { sections: (0..count).map(whole).collect::<Result<_, _>>()? })
    }

    /// In the order of the file; the first one is always empty.
    pub(crate) fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// The first section of this name.
    pub(crate) fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// `NT_GNU_BUILD_ID`, in hex.
    pub(crate) fn build_id(&self) -> Option<String> {
        let note = self.sections.iter().find(|one| one.kind == SHT_NOTE && one.name == ".note.gnu.build-id")?.content;
        let (name, size, kind) = (u32_at(note, 0)?, u32_at(note, 4)?, u32_at(note, 8)?);
        let size = usize::try_from(size).ok().filter(|size| *size <= 64)?;
        let id = note.get(16..)?.get(..size)?;
        let is_id = name == 4 && kind == NT_GNU_BUILD_ID && note.get(12..16)? == b"GNU\0";
        is_id.then(|| id.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|b| char::from_digit(b.into(), 16)).collect())
    }

    /// What compilers and linkers wrote into `.comment`, each once.
    pub(crate) fn compilers(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let comment = self.section(".comment").map_or(&[][..], |section| section.content);
        for text in comment.split(|b| *b == 0).filter(|text| !text.is_empty()).take(MAX_LIST) {
            let text = String::from_utf8_lossy(&text[..text.len().min(256)]).into_owned();
            if !found.contains(&text) {
                found.push(text);
            }
        }
        found
    }

    /// What `.dynamic` says; nothing of what does not read.
    pub(crate) fn dynamic(&self) -> Dynamic {
        let mut dynamic = Dynamic::default();
        let Some(table) = self.sections.iter().find(|section| section.kind == SHT_DYNAMIC) else {
            return dynamic;
        };
        let Some(names) = self.sections.get(table.link).filter(|names| names.kind == SHT_STRTAB) else {
            return dynamic;
        };
        for entry in table.content.chunks_exact(16) {
            let (Some(tag), Some(value)) = (u64_at(entry, 0), u64_at(entry, 8)) else { break };
            let text = || usize::try_from(value).ok().and_then(|at| text_at(names.content, at)).map(Cow::into_owned);
            match tag {
                0 => break,
                1 if dynamic.needed.len() < MAX_LIST => dynamic.needed.extend(text()),
                14 => dynamic.soname = text(),
                15 | 29 => dynamic.rpath = text(),
                _ => {}
            }
        }
        dynamic
    }
}

impl<'a> Section<'a> {
    /// `.text`
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that it takes in memory or in the file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is there when the program runs.
    pub(crate) fn is_loaded(&self) -> bool {
        self.flags & SHF_ALLOC != 0
    }

    /// As it lies in the file.
    pub(crate) fn content(&self) -> &'a [u8] {
        self.content
    }

    /// Its content, unpacked where it is compressed; nothing where that is not possible within bounds.
    pub(crate) fn unpacked(&self) -> Option<Cow<'a, [u8]>> {
        if self.flags & SHF_COMPRESSED == 0 {
            return Some(Cow::Borrowed(self.content));
        }
        let (kind, size) = (u32_at(self.content, 0)?, u64_at(self.content, 8)?);
        if kind != ELFCOMPRESS_ZLIB || size > MAX_UNPACKED {
            return None;
        }
        let mut unpacked = Vec::new();
        ZlibDecoder::new(self.content.get(24..)?).take(size + 1).read_to_end(&mut unpacked).ok()?;
        (unpacked.len() as u64 == size).then_some(Cow::Owned(unpacked))
    }
}

/// The section whose header is at `at`, and where its name is.
fn read_section(bytes: &[u8], at: u64) -> Option<(usize, Section<'_>)> {
    let at = usize::try_from(at).ok()?;
    let header = bytes.get(at..)?.get(..SECTION_HEADER)?;
    let (kind, flags, size) = (u32_at(header, 4)?, u64_at(header, 8)?, u64_at(header, 32)?);
    let content = if matches!(kind, 0 | SHT_NOBITS) {
        &[][..]
    } else {
        bytes.get(usize::try_from(u64_at(header, 24)?).ok()?..)?.get(..usize::try_from(size).ok()?)?
    };
    let link = usize::try_from(u32_at(header, 40)?).ok()?;
    let section = Section { name: String::new(), kind, flags, link, size, content };
    Some((usize::try_from(u32_at(header, 0)?).ok()?, section))
}

/// A text that ends in a zero byte.
fn text_at(table: &[u8], at: usize) -> Option<Cow<'_, str>> {
    let rest = table.get(at..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
pub(crate) mod tests;
