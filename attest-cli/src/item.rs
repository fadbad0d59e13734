//! What is asked about: one file that somebody is about to install, and where the question comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version},
    verify::Wanted,
};

/// One thing of the input. Every one of them is counted (docs/TRUST.md 1.4).
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// How the input names it.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) place: Place,
    pub(crate) question: Question,
    /// The package that it is a file of, where a lock says so.
    pub(crate) package: Option<Box<Package>>,
}

impl Item {
    /// A thing by itself: nothing says which package it belongs to.
    pub(crate) fn new(name: impl Into<String>, place: Place, question: Question) -> Self {
        Self { name: name.into(), place, question, package: None }
    }
}

/// What a lock says about the package that a file belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) project: ProjectName,
    /// None where only a build tells.
    pub(crate) version: Option<Version>,
    pub(crate) form: Form,
    /// The lock's digest of this file, whatever the question about it is: what is not asked about is named by it too.
    pub(crate) digest: Option<ArtifactDigest>,
    /// Who brings it in, `requests 2.34.2`; empty where the lock does not say, or for what the project itself names.
    pub(crate) required_by: Vec<String>,
}

/// What a package can be installed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Wheel,
    Sdist,
    /// A checkout of version control.
    Vcs,
    /// A folder.
    Folder,
}

impl Item {
    /// Of the file that is asked about, where it is a question for a policy.
    pub(crate) fn digest(&self) -> Option<ArtifactDigest> {
        match &self.question {
            Question::File { wanted, .. } => Some(wanted.digest),
            _ => None,
        }
    }
}

/// A file, or a line of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
    line: Option<usize>,
}

impl Place {
    pub(crate) fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), line: None }
    }

    pub(crate) fn line(path: &Path, line: usize) -> Self {
        Self { path: path.to_owned(), line: Some(line) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn line_number(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// What there is to decide about an item.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// Whether the policy accepts this file.
    File {
        wanted: Box<Wanted>,
        /// Where it really comes from, when known: exemptions by index are matched against it (docs/TRUST.md 6.3).
        url: Option<String>,
    },
    /// Nothing: it breaks a rule of the gate whatever anybody says about it.
    Refused(GateError),
    /// Nothing: no statement is ever made about such a thing.
    NotAttestable(Unattestable),
    /// Nothing: an installer would not take it here.
    NotSelectable(Elsewhere),
}

/// A rule of docs/TRUST.md 6.1 that the input breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GateError {
    #[error("no hash: an installer would take whatever the index gives it")]
    NoHash,
    #[error("a hash that is not sha256 ({found}): an installer accepts a file that matches any one of the hashes")]
    OtherHash { found: String },
    #[error("expected sha256 and 64 lower-case hex digits, found {found:?}")]
    MalformedHash { found: String },
    #[error("expected NAME==VERSION, found {found:?}")]
    NotPinned { found: String },
    #[error("listed for {expected}, but its name says {found:?}")]
    OtherName { expected: String, found: String },
    #[error("also listed in line {line}, with another hash")]
    TwoHashes { line: usize },
    #[error("a second form of the file ({found:?}) with a hash of its own, which an installer may take instead")]
    SecondForm { found: String },
    #[error("no file: an installer could only take one that the lock does not name")]
    NoFile,
    /// docs/TRUST.md 1.5: proven, so an alarm.
    #[error("the file is not what it is pinned to: its bytes have sha256:{found}")]
    Mismatch { found: ArtifactDigest },
}

impl GateError {
    /// Stable, for tools.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NoHash => "no-hash",
            Self::OtherHash { .. } => "other-hash",
            Self::MalformedHash { .. } => "malformed-hash",
            Self::NotPinned { .. } => "not-pinned",
            Self::OtherName { .. } => "other-name",
            Self::TwoHashes { .. } => "two-hashes",
            Self::SecondForm { .. } => "second-form",
            Self::NoFile => "no-file",
            Self::Mismatch { .. } => "digest-mismatch",
        }
    }

    /// The next step.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::NoHash => "pin it with hashes: `pip-compile --generate-hashes` or `uv pip compile --generate-hashes`",
            Self::OtherHash { .. } => "leave only the sha256 hashes",
            Self::MalformedHash { .. } => "a sha256 hash looks like --hash=sha256:HEX",
            Self::NotPinned { .. } => "pin it to one version with ==",
            Self::OtherName { .. } | Self::TwoHashes { .. } | Self::SecondForm { .. } => {
                "no tool writes such a lock: find out who did, and lock again"
            }
            Self::NoFile => "lock again: an entry without files cannot be installed from the lock",
            Self::Mismatch { .. } => "do not install it; get the file again from another source",
        }
    }
}

/// Why an installer would not take a thing on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Elsewhere {
    #[error("only where {0}")]
    Marker(String),
    #[error("not a wheel for {python}")]
    Tags { python: String },
    #[error("nothing that is installed here requires it")]
    Unreached,
    #[error("built only where no wheel fits; here one does")]
    WheelFits,
    #[error("this project itself, from its own folder")]
    Own,
}

impl Elsewhere {
    /// Stable, for tools.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Marker(_) => "marker",
            Self::Tags { .. } => "tags",
            Self::Unreached => "unreached",
            Self::WheelFits => "wheel-fits",
            Self::Own => "own",
        }
    }
}

/// Why no statement is ever made about a thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unattestable {
    #[error("a source distribution: what gets built from it here was rebuilt by nobody")]
    Sdist,
    #[error("a local folder or an editable install: it was published by nobody")]
    Local,
    #[error("a version control checkout: what gets built from it here was rebuilt by nobody")]
    Vcs,
    #[error("not a wheel")]
    NotAWheel,
    #[error("no wheel file name: {0}")]
    WheelName(#[from] attest_core::artifact::ArtifactError),
}

impl Unattestable {
    /// Stable, for tools.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Sdist => "sdist",
            Self::Local => "local",
            Self::Vcs => "vcs",
            Self::NotAWheel => "not-a-wheel",
            Self::WheelName(_) => "wheel-name",
        }
    }

    /// What a file or URL that is not a wheel is, by its name.
    pub(crate) fn by_name(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        // All that pip takes for an archive to build from.
        if [".tar.gz", ".tgz", ".tar", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"]
            .iter()
            .any(|end| lower.ends_with(end))
        {
            Self::Sdist
        } else {
            Self::NotAWheel
        }
    }
}
