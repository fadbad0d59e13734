//! The digests that let others compare statements: [`inputs_digest`], [`record_digest`], and the list that stands for
//! too many dependencies. Vectors: `tests/vectors/inputs_digest.json`.

use serde_json::{Value, json};

use super::limits::recorded_total;
use super::{Dependency, Digest, MAX_DEPENDENCIES, Sha256, Source};
use crate::artifact::ArtifactDigest;
use crate::ijson::to_canonical;

/// What went into a build: SHA-256 of the RFC 8785 JSON
/// `{"dependencies":[HEX…],"recipe":HEX,"source":[…]}`, dependencies by their digests alone, sorted; source as in the
/// statement. More than [`super::MAX_DEPENDENCIES`] stand there as the digest of their [`dependency_record`] instead of an
/// array, so that the statement that names them by it can be checked as well.
///
/// Two statements with the same digest and different output contradict each other (docs/TRUST.md 4.2).
pub fn inputs_digest(source: &[Source], recipe: Digest, dependencies: &[Dependency]) -> Digest {
    let source: Vec<Value> = source.iter().map(source_json).collect();
    digest_of(&json!({
        "dependencies": dependencies_json(dependencies),
        "recipe": recipe.sha256.to_string(),
        "source": source,
    }))
}

fn dependencies_json(dependencies: &[Dependency]) -> Value {
    if let ([record], Some(_)) = (dependencies, recorded_total(dependencies)) {
        return json!(record.digest.sha256.to_string());
    }
    if dependencies.len() > MAX_DEPENDENCIES {
        return json!(ArtifactDigest::of(&dependency_record(dependencies)).to_string());
    }
    let mut digests: Vec<Sha256> = dependencies.iter().map(|d| d.digest.sha256).collect();
    digests.sort_unstable();
    digests.iter().map(ToString::to_string).collect()
}

/// As serde writes it.
fn source_json(source: &Source) -> Value {
    match source {
        Source::Git { uri, r#ref, digest, tree_sha256 } => json!({
            "uri": uri,
            "ref": r#ref,
            "digest": { "gitCommit": digest.git_commit },
            "treeSha256": tree_sha256.to_string(),
        }),
        Source::Sdist { name, digest, from_commit } => json!({
            "name": name,
            "digest": { "sha256": digest.sha256.to_string() },
            "fromCommit": match from_commit {
                super::FromCommit::Verified => "VERIFIED",
                super::FromCommit::Unverified => "UNVERIFIED",
            },
        }),
    }
}

/// What a wheel installs: SHA-256 of the RFC 8785 JSON `[[PATH,HEX,SIZE]…]`, sorted by the bytes of the path.
///
/// `rows`: (path, sha256, size in bytes) of every RECORD row but RECORD itself, which has no digest. Rows of
/// `.data/scripts` are left out here, because pip rewrites them.
pub fn record_digest(rows: &[(String, Sha256, u64)]) -> Digest {
    let mut kept: Vec<_> = rows.iter().filter(|(path, ..)| !is_script(path)).collect();
    kept.sort_unstable();
    let kept: Vec<Value> =
        kept.into_iter().map(|(path, sha256, size)| json!([path, sha256.to_string(), size])).collect();
    digest_of(&Value::Array(kept))
}

/// `NAME-VERSION.data/scripts/…`
fn is_script(path: &str) -> bool {
    path.split_once('/').is_some_and(|(top, rest)| top.strip_suffix(".data").is_some() && rest.starts_with("scripts/"))
}

/// The list that a statement names by digest when it has more than [`super::MAX_DEPENDENCIES`] dependencies: RFC 8785
/// JSON `[{"digest":{"sha256":HEX},"uri":PURL}…]`, sorted by purl and digest. Belongs into the build record, so that
/// anyone can replay the build.
pub fn dependency_record(dependencies: &[Dependency]) -> Vec<u8> {
    let mut sorted: Vec<&Dependency> = dependencies.iter().collect();
    sorted.sort_unstable();
    let list: Vec<Value> = sorted
        .into_iter()
        .map(|d| json!({ "uri": d.uri, "digest": { "sha256": d.digest.sha256.to_string() } }))
        .collect();
    to_canonical(&Value::Array(list))
}

fn digest_of(value: &Value) -> Digest {
    ArtifactDigest::of(&to_canonical(value)).into()
}
