//! A strict reader of zip files, as wheels use them ([APPNOTE 6.3.10](https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT)).
//!
//! In scope: what decides whether two wheels are the same file (order, times, modes, flags, compressed streams) and
//! what an attacker plays with (duplicate names, paths that leave the folder, local headers that contradict the central
//! directory, bombs). Out of scope, and refused: zip64, encryption, several disks, other methods than stored and deflate.

use std::collections::HashSet;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

mod error;

pub(crate) use error::ZipError;

/// The biggest wheel that is read. The largest pure wheels on PyPI have tens of megabytes.
pub(crate) const MAX_FILE: u64 = 512 << 20;
/// The biggest sum of unpacked members.
const MAX_UNPACKED: u64 = 2 << 30;
/// Deflate cannot do better than 1032:1; a member that claims more is lying, one near it is a bomb.
const MAX_RATIO: u64 = 1032;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const END_SIZE: usize = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
/// General purpose bit 0: encrypted; bit 13: masked headers.
const FLAGS_REFUSED: u16 = 0x2001;

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
    /// Modification time: MS-DOS date in the upper, time in the lower half.
    pub(crate) dos_time: u32,
    /// Upper half: Unix mode.
    pub(crate) external_attributes: u32,
    /// 3 is Unix, 0 is MS-DOS (which Windows writes).
    pub(crate) create_system: u8,
    /// Everything else that is neither a size nor an offset: versions, flags, method, extra fields, comment.
    pub(crate) rest: Rest,
}

/// The quieter fields of a directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    create_version: u8,
    extract_version: u16,
    flags: u16,
    method: u16,
    internal_attributes: u16,
    extra: Vec<u8>,
    local_extra: Vec<u8>,
    comment: Vec<u8>,
}

impl Member {
    /// The Unix mode with its type bits, 0 where none was written.
    pub(crate) fn mode(&self) -> u32 {
        self.external_attributes >> 16
    }

    /// Whether this is a folder entry (`uv_build` writes some).
    pub(crate) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// Reads all members in the order of the directory.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Member>, ZipError> {
    let directory = Directory::read(bytes)?;
    let mut names = HashSet::new();
    let mut members = Vec::with_capacity(directory.entries);
    let mut unpacked = 0;
    let mut offset = directory.start;
    for _ in 0..directory.entries {
        let entry = Entry::read(&bytes[..directory.end], offset)?;
        offset = entry.end;
        if !names.insert(entry.name.trim_end_matches('/').to_owned()) {
            return Err(ZipError::Duplicate { name: entry.name });
        }
        unpacked += entry.size;
        if unpacked > MAX_UNPACKED || entry.size > (entry.compressed_size + 1) * MAX_RATIO {
            return Err(ZipError::TooLarge { name: entry.name, limit: MAX_UNPACKED, found: unpacked });
        }
        members.push(entry.unpack(&bytes[..directory.start])?);
    }
    if offset != directory.end {
        return Err(ZipError::Layout);
    }
    Ok(members)
}

/// Where the directory is.
struct Directory {
    start: usize,
    end: usize,
    entries: usize,
}

impl Directory {
    /// The record must be the last 22 bytes: a comment could hide a second one (APPNOTE 4.3.16).
    fn read(bytes: &[u8]) -> Result<Self, ZipError> {
        let none = ZipError::NoEnd { found: bytes.len() };
        let at = bytes.len().checked_sub(END_SIZE).ok_or(none.clone())?;
        let record = Fields { bytes, at, what: "end record" };
        if bytes[at..at + 4] != END_SIGNATURE {
            return Err(none);
        }
        let (disk, first_disk) = (record.u16(4)?, record.u16(6)?);
        let (here, total) = (record.u16(8)?, record.u16(10)?);
        let (size, start) = (record.u32(12)? as usize, record.u32(16)? as usize);
        let comment = record.u16(20)?;
        if disk != 0 || first_disk != 0 || here != total || total == u16::MAX || comment != 0 || start + size != at {
            return Err(ZipError::Layout);
        }
        Ok(Self { start, end: at, entries: usize::from(total) })
    }
}

/// Little-endian fields of one structure.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Fields<'a> {
    fn slice(&self, offset: usize, length: usize) -> Result<&'a [u8], ZipError> {
        let start = self.at + offset;
        self.bytes.get(start..start + length).ok_or(ZipError::OutOfBounds { what: self.what, offset: self.at })
    }

    fn u16(&self, offset: usize) -> Result<u16, ZipError> {
        let field = self.slice(offset, 2)?;
        Ok(u16::from_le_bytes([field[0], field[1]]))
    }

    fn u32(&self, offset: usize) -> Result<u32, ZipError> {
        Ok(u32::from(self.u16(offset)?) | u32::from(self.u16(offset + 2)?) << 16)
    }

    fn expect(&self, signature: [u8; 4]) -> Result<(), ZipError> {
        if self.slice(0, 4)? == signature {
            return Ok(());
        }
        Err(ZipError::Signature { what: self.what, offset: self.at })
    }
}

/// One record of the directory, before its data was looked at.
struct Entry {
    name: String,
    create_system: u8,
    dos_time: u32,
    crc: u32,
    compressed_size: u64,
    size: u64,
    external_attributes: u32,
    local: usize,
    rest: Rest,
    end: usize,
}

