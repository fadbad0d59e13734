//! The list of negatives that a log or mirror serves (docs/TRUST.md 4.4, docs/negatives.md).
//!
//! An *edition* is the list of one published size with its note. Both a log and its mirrors make one now and then, never
//! for every checkpoint: only the shards that something came into are hashed again. The newest ones are kept, so that a
//! client finds one size that several servers have; their shards are read from the records, which only grow, so keeping an
//! edition costs 10 KiB whatever the log has.
//!
//! | module | what it does |
//! |---|---|
//! | [`list`] | the list of a size, from the records |
//! | [`publish`] | the log's editions, signed with the log's key |
//! | [`audit`] | a mirror's: compared with the log's, signed with a key of its own role |
//! | [`evidence`] | what a mirror keeps of a list that is wrong |

pub mod audit;
pub mod evidence;
pub mod list;
pub mod publish;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::TreeSize,
    negatives::{Edition, ListingError, ListingNote, ShardDigest, ShardId},
    note::NoteError,
};

use self::list::{List, Lister};
use crate::{
    reader::{ReadError, Reader},
    store::negatives::NegativesError,
};

/// Editions that are kept. With the shortest interval, ten seconds, those of ten minutes.
const KEPT: usize = 64;

/// The editions of one log.
#[derive(Debug)]
pub struct Editions {
    lister: Lister,
    reader: Reader,
    /// The newest first.
    kept: RwLock<VecDeque<Arc<Made>>>,
    /// What a mirror found wrong with its log's list, as long as that is so.
    alarm: Mutex<Option<String>>,
}

/// An edition that this server made.
#[derive(Debug)]
pub struct Made {
    note: ListingNote,
    list: List,
    /// A checkpoint note of its size, as the log published it.
    checkpoint: Option<String>,
}

impl Made {
    /// The signed note.
    pub const fn note(&self) -> &ListingNote {
        &self.note
    }

    fn size(&self) -> TreeSize {
        self.note.listing().head().size
    }
}

impl Editions {
    /// None yet.
    pub fn new(reader: Reader) -> Self {
        let lister = Lister::new(Arc::clone(reader.tree()));
        Self { lister, reader, kept: RwLock::default(), alarm: Mutex::default() }
    }

    /// The newest edition, or the one of `size` if it is still kept.
    pub fn find(&self, size: Option<TreeSize>) -> Option<Arc<Made>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|made| size.is_none_or(|size| size == made.size())).cloned()
    }

    /// The editions that are kept, the newest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<Arc<Made>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).iter().take(most).cloned().collect()
    }

    fn keep(&self, made: Made) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|known| known.size() != made.size());
        kept.push_front(Arc::new(made));
        kept.truncate(KEPT);
    }

    /// The edition for a client: with those of `shards` that have records, as long as they have less than `budget` bytes
    /// together. Blocks.
    pub fn edition(&self, made: &Made, shards: &[ShardId], budget: usize) -> Result<Edition, ListError> {
        let mut edition = Edition {
            note: made.note.to_string().into_bytes(),
            table: made.list.table().to_bytes(),
            shards: Vec::new(),
            checkpoints: self.checkpoints(made),
        };
        let mut left = budget;
        for shard in shards.iter().filter(|shard| made.list.table().get(**shard) != ShardDigest::EMPTY) {
            if made.list.bytes(*shard) > left {
                continue;
            }
            if let Some(bytes) = self.lister.shard(&made.list, *shard)? {
                left -= bytes.len();
                edition.shards.push((*shard, bytes));
            }
        }
        Ok(edition)
    }

    /// What is known of the checkpoint of an edition: as it was published, and as it is served now where the log has not
    /// grown since; cosignatures are renewed, and are what says how fresh the edition is.
    fn checkpoints(&self, made: &Made) -> Vec<Vec<u8>> {
        let published = self.reader.published();
        let same = (published.head == made.note.listing().head()).then(|| published.note.clone());
        let mut notes: Vec<_> = made.checkpoint.iter().cloned().chain(same).map(String::into_bytes).collect();
        notes.dedup();
        notes
    }

    /// A shard of a kept edition by its digest; `None` when no kept edition has it, or it is too long to be read by
    /// anybody. Blocks.
    pub fn shard(&self, digest: ShardDigest) -> Result<Option<Vec<u8>>, ListError> {
        if digest == ShardDigest::EMPTY {
            return Ok(Some(Vec::new()));
        }
        let kept: Vec<_> = self.kept.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let found = kept.iter().find_map(|made| {
            let shard = ShardId::all().find(|shard| made.list.table().get(*shard) == digest)?;
            Some((made, shard))
        });
        found.map_or(Ok(None), |(made, shard)| self.lister.shard(&made.list, shard))
    }

    /// What a mirror found wrong with its log's list.
    pub fn alarm(&self) -> Option<String> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_alarm(&self, alarm: Option<String>) {
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    /// The files of the newest edition, for a copy that a static server serves: the answer of `GET /api/v1/negatives`
    /// last, since it names the shards. Paths are relative to the base URL. Blocks.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, ListError> {
        self.find(None).map_or(Ok(Vec::new()), |made| made.files(&self.lister, self.checkpoints(&made)))
    }
}

