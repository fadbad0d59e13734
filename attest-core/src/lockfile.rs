//! `attest.lock`: the evidence about a project's locked files, kept beside its lock (docs/lock.md).
//!
//! ```text
//! # attest.lock: why these files were accepted. Verified again by whoever reads it (docs/lock.md).
//! version = 1
//! made = "2026-11-21T21:00:00Z"
//! locks = ["requirements.txt"]
//! other-platforms = "removed"
//!
//! logs = [
//!     { origin = "log.example", size = 2, root = "BASE64" },
//! ]
//!
//! files = [
//!     { project = "six", version = "1.16.0", file = "six-1.16.0-py2.py3-none-any.whl", sha256 = "HEX",
//!       groups = ["company", "university"], entries = ["log.example 0", "log.example 1"] },
//! ]
//!
//! evidence = """
//! BASE64, in lines of 76
//! """
//! ```
//!
//! (Each file stands on one line.) The lists are for people: a review of the change shows a lost attestation, or another
//! one who attests. `logs` and `entries` are printed from the evidence, so they cannot say anything else than it does;
//! `groups` is what the policies of whoever wrote the file counted, and decides nothing. The evidence is a [`Bundle`],
//! compressed as a whole. This crate does not compress: the caller does, and bounds what comes out.
//!
//! In scope: the form. Out of scope: what any of it proves ([`crate::verify`]); nothing in the file is trusted.

mod bundle;
mod error;
mod text;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    bundle::{Bundle, BundleError},
    error::LockfileError,
};
use crate::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    time::Timestamp,
};

/// What a file with evidence says. Display is not enough to print it: see [`Lockfile::print`].
#[derive(Clone, Debug)]
pub struct Lockfile {
    made: Timestamp,
    locks: Vec<String>,
    others: OtherPlatforms,
    files: Vec<Covered>,
    bundle: Bundle,
}

/// What was done with the files of a lock that an installer would not take on the machine that pruned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherPlatforms {
    /// They had to be accepted like all others.
    Removed,
    /// They stayed, accepted or not: whoever installs there verifies there.
    Kept,
}

impl OtherPlatforms {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Kept => "kept",
        }
    }
}

/// A file that was accepted.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Of which project.
    pub project: ProjectName,
    /// Of which version.
    pub version: Version,
    /// What it is called, where anybody said so: requirements with hashes do not.
    pub file: Option<WheelName>,
    /// Of its bytes.
    pub sha256: ArtifactDigest,
    /// Groups that were counted, by the policies of whoever wrote this. Informative: it decides nothing.
    pub groups: BTreeSet<String>,
    /// Whether a policy exempted it, so that there need not be any evidence.
    pub exempt: bool,
}

impl Covered {
    /// Sorted so that a change of one file is a change of one line.
    fn key(&self) -> (&str, &str, Option<&str>, ArtifactDigest) {
        (self.project.as_str(), self.version.as_str(), self.file.as_ref().map(WheelName::as_str), self.sha256)
    }
}

impl Lockfile {
    /// Bytes of the largest file that is read: a thousand files with five statements of 8 KiB each are a fifth of it.
    pub const MAX_LEN: usize = 32 << 20;
    /// Bytes of the largest lists for people: ten thousand files. A reader of TOML takes eighty times as much memory as what
    /// it reads has bytes, and a fresh clone brings such a file.
    pub const MAX_LISTS: usize = 4 << 20;
    /// Bytes of the largest evidence once it is uncompressed.
    pub const MAX_EVIDENCE: usize = 128 << 20;
    /// Statements in the evidence. Each is a signature to check, some 40 µs for every key of the policy, and a fresh clone
    /// brings such a file: three times what a thousand files with five statements each have.
    pub const MAX_STATEMENTS: usize = 16_384;
    /// Statements about one file: more groups than there will be rebuilders of it.
    pub const MAX_STATEMENTS_EACH: usize = 512;
    /// Locks that one file is about.
    pub const MAX_LOCKS: usize = 64;
    /// Bytes of a lock's name: what file systems take.
    pub const MAX_LOCK_NAME: usize = 255;

