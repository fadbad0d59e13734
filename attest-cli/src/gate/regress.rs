//! What is worse than it was: an attestation that `attest.lock` has and that is gone, or another one who attests. Louder
//! than never having had one, since somebody relied on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, WheelName},
    escape::Escaped,
    lockfile::Covered,
    merkle::LeafIndex,
    verify::{Place, Verdict, Wanted, WantedName},
    votes::Counts,
};

use crate::{
    evidence::bundle::{Answered, Bundles},
    exit::Exit,
    gate::{Answer, Outcome, Word},
    item::Question,
    run::Pinned,
};

/// What got worse, and what comes of that.
#[derive(Debug, Default)]
pub(crate) struct Regressions {
    pub(crate) found: Vec<Regression>,
    refuses: bool,
}

/// One thing that got worse since `attest.lock` was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Regression {
    /// Groups whose votes were counted for this very file and no longer are.
    Lost { name: String, sha256: ArtifactDigest, groups: BTreeSet<String> },
    /// A log answered without an entry that it is proven to hold.
    Withheld { name: String, sha256: ArtifactDigest, log: String, index: u64, group: Option<String> },
    /// Groups that attested the version before, and not this one.
    Changed { project: ProjectName, before: String, after: String, groups: BTreeSet<String> },
    /// With `--locked`: a file that `attest.lock` does not cover.
    Uncovered { name: String, sha256: ArtifactDigest },
}

impl Regression {
    /// Stable, for tools.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "attestation-lost",
            Self::Withheld { .. } => "attestation-withheld",
            Self::Changed { .. } => "attesters-changed",
            Self::Uncovered { .. } => "not-in-attest-lock",
        }
    }

    /// The next step.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "`attest explain` shows why; do not run `attest lock` over it before you know",
            Self::Withheld { .. } => "ask whoever runs the log, and another mirror of it",
            Self::Changed { .. } => "look who attests it now; `attest lock` takes note of it",
            Self::Uncovered { .. } => "run `attest lock`, and review what it changes",
        }
    }
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |groups: &BTreeSet<String>| {
            let groups: Vec<String> = groups.iter().map(|group| Escaped(group).to_string()).collect();
            groups.join(", ")
        };
        match self {
            Self::Lost { name, groups, .. } => {
                write!(f, "{name} has lost its attestation by {}", list(groups))
            }
            Self::Withheld { name, log, index, group, .. } => {
                let by = group.as_ref().map_or_else(String::new, |group| format!(" by {}", Escaped(group)));
                write!(f, "{} no longer shows its entry {index}, an attestation of {name}{by}", Escaped(log))
            }
            Self::Changed { project, before, after, groups } => {
                write!(f, "{project} {after} is not attested by {}, who attested {before}", list(groups))
            }
            Self::Uncovered { name, .. } => write!(f, "attest.lock does not cover {name}"),
        }
    }
}

impl Regressions {
    /// Compares the answers with what the files of evidence beside the lock say was accepted.
    pub(crate) fn of(answers: &[Answer<'_>], bundles: &Bundles, answered: &Answered, pinned: Pinned) -> Self {
        let mut found = Vec::new();
        let places: Vec<Places<'_>> = bundles.iter().map(|bundle| bundle.lockfile.bundle().places()).collect();
        for answer in answers {
            if let Question::File { wanted, .. } = &answer.item.question {
                found.extend(lost(answer, wanted, bundles));
                found.extend(withheld(answer, wanted, &places, answered));
                if pinned == Pinned::Locked {
                    found.extend(uncovered(answer, wanted, bundles));
                }
            }
        }
        found.extend(changed(answers, bundles));
        found.dedup();
        Self { found, refuses: pinned == Pinned::Locked }
    }

    /// `--locked` refuses what would change `attest.lock`; otherwise it is a warning.
    pub(crate) fn exit(&self) -> Exit {
        if self.refuses && !self.found.is_empty() { Exit::Refused } else { Exit::Pass }
    }
}

/// An outage is no loss, and what is exempt needs nobody.
fn is_known(answer: &Answer<'_>) -> bool {
    matches!(answer.outcome, Outcome::Passed | Outcome::Pinned | Outcome::Refused | Outcome::Alarm)
}

/// Groups whose votes count now, by any policy.
pub(crate) fn groups(answer: &Answer<'_>) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for judgement in &answer.judgements {
        let Word::Verdict { verdict, .. } = &judgement.word else { continue };
        match &**verdict {
            Verdict::Accepted(accepted) => groups.extend(accepted.groups.iter().map(ToString::to_string)),
            Verdict::Rejected(_) | Verdict::Pinned(_) => {
                let votes = verdict.findings().votes.iter().filter(|vote| vote.counts == Counts::Yes);
                groups.extend(votes.map(|vote| vote.group.to_string()));
            }
        }
    }
    groups
}

