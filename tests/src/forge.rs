//! Signed statements made in memory: what a busy rebuilder would submit, without rebuilding anything.

use std::{collections::BTreeMap, fmt};

use anyhow::Result;
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, StatementId, pae},
    key::ed25519::SecretKey,
    statement::{
        Build, Clock, Dependency, Digest, Environment, FromCommit, Method, Network, Origin, Outcome, Predicate,
        Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Statement, Subject, Tool, Withdrawal, inputs_digest,
    },
};

/// Knobs only, and what the environment below says: otherwise the statements would not vote. Of this wheel:
const RECIPE_OF: &str = "load-1-py3-none-any.whl";

/// The recipe of [`RECIPE_OF`].
const RECIPE: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "load-1-py3-none-any.whl"
generator = "setuptools (80.9.0)"
guesses = []

[backend]
name = "setuptools.build_meta"
path = []

[requirements]
build = ["setuptools==80.9.0"]

[time]
clock = "SOURCE_DATE_EPOCH"
source-date-epoch = 1700000000
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"
"#;

/// Signs statements with one Ed25519 key.
pub struct Forge {
    secret: SecretKey,
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge").field("key", &self.public_key()).finish_non_exhaustive()
    }
}

impl Forge {
    /// A forge with a new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::with_key(SecretKey::from_seed(seed)))
    }

    /// A forge with this key.
    pub fn with_key(secret: SecretKey) -> Self {
        Self { secret }
    }

    /// The public key, as it stands in a policy or a list of rebuilders.
    pub fn public_key(&self) -> String {
        attest_core::key::PublicKey::Ed25519(self.secret.public()).fingerprint()
    }

    /// What pages call whoever is listed with this key.
    pub fn rebuilder_id(&self) -> String {
        ArtifactDigest::of(self.public_key().as_bytes()).to_string()[..16].to_owned()
    }

    /// The secret key, as a key file holds it.
    pub fn secret_key(&self) -> String {
        format!("{}\n", self.secret.to_secret_string())
    }

    /// How a file was built, by a statement of any forge.
    pub fn build_of(name: &WheelName) -> Build {
        build(name)
    }

    /// Signs "I reproduced the n-th wheel of a project called `project`".
    ///
    /// # Errors
    /// When `project` cannot be in a wheel's name.
    pub fn reproduced(&self, project: &str, n: u64) -> Result<Envelope> {
        let name = WheelName::parse(&format!("{project}-{n}-py3-none-any.whl"))?;
        let digest = ArtifactDigest::of(name.as_str().as_bytes());
        self.vote(Subject { name, digest })
    }

    /// Signs "I reproduced this file".
    ///
    /// # Errors
    /// When the statement breaks a rule of its own.
    pub fn vote(&self, subject: Subject) -> Result<Envelope> {
        let build = Self::build_of(&subject.name);
        self.sign(&Statement::new(subject, Predicate::Reproduced(build))?)
    }

    /// Signs "I reproduced this file", and what it installs.
    ///
    /// # Errors
    /// When the statement breaks a rule of its own.
    pub fn vote_on(&self, subject: Subject, record: ArtifactDigest) -> Result<Envelope> {
        let build = Build { record_digest: Digest { sha256: record }, ..Self::build_of(&subject.name) };
        self.sign(&Statement::new(subject, Predicate::Reproduced(build))?)
    }

    /// Signs "my statement about the n-th wheel of a project called `project` does not hold", in about 1 KiB.
    ///
    /// # Errors
    /// When `project` cannot be in a wheel's name.
    pub fn withdrawal(&self, project: &str, n: u64) -> Result<Envelope> {
        let name = WheelName::parse(&format!("{project}-{n}-py3-none-any.whl"))?;
        let digest = ArtifactDigest::of(name.as_str().as_bytes());
        let statement_id = StatementId::of_payload(name.as_str().as_bytes());
        let reason = "the machine that built it was not what its statement says. ".repeat(3).trim_end().to_owned();
        let withdrawn = Predicate::Withdrawn(Withdrawal { statement_id, reason });
        self.sign(&Statement::new(Subject { name, digest }, withdrawn)?)
    }

    /// Signs "from the same inputs as the statement `contradicted`, I got another file".
    ///
    /// # Errors
    /// When the statement breaks a rule of its own.
    pub fn contradiction(&self, subject: Subject, build: Build, contradicted: StatementId) -> Result<Envelope> {
        let refusal = Refusal {
            outcome: Outcome::Different,
            rebuilt: Some(Digest { sha256: ArtifactDigest::of(b"what the same inputs gave here") }),
            contradicts: Some(contradicted),
            differences: Vec::new(),
            differences_total: 0,
            report: None,
        };
        self.sign(&Statement::new(subject, Predicate::NotReproduced { build, refusal })?)
    }

    /// Signs any statement.
    ///
    /// # Errors
    /// When the envelope would be larger than a log entry may be.
    pub fn sign(&self, statement: &Statement) -> Result<Envelope> {
        self.sign_payload(statement.to_bytes())
    }

    /// Signs a statement that may have members which no format knows.
    ///
    /// # Errors
    /// When the envelope would be larger than a log entry may be.
    pub fn sign_payload(&self, payload: Vec<u8>) -> Result<Envelope> {
        let signature = Signature::Ed25519(self.secret.sign(&pae(&payload)));
        Ok(Envelope::new(payload, signature)?)
    }
}

