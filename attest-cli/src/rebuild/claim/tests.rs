use std::collections::BTreeMap;

use attest_core::artifact::WheelName;
use attest_core::statement::{
    Clock, Digest, FromCommit, Method, Origin, Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Tool, inputs_digest,
};

use super::*;

fn digest(text: &str) -> ArtifactDigest {
    ArtifactDigest::of(text.as_bytes())
}

fn environment() -> Environment {
    let tool = |version: &str| Tool { version: version.to_owned(), digest: Some(digest(version).into()) };
    Environment {
        platform: "linux/x86_64".to_owned(),
        variables: BTreeMap::from([("TZ".to_owned(), "UTC".to_owned())]),
        umask: "0022".to_owned(),
        build_path: "/build/src".to_owned(),
        clock: Clock::Real,
        network: Network::None,
        python: tool("CPython 3.11.7"),
        zlib: tool("1.2.13"),
        cc: None,
        ld: None,
        libc: Some(tool("glibc 2.36")),
        container_image: None,
    }
}

fn build() -> Build {
    let recipe = RecipeRef {
        kind: RecipeKind::Inferred,
        digest: digest("recipe").into(),
        content: None,
        download_location: Some("https://recipes.example/recipe.toml".to_owned()),
    };
    let source = vec![Source::Sdist {
        name: "demo-1.0.tar.gz".to_owned(),
        digest: Digest { sha256: digest("sdist") },
        from_commit: FromCommit::Unverified,
    }];
    let resolved = vec![Dependency { uri: "pkg:pypi/flit-core@4.1.0".to_owned(), digest: digest("flit").into() }];
    Build {
        rebuilder: Rebuilder { id: "https://rebuild.example/".to_owned(), version: BTreeMap::new() },
        origin: Origin::Sdist,
        inputs_digest: inputs_digest(&source, recipe.digest, &resolved),
        source,
        recipe,
        method: Method::Exact,
        environment: environment(),
        resolved_dependencies: resolved,
        record_digest: digest("record").into(),
        rebuilt_at: "2026-11-21T21:00:00Z".to_owned(),
        repeat: 2,
        byproducts: Vec::new(),
    }
}

fn claim(predicate: Predicate) -> Claim {
    let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
    let statement = Statement::new(Subject { name, digest: digest("wheel") }, predicate).unwrap();
    Claim { id: StatementId::of_payload(&statement.to_bytes()), statement, claimed: Claimed::Output(digest("wheel")) }
}

#[test]
fn only_a_claim_of_equality_from_the_same_inputs_in_the_same_surroundings_is_contradicted() {
    let reproduced = claim(Predicate::Reproduced(build()));
    let inputs = build().inputs_digest.sha256;
    assert!(reproduced.is_contradicted_by(inputs, &environment(), 2));
    assert!(!reproduced.is_contradicted_by(digest("other inputs"), &environment(), 2));
    // docs/TRUST.md 4.2
    assert!(!reproduced.is_contradicted_by(inputs, &environment(), 1));
    let open = Environment { network: Network::Open, ..environment() };
    assert!(!reproduced.is_contradicted_by(inputs, &open, 2));
    // Another file of the same version is no other compressor; another version is one.
    let mut other = environment();
    other.zlib.digest = Some(digest("Debian's own").into());
    assert!(reproduced.is_contradicted_by(inputs, &other, 2));
    other.zlib.version = "1.3.1.zlib-ng".to_owned();
    assert!(!reproduced.is_contradicted_by(inputs, &other, 2));
    let mut other = environment();
    other.container_image = Some(digest("image").into());
    assert!(!reproduced.is_contradicted_by(inputs, &other, 2));
    // Whoever did not reproduce it claimed nothing about the published file.
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(digest("other wheel").into()),
        contradicts: None,
        differences: Vec::new(),
        differences_total: 0,
        report: None,
    };
    let different = claim(Predicate::NotReproduced { build: build(), refusal });
    assert!(!different.is_contradicted_by(inputs, &environment(), 2));
}

#[test]
fn what_differs_around_a_build_is_listed_with_both_sides() {
    assert_eq!(compare(&environment(), &environment()), []);
    let mut other = environment();
    other.python.version = "CPython 3.12.1".to_owned();
    other.libc = None;
    other.variables.insert("CFLAGS".to_owned(), "-O3".to_owned());
    let listed: Vec<_> = compare(&environment(), &other).iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "variables: TZ=UTC in the statement, CFLAGS=-O3 TZ=UTC here",
            "python: CPython 3.11.7 in the statement, CPython 3.12.1 here",
            "libc: glibc 2.36 in the statement, none here",
        ]
    );
}

#[test]
fn the_lock_is_what_the_statement_lists_and_nothing_that_could_be_fetched_otherwise() {
    let lock = Claim::lock(&build(), None).unwrap();
    assert_eq!(lock.to_string(), format!("flit-core==4.1.0 --hash=sha256:{}\n", digest("flit")));
    assert_eq!(Claim::lock(&build(), Some(&lock)).unwrap(), lock);
    let stated = |uris: &[&str]| {
        let dependency = |uri: &&str| Dependency { uri: (*uri).to_owned(), digest: digest(uri).into() };
        Build { resolved_dependencies: uris.iter().map(dependency).collect(), ..build() }
    };
    for uris in [
        &["pkg:npm/left-pad@1.0.0"][..],
        &["pkg:pypi/flit-core"],
        &["pkg:pypi/x@1 --index-url=https://evil.example"],
        &["pkg:pypi/x@1?download_url=https://evil.example"],
        &["pkg:pypi/-r@1"],
        &["pkg:pypi/x@1", "pkg:pypi/x@2"],
    ] {
        assert!(Claim::lock(&stated(uris), None).is_err(), "{uris:?}");
    }
    let other = stated(&["pkg:pypi/flit-core@4.1.1"]);
    assert!(matches!(Claim::lock(&other, Some(&lock)).unwrap_err(), ClaimError::OtherLock));
    // A list that is only named by its digest.
    let recorded = |list: &[Dependency]| Build {
        resolved_dependencies: vec![Dependency {
            uri: "attest:dependencies?total=101".to_owned(),
            digest: ArtifactDigest::of(&dependency_record(list)).into(),
        }],
        ..build()
    };
    let same = recorded(&build().resolved_dependencies);
    assert!(matches!(Claim::lock(&same, None).unwrap_err(), ClaimError::Unlisted { .. }));
    assert_eq!(Claim::lock(&same, Some(&lock)).unwrap(), lock);
    assert!(matches!(Claim::lock(&recorded(&[]), Some(&lock)).unwrap_err(), ClaimError::OtherLock));
}
