//! How a log does: whether it contradicts itself, whether anything fresh comes from it, and whether its witnesses follow. Each
//! of these lasts: it is told once when it begins and once when it is over.
//!
//! A checkpoint has no time in it; cosignatures have. So with witnesses, a log is as fresh as the newest cosignature of any of
//! them, and a log that is idle has its checkpoint cosigned again and again (docs/witness.md). Without witnesses, all that can
//! be seen is whether the log shows a checkpoint at all.

use std::{collections::BTreeMap, time::Duration};

use attest_core::{checkpoint::LogCheckpoint, note::VerifierKey, time::Timestamp};

use super::{
    event::{Event, Kind, Phase, Plain, word},
    store::LogState,
};

/// How far a witness's clock may be ahead of ours. A cosignature from later says nothing about now (docs/TRUST.md 5.1): who
/// shows it again and again would never stall.
const SKEW: Duration = Duration::from_secs(10 * 60);

/// Whom a log should be cosigned by.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) name: String,
    pub(crate) key: VerifierKey,
    pub(crate) url: Option<String>,
}

/// What is expected of a log.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) log: VerifierKey,
    pub(crate) url: String,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) stall_after: Duration,
    pub(crate) witness_after: Duration,
}

/// What a look at a log gave.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// It continues what was seen before.
    Continues(&'a LogCheckpoint),
    /// Two signed trees that cannot both be: which ones, and how to see it.
    Forked { which: String, told: String },
    /// Nothing that could be used.
    Nothing,
}

/// What follows.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) events: Vec<Event>,
    pub(crate) state: LogState,
    pub(crate) lasting: BTreeMap<String, String>,
}

/// Whether something lasts.
enum Holds {
    /// What it is that began.
    Yes(String),
    No,
    /// Nothing was seen of it.
    Unknown,
}

/// Judges one look.
pub(crate) fn judge(
    expected: &Expected,
    seen: &Seen<'_>,
    before: &LogState,
    lasting: &BTreeMap<String, String>,
    now: Timestamp,
) -> Health {
    let first = before.fresh == 0;
    let mut health = Health { events: Vec::new(), state: before.clone(), lasting: lasting.clone() };
    if first {
        // How long it lasts can only be said from now on.
        health.state.fresh = now.secs();
    }
    health.fork(expected, seen, now);
    if let Seen::Continues(shown) = seen {
        health.take(expected, shown, first, now);
    }
    health.stall(expected, now);
    for witness in &expected.witnesses {
        health.witness(expected, witness, seen, now);
    }
    health
}

impl Health {
    fn fork(&mut self, expected: &Expected, seen: &Seen<'_>, now: Timestamp) {
        let origin = origin(expected);
        let (holds, told) = match seen {
            // With when it began: where the log showed one history again meanwhile, it is told again.
            Seen::Forked { which, told } => (Holds::Yes(format!("{which} {}", now.secs())), told.as_str()),
            Seen::Continues(_) => (Holds::No, ""),
            Seen::Nothing => (Holds::Unknown, ""),
        };
        let what = |phase| match phase {
            Phase::Over => format!("{origin} shows again what continues the tree seen before; it did sign another one"),
            _ => format!("{told}. Nothing of it is read any more"),
        };
        let next = format!(
            "attest log compare {} --vkey {}  # and send both notes to the log's operator and its witnesses",
            word(&expected.url),
            word(&expected.log.to_string())
        );
        self.lasts(Kind::Fork, &[&expected.log.to_string()], holds, (what, &next), expected, now);
    }

    /// What the checkpoint says about times.
    fn take(&mut self, expected: &Expected, shown: &LogCheckpoint, first: bool, now: Timestamp) {
        let mut newest = 0;
        for witness in &expected.witnesses {
            // One line that does not verify is that witness's affair, or that of whoever added it.
            let Ok(found) = shown.cosignatures(std::slice::from_ref(&witness.key)) else { continue };
            let latest = now.secs().saturating_add(SKEW.as_secs());
            let believed = found.iter().map(|(_, time)| time.secs()).filter(|time| *time <= latest);
            // A clock that is ahead makes nothing fresher than now.
            for time in believed.map(|time| time.min(now.secs())) {
                newest = newest.max(time);
                let known = self.state.cosigned.entry(witness.key.to_string()).or_insert(0);
                *known = time.max(*known);
            }
        }
        if expected.witnesses.is_empty() {
            newest = now.secs();
        }
        // A first look already sees how old the newest cosignature is.
        let known = if first && newest > 0 { 0 } else { self.state.fresh };
        self.state.fresh = known.max(newest);
    }

