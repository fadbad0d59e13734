//! Every refusal in words: `refusals.txt` holds one of each, as people read them, so that a change of words is seen in review.
use super::*;
use crate::{
    artifact::WheelName,
    checkpoint::UnverifiedCheckpoint,
    envelope::Envelope,
    merkle::{LeafHash, RootHash, verify_inclusion},
};
use std::fmt::Write as _;

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn statement(text: &str) -> StatementId {
    ArtifactDigest::of(text.as_bytes()).to_string().parse().unwrap()
}

fn head(size: u64) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root: RootHash::of_empty() }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// About votes and pins.
fn of_votes() -> Vec<Reason> {
    let line = 5;
    let commit = SourceClass::Commit { commit: "c0ffee".repeat(6) + "c0ff", tree: ArtifactDigest::of(b"tree") };
    let classes =
        vec![(commit, vec![group("debian")]), (SourceClass::Sdist(ArtifactDigest::of(b"sdist")), vec![group("nixos")])];
    vec![
        Reason::NoStatement { need: 2, line },
        Reason::BelowThreshold { need: 2, groups: Vec::new(), line },
        Reason::BelowThreshold { need: 2, groups: vec![group("debian")], line },
        Reason::SourcesDisagree { need: 2, classes, line },
        Reason::RequiredGroups { missing: vec![group("debian"), group("nixos")], line },
        Reason::OtherIndex {
            expected: "https://pypi.acme.example/simple".to_owned(),
            found: Some("https://files.example.org/demo-1.0-py3-none-any.whl".to_owned()),
            line,
        },
        Reason::OtherIndex { expected: "https://pypi.acme.example/simple".to_owned(), found: None, line },
        Reason::LostAttestation { since: time("2026-11-01T00:00:00Z"), line },
        Reason::Regression { attested: "1.0".to_owned(), line },
        Reason::ChangedDigest { expected: ArtifactDigest::of(b"then"), found: ArtifactDigest::of(b"now"), line },
        Reason::PinExpired { expires: time("2026-11-01T00:00:00Z"), line },
    ]
}

/// About dissent.
fn of_dissent() -> Vec<Reason> {
    let origin = "log.example.org/2026".to_owned();
    let by = PartyName::new("carol").unwrap();
    let notes = Box::new(["one note".to_owned(), "another note".to_owned()]);
    vec![
        Reason::Contradicted { groups: vec![group("debian")], statements: vec![statement("no")] },
        Reason::Contradicted {
            groups: vec![group("debian"), group("nixos")],
            statements: vec![statement("no"), statement("never")],
        },
        Reason::UnresolvedContradiction { by, statement: statement("no"), contradicts: statement("yes") },
        Reason::IncompleteView { origin: origin.clone(), why: Incomplete::NoList, line: 8 },
        Reason::TwoLists { origin: origin.clone(), signer: "mirror-a".to_owned(), notes },
        Reason::WrongList {
            origin,
            signers: vec!["mirror-a".to_owned()],
            index: LeafIndex::new(7),
            note: "a note".to_owned(),
        },
    ]
}

/// About logs, the policy itself, and files.
fn of_the_rest() -> Vec<Reason> {
    let origin = "log.example.org/2026".to_owned();
    let (now, as_of) = (time("2026-11-22T10:00:00Z"), time("2026-11-20T10:00:00Z"));
    let (line, index) = (9, LeafIndex::new(7));
    let max_age = Duration::from_secs(86_400);
    let malformed = || UnverifiedCheckpoint::parse(b"<html>").unwrap_err();
    let proof = verify_inclusion(LeafHash::of(b"entry"), index, head(9), &[]).unwrap_err();
    let notes = Box::new(["one note".to_owned(), "another note".to_owned()]);
    vec![
        Reason::LogUnreachable { origin: origin.clone(), why: "connection refused".to_owned() },
        Reason::MalformedCheckpoint { origin: None, error: malformed() },
        Reason::MalformedCheckpoint { origin: Some(origin.clone()), error: malformed() },
        Reason::WitnessQuorum { origin: origin.clone(), need: 2, groups: vec![group("w1")], line },
        Reason::StaleCheckpoint { origin: origin.clone(), as_of, now, max_age, line },
        Reason::StaleCheckpoint { origin: origin.clone(), as_of: now, now: as_of, max_age, line },
        Reason::NotFinal { origin: origin.clone(), expected: TreeSize::new(9), found: TreeSize::new(8), line },
        Reason::FinalRoot { origin: origin.clone(), expected: head(9), note: "a note".to_owned(), line },
        Reason::Fork { origin: origin.clone(), notes },
        Reason::BadProof { origin: origin.clone(), index, error: proof },
        Reason::MalformedEntry { origin, index, error: Envelope::parse(b"{}").unwrap_err() },
        Reason::PolicyExpired { expires: as_of, line },
        Reason::PolicyRollback { serial: 3, seen: 4, line },
        Reason::NotAttestable {
            name: "demo-1.0.tar.gz".to_owned(),
            error: WheelName::parse("demo-1.0.tar.gz").unwrap_err(),
        },
        Reason::DigestMismatch { expected: ArtifactDigest::of(b"one"), found: ArtifactDigest::of(b"other") },
    ]
}

/// Does not compile when a reason is new: it needs an example above.
fn is_shown(reason: &Reason) {
    match reason {
        Reason::NoStatement { .. }
        | Reason::BelowThreshold { .. }
        | Reason::SourcesDisagree { .. }
        | Reason::RequiredGroups { .. }
        | Reason::OtherIndex { .. }
        | Reason::LostAttestation { .. }
        | Reason::Regression { .. }
        | Reason::ChangedDigest { .. }
        | Reason::PinExpired { .. }
        | Reason::Contradicted { .. }
        | Reason::UnresolvedContradiction { .. }
        | Reason::IncompleteView { .. }
        | Reason::TwoLists { .. }
        | Reason::WrongList { .. }
        | Reason::LogUnreachable { .. }
        | Reason::MalformedCheckpoint { .. }
        | Reason::WitnessQuorum { .. }
        | Reason::StaleCheckpoint { .. }
        | Reason::NotFinal { .. }
        | Reason::FinalRoot { .. }
        | Reason::Fork { .. }
        | Reason::BadProof { .. }
        | Reason::MalformedEntry { .. }
        | Reason::PolicyExpired { .. }
        | Reason::PolicyRollback { .. }
        | Reason::NotAttestable { .. }
        | Reason::DigestMismatch { .. } => {}
    }
}

#[test]
fn every_refusal_reads_as_it_was_reviewed() {
    let mut text = String::new();
    for reason in of_votes().into_iter().chain(of_dissent()).chain(of_the_rest()) {
        is_shown(&reason);
        let line = reason.policy_line().map_or_else(String::new, |line| format!(" (line {line})"));
        let exit = reason.severity().exit_code();
        writeln!(text, "{} [exit {exit}]\n  {reason}{line}\n  hint: {}", reason.code(), reason.hint()).unwrap();
    }
    let reviewed = include_str!("refusals.txt");
    assert!(text == reviewed, "review what changed; refusals.txt would be:\n{text}");
}
