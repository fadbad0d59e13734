//! The policies of somebody who believes everybody on the list and asks for one group, for two groups, and so on: what
//! they say of a file is what `attest verify` would say under them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use attest_core::policy::{Policy, PolicyError};
use serde::Serialize;
use toml::value::Datetime;

use crate::rebuilders::{Rebuilder, Rebuilders};

/// Thresholds that are shown: asking for more groups than that is nobody's policy.
const MAX_THRESHOLD: usize = 8;

/// Made once for each list.
#[derive(Debug, Default)]
pub(super) struct Policies(Mutex<Option<Made>>);

/// What was made of a list.
#[derive(Debug)]
struct Made {
    of: Arc<Rebuilders>,
    policies: Arc<Vec<Policy>>,
}

impl Policies {
    /// One for each threshold, from 1 up.
    pub(super) fn of(&self, list: &Arc<Rebuilders>, vkey: &str) -> Arc<Vec<Policy>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*kept
            && Arc::ptr_eq(&made.of, list)
        {
            return Arc::clone(&made.policies);
        }
        let policies = make(list, vkey).unwrap_or_else(|error| {
            tracing::warn!(%error, "the list of rebuilders makes no policy: no thresholds are shown");
            Vec::new()
        });
        let policies = Arc::new(policies);
        *kept = Some(Made { of: Arc::clone(list), policies: Arc::clone(&policies) });
        policies
    }
}

/// docs/policy.md.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    version: u32,
    serial: u32,
    expires: Datetime,
    threshold: usize,
    accept_origin: [&'static str; 2],
    accept_method: [&'static str; 2],
    negatives: &'static str,
    witness_threshold: &'static str,
    max_checkpoint_age: &'static str,
    offline_max_age: &'static str,
    clock_skew: &'static str,
    rebuilder: Vec<Party>,
    log: [Log; 1],
}

#[derive(Clone, Serialize)]
struct Party {
    name: String,
    group: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    status: &'static str,
}

#[derive(Serialize)]
struct Log {
    vkey: String,
    urls: [&'static str; 1],
}

fn make(list: &Rebuilders, vkey: &str) -> Result<Vec<Policy>, PolicyError> {
    let groups: BTreeSet<&str> = list.iter().map(Rebuilder::group).collect();
    let words = words(&groups);
    let parties: Vec<_> = list.iter().enumerate().map(|(number, one)| party(number, one, &words)).collect();
    let thresholds = 1..=groups.len().min(MAX_THRESHOLD);
    let parse = |threshold| {
        let file = File {
            version: 1,
            serial: 1,
            expires: LATEST,
            threshold,
            accept_origin: ["git", "sdist"],
            accept_method: ["exact", "replayed"],
            negatives: "best-effort",
            // What is asked about is this server's own tree.
            witness_threshold: "none",
            max_checkpoint_age: "unchecked",
            offline_max_age: "unchecked",
            clock_skew: "5m",
            rebuilder: parties.clone(),
            log: [Log { vkey: vkey.to_owned(), urls: ["https://log.invalid"] }],
        };
        Policy::parse(&toml::to_string(&file).unwrap_or_default())
    };
    thresholds.map(parse).collect()
}

/// The last day that a TOML time and a [`attest_core::time::Timestamp`] both know.
const LATEST: Datetime = Datetime {
    date: Some(toml::value::Date { year: 9999, month: 12, day: 30 }),
    time: Some(toml::value::Time { hour: 0, minute: 0, second: Some(0), nanosecond: None }),
    offset: Some(toml::value::Offset::Z),
};

/// What each group is called in a policy: two that are alike in its letters are still two.
fn words<'a>(groups: &BTreeSet<&'a str>) -> BTreeMap<&'a str, String> {
    let mut words: BTreeMap<&str, String> = BTreeMap::new();
    for &group in groups {
        let mut word = word(group);
        while words.values().any(|taken| *taken == word) {
            word.push('+');
        }
        words.insert(group, word);
    }
    words
}

fn party(number: usize, one: &Rebuilder, groups: &BTreeMap<&str, String>) -> Party {
    Party {
        // Two may have one name on the list; in a policy every name is used once.
        name: format!("{number}/{}", word(one.name())),
        group: groups.get(one.group()).cloned().unwrap_or_default(),
        key: one.key().fingerprint(),
        certificate: one.certificate().map(ToOwned::to_owned),
        status: "current",
    }
}

/// In the letters that a policy has for names.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.:/@+".contains(c) { c } else { '-' };
    text.chars().take(100).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::TestLog, record::tests::world::list};

    #[test]
    fn there_is_one_policy_for_each_number_of_groups() {
        let list = list(&[(1, "a b"), (2, "a b"), (3, "c")]);
        let policies = make(&list, &TestLog::new().vkey.to_string()).unwrap();
        assert_eq!(policies.iter().map(|policy| policy.threshold().value).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn groups_that_are_alike_in_the_letters_of_a_policy_are_still_two() {
        let list = list(&[(1, "a b"), (2, "a-b"), (3, "a_b")]);
        let policies = make(&list, &TestLog::new().vkey.to_string()).unwrap();
        assert_eq!(policies.len(), 3);
        let groups: BTreeSet<_> = list.iter().map(Rebuilder::group).collect();
        assert_eq!(words(&groups).values().collect::<Vec<_>>(), ["a-b", "a-b+", "a_b"]);
    }
}
