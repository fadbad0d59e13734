//! Statements of somebody who writes what no page may believe, wherever the format takes any text at all.
//!
//! A statement that has every member is taken apart: each text in it, and each name of a member, is replaced by something
//! hostile, or gets it as its end, and stays so where the parser lets it. So a member that is new, or that begins to take
//! more than it did, is tried without anybody thinking of it here.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use attest_core::{
    artifact::ArtifactDigest,
    envelope::StatementId,
    statement::{
        Build, Byproduct, Difference, DifferenceKind, Digest, Equivalence, FromCommit, GitDigest, Origin, Outcome,
        Predicate, Refusal, Source, Statement, StatementError, Subject, Tool, Withdrawal, inputs_digest,
    },
};
use serde_json::{Value, json};

use crate::forge::Forge;

/// Texts that would run, reorder, hide, break out of what they are written into, or lead elsewhere.
pub const TEXTS: [&str; 9] = [
    "\u{202e}</code></p><script>alert(1)</script><img src=x onerror=alert(2)>'\"]]>&amp;{{7*7}}",
    "\"'><svg/onload=alert(3)><strange-element/strange=1></title></style></textarea><a/href=//evil.example/>",
    "javascript:alert(4)//",
    "data:text/html,<script>alert(5)</script>",
    "\u{2066}\u{202e}\u{200b}\u{feff}\u{ad}\u{61c}\u{e0041}\u{fffe}\u{ffff}egnahc",
    "</title></text></svg></summary></feed>]]><!-- &lt;script&gt; &#x202e; &nbsp; --!>",
    "//evil.example/%2e%2e/?q=<b>&#",
    "\u{0}\u{7}\u{8}\u{1b}[31m\u{7f}\u{85}\u{9f}\u{2028}\r\n\t",
    "+evil.example.<i>",
];

/// More than any line has room for; where that is refused, a part of it.
const LENGTHS: [usize; 4] = [10_000, 2_048, 200, 60];
/// Bytes of a payload that an envelope still takes.
const MAX_PAYLOAD: usize = 40_000;

/// Statements of a stranger.
#[derive(Debug)]
pub struct Strange {
    /// To be signed as they are. The first ones have the first of [`TEXTS`] in them.
    pub payloads: Vec<Vec<u8>>,
    /// Members that took anything, without the places in lists: `/predicate/recipe/content`.
    pub places: BTreeSet<String>,
}

/// All about one file.
///
/// # Errors
/// When an honest statement is refused.
pub fn statements(subject: &Subject) -> Result<Strange> {
    let mut strange = Strange { payloads: Vec::new(), places: BTreeSet::new() };
    let honest = honest(subject)?;
    for text in TEXTS {
        strange.add(&honest, &[text])?;
    }
    let long: Vec<String> = LENGTHS.iter().map(|length| "ä".repeat(length / 2)).collect();
    let plain: Vec<String> = LENGTHS.iter().map(|length| "x".repeat(*length)).collect();
    let long: Vec<&str> = long.iter().chain(&plain).map(String::as_str).collect();
    strange.add(&honest, &long)?;
    Ok(strange)
}

impl Strange {
    /// The honest statements with the first of `texts` in every place that takes one of them.
    fn add(&mut self, honest: &[Value], texts: &[&str]) -> Result<()> {
        for statement in honest {
            let mut strange = accepted(statement.clone()).context("an honest statement is refused")?;
            for place in places(statement) {
                let old = statement.pointer(&place).and_then(Value::as_str).unwrap_or_default();
                let mut tried = texts.iter().flat_map(|text| [(*text).to_owned(), format!("{old}{text}")]);
                let put = |text: String| {
                    let mut tried = strange.clone();
                    *tried.pointer_mut(&place)? = Value::String(text);
                    accepted(tried)
                };
                if let Some(taken) = tried.find_map(put) {
                    strange = taken;
                    self.places.insert(without_numbers(&place));
                }
            }
            for object in objects(statement) {
                let put = |text: &&str| {
                    let mut tried = strange.clone();
                    tried.pointer_mut(&object)?.as_object_mut()?.insert((*text).to_owned(), json!("named"));
                    accepted(tried)
                };
                if let Some(taken) = texts.iter().find_map(put) {
                    strange = taken;
                    self.places.insert(format!("{}/*", without_numbers(&object)));
                }
            }
            self.payloads.push(serde_json::to_vec(&strange)?);
        }
        ensure!(!self.places.is_empty(), "the format takes no text");
        Ok(())
    }
}

/// The statement as the parser takes it, with what follows from its members worked out again.
fn accepted(mut statement: Value) -> Option<Value> {
    // The purl, the recipe's digest, and the inputs that have it.
    for _ in 0..4 {
        let bytes = serde_json::to_vec(&statement).ok().filter(|bytes| bytes.len() <= MAX_PAYLOAD)?;
        let (place, right) = match Statement::parse(&bytes) {
            Ok(_) => return Some(statement),
            Err(StatementError::SubjectUri { expected, .. }) => ("/subject/0/uri", expected),
            Err(StatementError::RecipeDigest { found, .. }) => ("/predicate/recipe/digest/sha256", found.to_string()),
            Err(StatementError::InputsDigest { expected, .. }) => {
                ("/predicate/inputsDigest/sha256", expected.to_string())
            }
            Err(_) => return None,
        };
        *statement.pointer_mut(place)? = Value::String(right);
    }
    None
}

