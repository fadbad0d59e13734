//! Views as the record might answer them, for tests of how they are drawn.

use attest_core::{
    api::record::{
        About, Agreement, Cell, CheckpointView, Counts, Coverage, CoveredProject, Day, Disagreement, DisagreementKind,
        EntryRow, EntryView, FileRow, FileView, HealthView, LogRole, LogView, MirrorState, MirrorView, NegativesView,
        NoVote, Page, ProjectRow, ProjectView, RebuilderRow, ReleaseRow, ReleaseView, SearchAnswer, SignedBy, Standing,
        Threshold, WitnessView,
    },
    artifact::ArtifactDigest,
    envelope::StatementId,
    statement::{Method, Origin, Outcome},
};

use crate::http::pages::{
    assets::STYLE_PATH,
    frame::{Frame, Section},
};

/// What an attacker would put wherever there is room for a text.
pub(super) const HOSTILE: &str =
    "</title></textarea><script>alert(1)</script>\u{202e}\u{0}\u{1b}]0;x\u{7}\"'&amp;--><img src=x onerror=alert(1)>";

/// Texts of statements in a view.
#[derive(Clone, Copy)]
pub(super) enum Texts {
    Plain,
    Hostile,
}

impl Texts {
    pub(super) fn text(self, plain: &str) -> String {
        match self {
            Self::Plain => plain.to_owned(),
            Self::Hostile => HOSTILE.repeat(10_000 / HOSTILE.len()),
        }
    }
}

pub(super) fn frame(depth: usize) -> Frame {
    Frame {
        root: if depth == 0 { "./".to_owned() } else { "../".repeat(depth) },
        style: STYLE_PATH.as_str(),
        origin: "log.example/test".to_owned(),
        mirror: false,
        size: 1_234_567,
        live: true,
        section: Section::None,
    }
}

pub(super) fn counts() -> Counts {
    Counts {
        reproduced: 1_200,
        no_votes: 4,
        equivalent: 40,
        abstained: 30,
        contradicted: 2,
        withdrawn: 1,
        withdrawals: 1,
        others: 7,
    }
}

pub(super) fn row(index: u64, standing: Standing, texts: Texts) -> EntryRow {
    let by = match (texts, standing) {
        (Texts::Hostile, _) | (_, Standing::Other) => {
            SignedBy { id: None, name: texts.text("https://nobody.example"), group: None }
        }
        _ => SignedBy {
            id: Some("00112233aabbccdd".to_owned()),
            name: "carol".to_owned(),
            group: Some("Carol's Builds".to_owned()),
        },
    };
    EntryRow {
        index,
        standing,
        by,
        about: Some(About {
            statement_id: StatementId::from_bytes([7; 32]),
            project: "six".to_owned(),
            version: "1.16.0".to_owned(),
            file: texts.text("six-1.16.0-py2.py3-none-any.whl"),
            sha256: ArtifactDigest::of(b"six"),
        }),
        no_vote: (standing == Standing::NoVote).then_some(NoVote::Network),
        outcome: (standing == Standing::Abstained).then_some(Outcome::BuildFailed),
        origin: Some(Origin::Git),
        method: Some(Method::Exact),
        commit: Some(texts.text("65486e4383f9f411da95937451205d3c7b61b9e1")),
        stated_time: Some(1_795_000_000 + index),
        withdrawn_by: (index == 3).then_some(9),
    }
}

const STANDINGS: [Standing; 8] = [
    Standing::Reproduced,
    Standing::NoVote,
    Standing::Equivalent,
    Standing::Abstained,
    Standing::Contradicted,
    Standing::ForeignCode,
    Standing::Withdrawal,
    Standing::Other,
];

pub(super) fn rows(texts: Texts) -> Vec<EntryRow> {
    let mut rows: Vec<EntryRow> = (0..).zip(STANDINGS).map(|(index, standing)| row(index, standing, texts)).collect();
    rows.reverse();
    rows
}

pub(super) fn page<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: Some("17".to_owned()) }
}

pub(super) fn project_row(name: &str) -> ProjectRow {
    ProjectRow { project: name.to_owned(), counts: counts(), newest: 41 }
}

pub(super) fn file_row(texts: Texts) -> FileRow {
    let cell = |group: &str, standing| Cell { group: group.to_owned(), standing, entry: row(3, standing, texts) };
    FileRow {
        project: "six".to_owned(),
        version: "1.16.0".to_owned(),
        file: texts.text("six-1.16.0-py2.py3-none-any.whl"),
        sha256: ArtifactDigest::of(b"six"),
        cells: vec![
            cell("Carol's Builds", Standing::Reproduced),
            cell("Distribution", Standing::Abstained),
            Cell {
                group: texts.text("University"),
                standing: Standing::ForeignCode,
                entry: row(5, Standing::ForeignCode, texts),
            },
        ],
        groups: 1,
        agreement: Agreement {
            commits: vec![texts.text("65486e4383f9f411da95937451205d3c7b61b9e1")],
            sdists: vec![ArtifactDigest::of(b"sdist")],
            agree: false,
            more: true,
        },
    }
}

