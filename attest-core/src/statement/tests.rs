use serde_json::{Value, json};

use super::*;
use crate::artifact::{ArtifactError, WheelName};
use crate::ijson::IJsonError;
use StatementError as E;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/vectors/statements/", $name, ".json")).as_slice()
    };
}

const REPRODUCED_SDIST: &[u8] = golden!("reproduced");
const DIFFERENT: &[u8] = golden!("not-reproduced-different");

fn parse(value: &Value) -> Result<Statement, StatementError> {
    Statement::parse(value.to_string().as_bytes())
}

/// The golden statement with the member at `pointer` replaced; `Value::Null` removes it.
fn with(golden: &[u8], pointer: &str, new: Value) -> Value {
    let mut value: Value = serde_json::from_slice(golden).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            if new.is_null() {
                members.remove(key);
            } else {
                members.insert(key.to_owned(), new);
            }
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = new,
        other => panic!("{other}"),
    }
    value
}

/// Brings `inputsDigest` in line after inputs were changed, so that another rule decides.
fn with_inputs(mut value: Value) -> Value {
    let part = |name: &str| value["predicate"][name].clone();
    let source: Vec<Source> = serde_json::from_value(part("source")).unwrap();
    let recipe: RecipeRef = serde_json::from_value(part("recipe")).unwrap();
    let dependencies: Vec<Dependency> = serde_json::from_value(part("resolvedDependencies")).unwrap();
    let digest = inputs_digest(&source, recipe.digest, &dependencies);
    value["predicate"]["inputsDigest"] = json!(digest);
    value
}

fn subject() -> Subject {
    Statement::parse(REPRODUCED_SDIST).unwrap().subject().clone()
}

fn build() -> Build {
    Statement::parse(REPRODUCED_SDIST).unwrap().predicate().build().unwrap().clone()
}

#[test]
fn a_refutation_is_never_a_vote() {
    // A reader that ignores `outcome` sees the type, and the type is not `reproduced`.
    let statement = Statement::parse(DIFFERENT).unwrap();
    assert_eq!(statement.predicate().type_uri(), NOT_REPRODUCED);
    assert!(matches!(statement.predicate(), Predicate::NotReproduced { .. }));
    let disguised = with(REPRODUCED_SDIST, "/predicate/outcome", json!("DIFFERENT"));
    assert!(matches!(parse(&disguised).unwrap().predicate(), Predicate::Reproduced(_)));
}

#[test]
fn unknown_members_are_accepted_only_inside_the_predicate() {
    for pointer in [
        "/predicate/extra",
        "/predicate/environment/extra",
        "/predicate/recipe/extra",
        "/predicate/source/0/extra",
        "/predicate/rebuilder/extra",
    ] {
        let value = with(REPRODUCED_SDIST, pointer, json!({"a": [1, null]}));
        let statement = parse(&value).unwrap();
        // They are signed but not understood.
        assert_eq!(statement, Statement::parse(REPRODUCED_SDIST).unwrap());
    }
    for pointer in [
        "/extra",
        "/subject/0/extra",
        "/subject/0/mediaType",
        "/subject/0/digest/sha512",
        "/predicate/recipe/digest/sha512",
        "/predicate/inputsDigest/extra",
    ] {
        let value = with(REPRODUCED_SDIST, pointer, json!("x"));
        assert!(matches!(parse(&value), Err(E::Json(IJsonError::Shape { .. }))), "{pointer}");
    }
}

#[test]
fn other_json_for_the_same_meaning_is_refused() {
    // serde alone would read each of these.
    let subject: Value = serde_json::from_slice::<Value>(REPRODUCED_SDIST).unwrap()["subject"][0].clone();
    let hex = subject["digest"]["sha256"].clone();
    for (pointer, new) in [
        ("/subject/0", json!([subject["name"], subject["uri"], subject["digest"]])),
        ("/subject/0/digest", json!([hex])),
        ("/predicate/origin", json!({"SDIST": null})),
        ("/predicate/environment/zlib", json!(["1.2.13"])),
    ] {
        let value = with(REPRODUCED_SDIST, pointer, new);
        assert!(
            matches!(parse(&value), Err(E::Spelling { .. } | E::Json(IJsonError::Shape { .. }))),
            "{pointer}: {:?}",
            parse(&value)
        );
    }
    // An optional member is there or not.
    let value = serde_json::to_string(&with(REPRODUCED_SDIST, "/predicate/environment/cc", json!("N")))
        .unwrap()
        .replace("\"cc\":\"N\"", "\"cc\":null");
    assert!(matches!(Statement::parse(value.as_bytes()), Err(E::Json(IJsonError::Shape { .. }))));
}

