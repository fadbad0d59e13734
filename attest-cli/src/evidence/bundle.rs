//! `attest.lock` beside what is asked about: evidence that somebody kept, used beside what logs say or instead of it.
//!
//! Nothing in it is believed, whoever committed it: a fresh clone brings one too. It is judged as a log's answer is, each
//! of its checkpoints is held to what was seen of the log (docs/TRUST.md 5.2), and what is malformed is no alarm.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    lockfile::{Covered, Lockfile, LockfileError},
    merkle::NodeHash,
    negatives::subject_of_entry,
    tile::TileId,
    verify::{Connection, LogView, Workers},
};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use crate::{
    client::Http,
    cores,
    evidence::{Gathered, Source},
    files::{self, FileError},
    history::{History, HistoryError, UnprovenError},
    item::Item,
    output::{Output, causes},
    run::{Pinned, Run},
};

/// Beside the lock that it is about.
pub(crate) const NAME: &str = "attest.lock";

/// One file of evidence.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) path: PathBuf,
    pub(crate) lockfile: Lockfile,
}

/// Those beside the files that the items come from.
#[derive(Debug, Default)]
pub(crate) struct Bundles(Vec<Bundle>);

/// A file of evidence that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    #[error(transparent)]
    File(#[from] FileError),
    /// Exit 3: whoever wrote it, it proves nothing (docs/TRUST.md 1.5).
    #[error("{} cannot be used: {source}", .path.display())]
    Format { path: PathBuf, source: LockfileError },
    #[error("--frozen judges by {NAME} alone, and there is none in {}", shown(.looked))]
    None { looked: BTreeSet<PathBuf> },
}

impl BundleError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::File(_) => None,
            Self::Format { source: LockfileError::Version { .. }, .. } => Some("a newer attest wrote it".to_owned()),
            Self::Format { source: LockfileError::Conflict { .. }, .. } => {
                Some("take either side, then run `attest lock` again".to_owned())
            }
            Self::Format { path, .. } => {
                Some(format!("bring back {} as it was committed, or remove it and run `attest lock`", path.display()))
            }
            Self::None { .. } => Some("`attest lock` writes it".to_owned()),
        }
    }
}

fn shown(folders: &BTreeSet<PathBuf>) -> String {
    let here = |path: &PathBuf| path.as_os_str().is_empty() || path == Path::new(".");
    let folder = |path: &PathBuf| if here(path) { "this folder".to_owned() } else { path.display().to_string() };
    folders.iter().map(folder).collect::<Vec<_>>().join(", ")
}

impl Bundle {
    /// Reads the file of a folder, if there is one.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, BundleError> {
        let path = folder.join(NAME);
        let bytes = match files::read(&path, Lockfile::MAX_LEN as u64) {
            Ok(bytes) => bytes,
            Err(FileError::Read { source, .. })
                if matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        match Lockfile::parse_with(&bytes, unpack, Workers::new(cores::count())) {
            Ok(lockfile) => Ok(Some(Self { path, lockfile })),
            Err(source) => Err(BundleError::Format { path, source }),
        }
    }
}

/// For [`Lockfile::print`]. The same evidence gives the same bytes.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// At most `limit` bytes, of one stream with nothing behind it.
fn unpack(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut decoder = ZlibDecoder::new(packed);
    let mut bytes = Vec::new();
    decoder.by_ref().take(limit as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= limit && decoder.total_in() == packed.len() as u64).then_some(bytes)
}

impl Bundles {
    /// Those of all folders that the items come from.
    ///
    /// # Errors
    /// Where one cannot be used; where `--frozen` has none to go by.
    pub(crate) fn beside(items: &[Item], run: &Run) -> Result<Self, BundleError> {
        let folder = |item: &Item| item.place.path().parent().map(Path::to_owned).unwrap_or_default();
        let folders: BTreeSet<PathBuf> = items.iter().map(folder).collect();
        let mut found = Vec::new();
        for folder in &folders {
            found.extend(Bundle::read(folder)?);
        }
        if found.is_empty() && run.pinned == Pinned::Frozen {
            return Err(BundleError::None { looked: folders });
        }
        Ok(Self(found))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.0.iter()
    }

    /// The files that they say were accepted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Covered> {
        self.0.iter().flat_map(|bundle| bundle.lockfile.files())
    }

    /// Adds what they hold to what was gathered.
    pub(crate) fn join(&self, gathered: &mut Gathered, sources: &[Source], history: &History, run: &Run) {
        let mut clerk = Clerk { sources, history, http: None, run, unproven: Vec::new() };
        for bundle in &self.0 {
            let evidence = bundle.lockfile.bundle().evidence();
            gathered.evidence.unlogged.extend(evidence.unlogged);
            gathered.evidence.negatives.extend(evidence.negatives);
            for view in evidence.logs {
                clerk.view(bundle, view, gathered);
            }
        }
        let shown = origins(gathered);
        // A stranger's file is no reason why a log that answered did not.
        let unproven = std::mem::take(&mut clerk.unproven);
        gathered.evidence.unreachable.extend(unproven.into_iter().filter(|(origin, _)| !shown.contains(origin)));
        if run.connection == Connection::Offline {
            // Nobody was asked, by the user's word: what is kept here is the answer.
            gathered.evidence.unreachable.retain(|(origin, _)| !shown.contains(origin));
        }
        if run.pinned == Pinned::Frozen {
            let held: BTreeSet<&str> =
                self.0.iter().flat_map(|b| b.lockfile.bundle().heads()).map(|(o, _)| o).collect();
            let missing =
                sources.iter().map(|source| source.log.name().as_str()).filter(|origin| !held.contains(origin));
            let why = format!("{NAME} has no checkpoint of it, and --frozen asks nobody");
            gathered.evidence.unreachable.extend(missing.map(|origin| (origin.to_owned(), why.clone())));
        }
    }
}

