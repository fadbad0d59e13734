//! A folder with keys, wheels, statements and policies, and the program run in it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, pae},
    key::{PublicKey, ed25519::SecretKey},
    recipe::Recipe,
    statement::{
        Build, Clock, Dependency, Difference, DifferenceKind, Digest, Environment, FromCommit, Method, Network, Origin,
        Outcome, Predicate, Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Statement, Subject, Tool, inputs_digest,
    },
};
use serde_json::Value;
use tempfile::TempDir;

use crate::schemas;

pub(crate) const WHEEL: &str = "demo-1.0-py3-none-any.whl";

/// How it was built: knobs only, or it would not vote.
const RECIPE: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "demo-1.0-py3-none-any.whl"
generator = "setuptools (80.9.0)"
guesses = []

[backend]
name = "setuptools.build_meta"
path = []

[requirements]
build = ["setuptools==80.9.0"]

[time]
clock = "REAL"
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"
"#;

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// The document, which is what its schema says.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let document = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        schemas::held(&document);
        document
    }

    /// The exit code, and words that must be on stderr or stdout.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.out.contains(words) || self.err.contains(words), "expected {words:?}: {self:?}");
    }
}

pub(crate) struct World {
    folder: TempDir,
    /// What a program that was killed leaves goes with the world.
    temporary: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        for policy in ["/etc/attest/policy.toml", ".config/attest/policy.toml"] {
            let home = std::env::home_dir().unwrap_or_default();
            assert!(!home.join(policy).exists(), "these tests need an account without a policy: {policy} exists");
        }
        let world = Self { folder: tempfile::tempdir().unwrap(), temporary: tempfile::tempdir().unwrap() };
        fs::write(world.path(WHEEL), "the published bytes").unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The program, in this folder, with nothing of the developer's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.temporary.path())
            .args(["--data-dir", "data"])
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn attest(&self, arguments: &[&str]) -> Done {
        run(self.command().args(arguments))
    }