pub(super) fn groups(texts: Texts) -> Vec<String> {
    vec!["Carol's Builds".to_owned(), "Distribution".to_owned(), texts.text("University"), "Silent".to_owned()]
}

pub(super) fn project(texts: Texts) -> ProjectView {
    ProjectView {
        project: "six".to_owned(),
        counts: counts(),
        releases: vec![release_row()],
        more_releases: 2,
        entries: page(rows(texts)),
    }
}

fn release_row() -> ReleaseRow {
    ReleaseRow {
        version: "1.16.0".to_owned(),
        files: 2,
        reproduced: 1,
        equivalent: 0,
        groups: 3,
        agree: false,
        accused: true,
        counts: counts(),
    }
}

pub(super) fn release(texts: Texts) -> ReleaseView {
    ReleaseView {
        project: "six".to_owned(),
        row: release_row(),
        groups: groups(texts),
        files: page(vec![file_row(texts)]),
    }
}

pub(super) fn file(texts: Texts) -> FileView {
    let entry = |row| EntryView {
        row,
        envelope: None,
        entry_base64: None,
        statement: None,
        leaf_hash: String::new(),
        path: Vec::new(),
        root_hash: String::new(),
        size: 0,
        proof: String::new(),
    };
    FileView {
        row: file_row(texts),
        thresholds: vec![
            Threshold { threshold: 1, accepted: true, reason: None },
            Threshold { threshold: 2, accepted: false, reason: Some(texts.text("1 of 2 groups")) },
        ],
        statements: page(rows(texts).into_iter().map(entry).collect()),
        said: 12,
    }
}

pub(super) fn disagreements(texts: Texts) -> Page<Disagreement> {
    let item =
        |kind, other: Option<EntryRow>| Disagreement { kind, entry: row(40, Standing::Contradicted, texts), other };
    page(vec![
        item(DisagreementKind::SameInputs, Some(row(3, Standing::Reproduced, texts))),
        item(DisagreementKind::ForeignCode, None),
        item(DisagreementKind::Withdrawn, Some(row(2, Standing::Abstained, texts))),
    ])
}

pub(super) fn search(texts: Texts) -> SearchAnswer {
    SearchAnswer {
        query: texts.text("six"),
        projects: vec![project_row("six")],
        files: vec![file_row(texts)],
        entries: rows(texts),
        rebuilders: vec![rebuilder(texts)],
    }
}

pub(super) fn rebuilder(texts: Texts) -> RebuilderRow {
    RebuilderRow {
        id: "00112233aabbccdd".to_owned(),
        name: texts.text("carol"),
        group: texts.text("Carol's Builds"),
        fingerprint: "ed25519:00".to_owned(),
        counts: counts(),
        newest: Some(7),
    }
}

fn mirror(state: MirrorState, texts: Texts) -> MirrorView {
    MirrorView {
        url: "https://c2sp.org/mirror".to_owned(),
        state,
        asked: Some(1_795_000_000),
        size: Some(1_234_000),
        since: Some(1_794_999_000),
        behind: Some(567),
        reason: Some(texts.text("another root")),
    }
}

pub(super) fn log(texts: Texts) -> LogView {
    let day = |n: u64| Day {
        start: 1_787_270_400 + n * 86_400,
        counts: Counts { reproduced: (n * 7) % 23, equivalent: n % 3, abstained: n % 5, ..Counts::default() },
    };
    let covered = |name: &str, groups, accused| CoveredProject {
        project: name.to_owned(),
        groups,
        version: (groups > 0).then(|| "1.0".to_owned()),
        accused,
    };
    LogView {
        origin: "log.example/test".to_owned(),
        role: LogRole::Log,
        vkeys: vec!["log.example/test+00000000+AA==".to_owned()],
        checkpoint: CheckpointView {
            note: "log.example/test\n1234567\nAAAA=\n\n— log.example/test AAAA=\n".to_owned(),
            size: 1_234_567,
            root_hash: "AAAA=".to_owned(),
            published: 1_795_000_000,
            witnesses: vec![WitnessView { name: "witness.example/w1".to_owned(), time: Some(1_795_000_001) }],
        },
        recorded: 1_234_560,
        frozen: Some(texts.text("moved to another log")),
        operator: Some(texts.text("Example Operators, https://log.example/join")),
        counts: counts(),
        projects: 300,
        files: 1_100,
        days: (0..90).map(day).collect(),
        rebuilders: vec![rebuilder(texts)],
        newest: rows(texts),
        coverage: Some(Coverage {
            total: 4,
            reproduced: 2,
            projects: vec![
                covered("six", 3, false),
                covered("attrs", 1, false),
                covered("numpy", 0, false),
                covered("evil", 1, true),
            ],
        }),
        mirrors: vec![mirror(MirrorState::Consistent, texts), mirror(MirrorState::Fork, texts)],
        negatives: vec![NegativesView { size: 1_234_000, count: 3, note: "attest/negatives/v1\n".to_owned() }],
        health: HealthView {
            ready: false,
            reason: Some(texts.text("the disk is too full")),
            accepting: false,
            unsealed: 3,
            unrecorded: 7,
            record_stopped: Some(texts.text("no room")),
        },
    }
}