    /// Puts everything in order. `locks` are names of files in the same folder.
    ///
    /// # Errors
    /// [`LockfileError`] for what could not be read again.
    pub fn new(
        made: Timestamp,
        locks: impl IntoIterator<Item = String>,
        others: OtherPlatforms,
        files: Vec<Covered>,
        bundle: Bundle,
    ) -> Result<Self, LockfileError> {
        let locks: BTreeSet<String> = locks.into_iter().collect();
        if locks.len() > Self::MAX_LOCKS {
            return Err(LockfileError::TooManyLocks { found: locks.len() });
        }
        for lock in &locks {
            check_lock_name(lock)?;
        }
        let mut files = files;
        files.sort_by(|a, b| a.key().cmp(&b.key()));
        if let Some(twice) = files.windows(2).find(|pair| pair[0].key() == pair[1].key()) {
            return Err(LockfileError::Twice { sha256: twice[0].sha256 });
        }
        for file in &files {
            check_file(file)?;
        }
        let covered: BTreeSet<ArtifactDigest> = files.iter().map(|file| file.sha256).collect();
        if let Some(foreign) = bundle.subjects().find(|subject| !covered.contains(subject)) {
            return Err(LockfileError::Foreign { sha256: foreign });
        }
        check_statements(&bundle)?;
        Ok(Self { made, locks: locks.into_iter().collect(), others, files, bundle })
    }

    /// By the clock of whoever wrote it: shown, never trusted.
    pub const fn made(&self) -> Timestamp {
        self.made
    }

    /// Names of the files beside it that it is about, sorted.
    pub fn locks(&self) -> &[String] {
        &self.locks
    }

    /// What was done with files for other platforms.
    pub const fn other_platforms(&self) -> OtherPlatforms {
        self.others
    }

    /// The files that were accepted, sorted.
    pub fn files(&self) -> &[Covered] {
        &self.files
    }

    /// The evidence.
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// This, as if it was made then: to see whether anything else is different.
    #[must_use]
    pub fn made_at(self, made: Timestamp) -> Self {
        Self { made, ..self }
    }
}

/// Before anything is verified.
fn check_statements(bundle: &Bundle) -> Result<(), LockfileError> {
    let mut counts: BTreeMap<ArtifactDigest, usize> = BTreeMap::new();
    for subject in bundle.subjects() {
        *counts.entry(subject).or_default() += 1;
    }
    let found = counts.values().sum();
    if found > Lockfile::MAX_STATEMENTS {
        return Err(LockfileError::TooManyStatements { found });
    }
    match counts.into_iter().find(|(_, found)| *found > Lockfile::MAX_STATEMENTS_EACH) {
        Some((sha256, found)) => Err(LockfileError::TooManyAbout { sha256, found }),
        None => Ok(()),
    }
}

/// A plain name: what a stranger's file names is looked for beside it and nowhere else.
fn check_lock_name(name: &str) -> Result<(), LockfileError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@' | ' ');
    let fits = (1..=Lockfile::MAX_LOCK_NAME).contains(&name.len());
    if fits && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(LockfileError::LockName { found: crate::artifact::excerpt(name) })
}

fn check_file(file: &Covered) -> Result<(), LockfileError> {
    let other_name = |name: &WheelName| name.project != file.project || !name.version.same_as(&file.version);
    if let Some(name) = file.file.as_ref().filter(|name| other_name(name)) {
        return Err(LockfileError::OtherName { found: name.as_str().to_owned() });
    }
    match file.groups.iter().find(|group| !text::is_plain(group)) {
        Some(group) => Err(LockfileError::Group { found: crate::artifact::excerpt(group) }),
        None => Ok(()),
    }
}
