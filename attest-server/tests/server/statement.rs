//! Rebuilders that sign statements of any number without building anything.

use std::collections::BTreeMap;

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, pae},
    key::{PublicKey, ed25519::SecretKey},
    statement::{
        Build, Clock, Digest, Environment, FromCommit, Method, Network, Origin, Predicate, Rebuilder as Author,
        RecipeKind, RecipeRef, Source, Statement, Subject, Tool, Withdrawal, inputs_digest,
    },
};

/// One Ed25519 key and what the list says about it.
pub(crate) struct Rebuilder {
    name: &'static str,
    secret: SecretKey,
}

impl Rebuilder {
    /// With a key that follows from `seed`.
    pub(crate) fn new(name: &'static str, seed: u8) -> Self {
        let secret = SecretKey::from_seed([seed; 32]);
        Self { name, secret }
    }

    pub(crate) fn key(&self) -> String {
        PublicKey::Ed25519(self.secret.public()).fingerprint()
    }

    /// Its part of a rebuilders file.
    pub(crate) fn listed(&self) -> String {
        let (name, key) = (self.name, self.key());
        format!(
            "[[rebuilder]]\nname = '{name}'\nurl = 'https://{name}.example'\ncontact = '{name}@{name}.example'\nkey = '{key}'\n"
        )
    }

    /// "I reproduced version `n` of that project", as the bytes that are submitted.
    pub(crate) fn reproduced(&self, project: &str, n: u32) -> Vec<u8> {
        let name = WheelName::parse(&format!("{project}-{n}-py3-none-any.whl")).unwrap();
        let digest = digest_of(project, n);
        let build = build(format!("https://{}.example", self.name));
        self.sign(&Statement::new(Subject { name, digest }, Predicate::Reproduced(build)).unwrap())
    }

    /// "I take back what I said about version `n` of that project."
    pub(crate) fn withdrawn(&self, project: &str, n: u32) -> Vec<u8> {
        let said = Envelope::parse(&self.reproduced(project, n)).unwrap();
        let name = WheelName::parse(&format!("{project}-{n}-py3-none-any.whl")).unwrap();
        let digest = digest_of(project, n);
        let predicate = Predicate::Withdrawn(Withdrawal {
            statement_id: said.statement_id(),
            reason: "the machine was not clean".to_owned(),
        });
        self.sign(&Statement::new(Subject { name, digest }, predicate).unwrap())
    }

    /// Signs any bytes as a payload.
    pub(crate) fn sign_payload(&self, payload: Vec<u8>) -> Vec<u8> {
        let signature = Signature::Ed25519(self.secret.sign(&pae(&payload)));
        Envelope::new(payload, signature).unwrap().to_bytes()
    }

    fn sign(&self, statement: &Statement) -> Vec<u8> {
        self.sign_payload(statement.to_bytes())
    }
}

/// Digest of the wheel that `reproduced` speaks of.
pub(crate) fn digest_of(project: &str, n: u32) -> ArtifactDigest {
    ArtifactDigest::of(format!("{project} {n}").as_bytes())
}

fn build(id: String) -> Build {
    let digest = |text: &str| Digest { sha256: ArtifactDigest::of(text.as_bytes()) };
    let tool = || Tool { version: "1".to_owned(), digest: None };
    let source = vec![Source::Sdist {
        name: "x-1.tar.gz".to_owned(),
        digest: digest("sdist"),
        from_commit: FromCommit::Unverified,
    }];
    Build {
        rebuilder: Author { id, version: BTreeMap::new() },
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
            python: tool(),
            zlib: tool(),
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
    }
}
