//! Files that the policies accepted, and no longer do: whatever the reason is, the gate knows it.
//!
//! The question is that of `attest verify` about the same locks, judged by the same code. What is undecided is no loss: nothing
//! is known then, and what was known before stays.

use std::collections::BTreeMap;

use attest_core::time::Timestamp;

use super::event::{Event, File, Kind, Phase, Plain, word};
use crate::gate::{Answer, Outcome};

/// A file of a lock, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) file: File,
    /// The lock that it stands in.
    pub(crate) lock: String,
    pub(crate) word: Word,
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Accepted,
    /// For this reason.
    Refused(String),
    Undecided,
}

impl Word {
    const fn rank(&self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Undecided => 1,
            Self::Refused(_) => 2,
        }
    }
}

impl Standing {
    /// Of a file that there is something to decide about.
    pub(crate) fn of(answer: &Answer<'_>) -> Option<Self> {
        let sha256 = answer.item.digest()?;
        let word = match answer.outcome {
            outcome if outcome.lets_through() => Word::Accepted,
            Outcome::Refused | Outcome::Alarm => {
                Word::Refused(answer.causes().first().map(|cause| cause.message.clone()).unwrap_or_default())
            }
            Outcome::Undecided => Word::Undecided,
            _ => return None,
        };
        let name = Plain::stated(&answer.item.name);
        let (project, version) = match &answer.item.package {
            Some(package) => (
                Some(Plain::stated(package.project.as_str())),
                package.version.as_ref().map(|version| Plain::stated(version.as_str())),
            ),
            None => (None, None),
        };
        let file = File { name, project, version, sha256 };
        Some(Self { file, lock: answer.item.place.path().display().to_string(), word })
    }

    /// A lock may let pass what another one does not, by its place or its other hashes.
    fn key(&self) -> String {
        format!("{} sha256:{} in {}", self.file.name, self.file.sha256, self.lock)
    }

    /// The worse of two words about one file in one lock.
    fn worse(self, other: Self) -> Self {
        if other.word.rank() > self.word.rank() { other } else { self }
    }
}

/// What follows from how the files stand now.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) events: Vec<Event>,
    pub(crate) accepted: BTreeMap<String, u64>,
    pub(crate) lasting: BTreeMap<String, String>,
}

/// Compares with before. Files that stand in no lock any more are forgotten.
pub(crate) fn judge(
    now_standing: &[Standing],
    accepted: &BTreeMap<String, u64>,
    lasting: &BTreeMap<String, String>,
    now: Timestamp,
) -> Changes {
    let mut changes = Changes { events: Vec::new(), accepted: accepted.clone(), lasting: lasting.clone() };
    // A file that stands in a lock twice has one word there.
    let mut words: BTreeMap<String, Standing> = BTreeMap::new();
    for standing in now_standing.iter().cloned() {
        let key = standing.key();
        let worst = words.remove(&key).map_or(standing.clone(), |known| known.worse(standing));
        words.insert(key, worst);
    }
    for standing in words.values() {
        changes.take(standing, now);
    }
    changes.accepted.retain(|key, _| words.contains_key(key));
    changes.lasting.retain(|name, _| name.strip_prefix(PREFIX).is_none_or(|key| words.contains_key(key)));
    changes
}

/// Of what lasts, told apart from what lasts of logs.
const PREFIX: &str = "lost ";

impl Changes {
    fn take(&mut self, standing: &Standing, now: Timestamp) {
        let key = standing.key();
        let lost = format!("{PREFIX}{key}");
        match &standing.word {
            Word::Undecided => {}
            Word::Accepted => {
                self.accepted.entry(key.clone()).or_insert(now.secs());
                if let Some(since) = self.lasting.remove(&lost) {
                    let what = format!("{}: every policy accepts it again", standing.file.name);
                    self.tell(Phase::Over, &[&key, &since], standing, (&what, "nothing"), now);
                }
            }
            Word::Refused(why) => {
                // Told once. What was never accepted is no loss.
                let Some(since) = self.accepted.remove(&key) else { return };
                self.lasting.insert(lost, since.to_string());
                let what = format!("{}: it was accepted, and is no longer: {why}", standing.file.name);
                let next = format!("attest verify {}  # attest explain {}", word(&standing.lock), standing.file.item());
                self.tell(Phase::Began, &[&key, &since.to_string()], standing, (&what, &next), now);
            }
        }
    }

