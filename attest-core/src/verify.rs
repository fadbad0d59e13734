//! The decision about one file: votes, dissent, freshness, and the evidence or reasons for it.
//!
//! A [`Session`] is one policy, one moment, and everything that was fetched. It checks each checkpoint, proof and
//! signature once, however many files are asked about; [`Session::verify`] then only weighs. The layers:
//!
//! | module | decides |
//! |---|---|
//! | `opened` | whether a checkpoint is the log's, cosigned, fresh, and not half of a fork (docs/TRUST.md 5) |
//! | `heard` | who signed a statement, and where it is proven to be |
//! | `memory` | nothing: several policies under one evidence check a signature once |
//! | `complete` | whether everything that speaks against a file was shown (docs/TRUST.md 4.4) |
//! | [`crate::dissent`] | what blocks (docs/TRUST.md 4) |
//! | [`crate::votes`] | what counts (docs/TRUST.md 3) |
//! | this module | the answer, and what kind of "no" it is (docs/TRUST.md 1.5) |
mod complete;
mod heard;
mod memory;
mod opened;
mod reason;
mod session;
mod verdict;
mod workers;

pub(crate) use self::heard::{Heard, Standing};
pub use self::{
    complete::{Incomplete, ViewStanding},
    heard::Unreadable,
    memory::Memory,
    reason::{Reason, Severity},
    session::Session,
    verdict::{Acceptance, Findings, LogStanding, PinStanding, Pinning, Place, Rejection, Verdict},
    workers::Workers,
};
use crate::{
    artifact::{ArtifactDigest, ProjectName, Version},
    merkle::{LeafIndex, NodeHash, TreeHead},
    negatives::Edition,
    policy::Policy,
    time::Timestamp,
};

/// The file that is about to be installed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of its bytes.
    pub digest: ArtifactDigest,
    /// What it is called. A bare digest is a query, never a gate.
    pub name: WantedName,
}

/// What is known of its name (docs/TRUST.md 3.2).
#[derive(Clone, Debug)]
pub enum WantedName {
    /// Exact file name, after one percent-decoding.
    File(String),
    /// From a requirement with hashes: no file name, so project and version must be those of the statement's file name.
    Release {
        /// Of the requirement.
        project: ProjectName,
        /// Of the requirement, local part included.
        version: Version,
    },
}

/// What was fetched; nothing in it is trusted. It may be about many files.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Answers of logs and mirrors, in any order, several for one log too.
    pub logs: Vec<LogView>,
    /// Envelopes from local folders, bundles, anywhere: only `self` keys vote from here; dissent of any policy key counts.
    pub unlogged: Vec<Vec<u8>>,
    /// Origins of the policy's logs that did not answer, with why. What somebody kept of such a log may be among `logs`: its
    /// votes count, but it is no answer to whether anything else was said.
    pub unreachable: Vec<(String, String)>,
    /// Forks that the caller proved: a log signed two trees, and the smaller is not the beginning of the larger.
    pub forks: Vec<ProvenFork>,
    /// Lists of negatives, from any server, of any size.
    pub negatives: Vec<Edition>,
    /// Trees that the caller holds whole, having derived their roots from all of their entries. Everything in them about
    /// the digests asked for is among `logs`: nobody could leave anything out (docs/TRUST.md 4.4).
    pub replicas: Vec<HeldTree>,
}

/// A tree that the caller holds whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTree {
    /// Of the log.
    pub origin: String,
    /// Of the checkpoint that is among `logs`.
    pub head: TreeHead,
}

/// Two checkpoints that one log signed and that contradict each other, shown by their tiles; keeping them is the caller's part.
#[derive(Clone, Debug)]
pub struct ProvenFork {
    /// Of the log.
    pub origin: String,
    /// Both signed notes.
    pub notes: [String; 2],
}

/// What one log (or a mirror of it) says about the digests asked for.
#[derive(Clone, Debug)]
pub struct LogView {
    /// The signed checkpoint note.
    pub checkpoint: Vec<u8>,
    /// Everything logged about the digests.
    pub entries: Vec<LoggedEntry>,
}

/// An entry of a log's answer.
#[derive(Clone, Debug)]
pub struct LoggedEntry {
    /// Claimed position.
    pub index: LeafIndex,
    /// The envelope: the very bytes of the entry.
    pub envelope: Vec<u8>,
    /// Inclusion proof for the view's checkpoint, leaf sibling first.
    pub path: Vec<NodeHash>,
}

/// When and how we ask. The caller's clock and memory, never this crate's.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// The caller's clock.
    pub now: Timestamp,
    /// Which age limit applies.
    pub connection: Connection,
    /// The highest serial of this policy that was used before (docs/TRUST.md 1.2); `None` on first use.
    pub seen_serial: Option<u64>,
}

/// Which of the policy's age limits applies to checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `max-checkpoint-age`, also when nothing answers.
    Online,
    /// `offline-max-age`: only because the user said `--offline` (docs/TRUST.md 5.1).
    Offline,
}

/// Decides about one file. For several files under the same evidence, open one [`Session`].
pub fn verify(policy: &Policy, wanted: &Wanted, evidence: &Evidence, asking: Asking) -> Verdict {
    Session::open(policy, evidence, asking).verify(wanted)
}
