//! The normal form of a wheel: its content, and a container around it that says nothing about who wrote it.
//!
//! | field | value |
//! |---|---|
//! | order | by path, then `.dist-info` (PEP 427: "physically at the end"), RECORD as the very last |
//! | time | one for all: the caller's, or 1980-01-01 |
//! | mode | 755 where somebody may execute, else 644 |
//! | system, versions | Unix, 2.0 |
//! | flags | none but that a name is UTF-8 |
//! | extra fields, comments, what streaming leaves | none |
//!
//! Compressed streams are kept. Compressed again they would depend on our compressor instead of the builder's, and nobody who
//! rebuilds the wheel with Python's own zlib would get them any more. Signatures of RECORD are kept too: they sign a file
//! that does not change. A RECORD that is not true is refused: the normal form of a broken wheel would look like a good one.

use super::rows::{self, RowsError};
use super::wheel::{Wheel, WheelError};
use super::zip::{self, Member, Unwritable};

/// 1980-01-01 00:00:00, where zip times begin.
pub(crate) const FIRST_TIME: u32 = 0x0021_0000;
const EXECUTABLE: u32 = 0o111;

/// Why a file has no normal form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NormalError {
    /// No wheel.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// Its RECORD is not true.
    #[error(transparent)]
    Record(#[from] RowsError),
    /// Bytes that do not match their own checksum.
    #[error("expected {name:?} to match its checksum, found that it is damaged")]
    Damaged {
        /// The member.
        name: String,
    },
    /// A name that unpackers read in different ways.
    #[error("expected the name {name:?} to be marked as UTF-8, found no mark: unpackers read it differently")]
    Encoding {
        /// The member.
        name: String,
    },
    /// Too big.
    #[error(transparent)]
    Write(#[from] Unwritable),
}

/// The normal form of a wheel, with `dos_time` for every member.
pub(crate) fn normal_form(bytes: &[u8], dos_time: u32) -> Result<Vec<u8>, NormalError> {
    let wheel = Wheel::read(bytes)?;
    if let Some(member) = wheel.members().iter().find(|member| member.damaged) {
        return Err(NormalError::Damaged { name: member.name.clone() });
    }
    if let Some(member) = wheel.members().iter().find(|member| !member.name_is_unambiguous()) {
        return Err(NormalError::Encoding { name: member.name.clone() });
    }
    rows::check(&wheel)?;
    let mut members: Vec<&Member> = wheel.members().iter().collect();
    let record = wheel.metadata("RECORD").map(|record| record.name.as_str());
    members.sort_by_key(|member| {
        let name = member.name.as_str();
        (wheel.is_metadata(name), Some(name) == record, name)
    });
    let plain: Vec<Member> = members.into_iter().map(|member| member.plain(dos_time, mode(member))).collect();
    Ok(zip::write(&plain)?)
}

fn mode(member: &Member) -> u32 {
    if member.is_folder() {
        0o040_755
    } else if member.mode() & EXECUTABLE != 0 {
        0o100_755
    } else {
        0o100_644
    }
}

#[cfg(test)]
mod tests;
