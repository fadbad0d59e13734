//! What the members of a statement may hold. The same rules hold when one is signed and when one is read.

use super::form::{
    check_form, check_text, is_commit, is_file_name, is_platform, is_purl, is_ref, is_repository, is_umask, is_uri,
    is_utc_time, is_variable, may_differ,
};
use super::limits::{is_plain, recorded_total};
use super::{
    Build, Dependency, Environment, Equivalence, FromCommit, MAX_DEPENDENCIES, MAX_DIFFERENCE_PATH, MAX_DIFFERENCES,
    MAX_MEMBERS, MAX_RECIPE, Origin, Outcome, Predicate, RecipeRef, Refusal, Sha256, Source, StatementError, Subject,
    Tool, inputs_digest, weight,
};
use crate::artifact::{ArtifactDigest, excerpt};

pub(super) fn check(subject: &Subject, predicate: &Predicate) -> Result<(), StatementError> {
    match predicate {
        Predicate::Reproduced(build) => check_build(build, Sources::Required),
        Predicate::Equivalent { build, rebuilt, members } => {
            check_build(build, Sources::Required)?;
            check_rebuilt_differs(subject, *rebuilt)?;
            check_members(members)
        }
        Predicate::NotReproduced { build, refusal } => {
            let sources = match refusal.outcome {
                Outcome::SourceNotFound => Sources::Optional,
                _ => Sources::Required,
            };
            check_build(build, sources)?;
            check_refusal(subject, refusal)
        }
        Predicate::Withdrawn(withdrawal) => check_text("reason", &withdrawal.reason),
    }
}

/// Whether a build without any source makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sources {
    Required,
    Optional,
}

fn check_build(build: &Build, sources: Sources) -> Result<(), StatementError> {
    check_form("rebuilder.id", "an absolute URI", &build.rebuilder.id, is_uri)?;
    for (tool, version) in &build.rebuilder.version {
        check_text("a name in rebuilder.version", tool)?;
        check_text("a version in rebuilder.version", version)?;
    }
    if !(build.source.is_empty() && sources == Sources::Optional) {
        check_sources(build.origin, &build.source)?;
    }
    check_recipe(&build.recipe)?;
    check_environment(&build.environment)?;
    check_dependencies(&build.resolved_dependencies)?;
    check_inputs(build)?;
    check_form("rebuiltAt", "an RFC 3339 time in UTC such as 2026-11-21T21:00:00Z", &build.rebuilt_at, is_utc_time)?;
    if build.repeat == 0 {
        return Err(StatementError::NoBuild);
    }
    for byproduct in &build.byproducts {
        check_text("a byproduct's name", &byproduct.name)?;
    }
    Ok(())
}

/// `inputsDigest` is recomputed, so that nobody finds the same inputs where they were not (docs/TRUST.md 4.2), and
/// nobody evades a contradiction by making them up.
fn check_inputs(build: &Build) -> Result<(), StatementError> {
    let expected = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
    if build.inputs_digest != expected {
        return Err(StatementError::InputsDigest { expected: expected.sha256, found: build.inputs_digest.sha256 });
    }
    Ok(())
}

