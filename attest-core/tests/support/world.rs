//! A small world to judge in: rebuilders with real keys, a log in memory, witnesses, and a policy about them.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "what is tested is made here")]

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    checkpoint::{Checkpoint, LogCheckpoint},
    cosignature::cosign,
    envelope::{Envelope, Signature, StatementId, pae},
    key::ed25519::SecretKey,
    merkle::{Frontier, LeafHash, LeafIndex, NodeHash},
    note::{KeyName, KeyType, SignerKey},
    policy::Policy,
    recipe::Recipe,
    statement::{
        Build, Clock, Dependency, Difference, DifferenceKind, Digest, Environment, Equivalence, FromCommit, GitDigest,
        Method, Network, Origin, Outcome, Predicate, Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Statement,
        Subject, Tool, Withdrawal, inputs_digest,
    },
    time::Timestamp,
    verify::{Asking, Connection, Evidence, LogView, LoggedEntry, Verdict, Wanted, WantedName, verify},
};
use std::collections::BTreeMap;

/// 2026-11-21T21:00:00Z, the clock of every test.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_294_800);
pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 24 * HOUR;

pub(crate) fn at(seconds_before_now: u64) -> Timestamp {
    Timestamp::from_secs(NOW.secs() - seconds_before_now)
}

// ---- files and statements

pub(crate) const WHEEL: &str = "six-1.16.0-py2.py3-none-any.whl";
pub(crate) const COMMIT: &str = "65486e4383f9f411da95937451205d3c7b61b9e1";

pub(crate) fn digest(text: &str) -> ArtifactDigest {
    ArtifactDigest::of(text.as_bytes())
}

/// How it was built: knobs only.
pub(crate) const RECIPE: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "six-1.16.0-py2.py3-none-any.whl"
generator = "bdist_wheel (0.36.2)"
guesses = []

[backend]
name = "setuptools.build_meta"
path = []

[requirements]
build = ["setuptools<70.1", "wheel==0.36.2"]

[time]
clock = "SOURCE_DATE_EPOCH"
source-date-epoch = 1620153600
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"
"#;

/// The published file that most tests are about.
pub(crate) fn published() -> Subject {
    subject(WHEEL, "published")
}

pub(crate) fn subject(name: &str, bytes: &str) -> Subject {
    Subject { name: WheelName::parse(name).unwrap(), digest: digest(bytes) }
}

pub(crate) fn wanted() -> Wanted {
    Wanted { digest: published().digest, name: WantedName::File(WHEEL.to_owned()) }
}

pub(crate) fn git(commit: &str) -> Vec<Source> {
    vec![Source::Git {
        uri: "git+https://github.com/benjaminp/six".to_owned(),
        r#ref: "refs/tags/1.16.0".to_owned(),
        digest: GitDigest { git_commit: commit.to_owned() },
        tree_sha256: digest(commit),
    }]
}

pub(crate) fn sdist(bytes: &str) -> Vec<Source> {
    vec![Source::Sdist {
        name: "six-1.16.0.tar.gz".to_owned(),
        digest: digest(bytes).into(),
        from_commit: FromCommit::Unverified,
    }]
}

/// A build requirement as it was installed.
pub(crate) fn dependency(name: &str, version: &str) -> Dependency {
    Dependency { uri: format!("pkg:pypi/{name}@{version}"), digest: digest(name).into() }
}

/// A build that meets every rule for a vote: from a commit, without network, twice, by inferred knobs.
pub(crate) fn good_build() -> Build {
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    Build {
        rebuilder: Rebuilder {
            id: "https://rebuilder.example/v1".to_owned(),
            version: BTreeMap::from([("attest".to_owned(), "0.1.0".to_owned())]),
        },
        origin: Origin::Git,
        source: git(COMMIT),
        recipe: RecipeRef {
            kind: RecipeKind::Inferred,
            digest: digest(RECIPE).into(),
            content: Some(RECIPE.to_owned()),
            download_location: None,
        },
        method: Method::Exact,
        environment: Environment {
            platform: "linux/x86_64".to_owned(),
            variables: Recipe::parse(RECIPE).unwrap().all_variables(),
            umask: "0022".to_owned(),
            build_path: "/build/src".to_owned(),
            clock: Clock::SourceDateEpoch,
            network: Network::None,
            python: tool("3.11.7"),
            zlib: tool("1.2.13"),
            cc: None,
            ld: None,
            libc: None,
            container_image: None,
        },
        resolved_dependencies: [("setuptools", "56.0.0"), ("wheel", "0.36.2")]
            .map(|(name, version)| dependency(name, version))
            .into(),
        inputs_digest: digest("set by build()").into(),
        record_digest: digest("record").into(),
        rebuilt_at: "2026-11-20T10:00:00Z".to_owned(),
        repeat: 2,
        byproducts: Vec::new(),
    }
}