/// A plausible build, of the size that real statements have.
fn build(name: &WheelName) -> Build {
    let sdist = Digest { sha256: ArtifactDigest::of(b"sdist") };
    let recipe = RECIPE.replace(RECIPE_OF, name.as_str());
    let recipe_digest = Digest { sha256: ArtifactDigest::of(recipe.as_bytes()) };
    let source =
        vec![Source::Sdist { name: "load-1.tar.gz".to_owned(), digest: sdist, from_commit: FromCommit::Unverified }];
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    let dependencies = vec![Dependency {
        uri: "pkg:pypi/setuptools@80.9.0".to_owned(),
        digest: Digest { sha256: ArtifactDigest::of(b"setuptools") },
    }];
    Build {
        rebuilder: Rebuilder { id: "https://rebuilder.example".to_owned(), version: BTreeMap::new() },
        origin: Origin::Sdist,
        inputs_digest: inputs_digest(&source, recipe_digest, &dependencies),
        source,
        recipe: RecipeRef {
            kind: RecipeKind::Inferred,
            digest: recipe_digest,
            content: Some(recipe),
            download_location: None,
        },
        method: Method::Exact,
        environment: Environment {
            platform: "linux/x86_64".to_owned(),
            variables: BTreeMap::from(
                [("LC_ALL", "C.UTF-8"), ("PYTHONHASHSEED", "0"), ("SOURCE_DATE_EPOCH", "1700000000"), ("TZ", "UTC")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
            umask: "0022".to_owned(),
            build_path: "/build/src".to_owned(),
            clock: Clock::SourceDateEpoch,
            network: Network::None,
            python: tool("3.11.7"),
            zlib: tool("1.3.1"),
            cc: None,
            ld: None,
            libc: None,
            container_image: None,
        },
        resolved_dependencies: dependencies,
        record_digest: Digest { sha256: ArtifactDigest::of(b"RECORD") },
        rebuilt_at: "2026-11-21T12:00:00Z".to_owned(),
        repeat: 2,
        byproducts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use attest_core::key::PublicKey;

    use super::*;

    #[test]
    fn what_is_forged_verifies_and_reads_back() {
        let forge = Forge::new().unwrap();
        let key = PublicKey::parse(&forge.public_key()).unwrap();
        let vote = forge.reproduced("forged", 7).unwrap();
        let verified = Envelope::parse(&vote.to_bytes()).unwrap().verify(&key).unwrap();
        let subject = verified.statement().subject().clone();
        assert_eq!(subject.name.as_str(), "forged-7-py3-none-any.whl");

        let Predicate::Reproduced(build) = verified.statement().predicate().clone() else { panic!("not a vote") };
        let dissent = forge.contradiction(subject, build, verified.id()).unwrap();
        assert!(dissent.verify(&key).is_ok());
    }
}
