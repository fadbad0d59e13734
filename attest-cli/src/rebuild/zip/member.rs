//! One member of a zip, with everything that shows in the file's digest.

use std::io::{self, Read as _};

use flate2::read::DeflateDecoder;

/// General purpose bit 11: the name is UTF-8.
const FLAG_UTF8: u16 = 0x0800;
/// `create_system` of everything but Windows.
const UNIX: u8 = 3;
/// 2.0: folders and deflate (APPNOTE 4.4.3.2).
const VERSION: u8 = 20;
/// The MS-DOS attribute of a folder.
const MSDOS_FOLDER: u32 = 0x10;

/// One member with everything that shows in the file's digest.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Path inside the wheel.
    pub(crate) name: String,
    /// What unpacks from it; as far as it unpacks when [`Member::damaged`].
    pub(crate) content: Vec<u8>,
    /// The stored stream, for telling a different compressor from a different content.
    pub(crate) compressed: Vec<u8>,
    /// Length or CRC-32 of the content do not match the directory.
    pub(crate) damaged: bool,
    pub(super) claim: Claim,
    /// Modification time: MS-DOS date in the upper, time in the lower half.
    pub(crate) dos_time: u32,
    /// Upper half: Unix mode.
    pub(crate) external_attributes: u32,
    /// 3 is Unix, 0 is MS-DOS (which Windows writes).
    pub(crate) create_system: u8,
    /// Everything else that is no offset.
    pub(crate) rest: Rest,
}

/// The quieter fields of a directory entry and its local header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(super) create_version: u8,
    pub(super) extract_version: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) internal_attributes: u16,
    pub(super) extra: Vec<u8>,
    pub(super) comment: Vec<u8>,
    pub(super) local: Local,
}

/// What the local header says beyond the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Local {
    pub(super) extract_version: u16,
    pub(super) extra: Vec<u8>,
    pub(super) sizes: Sizes,
    pub(super) descriptor: Descriptor,
}

/// Where a local header has CRC-32 and sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// In itself.
    #[default]
    Stated,
    /// Zeros: the truth follows the data (flag bit 3, APPNOTE 4.4.4).
    Deferred,
}

/// What follows the data where flag bit 3 is set (APPNOTE 4.3.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Nothing that is one.
    #[default]
    None,
    /// CRC-32 and sizes.
    Bare,
    /// The same after a signature, as most write it.
    Signed,
}

/// CRC-32 and sizes of a member, as the directory claims them. Of a damaged member they are not those of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) crc: u32,
    pub(super) compressed: u32,
    pub(super) size: u32,
}

impl Claim {
    /// The twelve bytes that headers and descriptors have of it.
    pub(super) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (at, field) in [self.crc, self.compressed, self.size].into_iter().enumerate() {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }
}

impl Member {
    /// The Unix mode with its type bits, 0 where none was written.
    pub(crate) fn mode(&self) -> u32 {
        self.external_attributes >> 16
    }

    /// The same with another Unix mode; what MS-DOS calls attributes stays.
    pub(crate) fn set_mode(&mut self, mode: u32) {
        self.external_attributes = mode << 16 | self.external_attributes & 0xffff;
    }

    /// Whether every unpacker reads the name alike: without the mark of UTF-8 (APPNOTE appendix D) it is in some code page.
    pub(crate) fn name_is_unambiguous(&self) -> bool {
        self.name.is_ascii() || self.rest.flags & FLAG_UTF8 != 0
    }

    /// Whether no unpacker takes another name or content from one than from the other: extra fields can hold a second name
    /// (APPNOTE 4.6.9), and behind the end of a stream can be what another reader takes for the next member.
    pub(crate) fn is_read_like(&self, other: &Self) -> bool {
        self.name_is_unambiguous()
            && other.name_is_unambiguous()
            && self.rest.extra == other.rest.extra
            && self.rest.local.extra == other.rest.local.extra
            && (self.compressed == other.compressed || (self.is_all_stream() && other.is_all_stream()))
    }

    /// Puts a second name beside the first.
    #[cfg(test)]
    pub(crate) fn set_extra(&mut self, extra: &[u8]) {
        self.rest.extra = extra.to_vec();
    }

    /// Deflates it, and puts bytes behind the end of the stream.
    #[cfg(test)]
    pub(crate) fn deflate_before(&mut self, bytes: &[u8]) {
        let mut encoder = flate2::read::DeflateEncoder::new(self.content.as_slice(), flate2::Compression::best());
        self.compressed.clear();
        encoder.read_to_end(&mut self.compressed).unwrap_or_default();
        self.compressed.extend(bytes);
        self.claim.compressed = u32::try_from(self.compressed.len()).unwrap_or_default();
        self.rest.method = 8;
    }

    fn is_all_stream(&self) -> bool {
        let mut decoder = DeflateDecoder::new(self.compressed.as_slice());
        let size = u64::from(self.claim.size);
        self.rest.method == 0
            || io::copy(&mut decoder.by_ref().take(size + 1), &mut io::sink()).is_ok_and(|unpacked| unpacked == size)
                && decoder.total_in() == self.compressed.len() as u64
    }

    /// The same name and stream, and nothing else that depends on who wrote it.
    pub(crate) fn plain(&self, dos_time: u32, mode: u32) -> Self {
        let folder = if self.is_folder() { MSDOS_FOLDER } else { 0 };
        Self {
            dos_time,
            external_attributes: mode << 16 | folder,
            create_system: UNIX,
            rest: Rest {
                create_version: VERSION,
                extract_version: VERSION.into(),
                flags: if self.name.is_ascii() { 0 } else { FLAG_UTF8 },
                method: self.rest.method,
                internal_attributes: 0,
                extra: Vec::new(),
                comment: Vec::new(),
                local: Local { extract_version: VERSION.into(), ..Local::default() },
            },
            ..self.clone()
        }
    }

    /// Whether this is a folder entry (`uv_build` writes some).
    pub(crate) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}
