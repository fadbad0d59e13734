//! Statements as rebuilders sign them: three about each file, thirty files in each project; some are of another mind.

use std::collections::BTreeMap;

use anyhow::Result;
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, StatementId, pae},
    key::ed25519::SecretKey,
    statement::{
        Build, Clock, Difference, DifferenceKind, Digest, Environment, GitDigest, Method, Network, Origin, Outcome,
        Predicate, Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Statement, Subject, Tool, Withdrawal,
        inputs_digest,
    },
};

pub(crate) const REBUILDERS: u64 = 3;
pub(crate) const FILES_PER_PROJECT: u64 = 30;
/// Files that one rebuilder is done with before the next one starts on them.
const IN_A_ROW: u64 = 1 << 14;

/// The key of a rebuilder.
pub(crate) fn key(who: u64) -> SecretKey {
    SecretKey::from_seed([u8::try_from(who + 1).unwrap_or(u8::MAX); 32])
}

/// The file that an entry is about, and who signs it.
pub(crate) const fn about(number: u64) -> (u64, u64) {
    let (row, place) = (number / IN_A_ROW, number % IN_A_ROW);
    (row / REBUILDERS * IN_A_ROW + place, row % REBUILDERS)
}

/// Name and digest of a file.
pub(crate) fn file(file: u64) -> (String, ArtifactDigest) {
    let name = format!("project_{}-1.{}-py3-none-any.whl", file / FILES_PER_PROJECT, file % FILES_PER_PROJECT);
    (name, ArtifactDigest::of(format!("file {file}").as_bytes()))
}

/// The envelope with this number.
pub(crate) fn envelope(number: u64) -> Result<Envelope> {
    let (number_of_file, who) = about(number);
    let (name, digest) = file(number_of_file);
    let build = build(number_of_file, who);
    let predicate = match number % 1_000 {
        // A disagreement, and at the next file an accusation by itself.
        7 if who == 2 => refused(build, &digest, "a/b.txt", DifferenceKind::Content),
        8 if who == 2 => refused(build, &digest, "a/evil.py", DifferenceKind::OnlyInPublished),
        9 if who == 2 => {
            let statement = StatementId::from_bytes(*digest.as_bytes());
            Predicate::Withdrawn(Withdrawal { statement_id: statement, reason: "a mistake".to_owned() })
        }
        abstains if abstains % 10 == 3 => Predicate::NotReproduced {
            build,
            refusal: Refusal {
                outcome: Outcome::BuildFailed,
                rebuilt: None,
                contradicts: None,
                differences: Vec::new(),
                differences_total: 0,
                report: None,
            },
        },
        _ => Predicate::Reproduced(build),
    };
    let statement = Statement::new(Subject { name: WheelName::parse(&name)?, digest }, predicate)?;
    let payload = statement.to_bytes();
    let signature = Signature::Ed25519(key(who).sign(&pae(&payload)));
    Ok(Envelope::new(payload, signature)?)
}

fn refused(build: Build, digest: &ArtifactDigest, path: &str, kind: DifferenceKind) -> Predicate {
    let rebuilt = ArtifactDigest::of(digest.as_bytes());
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(rebuilt.into()),
        contradicts: None,
        differences: vec![Difference { path: path.to_owned(), kind }],
        differences_total: 1,
        report: None,
    };
    Predicate::NotReproduced { build, refusal }
}

fn build(file: u64, who: u64) -> Build {
    let digest = |what: &str| Digest { sha256: ArtifactDigest::of(format!("{what} {file}").as_bytes()) };
    // Every file of a release is built from one commit.
    let commit = ArtifactDigest::of(format!("commit {}", file / 3).as_bytes()).to_string()[..40].to_owned();
    let source = vec![Source::Git {
        uri: format!("git+https://git.example/project_{}", file / FILES_PER_PROJECT),
        r#ref: format!("refs/tags/v1.{}", file % FILES_PER_PROJECT),
        digest: GitDigest { git_commit: commit },
        tree_sha256: digest("tree").sha256,
    }];
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    let day = 1 + file % 20;
    Build {
        rebuilder: Rebuilder { id: format!("https://rebuilder-{who}.example"), version: BTreeMap::new() },
        origin: Origin::Git,
        inputs_digest: inputs_digest(&source, digest("recipe"), &[]),
        source,
        recipe: RecipeRef {
            kind: RecipeKind::Inferred,
            digest: digest("recipe"),
            content: None,
            download_location: None,
        },
        method: Method::Exact,
        environment: Environment {
            platform: "linux/x86_64".to_owned(),
            variables: BTreeMap::new(),
            umask: "0022".to_owned(),
            build_path: "/build".to_owned(),
            clock: Clock::SourceDateEpoch,
            network: Network::None,
            python: tool("3.12.4"),
            zlib: tool("1.3.1"),
            cc: None,
            ld: None,
            libc: None,
            container_image: None,
        },
        resolved_dependencies: Vec::new(),
        record_digest: digest("RECORD"),
        rebuilt_at: format!("2026-11-{day:02}T12:00:00Z"),
        repeat: 2,
        byproducts: Vec::new(),
    }
}
