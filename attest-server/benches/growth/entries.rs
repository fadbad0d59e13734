//! Statements as rebuilders sign them: three about each file, by one rebuilder each, and thirty files in each project.

use std::collections::BTreeMap;

use anyhow::Result;
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, pae},
    key::{PublicKey, ed25519::SecretKey},
    statement::{
        Build, Clock, Digest, Environment, FromCommit, Method, Network, Origin, Predicate, Rebuilder, RecipeKind,
        RecipeRef, Source, Statement, Subject, Tool, inputs_digest,
    },
    tile::Entry,
};
use attest_server::sequencer::Submission;

const REBUILDERS: u8 = 3;
const FILES_PER_PROJECT: u64 = 30;
/// Files that one rebuilder is done with before the next one starts on them: in one bundle, no two entries are about the
/// same file, so that they do not compress each other.
const FILES_IN_A_ROW: u64 = 1 << 14;

/// Signs statements; the same number gives the same statement.
pub(crate) struct Rebuilders(Vec<(SecretKey, PublicKey)>);

impl Rebuilders {
    pub(crate) fn new() -> Self {
        let keys = (1..=REBUILDERS).map(|seed| {
            let secret = SecretKey::from_seed([seed; 32]);
            let public = PublicKey::Ed25519(secret.public());
            (secret, public)
        });
        Self(keys.collect())
    }

    /// The statement with this number, signed and verified.
    pub(crate) fn submission(&self, number: u64) -> Result<Submission> {
        let (row, place) = (number / FILES_IN_A_ROW, number % FILES_IN_A_ROW);
        let who = row % u64::from(REBUILDERS);
        let file = row / u64::from(REBUILDERS) * FILES_IN_A_ROW + place;
        let (secret, public) = &self.0[usize::try_from(who)?];
        let payload = statement(file, who)?.to_bytes();
        let signature = Signature::Ed25519(secret.sign(&pae(&payload)));
        let envelope = Envelope::new(payload, signature)?;
        let statement = envelope.verify(public)?;
        Ok(Submission::new(Entry::new(envelope.to_bytes())?, &statement))
    }

    /// What was logged, as whoever signed it would submit it again.
    pub(crate) fn again(&self, entry: &[u8]) -> Result<Submission> {
        let envelope = Envelope::parse(entry)?;
        let verified = self.0.iter().find_map(|(_, public)| envelope.verify(public).ok());
        let statement = verified.ok_or_else(|| anyhow::anyhow!("an entry of somebody else"))?;
        Ok(Submission::new(Entry::new(envelope.to_bytes())?, &statement))
    }
}

fn statement(file: u64, who: u64) -> Result<Statement> {
    let name = format!("project_{}-1.{}-py3-none-any.whl", file / FILES_PER_PROJECT, file % FILES_PER_PROJECT);
    let name = WheelName::parse(&name)?;
    let digest = |what: &str| Digest { sha256: ArtifactDigest::of(format!("{what} {file}").as_bytes()) };
    let source = vec![Source::Sdist {
        name: format!("project_{}-1.{}.tar.gz", file / FILES_PER_PROJECT, file % FILES_PER_PROJECT),
        digest: digest("sdist"),
        from_commit: FromCommit::Unverified,
    }];
    let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
    let build = Build {
        rebuilder: Rebuilder { id: format!("https://rebuilder-{who}.example"), version: BTreeMap::new() },
        origin: Origin::Sdist,
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
        rebuilt_at: "2026-11-21T12:00:00Z".to_owned(),
        repeat: 2,
        byproducts: Vec::new(),
    };
    let subject = Subject { name, digest: digest("file").sha256 };
    Ok(Statement::new(subject, Predicate::Reproduced(build))?)
}
