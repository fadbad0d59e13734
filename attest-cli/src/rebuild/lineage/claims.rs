//! What a publisher's attestation says about a file's source, where the index serves one: the provenance object of
//! [PEP 740](https://peps.python.org/pep-0740/).
//!
//! Recorded, and not verified: neither signatures nor the transparency log are looked at, so this is worth what the index
//! is worth. It decides nothing; a commit that is not the one that was built from is said.

use attest_core::artifact::ArtifactDigest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::rebuild::explain::visible;

/// The biggest provenance object that is downloaded: some certificates and log entries.
pub(crate) const MAX_PROVENANCE: u64 = 1 << 20;
/// The DER of `1.3.6.1.4.1.57264.1`, without its last number:
/// [Fulcio's extensions](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
const FULCIO: [u8; 11] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];
const SOURCE_REPOSITORY: u8 = 12;
const SOURCE_COMMIT: u8 = 13;
const SOURCE_REF: u8 = 14;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const BOOLEAN: u8 = 0x01;

/// What one attestation says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    /// `GitHub`, `GitLab`
    pub(crate) publisher: String,
    /// URL of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    /// Of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    /// What was built: `refs/tags/v1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#ref: Option<String>,
}

#[derive(Deserialize)]
struct Provenance {
    attestation_bundles: Vec<Bundle>,
}

#[derive(Deserialize)]
struct Bundle {
    publisher: Publisher,
    attestations: Vec<Attestation>,
}

#[derive(Deserialize)]
struct Publisher {
    kind: String,
}

#[derive(Deserialize)]
struct Attestation {
    verification_material: Material,
    envelope: Envelope,
}

#[derive(Deserialize)]
struct Material {
    certificate: String,
}

#[derive(Deserialize)]
struct Envelope {
    statement: String,
}

#[derive(Deserialize)]
struct Statement {
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

impl Claims {
    /// The first attestation about this very file that names a commit. Nothing where there is none, or nothing that reads.
    pub(crate) fn read(provenance: &[u8], file: ArtifactDigest) -> Option<Self> {
        let provenance: Provenance = serde_json::from_slice(provenance).ok()?;
        provenance.attestation_bundles.iter().find_map(|bundle| {
            let about_this = bundle.attestations.iter().filter(|attestation| is_about(attestation, file));
            about_this.filter_map(|attestation| Self::of(bundle, attestation)).find(|claims| claims.commit.is_some())
        })
    }

    fn of(bundle: &Bundle, attestation: &Attestation) -> Option<Self> {
        let certificate = STANDARD.decode(&attestation.verification_material.certificate).ok()?;
        let text = |number| extension(&certificate, number).map(visible);
        Some(Self {
            publisher: visible(&bundle.publisher.kind),
            repository: text(SOURCE_REPOSITORY),
            commit: text(SOURCE_COMMIT),
            r#ref: text(SOURCE_REF),
        })
    }

    /// For people: what it says, and whether that is what was built from. `built` is a commit and its repository's URL.
    pub(crate) fn note(&self, built: Option<(&str, &str)>) -> String {
        let unknown = || "no commit".to_owned();
        let commit = self.commit.clone().unwrap_or_else(unknown);
        let repository = self.repository.as_deref().unwrap_or("no repository");
        let named = format!("the publisher's attestation ({}, not verified) names", self.publisher);
        match built {
            Some((built, url)) if built == commit && url.eq_ignore_ascii_case(repository) => {
                format!("{named} this commit")
            }
            Some((built, url)) => format!("{named} commit {commit} of {repository}: not {built} of {url}"),
            None => format!("{named} commit {commit} of {repository}"),
        }
    }
}

fn is_about(attestation: &Attestation, file: ArtifactDigest) -> bool {
    let statement = STANDARD.decode(&attestation.envelope.statement).ok();
    let statement = statement.and_then(|bytes| serde_json::from_slice::<Statement>(&bytes).ok());
    let digests = statement.into_iter().flat_map(|statement| statement.subject).filter_map(|one| one.digest.sha256);
    digests.into_iter().any(|digest| digest.parse() == Ok(file))
}

/// The text of one of Fulcio's extensions: OID, perhaps BOOLEAN, OCTET STRING of UTF8String.
fn extension(certificate: &[u8], number: u8) -> Option<&str> {
    let oid = [&FULCIO[..], &[number]].concat();
    let at = certificate.windows(oid.len()).position(|window| window == oid)?;
    let mut rest = &certificate[at + oid.len()..];
    if rest.first() == Some(&BOOLEAN) {
        rest = rest.get(3..)?;
    }
    std::str::from_utf8(value(value(rest, OCTET_STRING)?, UTF8_STRING)?).ok()
}

/// The value of a DER element of at most 255 bytes; these hold short texts.
fn value(der: &[u8], tag: u8) -> Option<&[u8]> {
    let rest = der.strip_prefix(&[tag])?;
    match rest {
        [0x81, length, rest @ ..] | [length @ ..=0x7f, rest @ ..] => rest.get(..usize::from(*length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "65486e4383f9f411da95937451205d3c7b61b9e1";
    const URL: &str = "https://github.com/demo/demo";

    fn text(number: u8, text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        [&FULCIO[..], &[number, OCTET_STRING, length + 2, UTF8_STRING, length], text.as_bytes()].concat()
    }

    fn provenance(certificate: &[u8], file: ArtifactDigest) -> Vec<u8> {
        let statement = json!({ "subject": [{ "name": "demo", "digest": { "sha256": file.to_string() } }] });
        json!({ "version": 1, "attestation_bundles": [{
            "publisher": { "kind": "GitHub", "repository": "demo/demo", "workflow": "release.yml" },
            "attestations": [{
                "version": 1,
                "verification_material": { "certificate": STANDARD.encode(certificate), "transparency_entries": [] },
                "envelope": { "statement": STANDARD.encode(statement.to_string()), "signature": "" },
            }],
        }]})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn the_commit_in_a_certificate_is_recorded_for_the_file_that_it_is_about_and_no_other() {
        let (file, other) = (ArtifactDigest::of(b"wheel"), ArtifactDigest::of(b"other"));
        let certificate = [&[0x30, 0x82][..], &text(SOURCE_REPOSITORY, URL), &text(SOURCE_COMMIT, COMMIT)].concat();
        let found = Claims::read(&provenance(&certificate, file), file).unwrap();
        assert_eq!((found.repository.as_deref(), found.commit.as_deref()), (Some(URL), Some(COMMIT)));
        assert_eq!(Claims::read(&provenance(&certificate, file), other), None);
        assert!(found.note(Some((COMMIT, URL))).ends_with("names this commit"));
        let elsewhere = found.note(Some(("0123", URL)));
        assert!(elsewhere.contains(COMMIT) && elsewhere.contains("not 0123"), "{elsewhere}");
    }

    #[test]
    fn garbage_is_nothing() {
        let file = ArtifactDigest::of(b"wheel");
        let good = text(SOURCE_COMMIT, COMMIT);
        for certificate in [&good[..good.len() - 1], &good[..=FULCIO.len()], &[], &[0xff; 64]] {
            assert_eq!(Claims::read(&provenance(certificate, file), file), None);
        }
        for bytes in [&b""[..], b"{}", b"[]", b"{\"attestation_bundles\":[{}]}"] {
            assert_eq!(Claims::read(bytes, file), None);
        }
        // A text on a terminal.
        let evil = text(SOURCE_COMMIT, "\u{1b}[2J");
        assert_eq!(Claims::read(&provenance(&evil, file), file).unwrap().commit.as_deref(), Some("\\u{1b}[2J"));
    }
}
