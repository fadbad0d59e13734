//! `journal.jsonl`: what a folder of results knows of earlier runs, so that whatever ended one of them, the next goes on.
//!
//! One JSON object per line, only ever appended. A line is written after the thing that it speaks of is whole on the disk;
//! a line that a crash tore is skipped, and what it would have said is done again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};

use crate::rebuild::result::{self, shelf::Shelf};

const NAME: &str = "journal.jsonl";
/// A million lines.
const MAX_JOURNAL: u64 = 512 << 20;

/// A result is in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finished {
    /// The published file.
    pub(super) wheel: String,
    /// All that decided the result: with the same, the same would be built again.
    pub(super) inputs: ArtifactDigest,
    /// Of the record.
    pub(super) record: ArtifactDigest,
    /// File name of the source.
    pub(super) source: String,
    /// The backend that built.
    pub(super) backend: String,
    /// How long it took.
    pub(super) seconds: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Line {
    /// A server said that the file of this name, or at this URL, has this digest.
    Pinned {
        published: String,
        sha256: ArtifactDigest,
    },
    Finished(Finished),
}

/// A folder of results cannot remember.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Not readable, not writable, full.
    #[error("cannot keep results in {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No journal of ours.
    #[error("expected {} to have at most {MAX_JOURNAL} bytes, found {found}", .path.display())]
    TooLarge {
        /// The journal.
        path: PathBuf,
        /// Bytes.
        found: u64,
    },
}

/// The memory of a folder of results. Shared by all jobs.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Whether the last line has no end: a crash, or a full disk.
    torn: bool,
    pinned: HashMap<String, ArtifactDigest>,
    finished: HashMap<ArtifactDigest, Finished>,
}

impl Journal {
    /// Makes the folder, reads what is there, and removes what a killed run left half-written.
    pub(super) fn open(folder: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let path = folder.join(NAME);
        let mut file = File::options().create(true).read(true).append(true).open(&path).map_err(failed)?;
        // Alone here: nobody is writing what looks half-written. The lock lasts as long as the run.
        if file.try_lock().is_ok() {
            sweep(folder).map_err(failed)?;
            file.unlock().map_err(failed)?;
        }
        file.lock_shared().map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found > MAX_JOURNAL {
            return Err(JournalError::TooLarge { path, found });
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(failed)?;
        let torn = bytes.last().is_some_and(|last| *last != b'\n');
        let mut state = State { file, torn, pinned: HashMap::new(), finished: HashMap::new() };
        for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
            state.remember(line);
        }
        Ok(Self { folder: folder.to_owned(), state: Mutex::new(state) })
    }

    /// Holds a published file to what it was before. The digest it was pinned to, where that is another one.
    pub(super) fn pin(&self, published: &str, sha256: ArtifactDigest) -> Result<Option<ArtifactDigest>, JournalError> {
        let known = self.state().pinned.get(published).copied();
        match known {
            Some(known) if known == sha256 => Ok(None),
            Some(known) => Ok(Some(known)),
            None => self.append(Line::Pinned { published: published.to_owned(), sha256 }).map(|()| None),
        }
    }

    /// The result of the same inputs, if one was finished.
    pub(super) fn finished(&self, inputs: ArtifactDigest) -> Option<Finished> {
        self.state().finished.get(&inputs).cloned()
    }

    /// To be called when the result is whole on the disk. If we crash before, it is built again.
    pub(super) fn finish(&self, finished: Finished) -> Result<(), JournalError> {
        self.append(Line::Finished(finished))
    }

    fn append(&self, line: Line) -> Result<(), JournalError> {
        let failed = |source| JournalError::Folder { path: self.folder.clone(), source };
        let mut state = self.state();
        let mut bytes = if state.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut bytes, &line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        // One write: lines of two runs never mix.
        let written = state.file.write_all(&bytes).and_then(|()| state.file.sync_data());
        state.torn = written.is_err();
        written.map_err(failed)?;
        state.remember(line);
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, line: Line) {
        match line {
            Line::Pinned { published, sha256 } => {
                // The first one holds.
                self.pinned.entry(published).or_insert(sha256);
            }
            Line::Finished(finished) => {
                self.finished.insert(finished.inputs, finished);
            }
        }
    }
}

/// Removes what is under temporary names.
fn sweep(folder: &Path) -> io::Result<()> {
    let [blobs, artifacts] = Shelf::new(folder).folders();
    for folder in [folder, &blobs, &artifacts] {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(result::is_partial) {
                continue;
            }
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> ArtifactDigest {
        ArtifactDigest::of(text.as_bytes())
    }

    fn finished(name: &str) -> Finished {
        Finished {
            wheel: format!("{name}-1.0-py3-none-any.whl"),
            inputs: digest(name),
            record: digest("record"),
            source: format!("{name}-1.0.tar.gz"),
            backend: "flit_core 3.12".to_owned(),
            seconds: 1.5,
        }
    }

    #[test]
    fn a_journal_cut_at_any_byte_keeps_every_whole_line_and_takes_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        for name in ["a", "b", "c"] {
            journal.finish(finished(name)).unwrap();
        }
        drop(journal);
        let whole = fs::read(folder.path().join(NAME)).unwrap();
        for cut in 0..=whole.len() {
            fs::write(folder.path().join(NAME), &whole[..cut]).unwrap();
            let journal = Journal::open(folder.path()).unwrap();
            // A line that lacks only its end is whole.
            let ends = |at: &usize| *at == whole.len() || whole[*at] == b'\n';
            let lines = (1..=cut).filter(|at| ends(at) && whole[at - 1] == b'}').count();
            let known = ["a", "b", "c"].iter().filter(|name| journal.finished(digest(name)).is_some()).count();
            assert_eq!(known, lines, "cut at {cut}");
            journal.finish(finished("d")).unwrap();
            drop(journal);
            let again = Journal::open(folder.path()).unwrap();
            assert!(again.finished(digest("d")).is_some(), "cut at {cut}");
            assert_eq!(["a", "b", "c"].iter().filter(|name| again.finished(digest(name)).is_some()).count(), known);
        }
    }

    #[test]
    fn a_digest_that_changes_between_calls_is_noticed_by_the_next_run_too() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.pin("a.whl", digest("first")).unwrap(), None);
            assert_eq!(journal.pin("a.whl", digest("second")).unwrap(), Some(digest("first")));
        }
    }

    #[test]
    fn what_a_killed_run_left_half_written_is_removed_unless_another_run_is_writing() {
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join(".attest-ha1F00");
        // The folder may be one in which people keep things of their own.
        let own = [".attest-notes", ".attest-my-own", ".attest", "attest-ha1F00"].map(|name| folder.path().join(name));
        for folder in own.iter().chain([&half]) {
            fs::create_dir_all(folder.join("deep")).unwrap();
        }
        let first = Journal::open(folder.path()).unwrap();
        assert!(!half.exists());
        assert!(own.iter().all(|folder| folder.join("deep").exists()), "what is not ours was removed");
        fs::create_dir_all(&half).unwrap();
        let _second = Journal::open(folder.path()).unwrap();
        assert!(half.exists());
        drop(first);
    }
}
