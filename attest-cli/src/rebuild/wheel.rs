//! A published or rebuilt wheel, taken apart: what it says about itself and what its container gives away.

use std::collections::BTreeMap;

use attest_core::artifact::ArtifactDigest;
use attest_core::statement::record_digest;
use jiff::{civil::DateTime, tz::TimeZone};

use super::zip::{self, Member, ZipError};

/// Why a file is not a wheel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WheelError {
    /// Not a zip that reads in one way only.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// No `*.dist-info/WHEEL`, or several.
    #[error("expected one .dist-info/WHEEL, found {found}")]
    DistInfo {
        /// How many.
        found: usize,
    },
    /// WHEEL without the line.
    #[error("expected a Generator line in WHEEL, found none")]
    Generator,
}

/// A wheel in memory.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    digest: ArtifactDigest,
    members: Vec<Member>,
    dist_info: String,
    generator: String,
    pure: bool,
    plain: bool,
}

impl Wheel {
    /// Reads it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, WheelError> {
        let members = zip::read(bytes)?;
        let mut found = members.iter().filter(|member| is_wheel_file(&member.name));
        let (Some(wheel), None) = (found.next(), found.next()) else {
            let found = members.iter().filter(|member| is_wheel_file(&member.name)).count();
            return Err(WheelError::DistInfo { found });
        };
        let text = String::from_utf8_lossy(&wheel.content);
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        Ok(Self {
            digest: ArtifactDigest::of(bytes),
            dist_info: wheel.name.trim_end_matches("/WHEEL").to_owned(),
            generator: field("Generator").ok_or(WheelError::Generator)?,
            pure: field("Root-Is-Purelib").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            plain: zip::is_plain(bytes, &members),
            members,
        })
    }

    /// SHA-256 of the file.
    pub(crate) fn digest(&self) -> ArtifactDigest {
        self.digest
    }

    /// In the order of the zip's directory.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The value of `Generator:` in WHEEL.
    pub(crate) fn generator(&self) -> &str {
        &self.generator
    }

    /// The value of `Root-Is-Purelib:` in WHEEL.
    pub(crate) fn is_pure(&self) -> bool {
        self.pure
    }

    /// Whether there is nothing in the file but its members, one after the other: an unpacker that streams reads what lies
    /// between them, too.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// A member of the `.dist-info` folder.
    pub(crate) fn metadata(&self, name: &str) -> Option<&Member> {
        let path = format!("{}/{name}", self.dist_info);
        self.members.iter().find(|member| member.name == path)
    }

    /// Whether a member lies in the `.dist-info` folder.
    pub(crate) fn is_metadata(&self, name: &str) -> bool {
        name.strip_prefix(self.dist_info.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The digest of the installed files as docs/TRUST.md 7 defines it, computed from the members, not from what RECORD claims.
    pub(crate) fn record_digest(&self) -> ArtifactDigest {
        record_digest(&self.rows()).sha256
    }

    /// Path, digest and size of every file that it installs as it is.
    pub(crate) fn rows(&self) -> Vec<(String, ArtifactDigest, u64)> {
        let record = format!("{}/RECORD", self.dist_info);
        let files = self.members.iter().filter(|member| !member.is_folder() && member.name != record);
        let kept = files.filter(|member| !member.name.contains(".data/scripts/"));
        kept.map(|member| (member.name.clone(), ArtifactDigest::of(&member.content), member.content.len() as u64))
            .collect()
    }

    /// Members by name, for comparing.
    pub(crate) fn by_name(&self) -> BTreeMap<&str, &Member> {
        self.members.iter().map(|member| (member.name.as_str(), member)).collect()
    }
}

fn is_wheel_file(name: &str) -> bool {
    name.strip_suffix("/WHEEL").is_some_and(|folder| folder.ends_with(".dist-info") && !folder.contains('/'))
}

/// A zip time read as if it were UTC, in seconds since 1970. Zip times are local, even, and know no zone.
pub(crate) fn zip_seconds(dos_time: u32) -> Option<i64> {
    let (date, time) = (dos_time >> 16, dos_time & 0xffff);
    let field = |value: u32| i8::try_from(value).ok();
    let civil = DateTime::new(
        i16::try_from(1980 + (date >> 9)).ok()?,
        field(date >> 5 & 15)?,
        field(date & 31)?,
        field(time >> 11)?,
        field(time >> 5 & 63)?,
        field((time & 31) * 2)?,
        0,
    );
    Some(civil.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::fixture::{SECONDS, TIME, dos, part, wheel, zip};

    #[test]
    fn a_zip_without_one_wheel_file_is_no_wheel() {
        let none = Wheel::read(&zip(&[part("demo/core.py", "")])).unwrap_err();
        assert_eq!(none, WheelError::DistInfo { found: 0 });
        let mut two = wheel("flit 4.1.0");
        two.push(part("evil-1.0.dist-info/WHEEL", "Generator: x\n"));
        assert_eq!(Wheel::read(&zip(&two)).unwrap_err(), WheelError::DistInfo { found: 2 });
        let mut silent = wheel("flit 4.1.0");
        silent[2].content = b"Wheel-Version: 1.0\n".to_vec();
        assert_eq!(Wheel::read(&zip(&silent)).unwrap_err(), WheelError::Generator);
    }

    #[test]
    fn the_record_digest_is_of_what_is_there_and_not_of_what_record_claims() {
        let digest = |parts: &[_]| Wheel::read(&zip(parts)).unwrap().record_digest();
        let honest = wheel("flit 4.1.0");
        let mut lying = honest.clone();
        lying[3].content = b"demo/core.py,sha256=AAAA,1\n".to_vec();
        assert_eq!(digest(&lying), digest(&honest));
        let mut script = honest.clone();
        script.push(part("demo-1.0.data/scripts/demo", "#!python\n"));
        assert_eq!(digest(&script), digest(&honest));
        let mut other = honest.clone();
        other[0].content.push(b'#');
        assert_ne!(digest(&other), digest(&honest));
    }

    #[test]
    fn zip_times_are_read_and_those_that_are_no_dates_are_none() {
        assert_eq!(zip_seconds(TIME), Some(SECONDS));
        assert_eq!(zip_seconds(dos((1980, 1, 1), (0, 0, 0))), Some(315_532_800));
        for none in [0, dos((2024, 13, 1), (0, 0, 0)), dos((2023, 2, 29), (0, 0, 0)), dos((2024, 1, 1), (24, 0, 0))] {
            assert_eq!(zip_seconds(none), None);
        }
    }
}