/// A good build, changed, with the digest of the inputs that it then has.
pub(crate) fn build(change: impl FnOnce(&mut Build)) -> Build {
    let mut build = good_build();
    change(&mut build);
    build.inputs_digest = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
    build
}

pub(crate) fn reproduced_of(subject: Subject, change: impl FnOnce(&mut Build)) -> Statement {
    let recipe = RECIPE.replace(WHEEL, subject.name.as_str());
    let build = build(|build| {
        build.recipe.digest = digest(&recipe).into();
        build.recipe.content = Some(recipe);
        change(build);
    });
    Statement::new(subject, Predicate::Reproduced(build)).unwrap()
}

pub(crate) fn reproduced(change: impl FnOnce(&mut Build)) -> Statement {
    reproduced_of(published(), change)
}

pub(crate) fn equivalent(change: impl FnOnce(&mut Build)) -> Statement {
    let predicate = Predicate::Equivalent {
        build: build(change),
        rebuilt: digest("equivalent"),
        members: vec![Equivalence {
            path: "six-1.16.0.dist-info/sboms/six.cyclonedx.json".to_owned(),
            published: digest("one sbom"),
            rebuilt: digest("another sbom"),
        }],
    };
    Statement::new(published(), predicate).unwrap()
}

pub(crate) fn not_reproduced(change: impl FnOnce(&mut Build), refuse: impl FnOnce(&mut Refusal)) -> Statement {
    let mut refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(digest("rebuilt").into()),
        contradicts: None,
        differences: vec![difference("six.py", DifferenceKind::Content)],
        differences_total: 1,
        report: None,
    };
    refuse(&mut refusal);
    let build = build(change);
    Statement::new(published(), Predicate::NotReproduced { build, refusal }).unwrap()
}

/// The same inputs as [`good_build`], another result.
pub(crate) fn contradiction(of: StatementId) -> Statement {
    not_reproduced(|_| {}, |refusal| refusal.contradicts = Some(of))
}

/// A module that only the published file has.
pub(crate) fn foreign_code() -> Statement {
    not_reproduced(
        |_| {},
        |refusal| {
            refusal.differences = vec![
                difference("six_extra.py", DifferenceKind::OnlyInPublished),
                difference("six-1.16.0.dist-info/RECORD", DifferenceKind::Content),
            ];
            refusal.differences_total = 2;
        },
    )
}

pub(crate) fn abstention(outcome: Outcome) -> Statement {
    not_reproduced(
        |_| {},
        |refusal| {
            refusal.outcome = outcome;
            refusal.rebuilt = matches!(outcome, Outcome::Different | Outcome::Nondeterministic)
                .then(|| Digest::from(digest("rebuilt")));
            refusal.differences = Vec::new();
            refusal.differences_total = 0;
        },
    )
}

pub(crate) fn difference(path: &str, kind: DifferenceKind) -> Difference {
    Difference { path: path.to_owned(), kind }
}

pub(crate) fn withdrawal(of: StatementId) -> Statement {
    withdrawal_about(published(), of)
}

pub(crate) fn withdrawal_about(subject: Subject, of: StatementId) -> Statement {
    let withdrawal = Withdrawal { statement_id: of, reason: "built on the wrong machine".to_owned() };
    Statement::new(subject, Predicate::Withdrawn(withdrawal)).unwrap()
}

// ---- keys

/// Somebody who signs statements. The name decides the key.
pub(crate) struct Signer(SecretKey);

pub(crate) fn signer(name: &str) -> Signer {
    Signer(SecretKey::from_seed(*digest(name).as_bytes()))
}

impl Signer {
    pub(crate) fn public(&self) -> String {
        self.0.public().to_string()
    }

    pub(crate) fn sign(&self, statement: &Statement) -> Signed {
        self.sign_payload(statement.to_bytes())
    }

