//! What is wrong with a file of evidence. The party at fault is whoever wrote it or kept it: garbage proves nothing, so
//! none of this is an alarm (docs/TRUST.md 1.5).
use super::{BundleError, Lockfile};
use crate::artifact::{ArtifactDigest, ArtifactError};

/// What is wrong with an `attest.lock`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockfileError {
    /// Larger than [`Lockfile::MAX_LEN`].
    #[error("expected at most {max} bytes, found {found}", max = Lockfile::MAX_LEN)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// More than [`Lockfile::MAX_LISTS`] before the evidence.
    #[error("expected lists of at most {max} bytes, found {found}", max = Lockfile::MAX_LISTS)]
    Lists {
        /// Bytes found.
        found: usize,
    },
    /// Not text.
    #[error("expected UTF-8 text")]
    NotUtf8,
    /// A merge left both sides in it.
    #[error("line {line}: a merge conflict")]
    Conflict {
        /// Where.
        line: usize,
    },
    /// Another version of the format: nothing is wrong with it.
    #[error("expected version 1 of the format, found version {found}")]
    Version {
        /// In the file.
        found: i64,
    },
    /// Not the TOML that is expected.
    #[error("line {line}: {message}")]
    Toml {
        /// Where.
        line: usize,
        /// In the words of the TOML reader.
        message: String,
    },
    /// A project, version or file name is none.
    #[error("files: {0}")]
    Artifact(#[from] ArtifactError),
    /// Not 64 lower-case hex digits.
    #[error("files: expected a sha256 as 64 lower-case hex digits, found {found:?}")]
    Digest {
        /// The text, cut short.
        found: String,
    },
    /// Not a time.
    #[error("expected `made` as YYYY-MM-DDTHH:MM:SSZ, found {found:?}")]
    Made {
        /// The text, cut short.
        found: String,
    },
    /// Not what happens with files for other platforms.
    #[error("expected other-platforms = \"removed\" or \"kept\", found {found:?}")]
    OtherPlatforms {
        /// The text, cut short.
        found: String,
    },
    /// A file name of another project or version.
    #[error("files: {found} is of another project or version than its line says")]
    OtherName {
        /// The file name.
        found: String,
    },
    /// A group that could not be printed as it is.
    #[error("files: expected the name of a group, found {found:?}")]
    Group {
        /// The text, cut short.
        found: String,
    },
    /// A lock that is not a plain file beside this one.
    #[error("locks: expected the name of a file in the same folder, found {found:?}")]
    LockName {
        /// The text, cut short.
        found: String,
    },
    /// More than [`Lockfile::MAX_LOCKS`].
    #[error("locks: expected at most {max}, found {found}", max = Lockfile::MAX_LOCKS)]
    TooManyLocks {
        /// How many.
        found: usize,
    },
    /// One file on two lines.
    #[error("files: {sha256} is there twice")]
    Twice {
        /// Which.
        sha256: ArtifactDigest,
    },
    /// Evidence about a file that is not listed.
    #[error("the evidence is about {sha256} too, which is not among the files")]
    Foreign {
        /// Which.
        sha256: ArtifactDigest,
    },
    /// More than [`Lockfile::MAX_STATEMENTS`].
    #[error("expected at most {max} statements, found {found}", max = Lockfile::MAX_STATEMENTS)]
    TooManyStatements {
        /// How many.
        found: usize,
    },
    /// More than [`Lockfile::MAX_STATEMENTS_EACH`].
    #[error("expected at most {max} statements about {sha256}, found {found}", max = Lockfile::MAX_STATEMENTS_EACH)]
    TooManyAbout {
        /// About which file.
        sha256: ArtifactDigest,
        /// How many.
        found: usize,
    },
    /// Not base64.
    #[error("expected the evidence as base64")]
    Armor,
    /// It does not uncompress, or to more than [`Lockfile::MAX_EVIDENCE`].
    #[error("expected compressed evidence of at most {max} bytes", max = Lockfile::MAX_EVIDENCE)]
    Packed,
    /// The evidence itself.
    #[error("evidence: {0}")]
    Bundle(#[from] BundleError),
    /// It would be printed in another way: somebody edited it, or it was cut short.
    #[error("line {line}: this is not how attest writes it; the lists have to say what the evidence says")]
    NotAsPrinted {
        /// The first line that is different.
        line: usize,
    },
}