    fn tell(&mut self, phase: Phase, parts: &[&str], standing: &Standing, (what, next): (&str, &str), now: Timestamp) {
        let mut event = Event::new(Kind::LostAttestation, phase, parts, now);
        event.file = Some(standing.file.clone());
        event.what = Plain::new(what);
        event.next = Plain::new(next);
        event.watched = vec![Plain::new(format_args!("accepted {}", standing.lock))];
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use attest_core::artifact::ArtifactDigest;

    use super::*;

    fn standing(name: &str, word: Word) -> Standing {
        let file = File {
            name: Plain::stated(name),
            project: None,
            version: None,
            sha256: ArtifactDigest::of(name.as_bytes()),
        };
        Standing { file, lock: "uv.lock".to_owned(), word }
    }

    fn refused() -> Word {
        Word::Refused("2 needed, 1 found".to_owned())
    }

    #[test]
    fn a_file_is_lost_once_and_back_once_and_an_outage_is_neither() {
        let (mut accepted, mut lasting) = (BTreeMap::new(), BTreeMap::new());
        let mut told = Vec::new();
        for (now, word) in [
            (1, refused()),
            (2, Word::Accepted),
            (3, Word::Undecided),
            (4, refused()),
            (5, refused()),
            (6, Word::Undecided),
            (7, Word::Accepted),
            (8, refused()),
        ] {
            let changes = judge(&[standing("a.whl", word)], &accepted, &lasting, Timestamp::from_secs(now));
            (accepted, lasting) = (changes.accepted, changes.lasting);
            told.extend(changes.events.iter().map(|event| (now, event.phase, event.id)));
        }
        let phases: Vec<_> = told.iter().map(|(now, phase, _)| (*now, *phase)).collect();
        assert_eq!(phases, [(4, Phase::Began), (7, Phase::Over), (8, Phase::Began)]);
        assert_ne!(told[0].2, told[2].2, "another loss");
    }

    #[test]
    fn a_file_in_two_locks_is_lost_in_the_one_that_no_longer_lets_it_pass_and_does_not_flap() {
        let (mut accepted, mut lasting) = (BTreeMap::new(), BTreeMap::new());
        let mut told = Vec::new();
        let in_lock = |lock: &str, word: Word| Standing { lock: lock.to_owned(), ..standing("a.whl", word) };
        for (now, strict) in [(1, Word::Accepted), (2, refused()), (3, refused()), (4, refused())] {
            // Twice in the second one: under two markers.
            let all = [in_lock("a.lock", Word::Accepted), in_lock("b.lock", strict), in_lock("b.lock", Word::Accepted)];
            let changes = judge(&all, &accepted, &lasting, Timestamp::from_secs(now));
            (accepted, lasting) = (changes.accepted, changes.lasting);
            told.extend(changes.events.into_iter().map(|event| (now, event.phase, event.watched)));
        }
        assert_eq!(told, [(2, Phase::Began, vec![Plain::new("accepted b.lock")])]);
        assert_eq!((accepted.len(), lasting.len()), (1, 1));
    }

    #[test]
    fn what_is_in_no_lock_any_more_is_forgotten() {
        let now = Timestamp::from_secs(9);
        let both = [standing("a.whl", Word::Accepted), standing("b.whl", Word::Accepted)];
        let changes = judge(&both, &BTreeMap::new(), &BTreeMap::new(), now);
        assert_eq!(changes.accepted.len(), 2);
        let lasting = BTreeMap::from([("stall log".to_owned(), "7".to_owned())]);
        let changes = judge(&both[..1], &changes.accepted, &lasting, now);
        assert_eq!(changes.accepted.len(), 1);
        assert_eq!(changes.lasting, lasting, "what lasts of logs is not its affair");
    }
}