impl Entry {
    fn read(bytes: &[u8], at: usize) -> Result<Self, ZipError> {
        let fields = Fields { bytes, at, what: "directory entry" };
        fields.expect(CENTRAL_SIGNATURE)?;
        let (name_length, extra_length) = (usize::from(fields.u16(28)?), usize::from(fields.u16(30)?));
        let comment_length = usize::from(fields.u16(32)?);
        let name = plain_path(fields.slice(CENTRAL_SIZE, name_length)?)?;
        let version = fields.u16(4)?;
        let entry = Self {
            create_system: version.to_le_bytes()[1],
            dos_time: fields.u32(12)?,
            crc: fields.u32(16)?,
            compressed_size: u64::from(fields.u32(20)?),
            size: u64::from(fields.u32(24)?),
            external_attributes: fields.u32(38)?,
            local: fields.u32(42)? as usize,
            rest: Rest {
                create_version: version.to_le_bytes()[0],
                extract_version: fields.u16(6)?,
                flags: fields.u16(8)?,
                method: fields.u16(10)?,
                internal_attributes: fields.u16(36)?,
                extra: fields.slice(CENTRAL_SIZE + name_length, extra_length)?.to_vec(),
                local_extra: Vec::new(),
                comment: fields.slice(CENTRAL_SIZE + name_length + extra_length, comment_length)?.to_vec(),
            },
            end: at + CENTRAL_SIZE + name_length + extra_length + comment_length,
            name,
        };
        entry.check_kind()?;
        Ok(entry)
    }

    fn check_kind(&self) -> Result<(), ZipError> {
        const S_IFMT: u32 = 0o170_000;
        const S_IFREG: u32 = 0o100_000;
        const S_IFDIR: u32 = 0o040_000;
        let kind = (self.external_attributes >> 16) & S_IFMT;
        let folder = self.name.ends_with('/');
        let (method, flags) = (self.rest.method, self.rest.flags);
        if kind != 0 && kind != if folder { S_IFDIR } else { S_IFREG } {
            return Err(ZipError::Special { name: self.name.clone(), kind });
        }
        if !matches!(method, 0 | 8) || flags & FLAGS_REFUSED != 0 {
            return Err(ZipError::Method { name: self.name.clone(), method, flags });
        }
        Ok(())
    }

    /// Reads the data through the local header, which must say the same as the directory: streaming unpackers use it.
    fn unpack(mut self, bytes: &[u8]) -> Result<Member, ZipError> {
        let local = Fields { bytes, at: self.local, what: "local header" };
        local.expect(LOCAL_SIGNATURE)?;
        let (name_length, extra_length) = (usize::from(local.u16(26)?), usize::from(local.u16(28)?));
        let same = local.slice(LOCAL_SIZE, name_length)? == self.name.as_bytes()
            && local.u16(6)? == self.rest.flags
            && local.u16(8)? == self.rest.method
            && local.u32(10)? == self.dos_time
            && self.sizes_agree(&local)?;
        if !same {
            return Err(ZipError::LocalHeader { name: self.name });
        }
        self.rest.local_extra = local.slice(LOCAL_SIZE + name_length, extra_length)?.to_vec();
        let length = usize::try_from(self.compressed_size).map_err(|_| ZipError::Layout)?;
        let compressed = local.slice(LOCAL_SIZE + name_length + extra_length, length)?.to_vec();
        let content = if self.rest.method == 0 { compressed.clone() } else { inflate(&compressed, self.size) };
        let damaged = content.len() as u64 != self.size || crc32(&content) != self.crc;
        Ok(Member {
            name: self.name,
            content,
            compressed,
            damaged,
            dos_time: self.dos_time,
            external_attributes: self.external_attributes,
            create_system: self.create_system,
            rest: self.rest,
        })
    }

    /// With flag bit 3 the local header has zeros and the truth follows the data (APPNOTE 4.4.4).
    fn sizes_agree(&self, local: &Fields<'_>) -> Result<bool, ZipError> {
        let described = (local.u32(14)?, u64::from(local.u32(18)?), u64::from(local.u32(22)?));
        let streamed = self.rest.flags & 0x8 != 0 && described == (0, 0, 0);
        Ok(streamed || described == (self.crc, self.compressed_size, self.size))
    }
}

/// A path as PyPA's binary distribution format means it: relative, forward slashes, no way out.
fn plain_path(bytes: &[u8]) -> Result<String, ZipError> {
    let refuse = || ZipError::Path { name: String::from_utf8_lossy(bytes).into_owned() };
    let name = std::str::from_utf8(bytes).map_err(|_| refuse())?;
    let inner = name.strip_suffix('/').unwrap_or(name);
    let bad_part = inner.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if bad_part || name.contains(['\\', '\0', ':']) {
        return Err(refuse());
    }
    Ok(name.to_owned())
}

/// At most one byte more than claimed: enough to see that the claim is a lie.
fn inflate(compressed: &[u8], size: u64) -> Vec<u8> {
    let mut content = Vec::new();
    // A broken stream shows as damage: what could be read is kept for the comparison.
    let _ = DeflateDecoder::new(compressed).take(size + 1).read_to_end(&mut content);
    content
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests;
