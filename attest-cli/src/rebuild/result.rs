//! The result folder: everything that a rebuild leaves, and from which a statement is made.
//!
//! ```text
//! attest-results/idna-3.20-py3-none-any/
//!     build.json      the build record: what the statement will say (schemas/build-record.schema.json)
//!     recipe.toml     how it was built
//!     buildinfo.json  everything that it was built with, taken before any project code ran (schemas/buildinfo.schema.json)
//!     build.sh        what was run, where the recipe has a script of its own
//!     build.lock      what it was built with: a requirements file with one hash each
//!     build.log       what the build said
//!     report.json     what differs, in detail (schemas/report.schema.json)
//!     report.html     the same for a browser
//!     diffoscope.txt  what diffoscope says, where it was asked
//!     idna-3.20-py3-none-any.whl      what came out
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod place;
pub(crate) mod shelf;

use attest_core::artifact::{ArtifactDigest, ArtifactError, WheelName};
use attest_core::statement::{
    Build, Byproduct, Digest, Method, Predicate, Rebuilder, RecipeRef, Refusal, Subject, inputs_digest,
};

use super::record::{BuildRecord, RecordedFile, Report, SCHEMA};
use super::report;
use attest_core::recipe::{Recipe, RecipeError};

/// A recipe up to this size is put into the statement (docs/TRUST.md 7).
const MAX_INLINE_RECIPE: usize = 16 << 10;
/// The biggest record that is read back.
const MAX_RECORD: u64 = 16 << 20;

const RECORD: &str = "build.json";
const RECIPE: &str = "recipe.toml";
const BUILDINFO: &str = "buildinfo.json";
const LOCK: &str = "build.lock";
const SCRIPT: &str = "build.sh";
const LOG: &str = "build.log";
const REPORT: &str = "report.json";
const PAGE: &str = "report.html";
const DIFFOSCOPE: &str = "diffoscope.txt";

/// How the names of files begin that are still being written: whoever is killed leaves them, the next run removes them.
pub(crate) const PARTIAL: &str = ".attest-";
/// Letters and digits that `tempfile` puts behind it.
const RANDOM: usize = 6;

