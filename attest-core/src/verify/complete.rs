//! Whether everything that speaks against a file was shown: the lists of negatives that auditors signed, against the
//! entries that were handed over (docs/TRUST.md 4.4).
//!
//! A view of a log is complete when enough auditor groups signed one list for a size N, the log signed a checkpoint of
//! exactly that size and root whose cosignatures are fresh, and every record of the list about the file is an entry that
//! was handed over and proven. Records of any other list that an auditor or the log signed must be had too: negatives
//! pass the widest filter (docs/TRUST.md 4.3).
//!
//! A view is complete too when the caller holds the whole tree of a fresh checkpoint: then there was nobody to withhold.
use super::{
    Asking, Evidence, Heard, Place, Reason, Standing,
    opened::{Opened, cosigned_by_group, fresh_quorum},
};
use crate::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafIndex, TreeHead, TreeSize},
    negatives::{self, EditionError, Listing, ShardId},
    note::NoteError,
    policy::{GroupName, Negatives, Policy, PolicyLog},
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// How far the negatives of one log are known, for one file.
#[derive(Clone, Debug)]
pub struct ViewStanding {
    /// Of the log.
    pub origin: String,
    /// The list is about the first so many entries.
    pub size: Option<TreeSize>,
    /// Auditor groups that signed it.
    pub groups: Vec<GroupName>,
    /// When the witness quorum last vouched for the checkpoint of that size.
    pub witnessed_at: Option<Timestamp>,
    /// Why the view is not complete; `None` when it is.
    pub missing: Option<Incomplete>,
}

/// What a view lacks to be complete. All of it may come from an outage: another server, or a later moment, may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// No list at all.
    NoList,
    /// What was handed over as one is none.
    Unusable(EditionError),
    /// A line of somebody known does not hold.
    BadSignature(NoteError),
    /// Too few auditor groups signed one list.
    Auditors {
        /// Groups that must have signed.
        need: u32,
        /// Those that did.
        groups: Vec<GroupName>,
    },
    /// Several lists for one size have enough signatures each.
    Disagreement {
        /// Of the trees.
        size: TreeSize,
    },
    /// The log did not sign a checkpoint of that size and root, or nobody showed it.
    NotACheckpoint {
        /// In the note.
        size: TreeSize,
    },
    /// A finished log has a list of its final size alone.
    NotFinal {
        /// In the policy.
        expected: TreeSize,
        /// In the note.
        found: TreeSize,
    },
    /// The checkpoint of that size lacks fresh cosignatures.
    NotFresh(Box<Reason>),
    /// The part of the list that the file is in was not handed over.
    Shard(ShardId),
    /// Negatives that a signed list names were not handed over, or are not proven.
    Withheld(Vec<LeafIndex>),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList => f.write_str("nobody showed a list of its negatives"),
            Self::Unusable(error) => write!(f, "the list of its negatives is unusable: {error}"),
            Self::BadSignature(error) => write!(f, "the list of its negatives is unusable: {error}"),
            Self::Auditors { need, groups } => {
                write!(f, "expected a list signed by {need} auditor groups, found {}", groups.len())?;
                groups.iter().enumerate().try_for_each(|(at, group)| {
                    let before = if at == 0 { ": " } else { ", " };
                    write!(f, "{before}{group}")
                })
            }
            Self::Disagreement { size } => write!(f, "auditors signed different lists for its first {size} entries"),
            Self::NotACheckpoint { size } => {
                write!(f, "nobody showed a checkpoint of exactly the {size} entries that the list is about")
            }
            Self::NotFinal { expected, found } => {
                write!(f, "expected the list of its final size {expected}, found that of {found}")
            }
            Self::NotFresh(reason) => write!(f, "the list is not known to be fresh: {reason}"),
            Self::Shard(shard) => write!(f, "shard {shard} of the list was not handed over"),
            Self::Withheld(indexes) => {
                f.write_str("the list names entries that were not handed over: ")?;
                indexes.iter().enumerate().try_for_each(|(at, index)| {
                    let before = if at == 0 { "" } else { ", " };
                    write!(f, "{before}{index}")
                })
            }
        }
    }
}

/// The lists of all logs of a policy that has auditors.
#[derive(Debug)]
pub(super) struct Lists {
    logs: Vec<LogLists>,
    alarms: Vec<Reason>,
}

/// What the lists say about one file.
#[derive(Debug)]
pub(super) struct View {
    pub(super) logs: Vec<ViewStanding>,
    pub(super) alarms: Vec<Reason>,
}

#[derive(Debug)]
struct LogLists {
    origin: String,
    lists: Vec<SignedList>,
    /// Which of the lists is believed, or why none is.
    chosen: Result<Chosen, Incomplete>,
    /// The largest fresh tree that is held whole, and when it was witnessed.
    held: Option<(TreeSize, Option<Timestamp>)>,
}

