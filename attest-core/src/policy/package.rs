//! Rules about single projects and files: overrides, pinned repositories, exemptions.
use super::{GroupName, Lined};
use crate::{
    artifact::{ArtifactDigest, ProjectName, Version},
    statement::{Method, Origin},
    time::Timestamp,
};
use std::{collections::BTreeSet, fmt};

/// Text in which `*` stands for any characters, and nothing else is special.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether all of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        // A name is at most a few hundred bytes: trying every suffix after the last `*` is quick enough.
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pinned repository (docs/TRUST.md 3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    url: String,
    /// With `{version}` still in it; `None` is the version's tag.
    reference: Option<String>,
}

impl Repository {
    pub(super) fn new(url: String, reference: Option<String>) -> Self {
        Self { url, reference }
    }

    /// Canonical: https, no userinfo or port, lower-case host, no `.git`, no trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a ref of this version may look like.
    pub fn refs(&self, version: &Version) -> Vec<Pattern> {
        match &self.reference {
            Some(reference) => vec![Pattern(reference.replace("{version}", version.as_str()))],
            None => vec![
                Pattern(format!("refs/tags/v{}", version.as_str())),
                Pattern(format!("refs/tags/{}", version.as_str())),
            ],
        }
    }
}

/// One `[[package]]` entry.
#[derive(Clone, Debug)]
pub struct PackageRule {
    pub(super) line: usize,
    pub(super) name: Pattern,
    pub(super) threshold: Option<Lined<u32>>,
    pub(super) accept_origin: Option<Lined<Vec<Origin>>>,
    pub(super) accept_method: Option<Lined<Vec<Method>>>,
    pub(super) accept_recipe: Option<Lined<BTreeSet<ArtifactDigest>>>,
    pub(super) accept_equivalent: Option<Lined<bool>>,
    pub(super) repository: Option<Lined<Repository>>,
    pub(super) require_groups: Vec<Lined<GroupName>>,
    pub(super) index: Option<Lined<String>>,
}

impl PackageRule {
    /// Whether it is about a project.
    pub fn matches(&self, project: &ProjectName) -> bool {
        self.name.matches(project.as_str())
    }

    /// The projects it is about.
    pub fn name(&self) -> &Pattern {
        &self.name
    }

    /// Of the policy file.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What it says by itself, over a policy's defaults.
    pub fn over(&self, policy: &super::Policy) -> Rule {
        policy.base().narrowed_by(std::iter::once(self))
    }
}

/// What applies to one project, with the lines that say so.
#[derive(Clone, Debug)]
pub struct Rule {
    threshold: Lined<u32>,
    accept_origin: Lined<Vec<Origin>>,
    accept_method: Lined<Vec<Method>>,
    accept_recipe: Option<Lined<BTreeSet<ArtifactDigest>>>,
    accept_equivalent: Option<Lined<bool>>,
    repositories: Vec<Lined<Repository>>,
    required: Vec<Lined<GroupName>>,
    indexes: Vec<Lined<String>>,
}

