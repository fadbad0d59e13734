//! A log's answer: whether its checkpoint is the log's, cosigned, fresh, and not half of a fork.
use super::{Asking, Connection, LogStanding, LogView, Reason};
use crate::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{TreeHead, TreeSize},
    note::VerifierKey,
    policy::{GroupName, Policy, PolicyLog, Witnessing},
    time::Timestamp,
};
use std::collections::BTreeMap;

/// A log's checkpoint after every check that does not need its entries.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) standing: LogStanding,
    /// Set when the log of the policy signed it, whatever else is wrong with it.
    pub(super) signed: Option<LogCheckpoint>,
    /// Whether votes proven under it count.
    pub(super) counts: bool,
}

/// Opens every answer. Votes do not age, so those under an old checkpoint that the quorum once cosigned count as long as
/// the same log also shows a fresh one that is at least as large (docs/TRUST.md 3.1 and 5.1: the latest must be fresh).
pub(super) fn open_all(policy: &Policy, asking: Asking, views: &[LogView]) -> Vec<Opened> {
    let mut opened: Vec<_> = views.iter().map(|view| Opened::new(policy, asking, view)).collect();
    let mut fresh: BTreeMap<String, TreeSize> = BTreeMap::new();
    for good in opened.iter().filter(|opened| opened.counts) {
        if let Some(checkpoint) = &good.signed {
            let latest = fresh.entry(checkpoint.checkpoint().origin.clone()).or_insert(TreeSize::ZERO);
            *latest = checkpoint.head().size.max(*latest);
        }
    }
    for stale in &mut opened {
        if let (Some(Reason::StaleCheckpoint { origin, as_of, .. }), Some(checkpoint)) =
            (&stale.standing.problem, &stale.signed)
        {
            // Cosignatures from the future are not old ones: somebody's clock or key is not what it should be.
            let once_good = as_of.secs() <= latest_time(policy, asking);
            let covered = fresh.get(origin).is_some_and(|latest| checkpoint.head().size <= *latest);
            stale.counts = once_good && covered;
        }
    }
    opened
}

impl Opened {
    fn new(policy: &Policy, asking: Asking, view: &LogView) -> Self {
        let unverified = match UnverifiedCheckpoint::parse(&view.checkpoint) {
            Ok(unverified) => unverified,
            Err(error) => {
                return Self::unusable(None, None, Reason::MalformedCheckpoint { origin: None, error }, false);
            }
        };
        let origin = unverified.claim().origin.clone();
        let size = unverified.claim().head.size;
        let Some(log) = policy.log(&origin) else {
            let standing = LogStanding {
                origin: Some(origin),
                size: Some(size),
                witnessed_at: None,
                problem: None,
                in_policy: false,
            };
            return Self { standing, signed: None, counts: false };
        };
        match unverified.verify(log.vkey()) {
            Ok(checkpoint) => Self::signed(policy, asking, log, checkpoint),
            Err(error) => {
                let problem = Reason::MalformedCheckpoint { origin: Some(origin.clone()), error };
                Self::unusable(Some(origin), Some(size), problem, true)
            }
        }
    }

    fn unusable(origin: Option<String>, size: Option<TreeSize>, problem: Reason, in_policy: bool) -> Self {
        let standing = LogStanding { origin, size, witnessed_at: None, problem: Some(problem), in_policy };
        Self { standing, signed: None, counts: false }
    }

    fn signed(policy: &Policy, asking: Asking, log: &PolicyLog, checkpoint: LogCheckpoint) -> Self {
        let (witnessed_at, problem) = match log.last() {
            Some(last) => (None, finished(log, last, &checkpoint)),
            None => match witnessed(policy, asking, &checkpoint) {
                Ok(witnessed_at) => (witnessed_at, None),
                Err(problem) => (None, Some(problem)),
            },
        };
        let standing = LogStanding {
            origin: Some(checkpoint.checkpoint().origin.clone()),
            size: Some(checkpoint.head().size),
            witnessed_at,
            problem,
            in_policy: true,
        };
        Self { counts: standing.problem.is_none(), standing, signed: Some(checkpoint) }
    }
}

/// docs/TRUST.md 5.3: the pinned head stands in for witnesses and freshness, so it must be exactly that head.
fn finished(log: &PolicyLog, last: TreeHead, checkpoint: &LogCheckpoint) -> Option<Reason> {
    let head = checkpoint.head();
    if head.size != last.size {
        return Some(Reason::NotFinal {
            origin: log.origin().to_owned(),
            expected: last.size,
            found: head.size,
            line: log.line(),
        });
    }
    (head.root != last.root).then(|| Reason::FinalRoot {
        origin: log.origin().to_owned(),
        expected: last,
        note: checkpoint.note().to_string(),
        line: log.line(),
    })
}