#[derive(Clone, Copy, Debug)]
struct Chosen {
    list: usize,
    witnessed_at: Option<Timestamp>,
}

/// One list, and everybody known who signed it.
#[derive(Debug)]
struct SignedList {
    opened: negatives::Opened,
    groups: BTreeSet<GroupName>,
    /// Auditors by name, the log by its origin.
    signers: BTreeSet<String>,
    /// Whether the log signed a checkpoint of this tree, so that entries can be held against the list.
    anchored: bool,
}

impl SignedList {
    fn listing(&self) -> &Listing {
        self.opened.note().listing()
    }

    fn signers(&self) -> Vec<String> {
        self.signers.iter().cloned().collect()
    }
}

impl Lists {
    /// `listed` as by [`listed_checkpoints`].
    pub(super) fn open(
        policy: &Policy,
        asking: Asking,
        evidence: &Evidence,
        views: &[Opened],
        listed: &[LogCheckpoint],
    ) -> Self {
        let mut lists = Self { logs: Vec::new(), alarms: Vec::new() };
        if policy.auditors().is_empty() {
            return lists;
        }
        for log in policy.logs() {
            let opened = LogLists::open(policy, asking, log, evidence, &Checkpoints::of(policy, log, views, listed));
            lists.alarms.extend(opened.two_lists());
            lists.logs.push(opened);
        }
        lists
    }

    /// Proven against somebody whom the policy trusts, whatever file is asked about.
    pub(super) fn alarms(&self) -> &[Reason] {
        &self.alarms
    }

    /// Compares the lists with what was handed over about a file.
    pub(super) fn view(&self, digest: &ArtifactDigest, heard: &[&Heard<'_>]) -> View {
        let mut view = View { logs: Vec::new(), alarms: Vec::new() };
        for log in &self.logs {
            let handed = Handed::in_log(&log.origin, heard);
            view.alarms.extend(log.wrong_lists(digest, &handed));
            view.logs.push(log.standing(digest, &handed));
        }
        view
    }
}

/// Entries about a file that are proven to be in a log.
struct Handed {
    negatives: BTreeSet<LeafIndex>,
    others: BTreeSet<LeafIndex>,
}

impl Handed {
    fn in_log(log: &str, heard: &[&Heard<'_>]) -> Self {
        let mut handed = Self { negatives: BTreeSet::new(), others: BTreeSet::new() };
        for heard in heard {
            let indexes =
                if negatives::is_negative(heard.statement()) { &mut handed.negatives } else { &mut handed.others };
            indexes.extend(heard.seen().iter().filter_map(|seen| match (&seen.place, &seen.standing) {
                // A checkpoint that the log signed proves where an entry is, cosigned and fresh or not.
                (Place::Logged { origin, index, .. }, Standing::Included | Standing::Pending) if origin == log => {
                    Some(*index)
                }
                _ => None,
            }));
        }
        handed
    }
}

impl LogLists {
    fn open(policy: &Policy, asking: Asking, log: &PolicyLog, evidence: &Evidence, checkpoints: &Checkpoints) -> Self {
        let mut lists: Vec<SignedList> = Vec::new();
        let mut unusable = None;
        for edition in &evidence.negatives {
            match edition.open() {
                Ok(opened) if opened.note().listing().origin() == log.origin() => {
                    if let Err(error) = file(policy, log, opened, &mut lists) {
                        unusable = Some(Incomplete::BadSignature(error));
                    }
                }
                Ok(_) => {}
                Err(error) => unusable = Some(Incomplete::Unusable(error)),
            }
        }
        for list in &mut lists {
            let head = list.listing().head();
            list.anchored = log.last() == Some(head) || checkpoints.0.contains_key(&HeadKey::of(head));
        }
        let chosen = choose(policy, asking, log, &lists, checkpoints);
        let chosen = chosen.map_err(|why| match (why, unusable) {
            (Incomplete::NoList, Some(unusable)) => unusable,
            (why, _) => why,
        });
        let held = held(policy, asking, log, evidence, checkpoints);
        Self { origin: log.origin().to_owned(), lists, chosen, held }
    }

    /// One key, one size, two lists: whoever signed cannot have been right both times.
    fn two_lists(&self) -> Vec<Reason> {
        let mut alarms = Vec::new();
        for (at, one) in self.lists.iter().enumerate() {
            let of_same_size = |other: &&SignedList| other.listing().head().size == one.listing().head().size;
            for other in self.lists.iter().skip(at + 1).filter(of_same_size) {
                alarms.extend(one.signers.intersection(&other.signers).map(|signer| Reason::TwoLists {
                    origin: self.origin.clone(),
                    signer: signer.clone(),
                    notes: Box::new([one.opened.note().to_string(), other.opened.note().to_string()]),
                }));
            }
        }
        alarms
    }