#[test]
fn duplicate_keys_are_refused_at_every_depth() {
    let text = std::str::from_utf8(REPRODUCED_SDIST).unwrap();
    for (key, duplicate) in [
        ("{\"_type\"", "{\"_type\":\"x\",\"_type\""),
        ("{\"name\"", "{\"name\":\"x\",\"name\""),
        ("{\"sha256\"", "{\"sha256\":\"x\",\"sha256\""),
        ("\"predicate\":", "\"predicate\":{},\"predicate\":"),
        ("\"network\":", "\"network\":\"OPEN\",\"network\":"),
        ("\"repeat\":", "\"repe\\u0061t\":1,\"repeat\":"),
        ("{\"attest\"", "{\"attest\":\"x\",\"attest\""),
    ] {
        assert!(text.contains(key));
        let bad = text.replacen(key, duplicate, 1);
        assert!(matches!(Statement::parse(bad.as_bytes()), Err(E::Json(IJsonError::DuplicateKey { .. }))), "{key}");
    }
}

#[test]
fn hostile_payloads_are_refused() {
    let deep = with(
        REPRODUCED_SDIST,
        "/predicate/extra",
        serde_json::from_str(&format!("{}{}", "[".repeat(40), "]".repeat(40))).unwrap(),
    );
    assert!(matches!(parse(&deep), Err(E::Json(IJsonError::TooDeep { .. }))));
    for bytes in [
        &b""[..],
        b"\xff",
        b"{}",
        b"[]",
        b"null",
        &REPRODUCED_SDIST[..REPRODUCED_SDIST.len() - 1],
        &[REPRODUCED_SDIST, b"x"].concat(),
        &[b"\xef\xbb\xbf", REPRODUCED_SDIST].concat(),
    ] {
        assert!(matches!(Statement::parse(bytes), Err(E::Json(_))));
    }
}

#[test]
fn exactly_one_subject_whose_names_agree() {
    let subject: Value = serde_json::from_slice::<Value>(REPRODUCED_SDIST).unwrap()["subject"][0].clone();
    let found = |value: Value| parse(&with(REPRODUCED_SDIST, "/subject", value)).unwrap_err();
    assert_eq!(found(json!([])), E::SubjectCount { found: 0 });
    assert_eq!(found(json!([subject, subject])), E::SubjectCount { found: 2 });
    assert!(matches!(found(subject.clone()), E::Json(_)));
    let renamed = |name: &str, uri: &str| {
        let mut subject = subject.clone();
        subject["name"] = json!(name);
        subject["uri"] = json!(uri);
        found(json!([subject]))
    };
    // The right digest under another name, and every way in which the names can disagree.
    let uri = subject["uri"].as_str().unwrap();
    assert!(matches!(renamed("requests-2.0-py3-none-any.whl", uri), E::SubjectUri { .. }));
    for wrong in [
        "pkg:pypi/six@1.16.0",
        "pkg:pypi/Six@1.16.0?file_name=six-1.16.0-py2.py3-none-any.whl",
        "pkg:pypi/six@1.16?file_name=six-1.16.0-py2.py3-none-any.whl",
        "pkg:pypi/six@1.16.0?file_name=six-1.16.0-py3-none-any.whl",
        "pkg:pypi/six@1.16.0?file_name=six%2D1.16.0-py2.py3-none-any.whl",
        "pkg:npm/six@1.16.0?file_name=six-1.16.0-py2.py3-none-any.whl",
        "",
    ] {
        assert!(matches!(renamed("six-1.16.0-py2.py3-none-any.whl", wrong), E::SubjectUri { .. }));
    }
    assert!(matches!(renamed("six-1.16.0.tar.gz", uri), E::SubjectName(ArtifactError::WheelSuffix { .. })));
    for digest in [
        json!({"sha256": subject["digest"]["sha256"].as_str().unwrap().to_uppercase()}),
        json!({"sha256": "ab"}),
        json!({"sha512": "ab"}),
        json!({}),
        json!("ab"),
    ] {
        let value = with(REPRODUCED_SDIST, "/subject/0/digest", digest);
        assert!(matches!(parse(&value), Err(E::Json(IJsonError::Shape { .. }))));
    }
}

