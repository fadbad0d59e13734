//! What would be installed: for each project the files that may be taken, each of them a question for the gate.

use std::collections::{BTreeMap, BTreeSet};

use attest_core::artifact::{ArtifactDigest, ProjectName, Version};

use super::sources::without_credentials;
use crate::{
    gate::{Judged, Outcome},
    item::{Item, Question},
    locks::report::Planned,
};

/// One project.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) project: ProjectName,
    pub(super) version: Version,
    /// Asked for by URL or path, so no index may have it.
    pub(super) direct: Option<String>,
    /// Every file that the installer could take here. pip says which one; uv leaves it open.
    pub(super) candidates: Vec<Item>,
}

impl From<Planned> for Package {
    fn from(planned: Planned) -> Self {
        let direct = planned.direct.then_some(planned.url);
        Self { project: planned.project, version: planned.version, direct, candidates: vec![planned.item] }
    }
}

impl Package {
    /// pip's report leaves out what the user wrote into a URL to get at the file.
    pub(super) fn restore_credentials(&mut self, requirements: &[String]) {
        let urls = requirements.iter().map(|text| {
            text.split_once('@').filter(|(name, _)| !name.contains("://")).map_or(text.as_str(), |(_, url)| url).trim()
        });
        if let Some(shown) = &self.direct
            && let Some(given) = urls
                .map(|url| url.split(['#', ' ']).next().unwrap_or(url))
                .find(|url| *url != shown && without_credentials(url) == *shown)
        {
            self.direct = Some(given.to_owned());
        }
    }

    /// `name==version`
    pub(super) fn name(&self) -> String {
        format!("{}=={}", self.project.as_str(), self.version.as_str())
    }
}

/// Where the file comes from.
pub(super) fn url(item: &Item) -> Option<&str> {
    match &item.question {
        Question::File { url, .. } => url.as_deref(),
        _ => None,
    }
}

/// A file that passed.
#[derive(Clone, Debug)]
pub(super) struct Chosen<'a> {
    pub(super) package: &'a Package,
    /// All that the installer may take: exactly one with pip.
    pub(super) files: Vec<(String, ArtifactDigest)>,
}

/// What the installer is held to, and what it would also have taken.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) chosen: Vec<Chosen<'a>>,
    /// Names of files that fit here and did not pass, where another file of their project did.
    pub(super) passed_over: Vec<String>,
}

/// Everything that the gate is asked.
pub(super) fn questions(packages: &[Package]) -> Vec<Item> {
    packages.iter().flat_map(|package| package.candidates.iter().cloned()).collect()
}

/// For each package whether all of it is refused, and for good: an open question may be answered later, and what is proven to be
/// wrong is not gone around.
pub(super) fn blocked(packages: &[Package], judged: &Judged<'_>) -> Vec<bool> {
    let mut answers = judged.answers.iter();
    let of_package = |package: &Package| {
        let outcomes: Vec<Outcome> =
            answers.by_ref().take(package.candidates.len()).map(|answer| answer.outcome).collect();
        outcomes.iter().all(|outcome| *outcome == Outcome::Refused)
    };
    packages.iter().map(of_package).collect()
}

impl Selection<'_> {
    /// Whether a file of the package is among them.
    pub(super) fn has(&self, package: &Package) -> bool {
        self.chosen.iter().any(|chosen| std::ptr::eq(chosen.package, package))
    }
}

/// Of each project the files that passed. A file that did not is only left out where another did, and never where
/// something is proven to be wrong with it: then it stays among the answers and decides.
pub(super) fn select<'a>(packages: &'a [Package], judged: &mut Judged<'_>) -> Selection<'a> {
    let outcomes: Vec<Outcome> = judged.answers.iter().map(|answer| answer.outcome).collect();
    let (mut chosen, mut passed_over, mut dropped) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut at = 0;
    for package in packages {
        let range = at..at + package.candidates.len();
        at = range.end;
        let files: Vec<_> = range
            .clone()
            .zip(&package.candidates)
            .filter(|(at, _)| outcomes[*at].lets_through())
            .filter_map(|(_, item)| Some((item.name.clone(), item.digest()?)))
            .collect();
        if files.is_empty() {
            continue;
        }
        for (at, item) in range.zip(&package.candidates) {
            if !outcomes[at].lets_through() && outcomes[at] != Outcome::Alarm {
                dropped.insert(at);
                passed_over.push(item.name.clone());
            }
        }
        chosen.push(Chosen { package, files });
    }
    let mut at = 0;
    judged.answers.retain(|_| {
        at += 1;
        !dropped.contains(&(at - 1))
    });
    Selection { chosen, passed_over }
}

/// Exactly the verified digests, one line for each project, as pip and uv both read it; before them the options by which
/// the user's own files say where files come from.
pub(super) fn pinned(chosen: &[Chosen<'_>], sources: &[String]) -> String {
    let options = sources.iter().map(|option| format!("{option}\n"));
    let lines = chosen.iter().map(|chosen| {
        let (project, version) = (chosen.package.project.as_str(), chosen.package.version.as_str());
        let mut line = match &chosen.package.direct {
            Some(url) => format!("{project} @ {url}"),
            None => format!("{project}=={version}"),
        };
        for (_, digest) in &chosen.files {
            line = format!("{line} --hash=sha256:{digest}");
        }
        line + "\n"
    });
    options.chain(lines).collect()
}

/// What the user's own requirements files say beside names.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The hashes that they name.
    pub(super) hashes: BTreeMap<ProjectName, BTreeSet<ArtifactDigest>>,
    /// Their options about where files come from, as they stand there; folders made absolute.
    pub(super) sources: Vec<String>,
}

/// Leaves only files whose hash the user's own requirements name, where these name hashes: pip insists on it by itself, uv
/// forgets them when it resolves. Returns the projects of which nothing is left.
pub(super) fn keep_to(packages: &mut [Package], given: &Given) -> Vec<String> {
    if given.hashes.is_empty() {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for package in packages {
        let hashes = given.hashes.get(&package.project);
        let is_named = |item: &Item| item.digest().is_none_or(|digest| hashes.is_some_and(|all| all.contains(&digest)));
        if !package.candidates.iter().any(is_named) {
            missing.push(package.name());
        }
        package.candidates.retain(is_named);
    }
    missing
}