    /// Lists that a proven entry refutes: one that omits a negative, or names an entry that is none.
    fn wrong_lists(&self, digest: &ArtifactDigest, handed: &Handed) -> Vec<Reason> {
        let wrong = |list: &SignedList| {
            let records = list.opened.about(digest)?;
            let size = list.listing().head().size;
            let listed: BTreeSet<_> = records.iter().map(|record| record.index).collect();
            let omitted = handed.negatives.iter().find(|index| size.contains(**index) && !listed.contains(*index));
            let index = omitted.or_else(|| handed.others.iter().find(|index| listed.contains(*index)))?;
            Some(Reason::WrongList {
                origin: self.origin.clone(),
                signers: list.signers(),
                index: *index,
                note: list.opened.note().to_string(),
            })
        };
        self.lists.iter().filter(|list| list.anchored).filter_map(wrong).collect()
    }

    fn standing(&self, digest: &ArtifactDigest, handed: &Handed) -> ViewStanding {
        if let Some((size, witnessed_at)) = self.held {
            return ViewStanding {
                origin: self.origin.clone(),
                size: Some(size),
                groups: Vec::new(),
                witnessed_at,
                // Of a larger tree, for example.
                missing: self.withheld(digest, handed),
            };
        }
        let chosen = match &self.chosen {
            Ok(chosen) => self.lists.get(chosen.list).map(|list| (list, chosen.witnessed_at)).ok_or(Incomplete::NoList),
            Err(why) => Err(why.clone()),
        };
        let missing = match &chosen {
            Ok((list, _)) if list.opened.about(digest).is_none() => Some(Incomplete::Shard(ShardId::of(digest))),
            Ok(_) => self.withheld(digest, handed),
            Err(why) => Some(why.clone()),
        };
        let (list, witnessed_at) = chosen.map_or((None, None), |(list, at)| (Some(list), at));
        ViewStanding {
            origin: self.origin.clone(),
            size: list.map(|list| list.listing().head().size),
            groups: list.map(|list| list.groups.iter().cloned().collect()).unwrap_or_default(),
            witnessed_at,
            missing,
        }
    }

