//! Takes results of workers. A worker is believed when it says what it built and how; everything that can be computed
//! from what it sent is computed here: digests, names, and whether they bear out the verdict.
//!
//! What arrives is in `incoming/J-A` until its worker says that this is all. Then the folder is closed by a rename, so that
//! nothing in it changes while it is read, and moves to `results/` once the journal has the answer:
//!
//! | we crash after | what the next start does |
//! |---|---|
//! | some files came in | removes them; another host's worker sends them again |
//! | the folder was closed, before `answered` | the same |
//! | `answered` | moves the closed folder to its place |

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::statement::{Network, Rebuilder, Statement, StatementError};

use super::folder::{self, Folder};
use super::job::{Answer, Given, JobId, Phase, Weight, Wish};
use super::queue::State;
use super::wire::MAX_FILES;
use crate::files::{self, FileError};
use crate::rebuild::record::{BuildRecord, RecordedFile};
use crate::rebuild::result::{ResultError, ResultFolder};

/// The file whose digest names a result.
pub(crate) const RECORD: &str = "build.json";
/// As results are read.
const MAX_RECORD: u64 = 16 << 20;
const CLOSED: &str = "closed";
/// In front of the name of a file that is not whole.
pub(crate) const PART: &str = ".part-";

/// Why a result is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("expected at most {MAX_FILES} files in a result, found {found}")]
    TooMany { found: usize },
    #[error("expected build.json to have sha256 {expected} as its worker says, found {found}")]
    Record { expected: ArtifactDigest, found: ArtifactDigest },
    #[error("expected a result of exactly the files that its build.json names, found {found:?} beside or without it")]
    Files { found: String },
    #[error(transparent)]
    Result(#[from] ResultError),
    #[error("{reason}")]
    OtherJob { reason: String },
    #[error("expected a build without network, found {found:?}: it would never be a vote")]
    Network { found: Network },
    #[error("no statement can be made of it")]
    Statement(#[from] StatementError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} cannot be kept", .path.display())]
    Keep { path: PathBuf, source: io::Error },
}

impl IntakeError {
    /// Whether it is our disk's fault, and not the result's.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Keep { .. })
    }
}

/// Closes what arrived, holds it to everything that can be computed, and makes it last.
pub(crate) fn accept(folder: &Folder, given: Given, wish: &Wish, build: ArtifactDigest) -> Result<Answer, IntakeError> {
    let closed = closed(folder, given);
    let keep = |source| IntakeError::Keep { path: closed.clone(), source };
    if closed.exists() {
        fs::remove_dir_all(&closed).map_err(keep)?;
    }
    fs::rename(folder.incoming(given), &closed).map_err(keep)?;
    match check(&closed, given, wish, build) {
        Ok(answer) => {
            // If we crash here, nothing refers to it yet.
            folder::sync(&closed).and_then(|()| folder::sync_names(&folder.all_incoming())).map_err(keep)?;
            Ok(answer)
        }
        Err(error) => {
            // The next start removes it otherwise.
            let _later = fs::remove_dir_all(&closed);
            Err(error)
        }
    }
}

/// Puts an answered result into its place.
pub(crate) fn settle(folder: &Folder, job: JobId, answer: &Answer) -> io::Result<()> {
    let (from, to) = (closed(folder, Given { job, attempt: answer.attempt }), folder.result(answer.build));
    if !from.exists() {
        return Ok(());
    }
    if to.exists() {
        // The same bytes, by their digest.
        return fs::remove_dir_all(from);
    }
    let Some(results) = to.parent() else { return Ok(()) };
    fs::create_dir_all(results)?;
    folder::sync_names(folder.path())?;
    fs::rename(&from, &to)?;
    folder::sync_names(results)?;
    folder::sync_names(&folder.all_incoming())
}

/// At the start: finishes what was answered, and removes what nobody will finish.
pub(crate) fn sweep(folder: &Folder, state: &State) -> io::Result<()> {
    fs::create_dir_all(folder.all_incoming())?;
    for job in state.jobs() {
        if let Phase::Done { answer, .. } = &job.phase {
            settle(folder, job.id, answer)?;
        }
    }
    let running: BTreeSet<String> =
        state.jobs().filter_map(|job| job.running().map(|given| given.to_string())).collect();
    for entry in fs::read_dir(folder.all_incoming())? {
        let entry = entry?;
        if running.contains(&*entry.file_name().to_string_lossy()) {
            remove_parts(&entry.path())?;
        } else {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// What came in by halves when we were killed; the rest of the files stays for the worker that still sends.
fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PART) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens a result that was answered: the same checks again, since the disk is not the journal.
pub(crate) fn open(folder: &Folder, build: ArtifactDigest) -> Result<ResultFolder, IntakeError> {
    let path = folder.result(build);
    check_record(&path, build)?;
    Ok(ResultFolder::open(&path)?)
}

fn closed(folder: &Folder, given: Given) -> PathBuf {
    folder.all_incoming().join(format!("{given}.{CLOSED}"))
}

fn check_record(path: &Path, build: ArtifactDigest) -> Result<(), IntakeError> {
    let found = ArtifactDigest::of(&files::read(&path.join(RECORD), MAX_RECORD)?);
    if found == build { Ok(()) } else { Err(IntakeError::Record { expected: build, found }) }
}

fn check(path: &Path, given: Given, wish: &Wish, build: ArtifactDigest) -> Result<Answer, IntakeError> {
    check_record(path, build)?;
    let result = ResultFolder::open(path)?;
    let record = result.record();
    let named = record.files.iter().chain(&record.rebuilt).map(|file| file.name.as_str()).chain([RECORD]);
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let found = names(path)?;
    if found.len() > MAX_FILES {
        return Err(IntakeError::TooMany { found: found.len() });
    }
    if let Some(odd) = found.symmetric_difference(&named).next() {
        return Err(IntakeError::Files { found: odd.clone() });
    }
    let name = WheelName::parse(&record.subject.name).map_err(ResultError::from)?;
    wish.check(&name, record.subject.sha256).map_err(|reason| IntakeError::OtherJob { reason })?;
    if record.environment.network != Network::None {
        return Err(IntakeError::Network { found: record.environment.network });
    }
    // Weighed by what would be signed, and it must be possible to sign it.
    let nobody = Rebuilder { id: "urn:attest:nobody".to_owned(), version: std::collections::BTreeMap::new() };
    let (subject, predicate) = result.statement_parts(nobody)?;
    let weight = Weight::of(&predicate);
    Statement::new(subject, predicate)?;
    Ok(Answer {
        attempt: given.attempt,
        build,
        name: record.subject.name.clone(),
        subject: record.subject.sha256,
        verdict: record.verdict.to_string(),
        weight,
    })
}

fn names(path: &Path) -> Result<BTreeSet<String>, IntakeError> {
    let keep = |source| IntakeError::Keep { path: path.to_owned(), source };
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
    fs::read_dir(path).and_then(|entries| entries.map(name).collect()).map_err(keep)
}

/// The files of a result, as its record names them.
pub(crate) fn named(folder: &Folder, build: ArtifactDigest) -> Option<Vec<RecordedFile>> {
    let bytes = files::read(&folder.result(build).join(RECORD), MAX_RECORD).ok()?;
    let record: BuildRecord = serde_json::from_slice(&bytes).ok()?;
    Some(record.files.into_iter().chain(record.rebuilt).collect())
}