/// docs/TRUST.md 3.1 and 5.1: when the fresh cosignatures alone met the quorum, counted by group.
fn witnessed(policy: &Policy, asking: Asking, checkpoint: &LogCheckpoint) -> Result<Option<Timestamp>, Reason> {
    if policy.witnessing().value == Witnessing::None {
        return Ok(None);
    }
    let cosigned = cosigned_by_group(policy, checkpoint)?;
    fresh_quorum(policy, asking, &checkpoint.checkpoint().origin, &cosigned)
}

/// When the fresh ones of these cosignatures of one checkpoint met the quorum; `None` where the policy wants none.
pub(super) fn fresh_quorum(
    policy: &Policy,
    asking: Asking,
    origin: &str,
    cosigned: &BTreeMap<GroupName, Vec<Timestamp>>,
) -> Result<Option<Timestamp>, Reason> {
    let Witnessing::Quorum { groups: need, max_age, offline_max_age } = policy.witnessing().value else {
        return Ok(None);
    };
    let (line, origin) = (policy.witnessing().line, origin.to_owned());
    let max_age = match asking.connection {
        Connection::Online => max_age,
        Connection::Offline => offline_max_age,
    };
    let latest = latest_time(policy, asking);
    let oldest = asking.now.secs().saturating_sub(max_age.as_secs());
    let fresh = |times: &Vec<Timestamp>| {
        let within = times.iter().filter(|time| (oldest..=latest).contains(&time.secs()));
        within.max().copied()
    };
    if let Some(at) = quorum_time(cosigned.values().filter_map(fresh).collect(), need) {
        return Ok(Some(at));
    }
    let newest_until = |limit: u64| {
        let times = cosigned.values().filter_map(move |times| {
            let until = times.iter().filter(|time| time.secs() <= limit);
            until.max().copied()
        });
        quorum_time(times.collect(), need)
    };
    // A time in the future only where no quorum is without it: then it says what is wrong.
    Err(match newest_until(latest).or_else(|| newest_until(u64::MAX)) {
        Some(as_of) => Reason::StaleCheckpoint { origin, as_of, now: asking.now, max_age, line },
        None => Reason::WitnessQuorum { origin, need, groups: cosigned.keys().cloned().collect(), line },
    })
}

/// The last second that a cosignature may be from.
fn latest_time(policy: &Policy, asking: Asking) -> u64 {
    let skew = policy.clock_skew().as_secs();
    asking.now.secs().saturating_add(skew)
}

pub(super) fn cosigned_by_group(
    policy: &Policy,
    checkpoint: &LogCheckpoint,
) -> Result<BTreeMap<GroupName, Vec<Timestamp>>, Reason> {
    let keys: Vec<VerifierKey> = policy.witnesses().iter().map(|witness| witness.vkey().clone()).collect();
    let cosignatures = checkpoint
        .cosignatures(&keys)
        .map_err(|error| Reason::MalformedCheckpoint { origin: Some(checkpoint.checkpoint().origin.clone()), error })?;
    let mut groups: BTreeMap<GroupName, Vec<Timestamp>> = BTreeMap::new();
    for (cosigner, time) in cosignatures {
        for witness in policy.witnesses().iter().filter(|witness| *witness.vkey() == cosigner) {
            groups.entry(witness.group().clone()).or_default().push(time);
        }
    }
    Ok(groups)
}

/// The time by which `need` groups had cosigned, of the newest cosignature of each.
fn quorum_time(mut newest: Vec<Timestamp>, need: u32) -> Option<Timestamp> {
    newest.sort_unstable_by(|a, b| b.cmp(a));
    let last = usize::try_from(need).ok()?.checked_sub(1)?;
    newest.get(last).copied()
}

/// Checkpoints of one origin that cannot both be true: what one of them signed for a size, another signed otherwise.
pub(super) fn forks<'a>(signed: impl IntoIterator<Item = &'a LogCheckpoint>) -> Vec<Reason> {
    let mut heads: BTreeMap<(&str, TreeSize), &LogCheckpoint> = BTreeMap::new();
    let mut forks = Vec::new();
    for checkpoint in signed {
        let claim = checkpoint.checkpoint();
        let first = *heads.entry((claim.origin.as_str(), claim.head.size)).or_insert(checkpoint);
        if first.head().root != claim.head.root {
            forks.push(fork(first, checkpoint));
        }
    }
    forks
}

/// Both notes are kept: they prove it to anybody (docs/TRUST.md 5.4).
pub(super) fn fork(one: &LogCheckpoint, other: &LogCheckpoint) -> Reason {
    Reason::Fork {
        origin: one.checkpoint().origin.clone(),
        notes: Box::new([one.note().to_string(), other.note().to_string()]),
    }
}
