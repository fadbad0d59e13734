//! What is about to be tested or uploaded, and what is around it, written down **before** the tests run: whatever a test
//! does to a wheel, a compiler or an installed library afterwards shows (the attack on xz came in through test data).
//!
//! | module | what it does |
//! |---|---|
//! | [`files`] | lists files and their digests |
//! | [`machine`] | interpreter, distributions, compilers, C library, system, commit, variables |
//! | [`changes`] | a snapshot against the present |
//! | [`lock`] | `build.lock`: what builds the project, by digest |
//!
//! JSON Schema: `schemas/snapshot.schema.json`. Nothing here needs Linux; what only Linux tells is left out elsewhere.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::files::{FilesError, ListedFile};
use self::machine::Machine;

pub(crate) mod changes;
pub(crate) mod files;
pub(crate) mod lock;
pub(crate) mod machine;

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "https://w3id.org/attest/snapshot/v1";
/// The biggest snapshot that is read.
pub(crate) const MAX_SNAPSHOT: u64 = 64 << 20;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// [`SCHEMA`]
    pub(crate) schema: String,
    /// Version of attest.
    pub(crate) attest: String,
    /// RFC 3339, UTC.
    pub(crate) taken_at: String,
    /// What was asked for: folders are listed again when the snapshot is verified.
    pub(crate) paths: Vec<String>,
    /// Every file below them, by path.
    pub(crate) files: Vec<ListedFile>,
    /// What is around them.
    pub(crate) machine: Machine,
}

/// A file that is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] crate::files::FileError),
    /// Not of this format.
    #[error("expected a snapshot of `attest snapshot` in {}: {error}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Another version of it.
    #[error("expected schema {SCHEMA} in {}, found {found:?}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
}

impl Snapshot {
    /// Of everything below `paths`, with what is around it.
    pub(crate) fn take(paths: &[String], python: &Path) -> Result<Self, FilesError> {
        // Machine first: listing reads the files only, and what is in them can change nothing any more.
        let machine = Machine::look(python);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            attest: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: crate::run::now().to_string(),
            paths: paths.to_vec(),
            files: files::list(paths)?,
            machine,
        })
    }

    /// One that was written before.
    pub(crate) fn read(path: &Path) -> Result<Self, SnapshotError> {
        let bytes = crate::files::read(path, MAX_SNAPSHOT)?;
        let snapshot: Self =
            serde_json::from_slice(&bytes).map_err(|error| SnapshotError::Json { path: path.to_owned(), error })?;
        if snapshot.schema != SCHEMA {
            return Err(SnapshotError::Schema { path: path.to_owned(), found: snapshot.schema });
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