impl Made {
    fn files(&self, lister: &Lister, checkpoints: Vec<Vec<u8>>) -> Result<Vec<(String, Vec<u8>)>, ListError> {
        use attest_core::api::{FoundNegatives, NEGATIVES, SHARDS};
        let mut files = Vec::new();
        for shard in self.list.table().occupied() {
            if let Some(bytes) = lister.shard(&self.list, shard)? {
                let path = format!("{SHARDS}/{}", self.list.table().get(shard));
                files.push((path.trim_start_matches('/').to_owned(), bytes));
            }
        }
        let (note, table) = (self.note.to_string().into_bytes(), self.list.table().to_bytes());
        let answer = FoundNegatives::of(&Edition { note, table, shards: Vec::new(), checkpoints });
        let answer = serde_json::to_vec(&answer).map_err(ListError::Json)?;
        files.push((NEGATIVES.trim_start_matches('/').to_owned(), answer));
        Ok(files)
    }
}

/// The checkpoint of a note that is of this head, if any of these is one of the log.
fn checkpoint_of(
    notes: &[Vec<u8>],
    head: attest_core::merkle::TreeHead,
    log: &attest_core::note::VerifierKey,
) -> Option<String> {
    notes.iter().find_map(|note| {
        let checkpoint = UnverifiedCheckpoint::parse(note).ok()?.verify(log).ok()?;
        (checkpoint.head() == head).then(|| checkpoint.note().to_string())
    })
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The tree cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The records cannot be read.
    #[error(transparent)]
    Negatives(#[from] NegativesError),
    /// Entries of which nobody knows here whether they are negatives: signing would omit some.
    #[error("the negatives of the first {} entries are known, expected those of {} at least", covered.get(), needed.get())]
    Behind {
        /// Known.
        covered: TreeSize,
        /// Sealed.
        needed: TreeSize,
    },
    /// Records that are not those of the list that was signed.
    #[error("shard {shard} of the negatives is not what was signed: expected {expected}, found {found}")]
    Damaged {
        /// Which.
        shard: ShardId,
        /// Signed.
        expected: ShardDigest,
        /// Of the records.
        found: ShardDigest,
    },
    /// The records are not those of the entries.
    #[error(
        "the records of shard {shard} of the negatives are not those of the stored entries: they are damaged\n\
         hint: delete the folder `negatives`; the next start makes it anew"
    )]
    Records {
        /// Which.
        shard: ShardId,
    },
    /// The list makes no note.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The note could not be signed.
    #[error(transparent)]
    Sign(#[from] NoteError),
    /// The answer could not be written as JSON.
    #[error("the list could not be written as JSON")]
    Json(#[source] serde_json::Error),
    /// A task ended early.
    #[error("the work was interrupted")]
    Interrupted,
}

#[cfg(test)]
mod tests;