    /// Names of everything in a folder.
    pub(crate) fn listing(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A key file by number.
    pub(crate) fn key_file(&self, number: u8) -> PathBuf {
        let path = self.write(&format!("key-{number}"), secret(number).to_secret_string());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A policy that believes `groups` (one key each) through one log.
    pub(crate) fn quorum(&self, threshold: usize, keys: &[u8], vkey: &str, urls: &[&str]) -> PathBuf {
        let rebuilder = |number: &u8| {
            let key = public(*number);
            format!(
                "[[rebuilder]]\nname = \"r{number}\"\ngroup = \"g{number}\"\nstatus = \"current\"\nkey = \"{key}\"\n"
            )
        };
        let rebuilders: String = keys.iter().map(rebuilder).collect();
        let log = format!("[[log]]\nvkey = \"{vkey}\"\nurls = {urls:?}\n");
        let text = policy_head(threshold, 1) + &rebuilders + &log;
        self.write("policy.toml", text)
    }

    /// A policy that believes one key of the user's own.
    pub(crate) fn own(&self, name: &str, number: u8, serial: u64) -> PathBuf {
        let key = public(number);
        self.write(name, format!("{}[[self]]\nname = \"me\"\nkey = \"{key}\"\n", policy_head(1, serial)))
    }

    /// A reproduced statement about the wheel, among the user's own.
    pub(crate) fn keep_own(&self, number: u8) {
        self.write("data/statements/own.json", statement(number, WHEEL, &self.digest()));
    }

    pub(crate) fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(&fs::read(self.path(WHEEL)).unwrap())
    }
}

fn policy_head(threshold: usize, serial: u64) -> String {
    format!(
        "version = 1\nserial = {serial}\nexpires = 2099-01-01T00:00:00Z\nthreshold = {threshold}\n\
         accept-origin = [\"git\", \"sdist\"]\naccept-method = [\"exact\"]\nnegatives = \"best-effort\"\n\
         witness-threshold = \"none\"\nmax-checkpoint-age = \"unchecked\"\noffline-max-age = \"unchecked\"\n\
         clock-skew = \"5m\"\n"
    )
}

pub(crate) fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Whether a tool is there; otherwise the test says that it does nothing, or fails where CI insists.
pub(crate) fn has(tool: &str, argument: &str) -> bool {
    let found = Command::new(tool).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "CI needs {tool}");
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub(crate) fn public(number: u8) -> String {
    PublicKey::Ed25519(secret(number).public()).fingerprint()
}

fn digest(text: &str) -> Digest {
    Digest { sha256: ArtifactDigest::of(text.as_bytes()) }
}

fn build(wheel: &str) -> Build {
    let recipe = RECIPE.replace(WHEEL, wheel);
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    let source = vec![Source::Sdist {
        name: "demo-1.0.tar.gz".to_owned(),
        digest: digest("sdist"),
        from_commit: FromCommit::Unverified,
    }];
    let dependencies = dependencies(&[("pkg:pypi/setuptools@80.9.0", "setuptools")]);
    Build {
        rebuilder: Rebuilder {
            id: "https://rebuilder.example".to_owned(),
            version: BTreeMap::from([("attest".to_owned(), "0.1.0".to_owned())]),
        },
        origin: Origin::Sdist,
        inputs_digest: inputs_digest(&source, digest(&recipe), &dependencies),
        source,
        recipe: RecipeRef {
            kind: RecipeKind::Inferred,
            digest: digest(&recipe),
            content: Some(recipe),
            download_location: None,
        },
        method: Method::Exact,
        environment: Environment {
            platform: "linux/x86_64".to_owned(),
            variables: Recipe::parse(RECIPE).unwrap().all_variables(),
            umask: "0022".to_owned(),
            build_path: "/build/src".to_owned(),
            clock: Clock::Real,
            network: Network::None,
            python: tool("3.11.7"),
            zlib: tool("1.2.13"),
            cc: None,
            ld: None,
            libc: None,
            container_image: None,
        },
        resolved_dependencies: dependencies,
        record_digest: digest("record"),
        rebuilt_at: "2026-11-20T10:00:00Z".to_owned(),
        repeat: 2,
        byproducts: Vec::new(),
    }
}

fn dependencies(tools: &[(&str, &str)]) -> Vec<Dependency> {
    let dependency = |(uri, content): &(&str, &str)| Dependency { uri: (*uri).to_owned(), digest: digest(content) };
    tools.iter().map(dependency).collect()
}

/// A signed reproduced statement, as the log holds it.
pub(crate) fn statement(number: u8, name: &str, digest: &ArtifactDigest) -> Vec<u8> {
    let subject = Subject { name: WheelName::parse(name).unwrap(), digest: *digest };
    signed(number, subject, Predicate::Reproduced(build(name)))
}

/// The same, of a wheel that was built with these: purl and digest.
pub(crate) fn statement_with(number: u8, name: &str, digest: &ArtifactDigest, tools: &[(&str, &str)]) -> Vec<u8> {
    let subject = Subject { name: WheelName::parse(name).unwrap(), digest: *digest };
    let mut build = build(name);
    build.resolved_dependencies = dependencies(tools);
    build.inputs_digest = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
    signed(number, subject, Predicate::Reproduced(build))
}

/// "The inputs of that statement give something else", by somebody, with what differs.
pub(crate) fn contradiction(number: u8, name: &str, digest: &ArtifactDigest, contradicted: &[u8]) -> Vec<u8> {
    let subject = Subject { name: WheelName::parse(name).unwrap(), digest: *digest };
    let difference = |path: &str, kind| Difference { path: path.to_owned(), kind };
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(self::digest("something else")),
        contradicts: Some(Envelope::parse(contradicted).unwrap().statement_id()),
        differences: vec![
            difference("demo/__init__.py", DifferenceKind::Content),
            difference("demo/extra.txt", DifferenceKind::OnlyInPublished),
        ],
        differences_total: 2,
        report: None,
    };
    signed(number, subject, Predicate::NotReproduced { build: build(name), refusal })
}

fn signed(number: u8, subject: Subject, predicate: Predicate) -> Vec<u8> {
    let payload = Statement::new(subject, predicate).unwrap().to_bytes();
    let signature = Signature::Ed25519(secret(number).sign(&pae(&payload)));
    Envelope::new(payload, signature).unwrap().to_bytes()
}

/// Holds a path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