/// Logs of which there is a checkpoint.
fn origins(gathered: &Gathered) -> BTreeSet<String> {
    let notes = gathered.evidence.logs.iter().map(|view| UnverifiedCheckpoint::parse(&view.checkpoint));
    notes.filter_map(|note| Some(note.ok()?.claim().origin.clone())).collect()
}

/// Holds kept checkpoints to what was seen.
struct Clerk<'a> {
    sources: &'a [Source],
    history: &'a History,
    /// Set up when the first tile is asked for.
    http: Option<Http>,
    run: &'a Run,
    /// Origins of checkpoints that could not be held, with why.
    unproven: Vec<(String, String)>,
}

impl Clerk<'_> {
    fn view(&mut self, bundle: &Bundle, view: LogView, gathered: &mut Gathered) {
        match self.hold(&view) {
            Ok(()) => gathered.evidence.logs.push(view),
            Err(fork @ HistoryError::Fork { .. }) => {
                gathered.evidence.forks.extend(fork.proven_fork());
                gathered.alarms.push(fork);
                gathered.evidence.logs.push(view);
            }
            Err(error) => {
                // Votes under it do not count; what speaks against a file is heard wherever it stands (docs/TRUST.md 4.3).
                let negatives = view.entries.into_iter().map(|entry| entry.envelope);
                gathered.evidence.unlogged.extend(negatives.filter(|entry| subject_of_entry(entry).is_some()));
                let why = format!("{}: {}", bundle.path.display(), causes(&error));
                self.note(&why);
                let origin = UnverifiedCheckpoint::parse(&view.checkpoint).map(|note| note.claim().origin.clone());
                self.unproven.extend(origin.ok().map(|origin| (origin, why)));
            }
        }
    }

    fn note(&self, why: &str) {
        let out: &Output = &self.run.out;
        out.note(why);
    }

    /// What is not the log's own checkpoint is left to [`attest_core::verify`] to name.
    fn hold(&mut self, view: &LogView) -> Result<(), HistoryError> {
        let Ok(note) = UnverifiedCheckpoint::parse(&view.checkpoint) else {
            return Ok(());
        };
        let (sources, origin) = (self.sources, note.claim().origin.clone());
        for source in sources.iter().filter(|source| source.log.name().as_str() == origin) {
            if let Ok(checkpoint) = note.clone().verify(&source.log) {
                return self.hold_signed(source, &checkpoint);
            }
        }
        Ok(())
    }

    fn hold_signed(&mut self, source: &Source, checkpoint: &LogCheckpoint) -> Result<(), HistoryError> {
        let history = self.history;
        history.hold(&source.log, checkpoint, |id| self.tile(source, id))
    }

    /// Tiles say nothing about files, and nobody learns from them what is asked about: `--frozen` may read them.
    fn tile(&mut self, source: &Source, id: TileId) -> Result<Vec<NodeHash>, UnprovenError> {
        if self.run.connection == Connection::Offline {
            return Err(UnprovenError::NotAsked);
        }
        let http = self.http.get_or_insert_with(Http::new).clone();
        let mut last = UnprovenError::NotAsked;
        for url in &source.urls {
            match http.log(url).and_then(|client| client.tile(id)) {
                Ok(hashes) => return Ok(hashes),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

/// What the logs themselves answered, to see what they no longer say.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    sizes: BTreeMap<String, u64>,
    entries: BTreeSet<(String, u64)>,
}

impl Answered {
    /// Before anything from elsewhere is added.
    pub(crate) fn of(gathered: &Gathered) -> Self {
        let mut answered = Self::default();
        for view in &gathered.evidence.logs {
            let Ok(note) = UnverifiedCheckpoint::parse(&view.checkpoint) else { continue };
            let (origin, size) = (&note.claim().origin, note.claim().head.size.get());
            let largest = answered.sizes.entry(origin.clone()).or_default();
            *largest = size.max(*largest);
            answered.entries.extend(view.entries.iter().map(|entry| (origin.clone(), entry.index.get())));
        }
        answered
    }

    /// Whether a log that is large enough to have this entry answered without it.
    pub(crate) fn lacks(&self, origin: &str, index: u64) -> bool {
        let answered = self.sizes.get(origin).is_some_and(|size| index < *size);
        answered && !self.entries.contains(&(origin.to_owned(), index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_within_its_limit_and_with_nothing_behind_it() {
        let packed = pack(&vec![7; 100_000]);
        assert!(packed.len() < 1_000);
        assert_eq!(unpack(&packed, 100_000).map(|bytes| bytes.len()), Some(100_000));
        assert_eq!(unpack(&packed, 99_999), None, "a bomb");
        assert_eq!(unpack(&[&packed[..], b"x"].concat(), 100_000), None, "trailing bytes");
        assert_eq!(unpack(&packed[..packed.len() - 1], 100_000), None, "cut short");
        assert_eq!(unpack(b"no stream", 100_000), None);
    }
}