    /// What any of the lists names and nobody handed over.
    fn withheld(&self, digest: &ArtifactDigest, handed: &Handed) -> Option<Incomplete> {
        let anchored = self.lists.iter().filter(|list| list.anchored);
        let owed = anchored.filter_map(|list| list.opened.about(digest)).flatten().map(|record| record.index);
        let missing: BTreeSet<_> = owed.filter(|index| !handed.negatives.contains(index)).collect();
        (!missing.is_empty()).then(|| Incomplete::Withheld(missing.into_iter().collect()))
    }
}

/// Adds a list to those of its log, if anybody known signed it.
fn file(
    policy: &Policy,
    log: &PolicyLog,
    opened: negatives::Opened,
    lists: &mut Vec<SignedList>,
) -> Result<(), NoteError> {
    let mut groups = BTreeSet::new();
    let mut signers = BTreeSet::new();
    for auditor in policy.auditors() {
        if opened.note().is_signed_by(auditor.vkey())? {
            groups.insert(auditor.group().clone());
            signers.insert(auditor.name().to_string());
        }
    }
    // Never an auditor: a policy has a key in one role. But what the log itself says it holds, it must hand over.
    if opened.note().is_signed_by(log.vkey())? {
        signers.insert(log.origin().to_owned());
    }
    if signers.is_empty() {
        return Ok(());
    }
    match lists.iter_mut().find(|list| list.listing() == opened.note().listing()) {
        Some(known) => {
            known.groups.extend(groups);
            known.signers.extend(signers);
            known.opened.merge(opened);
        }
        None => lists.push(SignedList { opened, groups, signers, anchored: false }),
    }
    Ok(())
}

/// docs/TRUST.md 4.4: "or when the user holds a full replica", at a size that is as fresh as a list must be.
fn held(
    policy: &Policy,
    asking: Asking,
    log: &PolicyLog,
    evidence: &Evidence,
    checkpoints: &Checkpoints,
) -> Option<(TreeSize, Option<Timestamp>)> {
    let fresh = |head: TreeHead| {
        // Only a tree that the log signed: what else somebody holds is none of this log's.
        let cosigned = checkpoints.0.get(&HeadKey::of(head))?;
        let witnessed_at = match log.last() {
            Some(last) => (last == head).then_some(None)?,
            None => fresh_quorum(policy, asking, log.origin(), cosigned).ok()?,
        };
        Some((head.size, witnessed_at))
    };
    let replicas = evidence.replicas.iter().filter(|held| held.origin == log.origin());
    replicas.filter_map(|held| fresh(held.head)).max_by_key(|(size, _)| *size)
}

/// docs/TRUST.md 4.4 and 5.1: the newest list that the auditor quorum signed and that is fresh.
fn choose(
    policy: &Policy,
    asking: Asking,
    log: &PolicyLog,
    lists: &[SignedList],
    checkpoints: &Checkpoints,
) -> Result<Chosen, Incomplete> {
    // Where the policy does not insist, one auditor's word is worth showing.
    let need = match policy.negatives().value {
        Negatives::Complete { auditor_threshold } => auditor_threshold,
        Negatives::BestEffort => 1,
    };
    let mut good: Vec<(TreeSize, Chosen)> = Vec::new();
    // Of several reasons the one that got furthest, of the largest tree.
    let mut failed = (0, TreeSize::ZERO, Incomplete::NoList);
    for (list, signed) in lists.iter().enumerate() {
        let size = signed.listing().head().size;
        match judge(policy, asking, log, need, signed, checkpoints) {
            Ok(witnessed_at) => good.push((size, Chosen { list, witnessed_at })),
            Err((stage, why)) if (stage, size) >= (failed.0, failed.1) => failed = (stage, size, why),
            Err(_) => {}
        }
    }
    let Some((size, newest)) = good.iter().max_by_key(|(size, _)| *size) else {
        return Err(failed.2);
    };
    // Nobody here can say which of them is right.
    if good.iter().filter(|(other, _)| other == size).count() > 1 {
        return Err(Incomplete::Disagreement { size: *size });
    }
    Ok(*newest)
}

/// When the checkpoint of the list was witnessed, or how far the list got and what it lacks.
fn judge(
    policy: &Policy,
    asking: Asking,
    log: &PolicyLog,
    need: u32,
    list: &SignedList,
    checkpoints: &Checkpoints,
) -> Result<Option<Timestamp>, (u8, Incomplete)> {
    let head = list.listing().head();
    if u32::try_from(list.groups.len()).is_ok_and(|found| found < need) {
        return Err((1, Incomplete::Auditors { need, groups: list.groups.iter().cloned().collect() }));
    }
    if let Some(last) = log.last() {
        // docs/TRUST.md 5.3: the pinned head needs no freshness, and no other head is accepted.
        let why = || (2, Incomplete::NotFinal { expected: last.size, found: head.size });
        return if last == head { Ok(None) } else { Err(why()) };
    }
    let Some(cosigned) = checkpoints.0.get(&HeadKey::of(head)) else {
        return Err((2, Incomplete::NotACheckpoint { size: head.size }));
    };
    let fresh = fresh_quorum(policy, asking, log.origin(), cosigned);
    fresh.map_err(|reason| (3, Incomplete::NotFresh(Box::new(reason))))
}

/// Size and root, as a key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct HeadKey(TreeSize, [u8; 32]);

impl HeadKey {
    fn of(head: TreeHead) -> Self {
        Self(head.size, *head.root.as_bytes())
    }
}

/// The checkpoints beside the lists that a log of the policy signed. They speak for a list, so they must not contradict
/// what else the log signed.
pub(super) fn listed_checkpoints(policy: &Policy, evidence: &Evidence) -> Vec<LogCheckpoint> {
    let notes = evidence.negatives.iter().flat_map(|edition| &edition.checkpoints);
    let signed = notes.filter_map(|note| {
        let unverified = UnverifiedCheckpoint::parse(note).ok()?;
        let log = policy.log(&unverified.claim().origin)?;
        unverified.verify(log.vkey()).ok()
    });
    signed.collect()
}

/// Trees that the log signed, with the cosignatures of all checkpoint notes of each that were shown.
struct Checkpoints(BTreeMap<HeadKey, BTreeMap<GroupName, Vec<Timestamp>>>);

impl Checkpoints {
    fn of(policy: &Policy, log: &PolicyLog, views: &[Opened], listed: &[LogCheckpoint]) -> Self {
        let mut all = Self(BTreeMap::new());
        let of_log = |checkpoint: &&LogCheckpoint| checkpoint.log() == log.vkey();
        for checkpoint in views.iter().filter_map(|view| view.signed.as_ref()).chain(listed).filter(of_log) {
            all.add(policy, checkpoint);
        }
        all
    }

    fn add(&mut self, policy: &Policy, checkpoint: &LogCheckpoint) {
        let known = self.0.entry(HeadKey::of(checkpoint.head())).or_default();
        // With a bad line in a witness's name, the note counts without its cosignatures.
        for (group, times) in cosigned_by_group(policy, checkpoint).unwrap_or_default() {
            known.entry(group).or_default().extend(times);
        }
    }
}