/// Whether a name is one of ours for what is still being written: anything else is somebody's, and is never removed.
pub(crate) fn is_partial(name: &str) -> bool {
    name.strip_prefix(PARTIAL)
        .is_some_and(|rest| rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Why a folder is not a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultError {
    /// A file is missing or does not read.
    #[error("expected {name} in the result folder: {error}")]
    File {
        /// Which.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// The disk does not take a result: nothing half-written is left of it.
    #[error("cannot keep the result in {}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too big to be one.
    #[error("expected {name} of at most {MAX_RECORD} bytes, found {found}")]
    TooLarge {
        /// Which.
        name: String,
        /// Bytes.
        found: u64,
    },
    /// `build.json` is not a build record.
    #[error("expected a build record in build.json: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version of the format.
    #[error("expected schema {SCHEMA} in build.json, found {found:?}")]
    Schema {
        /// As given.
        found: String,
    },
    /// A file was changed after the rebuild.
    #[error("expected {name} to have sha256 {expected} as build.json says, found {found}")]
    Changed {
        /// Which.
        name: String,
        /// Recorded.
        expected: ArtifactDigest,
        /// On disk.
        found: ArtifactDigest,
    },
    /// build.json contradicts itself or names a file outside.
    #[error("expected build.json to agree with itself, found that its {field} does not fit its verdict")]
    Contradiction {
        /// Which field.
        field: &'static str,
    },
    /// No wheel file name.
    #[error(transparent)]
    Name(#[from] ArtifactError),
    /// The recipe does not read.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

/// What is written into a result folder.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// The record, without its `files`.
    pub(crate) record: BuildRecord,
    /// The recipe, byte for byte.
    pub(crate) recipe: &'a str,
    /// Its script, where it has one.
    pub(crate) script: Option<&'a [u8]>,
    /// The lock.
    pub(crate) lock: String,
    /// The room.
    pub(crate) buildinfo: Vec<u8>,
    /// The log.
    pub(crate) log: Vec<u8>,
    /// What differs.
    pub(crate) report: Report<'a>,
    /// What diffoscope says, where it was asked.
    pub(crate) diffoscope: Option<Vec<u8>>,
    /// What came out.
    pub(crate) wheel: Option<&'a [u8]>,
}

/// The words of `report.json`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Words {
    /// What differs.
    pub(crate) explanation: Vec<String>,
    /// About the source.
    pub(crate) lineage: Notes,
}

/// What was noted about a source.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Notes {
    /// One line each.
    pub(crate) notes: Vec<String>,
}

/// A folder that holds together: every file has the digest that the record gives.
#[derive(Debug)]
pub(crate) struct ResultFolder {
    path: PathBuf,
    record: BuildRecord,
    recipe: String,
}

impl ResultFolder {
    /// Writes a result beside its final place and puts it there, in place of an older one: a reader sees a whole result.
    pub(crate) fn write(path: &Path, mut content: Content<'_>) -> Result<Self, ResultError> {
        let failed = |source| ResultError::Write { path: path.to_owned(), source };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(parent).map_err(failed)?;
        let report = content.report.to_json()?;
        let page = report::html(&content.record, &content.report);
        let mut parts: Vec<(&str, &[u8])> = vec![
            (RECIPE, content.recipe.as_bytes()),
            (BUILDINFO, &content.buildinfo),
            (LOCK, content.lock.as_bytes()),
            (LOG, &content.log),
            (REPORT, &report),
            (PAGE, page.as_bytes()),
        ];
        parts.extend(content.script.map(|script| (SCRIPT, script)));
        parts.extend(content.diffoscope.as_deref().map(|said| (DIFFOSCOPE, said)));
        let wheel = content.record.rebuilt.clone();
        for (name, bytes) in
            parts.iter().copied().chain(wheel.as_ref().map(|file| file.name.as_str()).zip(content.wheel))
        {
            fs::write(folder.path().join(name), bytes).map_err(failed)?;
        }
        let recorded = |(name, bytes): &(&str, &[u8])| RecordedFile {
            name: (*name).to_owned(),
            sha256: ArtifactDigest::of(bytes),
        };
        content.record.files = parts.iter().map(recorded).collect();
        fs::write(folder.path().join(RECORD), serde_json::to_vec_pretty(&content.record)?).map_err(failed)?;
        place::put(folder, path).map_err(failed)?;
        Self::open(path)
    }

    /// Reads a result folder and hashes everything in it again.
    pub(crate) fn open(path: &Path) -> Result<Self, ResultError> {
        let record: BuildRecord = serde_json::from_slice(&read(path, RECORD)?)?;
        let mut recipe = None;
        for file in record.files.iter().chain(&record.rebuilt) {
            let bytes = read(path, &file.name)?;
            let found = ArtifactDigest::of(&bytes);
            if found != file.sha256 {
                return Err(ResultError::Changed { name: file.name.clone(), expected: file.sha256, found });
            }
            if file.name == RECIPE {
                recipe = String::from_utf8(bytes).ok();
            }
        }
        let recipe = recipe.ok_or(ResultError::Contradiction { field: "files" })?;
        // docs/TRUST.md 3.4: a replayed result has its container in the recipe.
        if Recipe::parse(&recipe)?.container.is_none() && record.emitted.is_some() {
            return Err(ResultError::Contradiction { field: "emitted" });
        }
        record.check()?;
        Ok(Self { path: path.to_owned(), record, recipe })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Digest of `build.json`, which holds the digests of all else: of the whole result.
    pub(crate) fn digest(&self) -> Result<ArtifactDigest, ResultError> {
        Ok(ArtifactDigest::of(&read(&self.path, RECORD)?))
    }

    /// What was written about it for people.
    pub(crate) fn words(&self) -> Result<Words, ResultError> {
        Ok(serde_json::from_slice(&read(&self.path, REPORT)?)?)
    }

    /// What the statement will say.
    pub(crate) fn record(&self) -> &BuildRecord {
        &self.record
    }

    /// Of the recipe's text.
    pub(crate) fn recipe_digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(self.recipe.as_bytes())
    }

    /// What the statement is about and what it says, in the name of `rebuilder`.
    pub(crate) fn statement_parts(&self, rebuilder: Rebuilder) -> Result<(Subject, Predicate), ResultError> {
        let record = &self.record;
        let subject = Subject { name: WheelName::parse(&record.subject.name)?, digest: record.subject.sha256 };
        let recipe_digest = Digest { sha256: ArtifactDigest::of(self.recipe.as_bytes()) };
        let report = record.files.iter().find(|file| file.name == REPORT).map(|file| Digest { sha256: file.sha256 });
        let build = Build {
            rebuilder,
            origin: record.origin,
            source: record.source.clone(),
            recipe: RecipeRef {
                kind: record.recipe_kind,
                digest: recipe_digest,
                content: Some(self.recipe.clone()).filter(|recipe| recipe.len() <= MAX_INLINE_RECIPE),
                download_location: None,
            },
            // A container is set in what was built, whether or not the result is the published file.
            method: if record.emitted.is_some() { Method::Replayed } else { Method::Exact },
            environment: record.environment.clone(),
            resolved_dependencies: record.resolved_dependencies.clone(),
            inputs_digest: inputs_digest(&record.source, recipe_digest, &record.resolved_dependencies),
            record_digest: Digest { sha256: record.record_digest },
            rebuilt_at: record.rebuilt_at.clone(),
            repeat: record.repeat,
            byproducts: record.files.iter().filter(|file| file.name != RECIPE).map(byproduct).collect(),
        };
        let rebuilt = record.rebuilt.as_ref().map(|file| file.sha256);
        let Some(outcome) = record.verdict.outcome() else {
            let weaker = record.equivalent.clone().zip(rebuilt);
            let equivalent = |(members, rebuilt)| Predicate::Equivalent { build: build.clone(), rebuilt, members };
            return Ok((subject, weaker.map_or_else(|| Predicate::Reproduced(build.clone()), equivalent)));
        };
        let refusal = Refusal {
            outcome,
            rebuilt: rebuilt.map(Digest::from),
            contradicts: record.contradicts,
            differences: record.differences.clone(),
            differences_total: record.differences_total,
            report,
        };
        Ok((subject, Predicate::NotReproduced { build, refusal }))
    }
}

fn byproduct(file: &RecordedFile) -> Byproduct {
    Byproduct { name: file.name.clone(), digest: Digest { sha256: file.sha256 } }
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, ResultError> {
    let failed = |error| ResultError::File { name: name.to_owned(), error };
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(ResultError::Contradiction { field: "files" });
    }
    let path = folder.join(name);
    let found = fs::metadata(&path).map_err(failed)?.len();
    let limit = if name == RECORD { MAX_RECORD } else { super::zip::MAX_FILE };
    if found > limit {
        return Err(ResultError::TooLarge { name: name.to_owned(), found });
    }
    fs::read(path).map_err(failed)
}

#[cfg(test)]
pub(crate) mod tests;
