//! `attest.lock`: what is read is what would be printed, to the byte, and nothing passes that the evidence does not carry.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    lockfile::{Bundle, Covered, Lockfile, LockfileError, OtherPlatforms},
    verify::{Evidence, Severity, Verdict},
};
use proptest::prelude::*;

use world::{NOW, published};

/// The evidence of two groups, which the usual policy takes.
fn evidence() -> Evidence {
    let statement = world::reproduced(|_| {});
    let votes = ["deb-1", "nix-1"].map(|name| world::signer(name).sign(&statement));
    world::evidence(vec![world::log_of(&[&votes[0], &votes[1]]).view()])
}

fn covered() -> Covered {
    let name = WheelName::parse(world::WHEEL).unwrap();
    Covered {
        project: name.project.clone(),
        version: name.version.clone(),
        file: Some(name),
        sha256: published().digest,
        groups: ["nixos", "debian"].map(str::to_owned).into(),
        exempt: false,
    }
}

fn lockfile(evidence: &Evidence) -> Lockfile {
    let bundle = Bundle::select(evidence, &BTreeSet::from([published().digest]));
    Lockfile::new(NOW, ["requirements.txt".to_owned()], OtherPlatforms::Removed, vec![covered()], bundle).unwrap()
}

/// "Compression" that keeps everything readable.
fn print(lockfile: &Lockfile) -> String {
    lockfile.print(<[u8]>::to_vec)
}

fn parse(bytes: &[u8]) -> Result<Lockfile, LockfileError> {
    Lockfile::parse(bytes, |packed, _| Some(packed.to_vec()))
}

fn judged(evidence: &Evidence) -> Verdict {
    world::judge_by(&world::Rules::new(), evidence)
}

#[test]
fn what_is_printed_reads_back_and_is_accepted_again() {
    let evidence = evidence();
    let text = print(&lockfile(&evidence));
    let read = parse(text.as_bytes()).unwrap();
    assert_eq!(print(&read), text);
    assert!(judged(&read.bundle().evidence()).is_accepted());
    assert_eq!(read.locks(), ["requirements.txt"]);
    assert!(text.lines().any(|line| line.contains("groups = [\"debian\", \"nixos\"]")), "{text}");
}

#[test]
fn the_same_evidence_in_another_order_gives_the_same_bytes() {
    let evidence = evidence();
    let mut shuffled = evidence.clone();
    shuffled.logs.reverse();
    for view in &mut shuffled.logs {
        view.entries.reverse();
    }
    shuffled.logs.extend(evidence.logs.clone());
    assert_eq!(print(&lockfile(&shuffled)), print(&lockfile(&evidence)));
}

#[test]
fn what_is_about_other_files_is_not_kept_and_not_read() {
    let evidence = evidence();
    let other = ArtifactDigest::of(b"another file");
    let none = Bundle::select(&evidence, &BTreeSet::from([other]));
    assert_eq!(none.subjects().count(), 0);
    assert!(none.heads().count() > 0, "its checkpoint says that the log answered");
    let bundle = Bundle::select(&evidence, &BTreeSet::from([published().digest]));
    let foreign = Lockfile::new(NOW, [], OtherPlatforms::Removed, Vec::new(), bundle);
    assert!(matches!(foreign, Err(LockfileError::Foreign { .. })), "{foreign:?}");
}

/// A fresh clone brings such a file, and every statement is a signature to check for every key of the policy.
#[test]
fn more_statements_than_anybody_needs_are_refused_before_a_signature_is_checked() {
    let stuffed = |count: usize| {
        let minute = |n: usize| format!("2026-11-21T{:02}:{:02}:{:02}Z", n / 3600, n / 60 % 60, n % 60);
        let statement = |n| world::reproduced(|build| build.rebuilt_at = minute(n));
        let unlogged = (0..count).map(|n| world::signer("anybody").sign(&statement(n)).bytes).collect();
        let bundle = Bundle::select(
            &Evidence { unlogged, ..world::evidence(Vec::new()) },
            &BTreeSet::from([published().digest]),
        );
        Lockfile::new(NOW, [], OtherPlatforms::Removed, vec![covered()], bundle)
    };
    let most = stuffed(Lockfile::MAX_STATEMENTS_EACH).unwrap();
    assert!(parse(print(&most).as_bytes()).is_ok());
    let found = Lockfile::MAX_STATEMENTS_EACH + 1;
    assert_eq!(stuffed(found).unwrap_err(), LockfileError::TooManyAbout { sha256: published().digest, found });
}

