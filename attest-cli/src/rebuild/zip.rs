//! A strict reader of zip files, as wheels use them ([APPNOTE 6.3.10](https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT)).
//!
//! In scope: what decides whether two wheels are the same file (order, times, modes, flags, compressed streams) and
//! what an attacker plays with (duplicate names, paths that leave the folder, local headers that contradict the central
//! directory, bombs). Out of scope, and refused: zip64, encryption, several disks, other methods than stored and deflate.

use std::collections::HashSet;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

mod error;
mod member;
mod write;

pub(crate) use error::ZipError;
pub(crate) use member::Member;
pub(crate) use write::{Unwritable, is_plain, write};

#[cfg(test)]
pub(crate) use write::tests::real_wheels;

use member::{Claim, Descriptor, Local, Rest, Sizes};

/// The biggest wheel that is read. The largest pure wheels on PyPI have tens of megabytes.
pub(crate) const MAX_FILE: u64 = 512 << 20;
/// The biggest sum of unpacked members.
const MAX_UNPACKED: u64 = 2 << 30;
/// Deflate cannot do better than 1032:1; a member that claims more is lying, one near it is a bomb.
const MAX_RATIO: u64 = 1032;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR_SIGNATURE: [u8; 4] = *b"PK\x07\x08";
const END_SIZE: usize = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
/// General purpose bit 3: CRC-32 and sizes follow the data.
const FLAG_STREAMED: u16 = 0x8;
/// General purpose bit 0: encrypted; bit 13: masked headers.
const FLAGS_REFUSED: u16 = 0x2001;

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
        let (size, compressed) = (u64::from(entry.claim.size), u64::from(entry.claim.compressed));
        unpacked += size;
        if unpacked > MAX_UNPACKED || size > (compressed + 1) * MAX_RATIO {
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
    claim: Claim,
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
        if fields.u16(34)? != 0 {
            // On another disk.
            return Err(ZipError::Layout);
        }
        let entry = Self {
            create_system: version.to_le_bytes()[1],
            dos_time: fields.u32(12)?,
            claim: Claim { crc: fields.u32(16)?, compressed: fields.u32(20)?, size: fields.u32(24)? },
            external_attributes: fields.u32(38)?,
            local: fields.u32(42)? as usize,
            rest: Rest {
                create_version: version.to_le_bytes()[0],
                extract_version: fields.u16(6)?,
                flags: fields.u16(8)?,
                method: fields.u16(10)?,
                internal_attributes: fields.u16(36)?,
                extra: fields.slice(CENTRAL_SIZE + name_length, extra_length)?.to_vec(),
                comment: fields.slice(CENTRAL_SIZE + name_length + extra_length, comment_length)?.to_vec(),
                local: Local::default(),
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
        let sizes = self.sizes(&local)?;
        let same = local.slice(LOCAL_SIZE, name_length)? == self.name.as_bytes()
            && local.u16(6)? == self.rest.flags
            && local.u16(8)? == self.rest.method
            && local.u32(10)? == self.dos_time;
        let (true, Some(sizes)) = (same, sizes) else {
            return Err(ZipError::LocalHeader { name: self.name });
        };
        let start = LOCAL_SIZE + name_length + extra_length;
        let length = usize::try_from(self.claim.compressed).map_err(|_| ZipError::Layout)?;
        let compressed = local.slice(start, length)?.to_vec();
        self.rest.local = Local {
            extract_version: local.u16(4)?,
            extra: local.slice(LOCAL_SIZE + name_length, extra_length)?.to_vec(),
            sizes,
            descriptor: self.descriptor(&bytes[self.local + start + length..]),
        };
        let size = u64::from(self.claim.size);
        let content = if self.rest.method == 0 { compressed.clone() } else { inflate(&compressed, size) };
        let damaged = content.len() as u64 != size || crc32(&content) != self.claim.crc;
        Ok(Member {
            name: self.name,
            content,
            compressed,
            damaged,
            claim: self.claim,
            dos_time: self.dos_time,
            external_attributes: self.external_attributes,
            create_system: self.create_system,
            rest: self.rest,
        })
    }

    /// With flag bit 3 the local header has zeros and the truth follows the data (APPNOTE 4.4.4).
    fn sizes(&self, local: &Fields<'_>) -> Result<Option<Sizes>, ZipError> {
        let said = local.slice(14, 12)?;
        Ok(if said == self.claim.to_bytes() {
            Some(Sizes::Stated)
        } else {
            (self.rest.flags & FLAG_STREAMED != 0 && said == [0; 12]).then_some(Sizes::Deferred)
        })
    }

    /// What stands between the data and whatever comes next. It is only kept: the directory has the same.
    fn descriptor(&self, after: &[u8]) -> Descriptor {
        let claim = self.claim.to_bytes();
        if self.rest.flags & FLAG_STREAMED == 0 {
            Descriptor::None
        } else if after.strip_prefix(&DESCRIPTOR_SIGNATURE).is_some_and(|after| after.starts_with(&claim)) {
            Descriptor::Signed
        } else if after.starts_with(&claim) {
            Descriptor::Bare
        } else {
            Descriptor::None
        }
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
