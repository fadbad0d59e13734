//! Holds `schemas/api.schema.json` and `schemas/record.schema.json` to the types of `attest_core::api`: what one accepts or
//! refuses, the other does too, member by member.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read their schemas")]

use std::{collections::BTreeSet, fs, path::Path};

use attest_core::{
    api::{
        Found, FoundArtifact, FoundEntry, FoundNegatives, Lookup, Problem, Readiness, ReadyStatus, Submitted,
        record::{
            About, Agreement, Cell, CheckpointView, Counts, Coverage, CoveredProject, Day, Disagreement,
            DisagreementKind, EntryRow, EntryView, FileRow, FileView, HealthView, LogRole, LogView, MirrorState,
            MirrorView, NegativesView, NoVote, Page, PathStep, ProjectRow, ProjectView, RebuilderRow, RebuilderView,
            ReleaseRow, ReleaseView, SearchAnswer, Side, SignedBy, Standing, Threshold, WitnessView,
        },
    },
    artifact::ArtifactDigest,
    envelope::StatementId,
    statement::{Method, Origin, Outcome},
};
use jsonschema::{Registry, Validator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const FILES: [&str; 2] = ["api", "record"];
const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn schema(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{file}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Of one definition in one file.
fn validator(file: &str, name: &str) -> Validator {
    let mut registry = Registry::new();
    for file in FILES {
        let schema = schema(file);
        let id = schema["$id"].as_str().unwrap().to_owned();
        registry = registry.add(id, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let reference = json!({"$ref": format!("https://w3id.org/attest/schemas/{file}.schema.json#/$defs/{name}")});
    jsonschema::options().with_registry(&registry).build(&reference).unwrap()
}

/// The value with everything in it that may be absent, and with nothing of it: both read back as they were.
fn hold<T: Serialize + DeserializeOwned>(file: &str, name: &str, full: &T) {
    let validator = validator(file, name);
    let full = serde_json::to_value(full).unwrap();
    if let Err(error) = validator.validate(&full) {
        panic!("{name}: {error} at {}", error.instance_path());
    }
    assert_eq!(serde_json::to_value(serde_json::from_value::<T>(full.clone()).unwrap()).unwrap(), full, "{name}");
    let mut places = Vec::new();
    walk(&full, String::new(), &mut places);
    for place in places {
        // Of a statement, and of lists of shards, the members are data.
        if place.ends_with("/statement") || place.ends_with("/shards") {
            continue;
        }
        let mut more = full.clone();
        more.pointer_mut(&place).unwrap()["unheardOf"] = json!(1);
        agree::<T>(&validator, &more, &format!("{name}: {place}/unheardOf added"));
        let members: Vec<String> = full.pointer(&place).unwrap().as_object().unwrap().keys().cloned().collect();
        for member in members {
            let mut less = full.clone();
            less.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(&member);
            agree::<T>(&validator, &less, &format!("{name}: {place}/{member} removed"));
            if member != "statement" {
                let mut other = full.clone();
                other.pointer_mut(&place).unwrap()[&member] = json!([[-1]]);
                agree::<T>(&validator, &other, &format!("{name}: {place}/{member} of another type"));
            }
        }
    }
}

#[track_caller]
fn agree<T: DeserializeOwned>(validator: &Validator, value: &Value, what: &str) {
    let read = serde_json::from_value::<T>(value.clone());
    assert_eq!(validator.is_valid(value), read.is_ok(), "{what}: {:?}", read.err());
}

/// Pointers to all objects.
fn walk(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, format!("{at}/{name}"), places);
            }
            places.push(at);
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(value, format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
}

fn sha256() -> ArtifactDigest {
    ArtifactDigest::of(b"")
}

fn statement_id() -> StatementId {
    StatementId::of_payload(b"")
}

fn text() -> String {
    "six".to_owned()
}

fn counts() -> Counts {
    Counts {
        reproduced: 1,
        no_votes: 2,
        equivalent: 3,
        abstained: 4,
        contradicted: 5,
        withdrawn: 6,
        withdrawals: 7,
        others: 8,
    }
}

fn signed_by() -> SignedBy {
    SignedBy { id: Some("00112233445566ff".to_owned()), name: text(), group: Some(text()) }
}

fn entry_row() -> EntryRow {
    let about =
        About { statement_id: statement_id(), project: text(), version: text(), file: text(), sha256: sha256() };
    EntryRow {
        index: 7,
        standing: Standing::Abstained,
        by: signed_by(),
        about: Some(about),
        no_vote: Some(NoVote::Repeat),
        outcome: Some(Outcome::EnvironmentUnknown),
        origin: Some(Origin::Git),
        method: Some(Method::Exact),
        commit: Some("0".repeat(40)),
        stated_time: Some(1_700_000_000),
        withdrawn_by: Some(9),
    }
}

fn entry_view() -> EntryView {
    let step = PathStep { side: Side::Left, hash: HASH.to_owned(), first: 0, end: 1, parent: HASH.to_owned() };
    EntryView {
        row: entry_row(),
        envelope: Some(text()),
        entry_base64: Some("AAEC".to_owned()),
        statement: Some(json!({"_type": "x"})),
        leaf_hash: HASH.to_owned(),
        path: vec![step],
        root_hash: HASH.to_owned(),
        size: 8,
        proof: text(),
    }
}

fn file_row() -> FileRow {
    let agreement = Agreement { commits: vec![text()], sdists: vec![sha256()], agree: true, more: false };
    let cell = Cell { group: text(), standing: Standing::Reproduced, entry: entry_row() };
    FileRow {
        project: text(),
        version: text(),
        file: text(),
        sha256: sha256(),
        cells: vec![cell],
        groups: 1,
        agreement,
    }
}

fn project_row() -> ProjectRow {
    ProjectRow { project: text(), counts: counts(), newest: 7 }
}

fn rebuilder_row() -> RebuilderRow {
    let id = "00112233445566ff".to_owned();
    RebuilderRow { id, name: text(), group: text(), fingerprint: text(), counts: counts(), newest: Some(7) }
}

fn disagreement() -> Disagreement {
    Disagreement { kind: DisagreementKind::SameInputs, entry: entry_row(), other: Some(entry_row()) }
}

fn page<T>(item: T) -> Page<T> {
    Page { items: vec![item], next: Some("7".to_owned()) }
}

fn log_view() -> LogView {
    let witness = WitnessView { name: text(), time: Some(1_700_000_000) };
    let covered = CoveredProject { project: text(), groups: 2, version: Some(text()), accused: false };
    LogView {
        origin: text(),
        role: LogRole::Mirror,
        vkeys: vec![text()],
        checkpoint: CheckpointView {
            note: text(),
            size: 8,
            root_hash: HASH.to_owned(),
            published: 1_700_000_000,
            witnesses: vec![witness],
        },
        recorded: 8,
        frozen: Some(text()),
        operator: Some(text()),
        counts: counts(),
        projects: 1,
        files: 1,
        days: vec![Day { start: 1_699_920_000, counts: counts() }],
        rebuilders: vec![rebuilder_row()],
        newest: vec![entry_row()],
        coverage: Some(Coverage { total: 1, reproduced: 1, projects: vec![covered] }),
        mirrors: vec![MirrorView {
            url: text(),
            state: MirrorState::Consistent,
            asked: Some(1_700_000_000),
            size: Some(7),
            since: Some(1_700_000_000),
            behind: Some(1),
            reason: Some(text()),
        }],
        negatives: vec![NegativesView { size: 8, count: 1, note: text() }],
        health: HealthView {
            ready: false,
            reason: Some(text()),
            accepting: true,
            unsealed: 1,
            unrecorded: 2,
            record_stopped: Some(text()),
        },
    }
}

#[test]
fn the_schemas_are_of_draft_2020_12_and_every_reference_in_them_leads_somewhere() {
    for file in FILES {
        let schema = schema(file);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(jsonschema::meta::is_valid(&schema), "{file}");
        for name in schema["$defs"].as_object().unwrap().keys() {
            let _ = validator(file, name);
        }
    }
}

#[test]
fn what_a_verdict_rests_on_is_as_its_schema_says() {
    let entry = FoundEntry { index: 7, envelope: text(), proof: vec![HASH.to_owned()] };
    let artifact = FoundArtifact { sha256: sha256(), entries: vec![entry], more_from: Some(8) };
    hold("api", "Found", &Found { checkpoint: text(), artifacts: vec![artifact] });
    hold("api", "Lookup", &Lookup { digests: vec![sha256()] });
    let submitted = Submitted { index: 7, statement_id: statement_id(), proof: text(), envelope: Some(text()) };
    hold("api", "Submitted", &submitted);
    let shards = [("0f".to_owned(), "AAEC".to_owned())].into();
    let negatives = FoundNegatives { note: text(), checkpoints: vec![text()], table: "AAEC".to_owned(), shards };
    hold("api", "FoundNegatives", &negatives);
}

#[test]
fn errors_and_readiness_are_as_their_schema_says() {
    use ReadyStatus::{Alarm, Down, Forked, Frozen, Ready, Stale, Stalled, Unwitnessed};

    let problem = Problem {
        title: "Not Found".to_owned(),
        status: 404,
        detail: text(),
        hint: Some(text()),
        request_id: Some(text()),
    };
    hold("api", "Problem", &problem);
    for status in [Ready, Stalled, Stale, Down, Unwitnessed, Frozen, Forked, Alarm] {
        let readiness = Readiness {
            status,
            role: LogRole::Log,
            reason: Some(text()),
            size: 8,
            published_at: "2026-11-22T12:00:00Z".to_owned(),
            published_age_seconds: 3,
            free_bytes: Some(1 << 40),
        };
        hold("api", "Readiness", &readiness);
    }
}

#[test]
fn the_public_record_is_as_its_schema_says() {
    hold("record", "LogView", &log_view());
    hold("record", "PageOfProjects", &page(project_row()));
    hold("record", "PageOfEntries", &page(entry_row()));
    hold("record", "PageOfRebuilders", &page(rebuilder_row()));
    hold("record", "PageOfDisagreements", &page(disagreement()));
    hold("record", "EntryView", &entry_view());
    let row = ReleaseRow {
        version: text(),
        files: 2,
        reproduced: 1,
        equivalent: 1,
        groups: 1,
        agree: true,
        accused: false,
        counts: counts(),
    };
    let project = ProjectView {
        project: text(),
        counts: counts(),
        releases: vec![row.clone()],
        more_releases: 1,
        entries: page(entry_row()),
    };
    hold("record", "ProjectView", &project);
    let release = ReleaseView { project: text(), row, groups: vec![text()], files: page(file_row()) };
    hold("record", "ReleaseView", &release);
    let threshold = Threshold { threshold: 1, accepted: false, reason: Some(text()) };
    let file = FileView { row: file_row(), thresholds: vec![threshold], statements: page(entry_view()), said: 3 };
    hold("record", "FileView", &file);
    let rebuilder = RebuilderView {
        row: rebuilder_row(),
        url: text(),
        contact: text(),
        certificate: Some(text()),
        entries: page(entry_row()),
        disagreements: vec![disagreement()],
        more_disagreements: true,
    };
    hold("record", "RebuilderView", &rebuilder);
    let search = SearchAnswer {
        query: text(),
        projects: vec![project_row()],
        files: vec![file_row()],
        entries: vec![entry_row()],
        rebuilders: vec![rebuilder_row()],
    };
    hold("record", "SearchAnswer", &search);
}

/// Every value of each enum, as its schema lists them.
#[test]
fn lists_of_values_are_those_of_the_types() {
    let values = |pointer: &str| -> BTreeSet<String> {
        let schema = schema("record");
        schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"))
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect()
    };
    let of = |all: Vec<Value>| -> BTreeSet<String> { all.iter().map(Value::to_string).collect() };
    let standings = [
        Standing::Reproduced,
        Standing::NoVote,
        Standing::Equivalent,
        Standing::Abstained,
        Standing::Contradicted,
        Standing::ForeignCode,
        Standing::Withdrawal,
        Standing::Other,
    ];
    assert_eq!(values("/$defs/Standing/enum"), of(standings.map(|one| json!(one)).into()));
    let no_votes = [
        NoVote::Network,
        NoVote::Repeat,
        NoVote::CustomRecipe,
        NoVote::HiddenRecipe,
        NoVote::RecipeNotInline,
        NoVote::RecipeNotKnobs,
        NoVote::RecipeImage,
        NoVote::RecipeEnvironment,
        NoVote::Sources,
    ];
    assert_eq!(values("/$defs/NoVote/enum"), of(no_votes.map(|one| json!(one)).into()));
    let mirrors = [
        MirrorState::Unknown,
        MirrorState::Consistent,
        MirrorState::Ahead,
        MirrorState::Unreachable,
        MirrorState::Fork,
    ];
    assert_eq!(values("/$defs/MirrorState/enum"), of(mirrors.map(|one| json!(one)).into()));
    let kinds = [DisagreementKind::SameInputs, DisagreementKind::ForeignCode, DisagreementKind::Withdrawn];
    assert_eq!(values("/$defs/Disagreement/properties/kind/enum"), of(kinds.map(|one| json!(one)).into()));
    let outcomes = [
        Outcome::Different,
        Outcome::Nondeterministic,
        Outcome::BuildFailed,
        Outcome::SourceNotFound,
        Outcome::EnvironmentUnknown,
    ];
    assert_eq!(values("/$defs/EntryRow/properties/outcome/enum"), of(outcomes.map(|one| json!(one)).into()));
    let origins = [Origin::Git, Origin::Sdist];
    assert_eq!(values("/$defs/EntryRow/properties/origin/enum"), of(origins.map(|one| json!(one)).into()));
    let methods = [Method::Exact, Method::Replayed];
    assert_eq!(values("/$defs/EntryRow/properties/method/enum"), of(methods.map(|one| json!(one)).into()));
}