#[test]
fn types_are_exact() {
    for wrong in ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/statement/v1", ""] {
        assert!(matches!(parse(&with(REPRODUCED_SDIST, "/_type", json!(wrong))), Err(E::Type { .. })));
    }
    for wrong in [
        "https://w3id.org/attest/reproduced/v2",
        "https://w3id.org/attest/reproduced/v1/",
        "http://w3id.org/attest/reproduced/v1",
        "https://slsa.dev/provenance/v1",
    ] {
        assert!(matches!(parse(&with(REPRODUCED_SDIST, "/predicateType", json!(wrong))), Err(E::PredicateType { .. })));
    }
}

#[test]
fn every_member_of_the_body_is_required_and_has_its_form() {
    let required = [
        "rebuilder",
        "origin",
        "source",
        "recipe",
        "method",
        "environment",
        "resolvedDependencies",
        "inputsDigest",
        "recordDigest",
        "rebuiltAt",
        "repeat",
        "environment/platform",
        "environment/umask",
        "environment/network",
        "environment/clock",
        "environment/python",
        "environment/zlib",
        "recipe/kind",
        "recipe/digest",
        "source/0/fromCommit",
    ];
    for member in required {
        let value = with(REPRODUCED_SDIST, &format!("/predicate/{member}"), Value::Null);
        assert!(matches!(parse(&value), Err(E::Json(IJsonError::Shape { .. }))), "{member}");
    }
    let long = "x".repeat(MAX_TEXT + 1);
    let forms: &[(&str, &[&str])] = &[
        ("rebuilder/id", &["", "rebuilder", ":x", "https://a b", "https:", "\u{e9}:x"]),
        ("environment/platform", &["", "linux", "Linux/x86_64", "linux/x86/64", "linux/"]),
        ("environment/umask", &["", "022", "22", "0o22", "1022", "00022", "0028"]),
        (
            "rebuiltAt",
            &[
                "",
                "2026-11-21",
                "2026-11-21T21:00:00",
                "2026-11-21T21:00:00+00:00",
                "2026-02-30T00:00:00Z",
                "2026-11-21t21:00:00z",
            ],
        ),
        ("resolvedDependencies/0/uri", &["", "pkg:", "setuptools", "pkg:pypi/a b", "https://x"]),
        ("source/0/name", &["", "..", "a/b.tar.gz", "a b", "\u{f6}.zip"]),
        ("recipe/downloadLocation", &["", "x", "https://a\u{7f}"]),
    ];
    for (member, wrong) in forms {
        for text in wrong.iter().copied().chain([long.as_str()]) {
            let value = with(REPRODUCED_SDIST, &format!("/predicate/{member}"), json!(text));
            let value = with_inputs(value);
            assert!(matches!(parse(&value), Err(E::Form { .. })), "{member} {text:?}: {:?}", parse(&value));
        }
    }
    for (member, wrong) in [
        ("environment/buildPath", &["", "/a\nb"][..]),
        ("environment/python/version", &["", "\u{1b}[31m"]),
        ("rebuilder/version/attest", &["", "\0"]),
        ("environment/variables/LANG", &["\u{9b}"]),
    ] {
        for text in wrong.iter().copied().chain([long.as_str()]) {
            let value = with(REPRODUCED_SDIST, &format!("/predicate/{member}"), json!(text));
            assert!(matches!(parse(&value), Err(E::Text { .. })), "{member} {text:?}");
        }
    }
    for (member, wrong) in [
        ("repeat", json!(-1)),
        ("repeat", json!(1.5)),
        ("repeat", json!(4_294_967_296_u64)),
        ("repeat", json!("2")),
        ("method", json!("exact")),
        ("environment/network", json!("NOTHING")),
        ("environment/variables", json!({"A": 1})),
    ] {
        let value = with(REPRODUCED_SDIST, &format!("/predicate/{member}"), wrong);
        assert!(matches!(parse(&value), Err(E::Json(IJsonError::Shape { .. }))), "{member}");
    }
    assert_eq!(parse(&with(REPRODUCED_SDIST, "/predicate/repeat", json!(0))), Err(E::NoBuild));
    assert!(matches!(
        parse(&with(REPRODUCED_SDIST, "/predicate/environment/variables", json!({"A=B": "x"}))),
        Err(E::Form { .. })
    ));
}