impl Rule {
    pub(super) fn base(
        threshold: Lined<u32>,
        accept_origin: Lined<Vec<Origin>>,
        accept_method: Lined<Vec<Method>>,
    ) -> Self {
        Self {
            threshold,
            accept_origin,
            accept_method,
            accept_recipe: None,
            accept_equivalent: None,
            repositories: Vec::new(),
            required: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// A package rule overrides the default; of several that match, each key is as strict as the strictest of those that
    /// name it (docs/TRUST.md 1.2): the highest threshold, only what all of the lists accept, every pinned
    /// repository, every required group, every index.
    pub(super) fn narrowed_by<'a>(mut self, packages: impl Iterator<Item = &'a PackageRule>) -> Self {
        let mut origins: Option<Lined<Vec<Origin>>> = None;
        let mut methods: Option<Lined<Vec<Method>>> = None;
        for package in packages {
            if let Some(threshold) = package.threshold.filter(|t| t.value > self.threshold.value) {
                self.threshold = threshold;
            }
            common(&mut origins, package.accept_origin.as_ref(), |all, new| {
                all.retain(|origin| new.contains(origin));
            });
            common(&mut methods, package.accept_method.as_ref(), |all, new| {
                all.retain(|method| new.contains(method));
            });
            common(&mut self.accept_recipe, package.accept_recipe.as_ref(), |all, new| {
                all.retain(|recipe| new.contains(recipe));
            });
            common(&mut self.accept_equivalent, package.accept_equivalent.as_ref(), |all, new| *all &= new);
            self.repositories.extend(package.repository.clone());
            self.required.extend(package.require_groups.iter().cloned());
            self.indexes.extend(package.index.clone());
        }
        self.accept_origin = origins.unwrap_or(self.accept_origin);
        self.accept_method = methods.unwrap_or(self.accept_method);
        self
    }

    /// Groups that must agree.
    pub fn threshold(&self) -> Lined<u32> {
        self.threshold
    }

    /// Kinds of source that are accepted.
    pub fn accept_origin(&self) -> &Lined<Vec<Origin>> {
        &self.accept_origin
    }

    /// Ways to arrive at the bytes that are accepted.
    pub fn accept_method(&self) -> &Lined<Vec<Method>> {
        &self.accept_method
    }

    /// Recipes with commands of their own that are accepted, where any are listed.
    pub fn accept_recipe(&self) -> Option<&Lined<BTreeSet<ArtifactDigest>>> {
        self.accept_recipe.as_ref()
    }

    /// Whether `equivalent` statements vote, where a rule says so.
    pub fn accept_equivalent(&self) -> Option<Lined<bool>> {
        self.accept_equivalent
    }

    /// Groups that must be among those that agree.
    pub fn required(&self) -> &[Lined<GroupName>] {
        &self.required
    }

    /// Where the file must come from: below every one of these.
    pub fn indexes(&self) -> &[Lined<String>] {
        &self.indexes
    }

    /// The first index that a file is not from. A name alone could be served by any index (docs/TRUST.md 6.3), so a file
    /// of unknown origin is from none.
    pub(crate) fn other_index(&self, url: Option<&str>) -> Option<&Lined<String>> {
        self.indexes.iter().find(|index| !url.is_some_and(|url| is_below(&index.value, url)))
    }

    /// Whether a recipe with commands of its own is listed by digest.
    pub fn accepts_recipe(&self, digest: &ArtifactDigest) -> bool {
        self.accept_recipe.as_ref().is_some_and(|recipes| recipes.value.contains(digest))
    }

    /// Whether `equivalent` statements vote.
    pub fn accepts_equivalent(&self) -> bool {
        self.accept_equivalent.as_ref().is_some_and(|accepted| accepted.value)
    }

    /// Repositories that the source must be from: every one of them.
    pub fn repositories(&self) -> &[Lined<Repository>] {
        &self.repositories
    }
}

fn common<T: Clone>(all: &mut Option<Lined<T>>, new: Option<&Lined<T>>, intersect: impl FnOnce(&mut T, &T)) {
    match (all.as_mut(), new) {
        (Some(all), Some(new)) => {
            intersect(&mut all.value, &new.value);
            all.line = new.line;
        }
        (None, Some(new)) => *all = Some(new.clone()),
        (_, None) => {}
    }
}

/// A file, or the files of an index, that need no votes (docs/TRUST.md 6.3).
#[derive(Clone, Debug)]
pub struct Exemption {
    pub(super) scope: ExemptionScope,
    pub(super) reason: String,
    pub(super) since: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) line: usize,
}

/// What an exemption is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExemptionScope {
    /// One file.
    File(ArtifactDigest),
    /// The files of an index.
    Index {
        /// What the real origin of the download must be below.
        url: String,
        /// Only projects of this name.
        name: Option<Pattern>,
    },
}

impl fmt::Display for ExemptionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(digest) => write!(f, "sha256:{digest}"),
            Self::Index { url, name: None } => write!(f, "everything from {url}"),
            Self::Index { url, name: Some(name) } => write!(f, "{name} from {url}"),
        }
    }
}

impl Exemption {
    /// What it is about.
    pub fn scope(&self) -> &ExemptionScope {
        &self.scope
    }

    /// In the user's words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When somebody made it, where the file says so.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Never, for some exemptions by index.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Of the policy file.
    pub fn line(&self) -> usize {
        self.line
    }

    pub(super) fn covers(&self, digest: &ArtifactDigest, project: &ProjectName, url: Option<&str>) -> bool {
        match &self.scope {
            ExemptionScope::File(exempt) => exempt == digest,
            ExemptionScope::Index { url: index, name } => {
                name.as_ref().is_none_or(|name| name.matches(project.as_str()))
                    && url.is_some_and(|url| is_below(index, url))
            }
        }
    }
}

/// Whether `url` is below the index: same scheme, host and port, and within its path.
fn is_below(index: &str, url: &str) -> bool {
    // `..` could lead out of the path again; no index needs it. Clients leave out tabs and line ends, also within dots.
    let leads_out = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".." || segment.contains("%2f") || segment.contains('\\')
    };
    let plain = url.bytes().all(|b| b.is_ascii_graphic()) && !url.split(['/', '?', '#']).any(leads_out);
    plain && url.strip_prefix(index).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a file needs votes.
#[derive(Clone, Copy, Debug)]
pub enum Exempted<'a> {
    /// It does.
    No,
    /// It does not.
    Yes(&'a Exemption),
    /// It does again: say so.
    Expired(&'a Exemption),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_is_special() {
        let matches = |pattern: &str, text: &str| Pattern(pattern.to_owned()).matches(text);
        for (pattern, text) in [
            ("six", "six"),
            ("*", ""),
            ("*", "six"),
            ("acme-*", "acme-"),
            ("acme-*", "acme-tools"),
            ("*-tools", "acme-tools"),
            ("a*c*e", "abcde"),
            ("a*c*e", "ace"),
            ("a*b*b", "abab"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("six", "six2"),
            ("six", "si"),
            ("", "six"),
            ("acme-*", "acme"),
            ("acme-*", "xacme-"),
            ("*-tools", "acme-tools2"),
            ("ab*ba", "aba"),
            ("a*c*e", "aec"),
            ("s.x", "six"),
            ("s?x", "six"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