fn lost(answer: &Answer<'_>, wanted: &Wanted, bundles: &Bundles) -> Option<Regression> {
    let covered = bundles.files().filter(|covered| covered.sha256 == wanted.digest && !covered.exempt);
    let before: BTreeSet<String> = covered.flat_map(|covered| covered.groups.iter().cloned()).collect();
    let groups: BTreeSet<String> = before.difference(&groups(answer)).cloned().collect();
    let name = answer.item.name.clone();
    (is_known(answer) && !groups.is_empty()).then_some(Regression::Lost { name, sha256: wanted.digest, groups })
}

/// Where a bundle says that the statements about each file are.
type Places<'b> = BTreeMap<ArtifactDigest, BTreeSet<(&'b str, LeafIndex)>>;

fn withheld(answer: &Answer<'_>, wanted: &Wanted, places: &[Places<'_>], answered: &Answered) -> Vec<Regression> {
    let mut votes = BTreeMap::new();
    for judgement in &answer.judgements {
        let Word::Verdict { verdict, .. } = &judgement.word else { continue };
        for vote in &verdict.findings().votes {
            // Only where it is proven: a stranger's file may claim any index.
            if let Place::Logged { origin, index, size: Some(_), .. } = &vote.place {
                votes.insert((origin.clone(), index.get()), vote.group.to_string());
            }
        }
    }
    let mut found = Vec::new();
    for (origin, index) in places.iter().filter_map(|places| places.get(&wanted.digest)).flatten() {
        let group = votes.get(&((*origin).to_owned(), index.get())).cloned();
        if answered.lacks(origin, index.get()) && group.is_some() {
            let (name, log) = (answer.item.name.clone(), (*origin).to_owned());
            found.push(Regression::Withheld { name, sha256: wanted.digest, log, index: index.get(), group });
        }
    }
    found
}

fn uncovered(answer: &Answer<'_>, wanted: &Wanted, bundles: &Bundles) -> Option<Regression> {
    let passes = answer.outcome.lets_through();
    let covered = bundles.files().any(|covered| covered.sha256 == wanted.digest);
    let name = answer.item.name.clone();
    (passes && !covered).then_some(Regression::Uncovered { name, sha256: wanted.digest })
}

/// Releases that are new here, of projects that another version of is known: one line for all files of a release.
fn changed(answers: &[Answer<'_>], bundles: &Bundles) -> Vec<Regression> {
    let mut releases: BTreeMap<(ProjectName, String), BTreeSet<String>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| is_known(answer)) {
        let Question::File { wanted, .. } = &answer.item.question else { continue };
        if let Some(release) = release(&wanted.name) {
            releases.entry(release).or_default().extend(groups(answer));
        }
    }
    let mut found = Vec::new();
    for ((project, after), now) in releases {
        let covered: Vec<&Covered> = bundles.files().filter(|covered| covered.project == project).collect();
        if covered.iter().any(|covered| covered.version.as_str() == after) {
            continue;
        }
        let before: BTreeSet<String> = covered.iter().flat_map(|covered| covered.groups.iter().cloned()).collect();
        let groups: BTreeSet<String> = before.difference(&now).cloned().collect();
        if let Some(last) = covered.last().filter(|_| !groups.is_empty()) {
            let before = last.version.as_str().to_owned();
            found.push(Regression::Changed { project, before, after, groups });
        }
    }
    found
}

fn release(name: &WantedName) -> Option<(ProjectName, String)> {
    match name {
        WantedName::File(name) => {
            let wheel = WheelName::parse(name).ok()?;
            Some((wheel.project.clone(), wheel.version.as_str().to_owned()))
        }
        WantedName::Release { project, version } => Some((project.clone(), version.as_str().to_owned())),
    }
}