#[test]
fn inputs_digest_and_recipe_are_what_they_say() {
    let other = json!({"sha256": "0".repeat(64)});
    for pointer in ["/predicate/inputsDigest", "/predicate/source/0/digest", "/predicate/resolvedDependencies/0/digest"]
    {
        assert!(matches!(parse(&with(REPRODUCED_SDIST, pointer, other.clone())), Err(E::InputsDigest { .. })));
    }
    assert!(matches!(
        parse(&with(REPRODUCED_SDIST, "/predicate/recipe/content", json!("other"))),
        Err(E::RecipeDigest { .. })
    ));
    let long = "x".repeat(MAX_RECIPE + 1);
    assert_eq!(
        parse(&with(REPRODUCED_SDIST, "/predicate/recipe/content", json!(long))),
        Err(E::RecipeLength { found: MAX_RECIPE + 1 })
    );
}

#[test]
fn a_source_is_what_origin_says() {
    let git = &serde_json::from_slice::<Value>(golden!("reproduced-from-git")).unwrap()["predicate"]["source"][0];
    let sdist = &serde_json::from_slice::<Value>(REPRODUCED_SDIST).unwrap()["predicate"]["source"][0];
    let mut verified = sdist.clone();
    verified["fromCommit"] = json!("VERIFIED");
    let result = |origin: &str, source: Value| {
        let value = with(REPRODUCED_SDIST, "/predicate/source", source);
        let value = with(value.to_string().as_bytes(), "/predicate/origin", json!(origin));
        parse(&with_inputs(value)).map(|_| ())
    };
    assert_eq!(result("SDIST", json!([sdist])), Ok(()));
    assert_eq!(result("SDIST", json!([verified, git])), Ok(()));
    assert_eq!(result("SDIST", json!([git, verified])), Ok(()));
    assert_eq!(result("GIT", json!([git])), Ok(()));
    // An sdist names no commit that nobody held it against.
    assert_eq!(result("SDIST", json!([sdist, git])), Err(E::UnverifiedCommit));
    assert_eq!(result("SDIST", json!([verified])), Err(E::UnverifiedCommit));
    for (origin, source) in [
        ("GIT", json!([])),
        ("SDIST", json!([])),
        ("GIT", json!([sdist])),
        ("SDIST", json!([git])),
        ("GIT", json!([git, git])),
        ("GIT", json!([git, verified])),
        ("SDIST", json!([sdist, sdist])),
        ("SDIST", json!([verified, git, git])),
    ] {
        assert!(matches!(result(origin, source), Err(E::Sources { .. })), "{origin}");
    }
    // A source that is neither, or both.
    let mut both = git.clone();
    both["digest"]["sha256"] = sdist["digest"]["sha256"].clone();
    let value = with(REPRODUCED_SDIST, "/predicate/source", json!([both]));
    assert!(matches!(parse(&value), Err(E::Json(_))));
}

