use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;

use crate::{
    gate::regress::Regression,
    item::{Elsewhere, GateError, Unattestable},
};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn codes(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.code).collect()
}

/// The exhaustive matches do not compile when a variant is new: it needs an example, and so a line in the list.
fn of_items() -> Vec<&'static str> {
    let found = String::new;
    let errors = [
        GateError::NoHash,
        GateError::OtherHash { found: found() },
        GateError::MalformedHash { found: found() },
        GateError::NotPinned { found: found() },
        GateError::OtherName { expected: found(), found: found() },
        GateError::TwoHashes { line: 1 },
        GateError::SecondForm { found: found() },
        GateError::NoFile,
        GateError::Mismatch { found: ArtifactDigest::of(b"") },
    ];
    let elsewhere = [
        Elsewhere::Marker(found()),
        Elsewhere::Tags { python: found() },
        Elsewhere::Unreached,
        Elsewhere::WheelFits,
        Elsewhere::Own,
    ];
    let name = attest_core::artifact::WheelName::parse("x").unwrap_err();
    let not = [
        Unattestable::Sdist,
        Unattestable::Local,
        Unattestable::Vcs,
        Unattestable::NotAWheel,
        Unattestable::WheelName(name),
    ];
    for error in &errors {
        match error {
            GateError::NoHash
            | GateError::OtherHash { .. }
            | GateError::MalformedHash { .. }
            | GateError::NotPinned { .. }
            | GateError::OtherName { .. }
            | GateError::TwoHashes { .. }
            | GateError::SecondForm { .. }
            | GateError::NoFile
            | GateError::Mismatch { .. } => {}
        }
    }
    for elsewhere in &elsewhere {
        match elsewhere {
            Elsewhere::Marker(_)
            | Elsewhere::Tags { .. }
            | Elsewhere::Unreached
            | Elsewhere::WheelFits
            | Elsewhere::Own => {}
        }
    }
    let errors = errors.iter().map(GateError::code).chain(elsewhere.iter().map(Elsewhere::code));
    errors.chain(not.iter().map(Unattestable::code)).chain([UNPRUNED]).collect()
}

fn of_the_lock() -> Vec<&'static str> {
    let (name, sha256, groups) = (String::new, ArtifactDigest::of(b""), BTreeSet::new);
    let project = attest_core::artifact::ProjectName::new("demo").unwrap();
    let worse = [
        Regression::Lost { name: name(), sha256, groups: groups() },
        Regression::Withheld { name: name(), sha256, log: name(), index: 0, group: None },
        Regression::Changed { project, before: name(), after: name(), groups: groups() },
        Regression::Uncovered { name: name(), sha256 },
    ];
    worse.iter().map(Regression::code).collect()
}

#[test]
fn every_code_is_listed_once_and_none_is_invented() {
    assert_eq!(codes(&all().copied().collect::<Vec<_>>()).len(), all().count());
    assert_eq!(codes(OF_THE_GATE), of_items().into_iter().collect());
    assert_eq!(codes(OF_THE_LOCK), of_the_lock().into_iter().collect());
    // A test of attest-core holds this file to its reasons, one of each.
    let refusals = fs::read_to_string(root().join("attest-core/src/verify/reason/refusals.txt")).unwrap();
    let mut reasons: BTreeSet<&str> =
        refusals.lines().filter_map(|line| line.split_once(" [exit ")).map(|(code, _)| code).collect();
    reasons.insert(EXEMPT_EXPIRED);
    let listed: BTreeSet<&str> = codes(OF_POLICIES);
    // The same word from both: the bytes of a file at hand, and of one that a lock pins.
    reasons.remove("digest-mismatch");
    assert_eq!(listed, reasons);
}

const fn words(ends: Ends) -> &'static str {
    match ends {
        Ends::Passes => "passes (0)",
        Ends::Refused => "refused (1)",
        Ends::Undecided => "undecided (3)",
        Ends::Alarm => "alarm (4)",
        Ends::RefusedOrAlarm => "refused (1), alarm (4) by two groups",
    }
}

#[test]
fn the_page_of_reasons_is_the_list() {
    let mut page = "# Reasons\n\nEvery \"no\" carries a code of this closed list, in every output format. The text beside it names what was \
                    found,\n`hint` the next step; `attest explain` shows everything behind it. In brackets: the exit code of a run that \
                    has it as its worst.\n"
        .to_owned();
    for (heading, entries) in [
        ("What a policy says about a file", OF_POLICIES),
        ("What the gate says, whatever any policy says", OF_THE_GATE),
        ("What got worse since `attest.lock` was written: refused with `--locked`, otherwise a warning", OF_THE_LOCK),
    ] {
        write!(page, "\n## {heading}\n\n| code | it means | who is at fault | what to do |\n|---|---|---|---|\n")
            .unwrap();
        for Entry { code, ends, meaning, fault, advice } in entries {
            writeln!(page, "| `{code}`<br>{} | {meaning} | {fault} | {advice} |", words(*ends)).unwrap();
        }
    }
    let path = root().join("docs/reasons.md");
    if std::env::var_os("ATTEST_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/reasons.md is printed from the list: run with ATTEST_UPDATE_SNAPSHOTS=1");
}
