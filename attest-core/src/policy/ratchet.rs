//! What a policy takes for a while although too few attest it, and what it has seen attested (docs/TRUST.md 6.4).
//!
//! A pin is no exemption. It stands in for votes that are missing and for nothing else: whatever speaks against a file
//! still does, and the rest of the evidence must be there.
use super::Lined;
use crate::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    time::Timestamp,
    verify::{Wanted, WantedName},
};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The `[ratchet]` table.
#[derive(Clone, Debug)]
pub struct Ratchet {
    pub(super) expires: Lined<Timestamp>,
    pub(super) pins: Entries,
    pub(super) attested: Entries,
}

impl Ratchet {
    /// From then on no pin helps.
    pub fn expires(&self) -> Lined<Timestamp> {
        self.expires
    }

    /// Files that may be installed although votes are missing, in the order of the file.
    pub fn pins(&self) -> &[Lined<RatchetEntry>] {
        &self.pins.all
    }

    /// Files that had the votes they need when the ratchet was made or turned, in the order of the file.
    pub fn attested(&self) -> &[Lined<RatchetEntry>] {
        &self.attested.all
    }

    /// The pin of a file, expired or not.
    pub fn pin(&self, file: &Release<'_>) -> Option<&Lined<RatchetEntry>> {
        self.pins.of(file)
    }

    /// That this very file was attested before.
    pub fn was_attested(&self, file: &Release<'_>) -> Option<&Lined<RatchetEntry>> {
        self.attested.of(file)
    }

    /// The file of this name had other bytes.
    pub(crate) fn with_other_bytes(&self, file: &Release<'_>) -> Option<&Lined<RatchetEntry>> {
        let name = file.file?;
        let mut same_name = self.pins.of_project(file.project).chain(self.attested.of_project(file.project));
        same_name.find(|entry| entry.value.name == name && entry.value.digest != *file.digest)
    }

    /// Another version of the project that was attested: the one last seen, of several the last in the file.
    pub(crate) fn other_version(&self, file: &Release<'_>) -> Option<&Lined<RatchetEntry>> {
        let others = self.attested.of_project(file.project).filter(|entry| !entry.value.version.same_as(file.version));
        others.max_by_key(|entry| entry.value.since)
    }
}

/// A file as the ratchet knows it.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// Of its bytes.
    pub digest: &'a ArtifactDigest,
    /// Its project.
    pub project: &'a ProjectName,
    /// Its version.
    pub version: &'a Version,
    /// Its name, where it is known.
    pub file: Option<&'a str>,
}

/// One file of the ratchet. Display and FromStr: `2026-11-22 SHA256 NAME`, the day in UTC, NAME a wheel's file name or
/// `PROJECT==VERSION` where no more is known of it.
#[derive(Clone, Debug)]
pub struct RatchetEntry {
    since: Timestamp,
    digest: ArtifactDigest,
    name: String,
    project: ProjectName,
    version: Version,
}

const DAY: u64 = 24 * 60 * 60;

impl RatchetEntry {
    /// A file that is pinned, or was attested, on this day.
    pub fn new(wanted: &Wanted, today: Timestamp) -> Option<Self> {
        let since = Timestamp::from_secs(today.secs() - today.secs() % DAY);
        let digest = wanted.digest;
        match &wanted.name {
            WantedName::File(name) => {
                let WheelName { project, version, .. } = WheelName::parse(name).ok()?;
                Some(Self { since, digest, name: name.clone(), project, version })
            }
            WantedName::Release { project, version } => {
                let name = format!("{project}=={}", version.as_str());
                Some(Self { since, digest, name, project: project.clone(), version: version.clone() })
            }
        }
    }

    /// The first moment of the day on which it was written down.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Of its bytes.
    pub fn digest(&self) -> ArtifactDigest {
        self.digest
    }

