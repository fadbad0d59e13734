//! Statements as rebuilders sign them: three about each file, thirty files in each project; some are of another mind.
//! Beside them stands what makes the largest pages: a project of many releases, a release of many files, and files of
//! which much is said.

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
const FILES_PER_PROJECT: u64 = 30;
/// Releases of the project of many releases; no more than that has any project of an index but a few.
const RELEASES: u64 = 2_000;
/// Files of the release of many files.
const FILES: u64 = 300;
/// Times that each rebuilder speaks about a file of which thresholds are still worked out, and of one that is beyond that.
const SAID: [u64; 2] = [66, 634];
/// Numbers of all those. The others are of projects as most are.
const LARGE: u64 = RELEASES + FILES + SAID[0] + SAID[1];
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

/// A file that statements are about.
#[derive(Debug)]
pub(crate) struct Wheel {
    pub(crate) project: String,
    pub(crate) version: String,
    pub(crate) file: String,
    pub(crate) digest: ArtifactDigest,
}

impl Wheel {
    /// The file with this number.
    pub(crate) fn new(number: u64) -> Self {
        let (files, said) = (RELEASES + FILES, RELEASES + FILES + SAID[0]);
        let (project, minor, build, digest) = if number < RELEASES {
            ("many_releases".to_owned(), number, None, number)
        } else if number < files {
            ("many_files".to_owned(), 0, Some(number - RELEASES), number)
        } else if number < said {
            ("much_said".to_owned(), 0, None, files)
        } else if number < LARGE {
            ("more_said".to_owned(), 0, None, said)
        } else {
            (format!("project_{}", number / FILES_PER_PROJECT), number % FILES_PER_PROJECT, None, number)
        };
        let build = build.map(|build| format!("-{build}")).unwrap_or_default();
        Self {
            version: format!("1.{minor}"),
            file: format!("{project}-1.{minor}{build}-py3-none-any.whl"),
            digest: ArtifactDigest::of(format!("file {digest}").as_bytes()),
            project,
        }
    }

    /// One of each kind that makes large pages: of many releases, of many files, and the two of which much is said.
    pub(crate) fn large() -> [Self; 4] {
        [0, RELEASES, RELEASES + FILES, LARGE - 1].map(Self::new)
    }
}

/// Number of a project that is as most are.
pub(crate) const fn project(number: u64) -> u64 {
    number / FILES_PER_PROJECT + LARGE.div_ceil(FILES_PER_PROJECT)
}

/// The commit that a file is built from.
pub(crate) fn commit(file: u64) -> String {
    // Every file of a release is built from one commit.
    ArtifactDigest::of(format!("commit {}", file / 3).as_bytes()).to_string()[..40].to_owned()
}

/// The envelope with this number.
pub(crate) fn envelope(number: u64) -> Result<Envelope> {
    let (number_of_file, who) = about(number);
    let wheel = Wheel::new(number_of_file);
    let (build, digest) = (build(&wheel, number_of_file, who), wheel.digest);
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
    let statement = Statement::new(Subject { name: WheelName::parse(&wheel.file)?, digest }, predicate)?;
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

fn build(wheel: &Wheel, file: u64, who: u64) -> Build {
    let digest = |what: &str| Digest { sha256: ArtifactDigest::of(format!("{what} {file}").as_bytes()) };
    let source = vec![Source::Git {
        uri: format!("git+https://git.example/{}", wheel.project),
        r#ref: format!("refs/tags/v{}", wheel.version),
        digest: GitDigest { git_commit: commit(file) },
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