/// JSON pointers of every text that is no digest.
fn places(statement: &Value) -> Vec<String> {
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found = Vec::new();
    walk(statement, "", &mut |place, value| {
        if value.as_str().is_some_and(|text| !is_digest(text)) {
            found.push(place.to_owned());
        }
    });
    found
}

/// JSON pointers of every object.
fn objects(statement: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(statement, "", &mut |place, value| {
        if value.is_object() {
            found.push(place.to_owned());
        }
    });
    found
}

fn walk(value: &Value, place: &str, see: &mut impl FnMut(&str, &Value)) {
    see(place, value);
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| walk(item, &format!("{place}/{at}"), see));
        }
        Value::Object(members) => {
            for (name, member) in members {
                walk(member, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), see);
            }
        }
        _ => {}
    }
}

fn without_numbers(place: &str) -> String {
    place.split('/').filter(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join("/")
}

/// One statement of each kind, with every member that there can be, and one that no format knows.
fn honest(subject: &Subject) -> Result<Vec<Value>> {
    let git = build(subject, true);
    let rebuilt = ArtifactDigest::of(b"something else");
    let difference = |kind| Difference { path: "package/module.py".to_owned(), kind };
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(rebuilt.into()),
        contradicts: Some(StatementId::of_payload(b"another one")),
        differences: vec![difference(DifferenceKind::Content), difference(DifferenceKind::OnlyInPublished)],
        differences_total: 2,
        report: Some(ArtifactDigest::of(b"report").into()),
    };
    let info =
        format!("{}-{}.dist-info", subject.name.project.as_str().replace('-', "_"), subject.name.version.as_str());
    let members = ["RECORD", "sboms/a.cdx.json"].map(|member| Equivalence {
        path: format!("{info}/{member}"),
        published: ArtifactDigest::of(member.as_bytes()),
        rebuilt,
    });
    let reason = "the machine was not what it says".to_owned();
    let predicates = [
        Predicate::Reproduced(git.clone()),
        Predicate::NotReproduced { build: git, refusal },
        Predicate::Equivalent { build: build(subject, false), rebuilt, members: members.to_vec() },
        Predicate::Withdrawn(Withdrawal { statement_id: StatementId::of_payload(b"an earlier one"), reason }),
    ];
    let value = |predicate| -> Result<Value> {
        let statement = Statement::new(subject.clone(), predicate)?.to_bytes();
        let mut value: Value = serde_json::from_slice(&statement)?;
        value["predicate"]["remark"] = json!({ "by": "a later version", "of": ["the", "format"] });
        Ok(value)
    };
    predicates.into_iter().map(value).collect()
}

fn build(subject: &Subject, from_git: bool) -> Build {
    let mut build = Forge::build_of(&subject.name);
    let tool = |version: &str| Tool { version: version.to_owned(), digest: Some(ArtifactDigest::of(b"tool").into()) };
    let git = Source::Git {
        uri: "git+https://forge.example.org/project/project".to_owned(),
        r#ref: "refs/tags/v1".to_owned(),
        digest: GitDigest { git_commit: ArtifactDigest::of(b"commit").to_string()[..40].to_owned() },
        tree_sha256: ArtifactDigest::of(b"tree"),
    };
    let sdist = Source::Sdist {
        name: "project-1.tar.gz".to_owned(),
        digest: Digest { sha256: ArtifactDigest::of(b"sdist") },
        from_commit: FromCommit::Verified,
    };
    (build.origin, build.source) = if from_git { (Origin::Git, vec![git]) } else { (Origin::Sdist, vec![git, sdist]) };
    build.recipe.download_location = Some("https://recipes.example.org/1".to_owned());
    build.rebuilder.version.insert("attest".to_owned(), "1.0".to_owned());
    build.environment.variables.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    build.environment.cc = Some(tool("gcc 14.2"));
    build.environment.ld = Some(tool("ld 2.44"));
    build.environment.libc = Some(tool("glibc 2.41"));
    build.environment.container_image = Some(ArtifactDigest::of(b"image").into());
    build.byproducts.push(Byproduct { name: "log".to_owned(), digest: ArtifactDigest::of(b"log").into() });
    build.inputs_digest = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
    build
}

#[cfg(test)]
mod tests {
    use attest_core::artifact::WheelName;

    use super::*;

    #[test]
    fn every_member_that_takes_free_text_is_tried_in_statements_that_a_log_takes() -> Result<()> {
        let name = WheelName::parse("project-1-py3-none-any.whl")?;
        let strange = statements(&Subject { digest: ArtifactDigest::of(b"project"), name })?;
        for payload in &strange.payloads {
            Statement::parse(payload)?;
        }
        for place in [
            "/predicate/rebuilder/id",
            "/predicate/rebuilder/version/attest",
            "/predicate/rebuilder/version/*",
            "/predicate/source/ref",
            "/predicate/source/name",
            "/predicate/recipe/content",
            "/predicate/recipe/downloadLocation",
            "/predicate/environment/variables/LANG",
            "/predicate/environment/buildPath",
            "/predicate/environment/platform",
            "/predicate/environment/python/version",
            "/predicate/environment/cc/version",
            "/predicate/resolvedDependencies/uri",
            "/predicate/byproducts/name",
            "/predicate/differences/path",
            "/predicate/members/path",
            "/predicate/reason",
            "/predicate/remark/by",
            "/predicate/remark/*",
            "/predicate/*",
        ] {
            ensure!(strange.places.contains(place), "nothing hostile in {place}, only in {:#?}", strange.places);
        }
        Ok(())
    }
}