    /// File name, or `PROJECT==VERSION`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Its version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether it is this file: the same bytes of one release, and no other file name (docs/TRUST.md 6.5).
    fn is(&self, file: &Release<'_>) -> bool {
        let named = |name: &str| !self.is_file() || name == self.name;
        self.digest == *file.digest
            && self.project == *file.project
            && self.version.same_as(file.version)
            && file.file.is_none_or(named)
    }

    fn is_file(&self) -> bool {
        !self.name.contains("==")
    }
}

impl fmt::Display for RatchetEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.since.to_string();
        let day = time.split('T').next().unwrap_or_default();
        write!(f, "{day} {} {}", self.digest, self.name)
    }
}

impl FromStr for RatchetEntry {
    type Err = NoEntry;

    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let mut words = text.splitn(3, ' ');
        let (Some(day), Some(digest), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(NoEntry);
        };
        let since: Timestamp = format!("{day}T00:00:00Z").parse().map_err(|_| NoEntry)?;
        let digest = digest.parse().map_err(|_| NoEntry)?;
        let name = match name.split_once("==") {
            None => WantedName::File(name.to_owned()),
            Some((project, version)) => WantedName::Release {
                project: ProjectName::new(project).map_err(|_| NoEntry)?,
                version: Version::new(version).map_err(|_| NoEntry)?,
            },
        };
        let entry = Self::new(&Wanted { digest, name }, since).ok_or(NoEntry)?;
        // One spelling: a project's name in its normal form.
        if entry.to_string() == text { Ok(entry) } else { Err(NoEntry) }
    }
}

/// Not an entry of a ratchet; whoever read it knows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `YYYY-MM-DD SHA256 NAME`")]
pub struct NoEntry;

/// One list of the ratchet, found by digest and by project: locks have thousands of files.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    all: Vec<Lined<RatchetEntry>>,
    digests: BTreeMap<ArtifactDigest, Vec<usize>>,
    projects: BTreeMap<ProjectName, Vec<usize>>,
}

impl Entries {
    pub(super) fn push(&mut self, entry: Lined<RatchetEntry>) {
        let at = self.all.len();
        self.digests.entry(entry.value.digest).or_default().push(at);
        self.projects.entry(entry.value.project.clone()).or_default().push(at);
        self.all.push(entry);
    }

    pub(super) fn same(&self, other: &RatchetEntry) -> Option<&Lined<RatchetEntry>> {
        self.with(self.digests.get(&other.digest)).find(|entry| entry.value.name == other.name)
    }

    fn of(&self, file: &Release<'_>) -> Option<&Lined<RatchetEntry>> {
        self.with(self.digests.get(file.digest)).find(|entry| entry.value.is(file))
    }

    fn of_project(&self, project: &ProjectName) -> impl Iterator<Item = &Lined<RatchetEntry>> {
        self.with(self.projects.get(project))
    }

    fn with(&self, places: Option<&Vec<usize>>) -> impl Iterator<Item = &Lined<RatchetEntry>> {
        places.into_iter().flatten().filter_map(|at| self.all.get(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_spelling() {
        let hex = "ab".repeat(32);
        for name in ["six-1.16.0-py2.py3-none-any.whl", "foo-bar==1.0+cu1"] {
            let text = format!("2026-11-22 {hex} {name}");
            assert_eq!(text.parse::<RatchetEntry>().unwrap().to_string(), text);
        }
        for text in [
            String::new(),
            format!("2026-11-22 {hex}"),
            format!("2026-13-22 {hex} six==1"),
            format!("2026-11-22T00:00:00Z {hex} six==1"),
            format!("2026-11-22 {} six==1", hex.to_uppercase()),
            format!("2026-11-22  {hex} six==1"),
            format!("2026-11-22 {hex} Six==1"),
            format!("2026-11-22 {hex} six == 1"),
            format!("2026-11-22 {hex} six-1.tar.gz"),
            format!("2026-11-22 {hex} six-1-py3-none-any.whl "),
        ] {
            assert!(text.parse::<RatchetEntry>().is_err(), "{text}");
        }
    }
}
