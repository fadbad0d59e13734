//! Whether a build had the requirements that its INFERRED recipe names (docs/TRUST.md 3.3).
//!
//! A recipe that reads well is worth nothing beside dependencies of another build: whoever replays it would get other tools.
//! What a range allows and what requirements require in turn is a resolver's question, with an index; that is left to whoever
//! replays the vote.

use std::collections::BTreeMap;

use crate::{
    artifact::{ProjectName, Version, excerpt},
    recipe::{Recipe, requirement},
    statement::Dependency,
};

/// What the dependencies are not, in words; nothing where they can be the recipe's.
pub(super) fn unmet(recipe: &Recipe, dependencies: &[Dependency]) -> Option<String> {
    let lines = &recipe.requirements.build;
    let mut built_with = BTreeMap::new();
    for dependency in dependencies {
        let Some((project, version)) = distribution(&dependency.uri) else {
            // A list by digest, too (docs/TRUST.md 7): nobody can hold that against a recipe offline.
            return Some(format!("dependency {}", excerpt(&dependency.uri)));
        };
        if lines.is_empty() || built_with.insert(project.as_str().to_owned(), version).is_some() {
            return Some(format!("dependency {}", project.as_str()));
        }
    }
    let unmet = |line: &&String| !is_met(line, &built_with);
    lines.iter().find(unmet).map(|line| format!("requirement {}", excerpt(line)))
}

fn is_met(line: &str, built_with: &BTreeMap<String, Version>) -> bool {
    let Some(requirement) = requirement::Plain::parse(line) else { return false };
    match built_with.get(requirement.project.as_str()) {
        // A marker may have left it out.
        None => requirement.conditional,
        Some(found) => requirement.pins.iter().all(|pin| pin.same_as(found) || pin.same_as(&public(found))),
    }
}

/// `pkg:pypi/NAME@VERSION`, as statements have it.
fn distribution(uri: &str) -> Option<(ProjectName, Version)> {
    let (name, version) = uri.strip_prefix("pkg:pypi/")?.split_once('@')?;
    let version = version.replace("%2B", "+").replace("%21", "!");
    Some((ProjectName::new(name).ok()?, Version::new(&version).ok()?))
}

/// PEP 440: a pin without a local part also takes versions with one.
fn public(version: &Version) -> Version {
    let public = version.as_str().split('+').next().unwrap_or_default();
    Version::new(public).unwrap_or_else(|_| version.clone())
}