#[test]
fn a_repository_has_one_spelling() {
    let golden = golden!("reproduced-from-git");
    for wrong in [
        "https://github.com/benjaminp/six",
        "git+http://github.com/benjaminp/six",
        "git+ssh://git@github.com/benjaminp/six",
        "git+https://user@github.com/benjaminp/six",
        "git+https://github.com:443/benjaminp/six",
        "git+https://GitHub.com/benjaminp/six",
        "git+https://github.com/benjaminp/six.git",
        "git+https://github.com/benjaminp/six.GIT",
        "git+https://github.com/benjaminp/six/",
        "git+https://github.com/benjaminp//six",
        "git+https://github.com/benjaminp/../six",
        "git+https://github.com/benjaminp/six?x=1",
        "git+https://github.com/benjaminp/six#x",
        "git+https://github.com/benjaminp/six@refs/tags/1",
        "git+https://github.com/benjaminp/s%69x",
        "git+https://github.com/",
        "git+https:///six",
        "git+https://",
    ] {
        let value = with(golden, "/predicate/source/0/uri", json!(wrong));
        assert!(matches!(parse(&with_inputs(value)), Err(E::Form { .. })), "{wrong}");
    }
    for wrong in [
        "1.16.0",
        "refs/pull/1/head",
        "refs/tags/",
        "refs/tags/a b",
        "refs/tags/a..b",
        "refs/tags/.a",
        "refs/tags/a/",
        "refs/tags/a.lock",
        "refs/tags/a@{0}",
        "refs/tags/*",
        "refs/heads/a.",
    ] {
        let value = with(golden, "/predicate/source/0/ref", json!(wrong));
        assert!(matches!(parse(&with_inputs(value)), Err(E::Form { .. })), "{wrong}");
    }
    let commit = |hex: String| {
        let value = with(golden, "/predicate/source/0/digest", json!({ "gitCommit": hex }));
        parse(&with_inputs(value))
    };
    assert!(commit("a".repeat(40)).is_ok());
    assert!(commit("a".repeat(64)).is_ok());
    for wrong in ["a".repeat(39), "a".repeat(41), "A".repeat(40), "g".repeat(40)] {
        assert!(matches!(commit(wrong), Err(E::Form { .. })));
    }
}

#[test]
fn an_outcome_and_its_output_agree() {
    let golden = DIFFERENT;
    let own = serde_json::from_slice::<Value>(golden).unwrap()["subject"][0]["digest"].clone();
    let without_list = |value: Value| {
        let value = with(value.to_string().as_bytes(), "/predicate/differences", Value::Null);
        with(value.to_string().as_bytes(), "/predicate/differencesTotal", json!(0))
    };
    let change = |pointer: &str, new: Value| with(golden, pointer, new);
    let outcome = |word: &str| change("/predicate/outcome", json!(word));
    assert!(matches!(parse(&without_list(change("/predicate/rebuilt", Value::Null))), Err(E::RebuiltMissing { .. })));
    assert!(matches!(parse(&change("/predicate/rebuilt", own)), Err(E::RebuiltEqual { .. })));
    for word in ["BUILD_FAILED", "SOURCE_NOT_FOUND"] {
        assert!(matches!(parse(&outcome(word)), Err(E::RebuiltUnexpected { .. })));
    }
    for word in ["NONDETERMINISTIC", "ENVIRONMENT_UNKNOWN"] {
        assert!(matches!(parse(&outcome(word)), Err(E::Contradicts { .. })));
    }
    for word in ["FOREIGN", "different", ""] {
        assert!(matches!(parse(&outcome(word)), Err(E::Json(_))));
    }
    assert!(matches!(parse(&change("/predicate/outcome", Value::Null)), Err(E::Json(_))));
    assert!(matches!(parse(&change("/predicate/contradicts", json!("abc"))), Err(E::Json(_))));
}

#[test]
fn differences_stay_within_their_limits() {
    let list = |n: usize, total: u64| {
        let differences: Vec<Value> = (0..n).map(|i| json!({"path": format!("{i}.py"), "kind": "CONTENT"})).collect();
        let value = with(DIFFERENT, "/predicate/differences", json!(differences));
        parse(&with(value.to_string().as_bytes(), "/predicate/differencesTotal", json!(total))).map(|_| ())
    };
    assert_eq!(list(0, 0), Ok(()));
    assert_eq!(list(32, 32), Ok(()));
    assert_eq!(list(32, 33), Ok(()));
    assert_eq!(list(33, 33), Err(E::TooManyDifferences { found: 33 }));
    assert_eq!(list(2, 1), Err(E::DifferencesTotal { listed: 2, total: 1 }));
    assert_eq!(list(2, 3), Err(E::DifferencesTotal { listed: 2, total: 3 }));
    for wrong in ["", "a\nb", "\u{f6}", &"x".repeat(257)] {
        let value = with(DIFFERENT, "/predicate/differences/0/path", json!(wrong));
        assert!(matches!(parse(&value), Err(E::DifferencePath { .. })));
    }
    let failed = golden!("not-reproduced-build-failed");
    assert!(matches!(
        parse(&with(failed, "/predicate/differencesTotal", json!(1))),
        Err(E::DifferencesWithoutOutput { found: 1 })
    ));
}