    pub(crate) fn sign_payload(&self, payload: Vec<u8>) -> Signed {
        let signature = Signature::Ed25519(self.0.sign(&pae(&payload)));
        let envelope = Envelope::new(payload, signature).unwrap();
        Signed { id: envelope.statement_id(), bytes: envelope.to_bytes() }
    }
}

/// A signed statement: an envelope as it is logged.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) id: StatementId,
    pub(crate) bytes: Vec<u8>,
}

// ---- a log and its witnesses

pub(crate) struct Log {
    pub(crate) key: SignerKey,
    pub(crate) entries: Vec<Vec<u8>>,
}

/// One group each.
pub(crate) const WITNESSES: [&str; 3] = ["witness-a", "witness-b", "witness-c"];

pub(crate) fn cosigner(name: &str) -> SignerKey {
    let key_name = KeyName::new(&format!("{name}.example")).unwrap();
    SignerKey::from_seed(key_name, KeyType::CosignatureV1, *digest(name).as_bytes())
}

impl Log {
    pub(crate) fn new(origin: &str) -> Self {
        let name = KeyName::new(origin).unwrap();
        let key = SignerKey::from_seed(name, KeyType::Ed25519, *digest(origin).as_bytes());
        Self { key, entries: Vec::new() }
    }

    pub(crate) fn origin(&self) -> String {
        self.key.verifier().name().as_str().to_owned()
    }

    pub(crate) fn append(&mut self, signed: &Signed) -> u64 {
        self.entries.push(signed.bytes.clone());
        self.entries.len() as u64 - 1
    }

    pub(crate) fn checkpoint(&self) -> LogCheckpoint {
        let mut tree = Frontier::new();
        for entry in &self.entries {
            tree.append(LeafHash::of(entry));
        }
        let checkpoint = Checkpoint { origin: self.origin(), head: tree.head() };
        checkpoint.sign(&self.key).unwrap()
    }

    /// The checkpoint, cosigned by some witnesses at some times.
    pub(crate) fn cosigned(&self, cosigners: &[(&str, Timestamp)]) -> Vec<u8> {
        let mut checkpoint = self.checkpoint();
        for (name, time) in cosigners {
            let line = cosign(&checkpoint, &cosigner(name), *time).unwrap();
            checkpoint = checkpoint.with_cosignature(line).unwrap();
        }
        checkpoint.note().to_string().into_bytes()
    }

    /// Everything the log has, under a checkpoint that two witnesses cosigned a minute ago.
    pub(crate) fn view(&self) -> LogView {
        self.view_cosigned(&[("witness-a", at(60)), ("witness-b", at(60))])
    }

    pub(crate) fn view_cosigned(&self, cosigners: &[(&str, Timestamp)]) -> LogView {
        let leaves: Vec<_> = self.entries.iter().map(|entry| LeafHash::of(entry)).collect();
        let entries = self.entries.iter().enumerate().map(|(index, envelope)| LoggedEntry {
            index: LeafIndex::new(index as u64),
            envelope: envelope.clone(),
            path: inclusion(index, &leaves),
        });
        LogView { checkpoint: self.cosigned(cosigners), entries: entries.collect() }
    }
}

/// PATH(m, D[n]), straight from RFC 6962 section 2.1.1.
pub(crate) fn inclusion(index: usize, leaves: &[LeafHash]) -> Vec<NodeHash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (inclusion(index, left), root(right))
    } else {
        (inclusion(index - split, right), root(left))
    };
    path.push(sibling);
    path
}

