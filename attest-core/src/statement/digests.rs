//! The digests that let others compare statements: [`inputs_digest`], [`record_digest`], and the list that stands for
//! too many dependencies. Vectors: `tests/vectors/inputs_digest.json`.

use serde::Serialize;
use serde_json::{Value, json};

use super::limits::recorded_total;
use super::{Dependency, Digest, FromCommit, GitDigest, MAX_DEPENDENCIES, Sha256, Source};
use crate::artifact::ArtifactDigest;
use crate::ijson::to_canonical;

/// What went into a build: SHA-256 of the RFC 8785 JSON
/// `{"dependencies":[HEX…],"recipe":HEX,"source":[…]}`, dependencies by their digests alone, sorted; source as in the
/// statement. More than [`super::MAX_DEPENDENCIES`] stand there as the digest of their [`dependency_record`] instead of an
/// array, so that the statement that names them by it can be checked as well.
///
/// Two statements with the same digest and different output contradict each other (docs/TRUST.md 4.2).
pub fn inputs_digest(source: &[Source], recipe: Digest, dependencies: &[Dependency]) -> Digest {
    ArtifactDigest::of(&inputs_json(source, recipe, dependencies)).into()
}

/// Every statement that is read is held to its digest, so this is written without a tree of values: the members below
/// are in the order of RFC 8785, and serde_json escapes strings as it asks.
fn inputs_json(source: &[Source], recipe: Digest, dependencies: &[Dependency]) -> Vec<u8> {
    let source = source.iter().map(SourceJson::of).collect();
    let inputs = InputsJson { dependencies: dependencies_json(dependencies), recipe: recipe.sha256, source };
    serde_json::to_vec(&inputs).expect("strings always serialize")
}

#[derive(Serialize)]
struct InputsJson<'a> {
    dependencies: DependenciesJson,
    recipe: Sha256,
    source: Vec<SourceJson<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum DependenciesJson {
    Record(Sha256),
    List(Vec<Sha256>),
}

/// As a statement has it, but for the order of members.
#[derive(Serialize)]
#[serde(untagged)]
enum SourceJson<'a> {
    #[serde(rename_all = "camelCase")]
    Git { digest: &'a GitDigest, r#ref: &'a str, tree_sha256: Sha256, uri: &'a str },
    #[serde(rename_all = "camelCase")]
    Sdist { digest: Digest, from_commit: FromCommit, name: &'a str },
}

impl<'a> SourceJson<'a> {
    fn of(source: &'a Source) -> Self {
        match source {
            Source::Git { uri, r#ref, digest, tree_sha256 } => {
                Self::Git { digest, r#ref, tree_sha256: *tree_sha256, uri }
            }
            Source::Sdist { name, digest, from_commit } => {
                Self::Sdist { digest: *digest, from_commit: *from_commit, name }
            }
        }
    }
}

fn dependencies_json(dependencies: &[Dependency]) -> DependenciesJson {
    if let ([record], Some(_)) = (dependencies, recorded_total(dependencies)) {
        return DependenciesJson::Record(record.digest.sha256);
    }
    if dependencies.len() > MAX_DEPENDENCIES {
        return DependenciesJson::Record(ArtifactDigest::of(&dependency_record(dependencies)));
    }
    let mut digests: Vec<Sha256> = dependencies.iter().map(|d| d.digest.sha256).collect();
    digests.sort_unstable();
    DependenciesJson::List(digests)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_directly_is_canonical_json() {
        let sha256 = ArtifactDigest::of(b"x");
        let odd = "a\u{1}\u{8}\t\n\u{c}\r\"\\/\u{7f}\u{80}\u{2028}\u{1f600}";
        let commit = GitDigest { git_commit: odd.to_owned() };
        let git = Source::Git { uri: odd.to_owned(), r#ref: odd.to_owned(), digest: commit, tree_sha256: sha256 };
        let sdist = |from_commit| Source::Sdist { name: odd.to_owned(), digest: Digest { sha256 }, from_commit };
        let sources = [git, sdist(FromCommit::Verified), sdist(FromCommit::Unverified)];
        let dependency = |uri: &str| Dependency { uri: uri.to_owned(), digest: Digest { sha256 } };
        let listed = [0, 1, 3].map(|count| (vec![dependency("pkg:pypi/a@1"); count], true));
        let too_many = vec![dependency("pkg:pypi/a@1"); MAX_DEPENDENCIES + 1];
        let recorded = vec![dependency("attest:dependencies?total=101")];
        for (dependencies, is_list) in listed.into_iter().chain([(too_many, false), (recorded, false)]) {
            let written = inputs_json(&sources, Digest { sha256 }, &dependencies);
            let value: Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(String::from_utf8(to_canonical(&value)), String::from_utf8(written));
            assert_eq!(value["source"], serde_json::to_value(&sources).unwrap());
            assert_eq!(value["dependencies"].is_array(), is_list);
        }
    }
}