#[test]
fn only_what_nothing_imports_may_differ_in_an_equivalent_statement() {
    let golden = golden!("equivalent");
    let path = |path: &str| parse(&with(golden, "/predicate/members/0/path", json!(path)));
    for wrong in [
        "six.py",
        "six/RECORD",
        "RECORD",
        ".dist-info/RECORD",
        "six-1.16.0.dist-info/METADATA",
        "six-1.16.0.dist-info/entry_points.txt",
        "six-1.16.0.dist-info/sboms",
        "six-1.16.0.dist-info/sboms/",
        "six-1.16.0.dist-info/sboms/../../six.json",
        "six-1.16.0.dist-info/sboms/x.py",
        "six-1.16.0.dist-info/sboms/x.SO",
        "six-1.16.0.dist-info/sboms/x.pth",
        "six-1.16.0.dist-info/sboms/\u{f6}.json",
        "a/six-1.16.0.dist-info/sboms/x.json",
    ] {
        assert!(matches!(path(wrong), Err(E::MemberPath { .. })), "{wrong}");
    }
    // Twice, or out of order: one list has one spelling.
    for other in ["six-1.16.0.dist-info/sboms/auditwheel.cdx.json", "six-1.16.0.dist-info/sboms/z.json"] {
        assert!(matches!(path(other), Err(E::MemberOrder { .. })));
    }
    let members = |new| parse(&with(golden, "/predicate/members", new));
    assert_eq!(members(json!([])), Err(E::MemberCount { found: 0 }));
    let hex = "a".repeat(64);
    let same = json!([{"path": "six-1.16.0.dist-info/RECORD", "published": hex, "rebuilt": hex}]);
    assert!(matches!(members(same), Err(E::MemberEqual { .. })));
}

#[test]
fn a_withdrawal_names_a_statement_and_a_reason() {
    let golden = golden!("withdrawn");
    for (pointer, wrong) in [
        ("/predicate/statementId", json!("abc")),
        ("/predicate/statementId", Value::Null),
        ("/predicate/reason", Value::Null),
    ] {
        assert!(matches!(parse(&with(golden, pointer, wrong)), Err(E::Json(_))));
    }
    for wrong in ["", "a\nb"] {
        let value = with(golden, "/predicate/reason", json!(wrong));
        assert!(matches!(parse(&value), Err(E::Text { .. })));
    }
}

#[test]
fn too_long_lists_are_cut_when_signing_and_refused_when_read() {
    let mut long = build();
    long.resolved_dependencies =
        (0..143).map(|i| Dependency { uri: format!("pkg:pypi/d{i}@1"), digest: Sha256::of(&[i]).into() }).collect();
    long.inputs_digest = inputs_digest(&long.source, long.recipe.digest, &long.resolved_dependencies);
    let recipe = "#".repeat(MAX_RECIPE + 1);
    long.recipe.digest = Sha256::of(recipe.as_bytes()).into();
    long.recipe.content = Some(recipe);
    long.inputs_digest = inputs_digest(&long.source, long.recipe.digest, &long.resolved_dependencies);
    let record = Sha256::of(&dependency_record(&long.resolved_dependencies));
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(Sha256::of(b"rebuilt").into()),
        contradicts: None,
        differences: (0..100)
            .map(|i| Difference {
                path: format!("{i}\n\u{202e}{}", "\u{f6}".repeat(300)),
                kind: DifferenceKind::Content,
            })
            .collect(),
        differences_total: 100,
        report: None,
    };
    let statement = Statement::new(subject(), Predicate::NotReproduced { build: long.clone(), refusal }).unwrap();
    let Predicate::NotReproduced { build, refusal } = statement.predicate() else {
        panic!("{statement:?}");
    };
    assert_eq!(
        build.resolved_dependencies,
        [Dependency { uri: "attest:dependencies?total=143".into(), digest: record.into() }]
    );
    assert_eq!(build.inputs_digest, long.inputs_digest);
    assert_eq!(build.recipe.content, None);
    assert_eq!(refusal.differences.len(), MAX_DIFFERENCES);
    assert_eq!(refusal.differences_total, 100);
    assert!(refusal.differences[7].path.starts_with("7\\u{a}\\u{202e}\\u{f6}"));
    assert!(refusal.differences[7].path.len() <= MAX_DIFFERENCE_PATH);
    assert!(refusal.differences[7].path.ends_with('}'));
    // What was cut is what gets signed, and cutting again changes nothing.
    assert_eq!(Statement::parse(&statement.to_bytes()).as_ref(), Ok(&statement));
    assert_eq!(Statement::new(subject(), statement.predicate().clone()).as_ref(), Ok(&statement));

    let value = with(REPRODUCED_SDIST, "/predicate/resolvedDependencies", json!(long.resolved_dependencies));
    assert_eq!(parse(&value), Err(E::TooManyDependencies { found: 143 }));
    for wrong in ["", "0143", "+143", "100", "99999999999", "x"] {
        let value = with(
            golden!("reproduced-recorded-dependencies"),
            "/predicate/resolvedDependencies/0/uri",
            json!(format!("attest:dependencies?total={wrong}")),
        );
        assert!(matches!(parse(&value), Err(E::Form { .. })), "{wrong}");
    }
}