    fn stall(&mut self, expected: &Expected, now: Timestamp) {
        let (origin, fresh) = (origin(expected), Timestamp::from_secs(self.state.fresh));
        let is_old = is_older(fresh, expected.stall_after, now);
        let holds = if is_old { Holds::Yes(fresh.secs().to_string()) } else { Holds::No };
        let what = |phase| match phase {
            Phase::Over => format!("{origin} is fresh again: since {fresh}"),
            _ if expected.witnesses.is_empty() => {
                format!("{origin} showed no checkpoint that could be used since {fresh}")
            }
            _ => format!("{origin} showed no checkpoint that any of its witnesses cosigned since {fresh}"),
        };
        let next =
            format!("attest log status --log {} --vkey {}", word(&expected.url), word(&expected.log.to_string()));
        self.lasts(Kind::Stall, &[&expected.log.to_string()], holds, (what, &next), expected, now);
    }

    fn witness(&mut self, expected: &Expected, witness: &Witness, seen: &Seen<'_>, now: Timestamp) {
        let (origin, key) = (origin(expected), witness.key.to_string());
        // One that never cosigned is missing from when it was first looked for.
        let last = *self.state.cosigned.entry(key.clone()).or_insert_with(|| now.secs());
        let last = Timestamp::from_secs(last);
        let holds = match seen {
            // A log that cannot be had says nothing about its witnesses: that it stalls is told.
            Seen::Forked { .. } | Seen::Nothing => Holds::Unknown,
            Seen::Continues(_) if is_older(last, expected.witness_after, now) => Holds::Yes(last.secs().to_string()),
            Seen::Continues(_) => Holds::No,
        };
        let name = Plain::stated(&witness.name);
        let what = |phase| match phase {
            Phase::Over => format!("{name} cosigns {origin} again"),
            _ => format!("no checkpoint of {origin} has a cosignature of {name} from after {last}"),
        };
        let next = match &witness.url {
            Some(url) => format!(
                "attest log compare {} {} --vkey {}",
                word(&expected.url),
                word(url),
                word(&expected.log.to_string())
            ),
            None => format!("ask the operators of {name} and of {origin}"),
        };
        let from = self.events.len();
        self.lasts(Kind::WitnessBehind, &[&expected.log.to_string(), &key], holds, (what, &next), expected, now);
        for event in &mut self.events[from..] {
            event.witness = Some(name.clone());
        }
    }

    /// Tells what began, or is over. Its id is made of what began.
    fn lasts(
        &mut self,
        kind: Kind,
        key: &[&str],
        holds: Holds,
        (what, next): (impl Fn(Phase) -> String, &str),
        expected: &Expected,
        now: Timestamp,
    ) {
        let name = format!("{kind} {}", key.join(" "));
        let (phase, reference) = match (self.lasting.get(&name).cloned(), holds) {
            (None, Holds::Yes(reference)) => {
                self.lasting.insert(name, reference.clone());
                (Phase::Began, reference)
            }
            (Some(reference), Holds::No) => {
                self.lasting.remove(&name);
                (Phase::Over, reference)
            }
            (Some(_), Holds::Yes(_) | Holds::Unknown) | (None, Holds::No | Holds::Unknown) => return,
        };
        let mut event = Event::new(kind, phase, &[key, &[reference.as_str()]].concat(), now);
        event.log = Some(Plain::stated(origin(expected)));
        event.what = Plain::new(what(phase));
        event.next = Plain::new(if phase == Phase::Over { "nothing" } else { next });
        self.events.push(event);
    }
}

fn origin(expected: &Expected) -> &str {
    expected.log.name().as_str()
}