#[test]
fn a_list_that_says_something_else_than_the_evidence_is_refused() {
    let evidence = evidence();
    let text = print(&lockfile(&evidence));
    let entries = text.lines().find(|line| line.contains("entries = [")).unwrap();
    let (before, _) = entries.split_once("entries = [").unwrap();
    let hidden = text.replace(entries, &format!("{before}entries = [] }},"));
    assert!(matches!(parse(hidden.as_bytes()), Err(LockfileError::NotAsPrinted { .. })));
    for (from, to) in [
        ("version = 1\n", "version = 1 # reviewed\n"),
        ("size = ", "size =  "),
        ("locks = [\"requirements.txt\"]", "locks = [\"requirements.txt\", \"requirements.txt\"]"),
        ("\"debian\", \"nixos\"", "\"nixos\", \"debian\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    for beyond in ["../requirements.txt", "a/b", ".hidden", "", "/etc/passwd"] {
        let moved = text.replace("\"requirements.txt\"", &format!("\"{beyond}\""));
        assert!(matches!(parse(moved.as_bytes()), Err(LockfileError::LockName { .. })), "{beyond}");
    }
}

#[test]
fn another_version_and_a_merge_conflict_are_named_as_what_they_are() {
    let evidence = evidence();
    let text = print(&lockfile(&evidence));
    let newer = text.replacen("version = 1\n", "version = 2\nsignatures = []\n", 1);
    assert_eq!(parse(newer.as_bytes()).unwrap_err(), LockfileError::Version { found: 2 });
    let conflict = text.replacen("locks = ", "<<<<<<< HEAD\nlocks = ", 1);
    assert!(matches!(parse(conflict.as_bytes()), Err(LockfileError::Conflict { .. })));
    let bomb = Lockfile::parse(text.as_bytes(), |_, limit| {
        assert_eq!(limit, Lockfile::MAX_EVIDENCE);
        None
    });
    assert_eq!(bomb.unwrap_err(), LockfileError::Packed);
}

#[test]
fn a_file_that_is_only_large_is_refused_before_it_takes_many_times_its_size() {
    let text = print(&lockfile(&evidence()));
    let many = "1,".repeat(Lockfile::MAX_LISTS / 2);
    let long = text.replacen("logs = [\n", &format!("logs = [{many}\n"), 1);
    assert!(matches!(parse(long.as_bytes()), Err(LockfileError::Lists { .. })));
    let shards = vec!["[\"00\",\"\"]"; 257].join(",");
    let negatives = format!("{{\"note\":\"\",\"table\":\"\",\"shards\":[{shards}],\"checkpoints\":[]}}");
    let read = Bundle::parse(format!("{{\"logs\":[],\"negatives\":[{negatives}],\"unlogged\":[]}}").as_bytes());
    assert!(read.unwrap_err().to_string().contains("at most 256 shards"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Wherever a file is broken: refused, or it carries no more than before.
    #[test]
    fn a_corrupted_file_never_passes_what_its_evidence_does_not_carry(
        region in 0..16_usize, offset in any::<usize>(), byte in any::<u8>(), edit in 0..4_u8,
    ) {
        let evidence = evidence();
        let mut bytes = print(&lockfile(&evidence)).into_bytes();
        let width = bytes.len() / 16;
        let at = (region * width + offset % width.max(1)).min(bytes.len() - 1);
        match edit {
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            2 => bytes.insert(at, byte),
            _ => bytes.truncate(at),
        }
        if let Ok(read) = parse(&bytes) {
            let printed = print(&read);
            prop_assert_eq!(printed.as_bytes(), &bytes[..]);
            // Whatever it now says, the votes are those that were signed: one changed byte makes none.
            let verdict = judged(&read.bundle().evidence());
            let severity = verdict.severity();
            prop_assert!(severity != Some(Severity::Alarm), "{:?}", verdict.reasons());
        }
    }

    /// The same below the armor, where every byte is the document's.
    #[test]
    fn corrupted_evidence_never_passes_more_than_was_signed(offset in any::<usize>(), byte in any::<u8>(), edit in 0..3_u8) {
        let mut evidence = evidence();
        // One vote short: no corruption may make up the other.
        for view in &mut evidence.logs {
            view.entries.truncate(1);
        }
        let mut bytes = Bundle::select(&evidence, &BTreeSet::from([published().digest])).to_bytes();
        let at = offset % bytes.len();
        match edit {
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, byte),
        }
        if let Ok(read) = Bundle::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert!(!judged(&read.evidence()).is_accepted());
        }
    }
}
