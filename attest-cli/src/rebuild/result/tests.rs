use std::collections::BTreeMap;

use attest_core::artifact::WheelName;
use attest_core::statement::{
    Clock, Difference, DifferenceKind, Environment, Equivalence, FromCommit, Network, Origin, RecipeKind, Source,
    Statement, Tool,
};
use serde_json::{Value, json};

use super::*;
use crate::rebuild::compare::{Sides, compare};
use crate::rebuild::fixture;
use crate::rebuild::infer::infer;
use crate::rebuild::lineage::Lineage;
use crate::rebuild::native::Evidence;
use crate::rebuild::record::Verdict;
use crate::rebuild::sdist;
use crate::rebuild::wheel::Wheel;

const NAME: &str = "demo-1.0-py3-none-any.whl";

fn record(wheel: &Wheel, verdict: Verdict, rebuilt: &[u8]) -> BuildRecord {
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    let different = verdict != Verdict::Exact;
    let kind = if verdict == Verdict::Replayed { DifferenceKind::ZipMetadata } else { DifferenceKind::Content };
    BuildRecord {
        schema: SCHEMA.to_owned(),
        attest: "0.1.0".to_owned(),
        subject: RecordedFile { name: NAME.to_owned(), sha256: wheel.digest() },
        verdict,
        rebuilt: Some(RecordedFile { name: NAME.to_owned(), sha256: ArtifactDigest::of(rebuilt) }),
        emitted: (verdict == Verdict::Replayed).then(|| ArtifactDigest::of(b"emitted")),
        equivalent: (verdict == Verdict::Equivalent).then(|| {
            let digest = |text: &str| ArtifactDigest::of(text.as_bytes());
            let path = "demo-1.0.dist-info/sboms/auditwheel.cdx.json".to_owned();
            vec![Equivalence { path, published: digest("published"), rebuilt: digest("rebuilt") }]
        }),
        origin: Origin::Sdist,
        source: vec![Source::Sdist {
            name: "demo-1.0.tar.gz".to_owned(),
            digest: Digest { sha256: ArtifactDigest::of(b"sdist") },
            from_commit: FromCommit::Unverified,
        }],
        recipe_kind: RecipeKind::Inferred,
        environment: Environment {
            platform: "linux/x86_64".to_owned(),
            variables: BTreeMap::from([("TZ".to_owned(), "UTC".to_owned())]),
            umask: "0022".to_owned(),
            build_path: "/build/src".to_owned(),
            clock: Clock::SourceDateEpoch,
            network: Network::None,
            python: tool("CPython 3.11.7"),
            zlib: tool("1.2.13"),
            cc: None,
            ld: None,
            libc: None,
            container_image: None,
        },
        resolved_dependencies: Vec::new(),
        record_digest: wheel.record_digest(),
        rebuilt_at: "2026-11-21T21:00:00Z".to_owned(),
        repeat: 2,
        differences_total: u64::from(different),
        differences: different.then(|| Difference { path: "demo/core.py".to_owned(), kind }).into_iter().collect(),
        contradicts: None,
        files: Vec::new(),
    }
}

/// A record of a wheel that is different.
pub(crate) fn any_record() -> BuildRecord {
    let published = fixture::zip(&fixture::wheel("setuptools (82.0.1)"));
    record(&Wheel::read(&published).unwrap(), Verdict::Different, b"other")
}

/// A result folder that holds together.
pub(crate) fn written(verdict: Verdict) -> (tempfile::TempDir, PathBuf) {
    let published = fixture::zip(&fixture::wheel("setuptools (82.0.1)"));
    let rebuilt = if verdict.is_equal() { published.clone() } else { b"other".to_vec() };
    let wheel = Wheel::read(&published).unwrap();
    let sdist = sdist::read(&fixture::sdist(&[])).unwrap();
    let mut recipe = infer(&WheelName::parse(NAME).unwrap(), &wheel, &sdist, None).unwrap();
    if verdict == Verdict::Replayed {
        recipe.container = Some(toml::from_str("members = 4\nmodes = \"100644x4\"").unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results/demo");
    let content = Content {
        record: record(&wheel, verdict, &rebuilt),
        recipe: &recipe.to_toml().unwrap(),
        script: None,
        buildinfo: b"{}".to_vec(),
        lock: String::new(),
        log: b"building\n".to_vec(),
        report: Report { verdict, explanation: &[], differences: &[], lineage: &Lineage::default(), native: None },
        diffoscope: None,
        wheel: Some(&rebuilt),
    };
    ResultFolder::write(&path, content).unwrap();
    (folder, path)
}

fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let path = path.join(RECORD);
    let mut record = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut record);
    fs::write(path, serde_json::to_vec(&record).unwrap()).unwrap();
}

