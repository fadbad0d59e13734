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

/// The same from what the record keeps of a file: groups whose votes agree, and whether anything speaks against it.
pub(super) fn recorded(policies: usize, row: &FileRow) -> Vec<Threshold> {
    let accused = row.cells.iter().any(|cell| cell.standing.accuses());
    let at = |threshold: u64| {
        let reason = match row.groups {
            _ if accused => Some("something speaks against it: see the statements".to_owned()),
            groups if groups < threshold => {
                Some(format!("expected {threshold} groups whose votes agree, found {groups}"))
            }
            _ => None,
        };
        Threshold { threshold, accepted: reason.is_none(), reason }
    };
    (1..=policies as u64).map(at).collect()
}

fn reason(verdict: &Verdict) -> Option<String> {
    verdict.reasons().first().map(|reason| reason.to_string().lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use attest_core::{
        api::record::{Agreement, Cell, EntryRow, SignedBy, Standing},
        artifact::ArtifactDigest,
    };

    use super::*;

    #[test]
    fn what_the_record_keeps_gives_the_thresholds_of_what_is_not_weighed() {
        let agreement = Agreement { commits: Vec::new(), sdists: Vec::new(), agree: true, more: false };
        let text = String::new;
        let (sha256, cells) = (ArtifactDigest::of(b""), Vec::new());
        let mut row = FileRow { project: text(), version: text(), file: text(), sha256, cells, groups: 2, agreement };
        let accepted = |row: &FileRow| recorded(3, row).into_iter().map(|one| one.accepted).collect::<Vec<_>>();
        assert_eq!(accepted(&row), [true, true, false]);
        let entry = EntryRow {
            index: 1,
            standing: Standing::ForeignCode,
            by: SignedBy { id: None, name: text(), group: None },
            about: None,
            no_vote: None,
            outcome: None,
            origin: None,
            method: None,
            commit: None,
            stated_time: None,
            withdrawn_by: None,
        };
        row.cells.push(Cell { group: text(), standing: Standing::ForeignCode, entry });
        assert_eq!(accepted(&row), [false; 3]);
        assert!(recorded(0, &row).is_empty());
    }
}
