//! What policies that list everybody on the list, and ask for one group, two groups and so on, say of a file: by
//! `attest_core::verify`, as anybody else would decide with such a policy and this server's entries. Such a policy takes
//! recipes that are knobs only, from git or an sdist, method exact or replayed, and no witnesses.

use attest_core::{
    api::record::{FileRow, Threshold},
    policy::Policy,
    time::Timestamp,
    verify::{Asking, Connection, Evidence, LogView, LoggedEntry, Verdict, Wanted, WantedName, verify},
};

use super::entry::Proven;

/// `proven`: what is said about the file.
pub(super) fn thresholds(
    policies: &[Policy],
    (note, now): (&str, Timestamp),
    row: &FileRow,
    proven: &[Proven],
) -> Vec<Threshold> {
    let entries = proven.iter().map(|proven| LoggedEntry {
        index: proven.index(),
        envelope: proven.entry.clone(),
        path: proven.path.clone(),
    });
    let evidence = Evidence {
        logs: vec![LogView { checkpoint: note.as_bytes().to_vec(), entries: entries.collect() }],
        unlogged: Vec::new(),
        unreachable: Vec::new(),
        forks: Vec::new(),
        negatives: Vec::new(),
        replicas: Vec::new(),
    };
    let wanted = Wanted { digest: row.sha256, name: WantedName::File(row.file.clone()) };
    let asking = Asking { now, connection: Connection::Online, seen_serial: None };
    let judge = |(policy, threshold): (&Policy, u64)| {
        let verdict = verify(policy, &wanted, &evidence, asking);
        Threshold { threshold, accepted: verdict.is_accepted(), reason: reason(&verdict) }
    };
    policies.iter().zip(1..).map(judge).collect()
}

fn reason(verdict: &Verdict) -> Option<String> {
    verdict.reasons().first().map(|reason| reason.to_string().lines().next().unwrap_or_default().to_owned())
}
