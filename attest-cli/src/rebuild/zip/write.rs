//! Writing a zip: the inverse of [`read`](super::read), field by field.
//!
//! Members are laid out one after the other in the order of the directory, as every tool that makes wheels does. Streams
//! are written as they are, so nothing depends on a compressor. For a file that was laid out otherwise (gaps, another
//! order on disk than in the directory) `write(read(bytes))` is not `bytes`, and [`is_plain`] says so.

use super::member::{Descriptor, Member, Sizes};
use super::{CENTRAL_SIGNATURE, DESCRIPTOR_SIGNATURE, END_SIGNATURE, LOCAL_SIGNATURE};

/// The most members: one more is the mark of zip64 (APPNOTE 4.4.22).
const MAX_MEMBERS: usize = u16::MAX as usize - 1;

/// Why members do not fit into a zip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    /// More than a zip holds without zip64.
    #[error("expected at most {MAX_MEMBERS} members, found {found}")]
    Members {
        /// How many.
        found: usize,
    },
    /// A length or an offset beyond its field.
    #[error(
        "expected a zip of less than 4 GiB with names and extra fields below 64 KiB, found that {name:?} does not fit"
    )]
    Length {
        /// The member.
        name: String,
    },
    /// More directory than its field can count.
    #[error("expected a directory of less than 4 GiB, found {found} bytes")]
    Directory {
        /// Bytes.
        found: usize,
    },
}

/// The bytes of a zip with these members, in this order.
pub(crate) fn write(members: &[Member]) -> Result<Vec<u8>, Unwritable> {
    let total = u16::try_from(members.len())
        .ok()
        .filter(|_| members.len() <= MAX_MEMBERS)
        .ok_or(Unwritable::Members { found: members.len() })?;
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = u32::try_from(bytes.len());
        let (Ok(offset), Some(lengths)) = (offset, Lengths::of(member)) else {
            return Err(Unwritable::Length { name: member.name.clone() });
        };
        put_local(&mut bytes, member, &lengths);
        put_central(&mut directory, member, &lengths, offset);
    }
    let found = directory.len();
    let (Ok(size), Ok(start)) = (u32::try_from(found), u32::try_from(bytes.len())) else {
        return Err(Unwritable::Directory { found });
    };
    bytes.append(&mut directory);
    bytes.extend(END_SIGNATURE);
    // This disk, the directory's disk.
    bytes.extend([0; 4]);
    bytes.extend(total.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    // No comment.
    bytes.extend([0; 2]);
    Ok(bytes)
}

/// Whether [`write()`] gives exactly `bytes` again, of which `members` were read.
pub(crate) fn is_plain(bytes: &[u8], members: &[Member]) -> bool {
    write(members).is_ok_and(|written| written == bytes)
}

/// Lengths that fit into their fields.
struct Lengths {
    name: u16,
    extra: u16,
    local_extra: u16,
    comment: u16,
}

impl Lengths {
    fn of(member: &Member) -> Option<Self> {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).ok();
        Some(Self {
            name: length(member.name.as_bytes())?,
            extra: length(&member.rest.extra)?,
            local_extra: length(&member.rest.local.extra)?,
            comment: length(&member.rest.comment)?,
        })
    }
}

/// APPNOTE 4.3.7 to 4.3.9
fn put_local(bytes: &mut Vec<u8>, member: &Member, lengths: &Lengths) {
    let (rest, local, claim) = (&member.rest, &member.rest.local, member.claim.to_bytes());
    bytes.extend(LOCAL_SIGNATURE);
    bytes.extend(local.extract_version.to_le_bytes());
    bytes.extend(rest.flags.to_le_bytes());
    bytes.extend(rest.method.to_le_bytes());
    bytes.extend(member.dos_time.to_le_bytes());
    bytes.extend(match local.sizes {
        Sizes::Stated => claim,
        Sizes::Deferred => [0; 12],
    });
    bytes.extend(lengths.name.to_le_bytes());
    bytes.extend(lengths.local_extra.to_le_bytes());
    bytes.extend(member.name.as_bytes());
    bytes.extend(&local.extra);
    bytes.extend(&member.compressed);
    match local.descriptor {
        Descriptor::None => {}
        Descriptor::Bare => bytes.extend(claim),
        Descriptor::Signed => {
            bytes.extend(DESCRIPTOR_SIGNATURE);
            bytes.extend(claim);
        }
    }
}

/// APPNOTE 4.3.12
fn put_central(directory: &mut Vec<u8>, member: &Member, lengths: &Lengths, offset: u32) {
    let rest = &member.rest;
    directory.extend(CENTRAL_SIGNATURE);
    directory.extend([rest.create_version, member.create_system]);
    directory.extend(rest.extract_version.to_le_bytes());
    directory.extend(rest.flags.to_le_bytes());
    directory.extend(rest.method.to_le_bytes());
    directory.extend(member.dos_time.to_le_bytes());
    directory.extend(member.claim.to_bytes());
    directory.extend(lengths.name.to_le_bytes());
    directory.extend(lengths.extra.to_le_bytes());
    directory.extend(lengths.comment.to_le_bytes());
    // The disk that it starts on.
    directory.extend([0; 2]);
    directory.extend(rest.internal_attributes.to_le_bytes());
    directory.extend(member.external_attributes.to_le_bytes());
    directory.extend(offset.to_le_bytes());
    directory.extend(member.name.as_bytes());
    directory.extend(&rest.extra);
    directory.extend(&rest.comment);
}

#[cfg(test)]
pub(super) mod tests;