#[test]
fn signing_holds_to_the_same_rules() {
    let mut bad = build();
    bad.repeat = 0;
    assert_eq!(Statement::new(subject(), Predicate::Reproduced(bad)), Err(E::NoBuild));
    let mut bad = build();
    bad.inputs_digest = Sha256::of(b"").into();
    assert!(matches!(Statement::new(subject(), Predicate::Reproduced(bad)), Err(E::InputsDigest { .. })));
    let renamed = Subject { name: WheelName::parse("six-1.17.0-py3-none-any.whl").unwrap(), ..subject() };
    // The purl follows the name, so a new statement always agrees with itself.
    let statement = Statement::new(renamed, Predicate::Reproduced(build())).unwrap();
    assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
}

#[test]
fn digests_are_those_of_the_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/inputs_digest.json")).unwrap();
    for case in vectors["inputs"].as_array().unwrap() {
        let source: Vec<Source> = serde_json::from_value(case["source"].clone()).unwrap();
        let recipe: Digest = serde_json::from_value(case["recipe"].clone()).unwrap();
        let dependencies: Vec<Dependency> = serde_json::from_value(case["dependencies"].clone()).unwrap();
        let digest = inputs_digest(&source, recipe, &dependencies);
        assert_eq!(json!(digest), case["inputsDigest"], "{}", case["name"]);
    }
    for case in vectors["records"].as_array().unwrap() {
        let rows: Vec<(String, Sha256, u64)> = serde_json::from_value(case["rows"].clone()).unwrap();
        let digest = record_digest(&rows);
        assert_eq!(json!(digest), case["recordDigest"], "{}", case["name"]);
    }
    for case in vectors["trees"].as_array().unwrap() {
        let entries: Vec<(String, String, String)> = serde_json::from_value(case["entries"].clone()).unwrap();
        let entry = |(path, mode, content): &(String, String, String)| {
            TreeEntry::new(path.as_bytes(), TreeMode::parse(mode).unwrap(), Sha256::of(content.as_bytes())).unwrap()
        };
        let digest = tree_sha256(entries.iter().map(entry).collect());
        assert_eq!(json!(digest), case["treeSha256"], "{}", case["name"]);
    }
    let case = &vectors["dependencyRecord"];
    let dependencies: Vec<Dependency> = serde_json::from_value(case["dependencies"].clone()).unwrap();
    let record = dependency_record(&dependencies);
    assert_eq!(std::str::from_utf8(&record).unwrap(), case["canonical"].as_str().unwrap());
    assert_eq!(json!(Digest::from(Sha256::of(&record))), case["digest"]);
}

#[test]
fn what_has_no_content_of_its_own_has_no_place_in_a_tree() {
    for mode in ["160000", "040000", "100664", "0100644", ""] {
        assert_eq!(TreeMode::parse(mode), None, "{mode:?}");
    }
    // With a NUL inside, two trees could have the same lines.
    assert_eq!(TreeEntry::new(b"a\0b", TreeMode::File, Sha256::of(b"")), None);
}