#[test]
fn a_file_that_was_changed_after_the_rebuild_is_refused() {
    for name in [NAME, RECIPE, LOCK, LOG, REPORT, PAGE] {
        let (_folder, path) = written(Verdict::Exact);
        let mut bytes = fs::read(path.join(name)).unwrap();
        bytes.push(b' ');
        fs::write(path.join(name), bytes).unwrap();
        let error = ResultFolder::open(&path).unwrap_err();
        assert!(matches!(&error, ResultError::Changed { name: found, .. } if found == name), "{error}");
    }
}

#[test]
fn a_missing_file_is_refused() {
    for name in [NAME, RECIPE, RECORD] {
        let (_folder, path) = written(Verdict::Exact);
        fs::remove_file(path.join(name)).unwrap();
        assert!(matches!(ResultFolder::open(&path).unwrap_err(), ResultError::File { .. }), "{name}");
    }
}

#[test]
fn a_verdict_that_its_digests_do_not_bear_out_is_refused() {
    let contradiction =
        |path: &Path| matches!(ResultFolder::open(path).unwrap_err(), ResultError::Contradiction { .. });
    let (_folder, path) = written(Verdict::Different);
    change(&path, |record| record["verdict"] = json!("EXACT"));
    assert!(contradiction(&path));
    let (_folder, path) = written(Verdict::Exact);
    change(&path, |record| record["verdict"] = json!("DIFFERENT"));
    assert!(contradiction(&path));
    let (_folder, path) = written(Verdict::Exact);
    change(&path, |record| record["differencesTotal"] = json!(1));
    assert!(contradiction(&path));
    // What was set afterwards is neither kept back nor made up, and it is in the recipe.
    for (verdict, field, value) in [
        (Verdict::Replayed, "verdict", json!("EXACT")),
        (Verdict::Replayed, "emitted", Value::Null),
        (Verdict::Replayed, "differences", json!([{ "path": "demo/core.py", "kind": "CONTENT" }])),
        (Verdict::Exact, "verdict", json!("REPLAYED")),
        (Verdict::Exact, "emitted", json!("00".repeat(32))),
        (Verdict::Different, "emitted", json!("00".repeat(32))),
        (Verdict::Different, "verdict", json!("EQUIVALENT")),
        (Verdict::Equivalent, "verdict", json!("DIFFERENT")),
        (Verdict::Equivalent, "verdict", json!("EXACT")),
    ] {
        let (_folder, path) = written(verdict);
        change(&path, |record| record[field] = value.clone());
        assert!(contradiction(&path), "{verdict} with {field} {value}");
    }
}

#[test]
fn a_record_that_names_files_elsewhere_is_refused() {
    for name in ["../secret", "/etc/passwd", ".hidden"] {
        let (_folder, path) = written(Verdict::Exact);
        change(&path, |record| record["files"][0]["name"] = json!(name));
        assert!(matches!(ResultFolder::open(&path).unwrap_err(), ResultError::Contradiction { .. }), "{name}");
    }
}

#[test]
fn another_form_is_refused() {
    let (_folder, path) = written(Verdict::Exact);
    change(&path, |record| record["surprise"] = json!(1));
    assert!(matches!(ResultFolder::open(&path).unwrap_err(), ResultError::Form(_)));
    let (_folder, path) = written(Verdict::Exact);
    change(&path, |record| {
        record["schema"] = json!("https://w3id.org/attest/build-record/v2");
    });
    assert!(matches!(ResultFolder::open(&path).unwrap_err(), ResultError::Schema { .. }));
}

#[test]
fn an_older_result_is_replaced_as_a_whole() {
    let (_folder, path) = written(Verdict::Exact);
    fs::write(path.join("stale"), "").unwrap();
    let old = ResultFolder::open(&path).unwrap();
    let lineage = Lineage::default();
    let report =
        Report { verdict: Verdict::BuildFailed, explanation: &[], differences: &[], lineage: &lineage, native: None };
    let record = BuildRecord { verdict: Verdict::BuildFailed, rebuilt: None, ..old.record.clone() };
    let content = Content {
        record,
        recipe: &old.recipe,
        script: None,
        buildinfo: Vec::new(),
        lock: String::new(),
        log: Vec::new(),
        report,
        diffoscope: None,
        wheel: None,
    };
    ResultFolder::write(&path, content).unwrap();
    assert!(!path.join("stale").exists() && !path.join(NAME).exists());
}