fn is_older(time: Timestamp, than: Duration, now: Timestamp) -> bool {
    now.secs().saturating_sub(time.secs()) > than.as_secs()
}

#[cfg(test)]
mod tests {
    use attest_core::{
        checkpoint::Checkpoint,
        cosignature::cosign,
        merkle::{RootHash, TreeHead, TreeSize},
        note::{KeyName, KeyType, SignerKey},
    };

    use super::*;

    fn key(name: &str, kind: KeyType, seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
    }

    fn log() -> SignerKey {
        key("log.test", KeyType::Ed25519, 1)
    }

    fn witness(n: u8) -> SignerKey {
        key(&format!("w{n}.test"), KeyType::CosignatureV1, 10 + n)
    }

    /// Cosigned by these, at these times.
    fn shown(cosigned: &[(u8, u64)]) -> LogCheckpoint {
        let head = TreeHead { size: TreeSize::new(3), root: RootHash::from_bytes([7; 32]) };
        let signed = Checkpoint { origin: "log.test".to_owned(), head }.sign(&log()).unwrap();
        cosigned.iter().fold(signed, |signed, (n, time)| {
            let line = cosign(&signed, &witness(*n), Timestamp::from_secs(*time)).unwrap();
            signed.with_cosignature(line).unwrap()
        })
    }

    fn expected(witnesses: &[u8]) -> Expected {
        let named = |n: &u8| Witness { name: format!("w{n}"), key: witness(*n).verifier().clone(), url: None };
        Expected {
            log: log().verifier().clone(),
            url: "https://log.test".to_owned(),
            witnesses: witnesses.iter().map(named).collect(),
            stall_after: Duration::from_secs(1_000),
            witness_after: Duration::from_secs(100),
        }
    }

    struct Watched(Expected, LogState, BTreeMap<String, String>);

    impl Watched {
        fn look(&mut self, seen: &Seen<'_>, now: u64) -> Vec<(Kind, Phase)> {
            let health = judge(&self.0, seen, &self.1, &self.2, Timestamp::from_secs(now));
            (self.1, self.2) = (health.state, health.lasting);
            health.events.iter().map(|event| (event.kind, event.phase)).collect()
        }
    }

    fn watched(witnesses: &[u8]) -> Watched {
        Watched(expected(witnesses), LogState::default(), BTreeMap::new())
    }

    #[test]
    fn a_log_that_is_silent_stalls_once_and_is_fresh_again_once() {
        let (mut log, checkpoint) = (watched(&[]), shown(&[]));
        assert_eq!(log.look(&Seen::Continues(&checkpoint), 10_000), []);
        assert_eq!(log.look(&Seen::Nothing, 10_900), []);
        assert_eq!(log.look(&Seen::Nothing, 11_001), [(Kind::Stall, Phase::Began)]);
        assert_eq!(log.look(&Seen::Nothing, 12_000), []);
        assert_eq!(log.look(&Seen::Continues(&checkpoint), 12_001), [(Kind::Stall, Phase::Over)]);
        assert_eq!(log.look(&Seen::Continues(&checkpoint), 20_000), [], "what was not looked at did not stall");
    }

    #[test]
    fn a_log_that_never_answered_stalls_from_the_first_look_on() {
        let mut log = watched(&[]);
        assert_eq!(log.look(&Seen::Nothing, 10_000), []);
        assert_eq!(log.look(&Seen::Nothing, 11_001), [(Kind::Stall, Phase::Began)]);
    }

    #[test]
    fn with_witnesses_a_log_is_as_fresh_as_the_newest_cosignature() {
        let mut log = watched(&[1, 2]);
        log.0.witness_after = Duration::from_secs(1_000_000);
        assert_eq!(log.look(&Seen::Continues(&shown(&[(1, 9_990)])), 10_000), []);
        let mut late = watched(&[1, 2]);
        late.0.witness_after = Duration::from_secs(1_000_000);
        assert_eq!(late.look(&Seen::Continues(&shown(&[(1, 9_990)])), 20_000), [(Kind::Stall, Phase::Began)]);
        // It answers, and with nothing new.
        assert_eq!(log.look(&Seen::Continues(&shown(&[(1, 9_990)])), 11_500), [(Kind::Stall, Phase::Began)]);
        assert_eq!(
            log.look(&Seen::Continues(&shown(&[(1, 9_990), (2, 11_400)])), 11_600),
            [(Kind::Stall, Phase::Over)]
        );
    }