fn check_sources(origin: Origin, sources: &[Source]) -> Result<(), StatementError> {
    let (mut git, mut sdist, mut verified) = (0, 0, false);
    for source in sources {
        match source {
            Source::Git { uri, r#ref, digest, .. } => {
                git += 1;
                check_form(
                    "a source's uri",
                    "git+https://HOST/PATH (lower-case host, no userinfo, port, query, .git or trailing slash)",
                    uri,
                    is_repository,
                )?;
                check_form("a source's ref", "refs/tags/NAME or refs/heads/NAME", r#ref, is_ref)?;
                check_form("gitCommit", "40 or 64 lower-case hex digits", &digest.git_commit, is_commit)?;
            }
            Source::Sdist { name, from_commit, .. } => {
                sdist += 1;
                verified = *from_commit == FromCommit::Verified;
                check_form("an sdist's name", "a file name", name, is_file_name)?;
            }
        }
    }
    match (origin, git, sdist) {
        (Origin::Git, 1, 0) => Ok(()),
        // docs/TRUST.md 3.5: an sdist names no commit unless it was verified to be what that commit gives.
        (Origin::Sdist, 0 | 1, 1) if verified == (git == 1) => Ok(()),
        (Origin::Sdist, 0 | 1, 1) => Err(StatementError::UnverifiedCommit),
        _ => Err(StatementError::Sources { origin, git, sdist }),
    }
}

fn check_recipe(recipe: &RecipeRef) -> Result<(), StatementError> {
    if let Some(text) = &recipe.content {
        if text.len() > MAX_RECIPE {
            return Err(StatementError::RecipeLength { found: text.len() });
        }
        let found = ArtifactDigest::of(text.as_bytes());
        if found != recipe.digest.sha256 {
            return Err(StatementError::RecipeDigest { expected: recipe.digest.sha256, found });
        }
    }
    match &recipe.download_location {
        Some(uri) => check_form("recipe.downloadLocation", "an absolute URI", uri, is_uri),
        None => Ok(()),
    }
}

fn check_environment(environment: &Environment) -> Result<(), StatementError> {
    check_form("platform", "OS/ARCHITECTURE in lower case", &environment.platform, is_platform)?;
    for (name, value) in &environment.variables {
        check_form("a variable's name", "a name of POSIX", name, is_variable)?;
        // Empty is a value: `LANG=`.
        if !value.is_empty() {
            check_text("a variable's value", value)?;
        }
    }
    check_form("umask", "four octal digits, the first of them 0", &environment.umask, is_umask)?;
    check_text("buildPath", &environment.build_path)?;
    let optional =
        [("cc.version", &environment.cc), ("ld.version", &environment.ld), ("libc.version", &environment.libc)];
    let tools = [("python.version", &environment.python), ("zlib.version", &environment.zlib)];
    let optional = optional.into_iter().filter_map(|(member, tool)| Some((member, tool.as_ref()?)));
    for (member, Tool { version, .. }) in tools.into_iter().chain(optional) {
        check_text(member, version)?;
    }
    Ok(())
}

fn check_dependencies(dependencies: &[Dependency]) -> Result<(), StatementError> {
    if dependencies.len() > MAX_DEPENDENCIES {
        return Err(StatementError::TooManyDependencies { found: dependencies.len() });
    }
    if let Some(total) = recorded_total(dependencies) {
        let is_total = |text: &str| {
            !text.starts_with('0')
                && text.bytes().all(|b| b.is_ascii_digit())
                && text.parse::<u32>().is_ok_and(|n| usize::try_from(n).is_ok_and(|total| total > MAX_DEPENDENCIES))
        };
        return check_form(
            "the total of recorded dependencies",
            "a number beyond the limit of the list",
            total,
            is_total,
        );
    }
    for dependency in dependencies {
        check_form("a dependency's uri", "a purl", &dependency.uri, is_purl)?;
    }
    Ok(())
}

fn check_refusal(subject: &Subject, refusal: &Refusal) -> Result<(), StatementError> {
    let outcome = refusal.outcome;
    match (outcome, refusal.rebuilt) {
        (Outcome::Different, None) => return Err(StatementError::RebuiltMissing { outcome }),
        (Outcome::Different, Some(rebuilt)) => check_rebuilt_differs(subject, rebuilt.sha256)?,
        (Outcome::BuildFailed | Outcome::SourceNotFound, Some(_)) => {
            return Err(StatementError::RebuiltUnexpected { outcome });
        }
        _ => {}
    }
    if refusal.contradicts.is_some() && outcome != Outcome::Different {
        return Err(StatementError::Contradicts { outcome });
    }
    let (listed, total) = (refusal.differences.len(), refusal.differences_total);
    if refusal.rebuilt.is_none() && (listed > 0 || total > 0) {
        return Err(StatementError::DifferencesWithoutOutput { found: total });
    }
    if listed > MAX_DIFFERENCES {
        return Err(StatementError::TooManyDifferences { found: listed });
    }
    let exact = u64::try_from(listed).is_ok_and(|listed| total == listed);
    let cut = listed == MAX_DIFFERENCES && u64::try_from(listed).is_ok_and(|n| total > n);
    if !exact && !cut {
        return Err(StatementError::DifferencesTotal { listed, total });
    }
    if cut && !refusal.differences.is_sorted_by_key(weight) {
        return Err(StatementError::DifferenceOrder);
    }
    for difference in &refusal.differences {
        let path = &difference.path;
        if path.is_empty() || path.len() > MAX_DIFFERENCE_PATH || !path.chars().all(is_plain) {
            return Err(StatementError::DifferencePath { found: excerpt(path) });
        }
    }
    Ok(())
}

fn check_rebuilt_differs(subject: &Subject, rebuilt: Sha256) -> Result<(), StatementError> {
    if rebuilt == subject.digest {
        return Err(StatementError::RebuiltEqual { found: rebuilt });
    }
    Ok(())
}

fn check_members(members: &[Equivalence]) -> Result<(), StatementError> {
    if members.is_empty() || members.len() > MAX_MEMBERS {
        return Err(StatementError::MemberCount { found: members.len() });
    }
    for member in members {
        if !may_differ(&member.path) {
            return Err(StatementError::MemberPath { found: excerpt(&member.path) });
        }
        if member.published == member.rebuilt {
            return Err(StatementError::MemberEqual { path: excerpt(&member.path) });
        }
    }
    match members.windows(2).find(|pair| pair[0].path >= pair[1].path) {
        Some(pair) => Err(StatementError::MemberOrder { found: excerpt(&pair[1].path) }),
        None => Ok(()),
    }
}
