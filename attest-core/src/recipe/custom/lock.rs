//! `build.lock`: the very files that a build is done with.
//!
//! ```text
//! cython==3.1.2 --hash=sha256:d6e1b0bd0a6f4d9e5f3cf9d6cba3c9e0e0c0a3a1f4f5d8a5b3c0e9d8c7b6a594
//! numpy==2.2.6 --hash=sha256:0d0b0e1f2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6
//! ```
//!
//! A requirements file that pip installs with `--require-hashes`, in one form: sorted by project, each once, with one
//! hash each. With two hashes it would depend on the machine which file is meant.

use std::fmt;
use std::str::FromStr;

use crate::artifact::{ArtifactDigest, ProjectName, Version, excerpt};

/// More files than any environment has.
const MAX_FILES: usize = 2000;

/// Why a text is no lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Not of the form.
    #[error("expected NAME==VERSION --hash=sha256:HEX in line {line} of build.lock, found {found:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// As given.
        found: String,
    },
    /// A project before its place, or twice.
    #[error("expected the projects of build.lock sorted and once each, found {found} in line {line}")]
    Order {
        /// Counted from 1.
        line: usize,
        /// The project.
        found: String,
    },
    /// Too many.
    #[error("expected at most {MAX_FILES} lines in build.lock, found more")]
    TooMany,
    /// The last line is cut short.
    #[error("expected build.lock to end with its last line's end")]
    Ending,
}

/// The files of one environment. Prints as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildLock(Vec<LockedFile>);

/// One file: a wheel, since building it would be a build of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFile {
    project: ProjectName,
    version: String,
    sha256: ArtifactDigest,
}

impl BuildLock {
    /// The files, by project.
    pub fn files(&self) -> &[LockedFile] {
        &self.0
    }
}

impl LockedFile {
    /// Which project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Which version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Of the file.
    pub fn sha256(&self) -> ArtifactDigest {
        self.sha256
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once("==")?;
        let (version, sha256) = rest.split_once(" --hash=sha256:")?;
        let project = ProjectName::new(name).ok()?;
        Version::new(version).ok()?;
        (project.as_str() == name).then_some(())?;
        Some(Self { project, version: version.to_owned(), sha256: sha256.parse().ok()? })
    }
}

impl fmt::Display for LockedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={} --hash=sha256:{}", self.project, self.version, self.sha256)
    }
}

impl fmt::Display for BuildLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|file| writeln!(f, "{file}"))
    }
}

impl FromStr for BuildLock {
    type Err = LockError;

    fn from_str(text: &str) -> Result<Self, LockError> {
        let mut files: Vec<LockedFile> = Vec::new();
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(LockError::Ending);
        }
        for (at, line) in text.split_terminator('\n').enumerate() {
            if at == MAX_FILES {
                return Err(LockError::TooMany);
            }
            let line_number = at + 1;
            let file =
                LockedFile::parse(line).ok_or_else(|| LockError::Line { line: line_number, found: excerpt(line) })?;
            if files.last().is_some_and(|last| last.project >= file.project) {
                return Err(LockError::Order { line: line_number, found: file.project.as_str().to_owned() });
            }
            files.push(file);
        }
        Ok(Self(files))
    }
}