    #[test]
    fn a_cosignature_from_the_future_keeps_no_log_fresh() {
        let mut log = watched(&[1]);
        let later = shown(&[(1, 9_000_000)]);
        assert_eq!(log.look(&Seen::Continues(&later), 10_000), []);
        let began = [(Kind::Stall, Phase::Began), (Kind::WitnessBehind, Phase::Began)];
        assert_eq!(log.look(&Seen::Continues(&later), 11_001), began);
        // A clock that is a little ahead is none.
        let over = [(Kind::Stall, Phase::Over), (Kind::WitnessBehind, Phase::Over)];
        assert_eq!(log.look(&Seen::Continues(&shown(&[(1, 11_300)])), 11_002), over);
    }

    #[test]
    fn a_witness_is_behind_where_its_line_is_old_or_missing_and_not_where_the_log_is_down() {
        let mut log = watched(&[1, 2]);
        assert_eq!(log.look(&Seen::Continues(&shown(&[(1, 9_950)])), 10_000), []);
        assert_eq!(log.look(&Seen::Nothing, 10_500), []);
        let behind = log.look(&Seen::Continues(&shown(&[(1, 10_550)])), 10_600);
        assert_eq!(behind, [(Kind::WitnessBehind, Phase::Began)], "the second one never cosigned");
        assert_eq!(log.look(&Seen::Continues(&shown(&[(1, 10_650)])), 10_700), []);
        let back = log.look(&Seen::Continues(&shown(&[(1, 10_790), (2, 10_790)])), 10_800);
        assert_eq!(back, [(Kind::WitnessBehind, Phase::Over)]);
        let both = log.look(&Seen::Continues(&shown(&[(1, 10_790), (2, 10_790)])), 10_900);
        assert_eq!(both, [(Kind::WitnessBehind, Phase::Began), (Kind::WitnessBehind, Phase::Began)]);
    }

    #[test]
    fn each_time_is_another_event_and_the_same_time_is_the_same_event() {
        let ids = |fresh: u64| {
            let before = LogState { fresh, ..LogState::default() };
            let at = |now| judge(&expected(&[]), &Seen::Nothing, &before, &BTreeMap::new(), Timestamp::from_secs(now));
            // Killed before it was kept, and noticed again later.
            let (one, two) = (at(50_000), at(60_000));
            assert_eq!(one.events[0].id, two.events[0].id);
            one.events[0].id
        };
        assert_ne!(ids(10_000), ids(20_000));
    }

    #[test]
    fn a_fork_is_told_once_and_an_outage_is_not_its_end() {
        let (mut log, checkpoint) = (watched(&[]), shown(&[]));
        let fork = Seen::Forked { which: "3 a, 4 b".to_owned(), told: "two histories".to_owned() };
        assert_eq!(log.look(&fork, 10_000), [(Kind::Fork, Phase::Began)]);
        let grown = Seen::Forked { which: "3 a, 5 c".to_owned(), told: "two histories".to_owned() };
        assert_eq!(log.look(&grown, 10_001), []);
        assert_eq!(log.look(&Seen::Nothing, 10_002), []);
        assert_eq!(log.look(&Seen::Continues(&checkpoint), 10_003), [(Kind::Fork, Phase::Over)]);
    }

    #[test]
    fn the_same_fork_after_it_was_said_to_be_over_is_another_event() {
        let fork = Seen::Forked { which: "3 a, 4 b".to_owned(), told: "two histories".to_owned() };
        let at = |now| {
            let before = LogState { fresh: 10_000, ..LogState::default() };
            judge(&expected(&[]), &fork, &before, &BTreeMap::new(), Timestamp::from_secs(now)).events[0].id
        };
        assert_ne!(at(10_000), at(10_300), "the memory drops what it knows");
    }
}