/// MTH(D[n]), straight from RFC 6962 section 2.1.
fn root(leaves: &[LeafHash]) -> NodeHash {
    if let [leaf] = leaves {
        return NodeHash::from(*leaf);
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    NodeHash::of_children(&root(left), &root(right))
}

// ---- policies

/// A policy as text: single keys can be replaced, tables added.
#[derive(Clone)]
pub(crate) struct Rules {
    top: BTreeMap<&'static str, String>,
    pub(crate) tables: Vec<String>,
}

impl Rules {
    /// Two of three groups, two of three witness groups, one log.
    pub(crate) fn new() -> Self {
        let top = [
            ("version", "1"),
            ("serial", "7"),
            ("expires", "2027-06-30T00:00:00Z"),
            ("threshold", "2"),
            ("accept-origin", r#"["git", "sdist"]"#),
            ("accept-method", r#"["exact", "replayed"]"#),
            ("negatives", r#""best-effort""#),
            ("witness-threshold", "2"),
            ("max-checkpoint-age", r#""24h""#),
            ("offline-max-age", r#""30d""#),
            ("clock-skew", r#""5m""#),
        ];
        let mut rules =
            Self { top: top.into_iter().map(|(key, value)| (key, value.to_owned())).collect(), tables: Vec::new() };
        for (name, group) in [("deb-1", "debian"), ("deb-2", "debian"), ("nix-1", "nixos"), ("acme-1", "acme")] {
            rules = rules.rebuilder(name, group, "current", "");
        }
        for name in WITNESSES {
            rules = rules.witness(name);
        }
        rules.log(LOG, "")
    }

    /// As [`Rules::new`], without any table.
    pub(crate) fn bare() -> Self {
        Self { tables: Vec::new(), ..Self::new() }
    }

    /// Replaces a top-level value.
    pub(crate) fn set(mut self, key: &'static str, value: &str) -> Self {
        self.top.insert(key, value.to_owned());
        self
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.top.remove(key);
        self
    }

    pub(crate) fn table(mut self, text: impl Into<String>) -> Self {
        self.tables.push(text.into());
        self
    }

    pub(crate) fn rebuilder(self, name: &str, group: &str, status: &str, more: &str) -> Self {
        let key = signer(name).public();
        self.table(format!(
            "[[rebuilder]]\nname = \"{name}\"\ngroup = \"{group}\"\nkey = \"{key}\"\nstatus = \"{status}\"\n{more}"
        ))
    }

    /// Replaces the entry of a rebuilder.
    pub(crate) fn change_rebuilder(mut self, name: &str, group: &str, status: &str, more: &str) -> Self {
        let line = format!("[[rebuilder]]\nname = \"{name}\"");
        self.tables.retain(|table| !table.starts_with(&line));
        self.rebuilder(name, group, status, more)
    }

    pub(crate) fn key(self, role: &str, name: &str) -> Self {
        let key = signer(name).public();
        self.table(format!("[[{role}]]\nname = \"{name}\"\nkey = \"{key}\"\n"))
    }

    pub(crate) fn witness(self, name: &str) -> Self {
        let key = cosigner(name);
        let vkey = key.verifier();
        self.table(format!("[[witness]]\nname = \"{name}\"\ngroup = \"group-of-{name}\"\nvkey = \"{vkey}\"\n"))
    }

    pub(crate) fn log(self, origin: &str, more: &str) -> Self {
        let log = Log::new(origin);
        let vkey = log.key.verifier();
        self.table(format!("[[log]]\nvkey = \"{vkey}\"\nurls = [\"https://{origin}\"]\n{more}"))
    }

    pub(crate) fn text(&self) -> String {
        let top = self.top.iter().map(|(key, value)| format!("{key} = {value}\n"));
        top.chain(self.tables.iter().cloned()).collect()
    }

    pub(crate) fn policy(&self) -> Policy {
        match Policy::parse(&self.text()) {
            Ok(policy) => policy,
            Err(error) => panic!("{error}\n{}", self.text()),
        }
    }
}

// ---- questions

pub(crate) const LOG: &str = "log.example/2026";

pub(crate) fn asking() -> Asking {
    Asking { now: NOW, connection: Connection::Online, seen_serial: None }
}

pub(crate) fn evidence(logs: Vec<LogView>) -> Evidence {
    Evidence {
        logs,
        unlogged: Vec::new(),
        unreachable: Vec::new(),
        forks: Vec::new(),
        negatives: Vec::new(),
        replicas: Vec::new(),
    }
}

/// A log that holds exactly these.
pub(crate) fn log_of(statements: &[&Signed]) -> Log {
    let mut log = Log::new(LOG);
    for signed in statements {
        log.append(signed);
    }
    log
}

/// The verdict on the published file, from one log that holds exactly these.
pub(crate) fn judge(rules: &Rules, statements: &[&Signed]) -> Verdict {
    judge_by(rules, &evidence(vec![log_of(statements).view()]))
}

pub(crate) fn judge_by(rules: &Rules, evidence: &Evidence) -> Verdict {
    verify(&rules.policy(), &wanted(), evidence, asking())
}

pub(crate) fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.reasons().iter().map(attest_core::verify::Reason::code).collect()
}
