//! Who a policy knows: signers of statements, logs, witnesses, auditors.
use super::Role;
use crate::{
    key::PublicKey,
    merkle::{LeafIndex, TreeHead},
    note::VerifierKey,
};
use std::fmt;

/// Longest name of a party or group, in bytes.
pub const MAX_NAME: usize = 128;

/// Name of a party, unique in its policy: ASCII letters, digits and a few signs, so that it can be printed as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyName(String);

/// Name of an independent organisation: the unit that has one vote (docs/TRUST.md 1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/@+".contains(&b))
}

impl PartyName {
    /// `None` for a name outside the alphabet.
    pub fn new(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl GroupName {
    /// `None` for a name outside the alphabet.
    pub fn new(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.to_owned()))
    }

    /// The group of all the user's own keys.
    pub fn own() -> Self {
        Self(Self::OWN.to_owned())
    }

    /// A publisher's own.
    pub(super) fn publisher(name: &PartyName) -> Self {
        Self(format!("{}{name}", Self::PUBLISHER))
    }

    /// Groups that no rebuilder may take: two that merely share a name would be counted as one.
    pub(super) fn is_reserved(&self) -> bool {
        let lower = self.0.to_ascii_lowercase();
        lower == Self::OWN || lower.starts_with(Self::PUBLISHER)
    }

    const PUBLISHER: &'static str = "publisher:";

    const OWN: &'static str = "self";

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody whose statements are listened to: a rebuilder, the user, or a publisher.
#[derive(Clone, Debug)]
pub struct Party {
    pub(super) role: Role,
    pub(super) name: PartyName,
    pub(super) group: GroupName,
    pub(super) key: PublicKey,
    pub(super) id: Option<String>,
    pub(super) status: Status,
    pub(super) valid: Option<Vec<IndexRange>>,
    pub(super) line: usize,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Current,
    /// Expired, revoked or given up: votes only below the bounds that the policy sets.
    Retired,
    /// In foreign hands at some time: no vote, unless the user sets bounds.
    Compromised,
}

/// Indexes of one log in which a key's votes count. No signer's clock is believed; a position in a witnessed log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRange {
    pub(super) log: String,
    pub(super) from: LeafIndex,
    pub(super) before: Option<LeafIndex>,
}

impl IndexRange {
    /// Origin of the log.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// First index.
    pub fn from(&self) -> LeafIndex {
        self.from
    }

    /// First index after the range; open where `None`.
    pub fn before(&self) -> Option<LeafIndex> {
        self.before
    }

    fn contains(&self, log: &str, index: LeafIndex) -> bool {
        self.log == log && self.from <= index && self.before.is_none_or(|before| index < before)
    }
}

impl Party {
    /// Rebuilder, own key or publisher.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Unique in the policy.
    pub fn name(&self) -> &PartyName {
        &self.name
    }

    /// Whose vote it shares. The user's own keys are one group; each publisher is its own.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// Signs its statements.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The `rebuilder.id` that its statements must carry, where the policy binds one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What has become of the key.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Bounds of its votes, where the policy sets any.
    pub fn valid(&self) -> Option<&[IndexRange]> {
        self.valid.as_deref()
    }

    /// Of its entry in the policy file.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether the key is valid at a position of a log (docs/TRUST.md 2.4).
    pub fn is_valid_at(&self, log: &str, index: LeafIndex) -> bool {
        match (&self.valid, self.status) {
            (Some(ranges), _) => ranges.iter().any(|range| range.contains(log, index)),
            (None, Status::Current) => true,
            (None, Status::Retired | Status::Compromised) => false,
        }
    }

    /// Whether there is any position at which the key could vote.
    pub(super) fn can_vote(&self) -> bool {
        match (&self.valid, self.status) {
            (Some(ranges), _) => !ranges.is_empty(),
            (None, status) => status == Status::Current,
        }
    }
}

/// A log in which votes count.
#[derive(Clone, Debug)]
pub struct PolicyLog {
    pub(super) vkey: VerifierKey,
    pub(super) urls: Vec<String>,
    pub(super) last: Option<TreeHead>,
    pub(super) line: usize,
}

impl PolicyLog {
    /// Signs its checkpoints.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Name of the log: the first line of its checkpoints.
    pub fn origin(&self) -> &str {
        self.vkey.name().as_str()
    }

    /// Base URLs without trailing slash: the log itself first, then mirrors that may stand in.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Size and root of a finished log (docs/TRUST.md 5.3): it needs no freshness, and no other head is accepted.
    pub fn last(&self) -> Option<TreeHead> {
        self.last
    }

    /// Of its entry in the policy file.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// Cosigns checkpoints.
#[derive(Clone, Debug)]
pub struct Witness {
    pub(super) name: PartyName,
    pub(super) group: GroupName,
    pub(super) vkey: VerifierKey,
    pub(super) line: usize,
}

/// Signs lists of negatives.
#[derive(Clone, Debug)]
pub struct Auditor {
    pub(super) name: PartyName,
    pub(super) group: GroupName,
    pub(super) vkey: VerifierKey,
    pub(super) line: usize,
}

impl Witness {
    /// Unique in the policy.
    pub fn name(&self) -> &PartyName {
        &self.name
    }

    /// Counted once per quorum.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// Of type 0x04 (tlog-cosignature).
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Of its entry in the policy file.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl Auditor {
    /// Unique in the policy.
    pub fn name(&self) -> &PartyName {
        &self.name
    }

    /// Counted once per quorum.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// Of type 0x01 (Ed25519).
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Of its entry in the policy file.
    pub fn line(&self) -> usize {
        self.line
    }
}