#[test]
fn a_result_becomes_a_statement_that_reads_back() {
    let rebuilder = || Rebuilder { id: "https://rebuild.example/".to_owned(), version: BTreeMap::new() };
    for verdict in [
        Verdict::Exact,
        Verdict::Replayed,
        Verdict::Equivalent,
        Verdict::Different,
        Verdict::Nondeterministic,
        Verdict::EnvironmentUnknown,
    ] {
        let (_folder, path) = written(verdict);
        let (subject, predicate) = ResultFolder::open(&path).unwrap().statement_parts(rebuilder()).unwrap();
        assert_eq!(matches!(predicate, Predicate::Reproduced(_)), verdict.is_equal());
        assert_eq!(matches!(predicate, Predicate::Equivalent { .. }), verdict == Verdict::Equivalent);
        let build = predicate.build().unwrap().clone();
        assert_eq!(build.method == Method::Replayed, verdict == Verdict::Replayed);
        let expected = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
        assert_eq!(build.inputs_digest, expected);
        let statement = Statement::new(subject, predicate).unwrap();
        assert_eq!(Statement::parse(&statement.to_bytes()).unwrap().to_bytes(), statement.to_bytes());
    }
}

#[test]
fn a_commit_becomes_a_statement_where_its_url_has_the_one_spelling() {
    let rebuilder = || Rebuilder { id: "https://rebuild.example/".to_owned(), version: BTreeMap::new() };
    for (uri, is_one) in [
        ("git+https://forge.example/demo/demo", true),
        ("git+https://forge.example:8443/demo/demo", false),
        ("git+file:///home/me/demo", false),
    ] {
        let (_folder, path) = written(Verdict::Exact);
        change(&path, |record| {
            record["origin"] = "GIT".into();
            record["source"] = json!([{
                "uri": uri,
                "ref": "refs/tags/v1.0",
                "digest": { "gitCommit": "65486e4383f9f411da95937451205d3c7b61b9e1" },
                "treeSha256": ArtifactDigest::of(b"tree").to_string(),
            }]);
        });
        let (subject, predicate) = ResultFolder::open(&path).unwrap().statement_parts(rebuilder()).unwrap();
        assert_eq!(Statement::new(subject, predicate).is_ok(), is_one, "{uri}");
    }
}

#[test]
fn every_record_fits_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../../schemas/build-record.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for verdict in [Verdict::Exact, Verdict::Replayed, Verdict::Equivalent, Verdict::Different] {
        let (_folder, path) = written(verdict);
        let mut record: Value = serde_json::from_slice(&fs::read(path.join(RECORD)).unwrap()).unwrap();
        assert_eq!(schema.validate(&record).map_err(|error| error.to_string()), Ok(()));
        record["contradicts"] = json!("0".repeat(64));
        assert!(schema.is_valid(&record));
        record["surprise"] = json!(1);
        assert!(!schema.is_valid(&record));
    }
}

#[test]
fn every_report_fits_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../../schemas/report.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let rebuilt = fixture::wheel("setuptools (82.0.1)");
    let mut published = rebuilt.clone();
    published[0].content = b"built = '2024-02-25'\n".to_vec();
    (published[1].system, published[2].mode) = (0, 0o100_600);
    published[3].content = b"demo/core.py,sha256=A,1\n".to_vec();
    published.push(fixture::part("demo/evil.pth", ""));
    published.swap(1, 2);
    let read = |parts: &[fixture::Part]| Wheel::read(&fixture::zip(parts)).unwrap();
    let differences = compare(&read(&published), &read(&rebuilt), Sides::PublishedAndRebuilt);
    assert_eq!(differences.len(), 6);
    for verdict in [Verdict::Exact, Verdict::Different] {
        let lineage = Lineage::noted(vec!["a note".to_owned()]);
        let native = Evidence { compilers: vec!["GCC 12".to_owned()], ..Evidence::default() };
        let explanation = &["in words".to_owned()];
        let report =
            Report { verdict, explanation, differences: &differences, lineage: &lineage, native: Some(&native) };
        let mut report: Value = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
        assert_eq!(schema.validate(&report).map_err(|error| error.to_string()), Ok(()));
        report["differences"][0]["surprise"] = json!(1);
        assert!(!schema.is_valid(&report));
    }
}

#[test]
fn only_another_output_contradicts_a_statement() {
    let (_folder, path) = written(Verdict::Exact);
    change(&path, |record| record["contradicts"] = json!("0".repeat(64)));
    let error = ResultFolder::open(&path).unwrap_err();
    assert!(matches!(error, ResultError::Contradiction { field: "contradicts" }), "{error}");
    let (_folder, path) = written(Verdict::Different);
    change(&path, |record| record["contradicts"] = json!("0".repeat(64)));
    let rebuilder = Rebuilder { id: "https://rebuild.example/".to_owned(), version: BTreeMap::new() };
    let (_, predicate) = ResultFolder::open(&path).unwrap().statement_parts(rebuilder).unwrap();
    let Predicate::NotReproduced { refusal, .. } = predicate else { panic!("expected a refusal") };
    assert_eq!(refusal.contradicts.unwrap().to_string(), "0".repeat(64));
}
