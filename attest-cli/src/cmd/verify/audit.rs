//! `attest verify --env PYTHON [LOCKS...]`: whether what is installed is what the policy accepts.
//!
//! No installer keeps the digest of a wheel. So the question goes the other way round: of the files that this version has
//! (in the lock given beside it, by the environment's own word, or in the index), which are accepted, and does one of them
//! install exactly what lies here? Its `recordDigest` in the accepted statements says so.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    verify::{Connection, Wanted, WantedName},
};

use crate::{
    exit::Exit,
    gate::{self, Answer, Judged, Outcome},
    index::Index,
    input,
    installed::{self, Distribution, Environment, Faulty},
    item::{Item, Place, Question},
    output::plural,
    pip::Pip,
    platform::find::Selection,
    recorded::Recorded,
    run::Run,
};

mod report;

/// An index is asked about this many projects at once.
const AT_ONCE: usize = 8;
/// What answers for the index: never the audited environment's own Python.
const PYTHON: &str = "python3";

/// What came of one installed project.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// It is this file, which is accepted.
    Matches { file: String, sha256: ArtifactDigest },
    /// Files are not what RECORD says.
    Altered,
    /// RECORD cannot be used.
    NoRecord(String),
    /// It was not installed from a wheel that anybody published.
    Foreign(installed::Foreign),
    /// No accepted file installs this: how the candidates were judged, and why.
    Unknown { exit: Exit, why: String },
}

impl Found {
    const fn exit(&self) -> Exit {
        match self {
            Self::Matches { .. } => Exit::Pass,
            Self::Unknown { exit, .. } => *exit,
            Self::Altered | Self::NoRecord(_) | Self::Foreign(_) => Exit::Refused,
        }
    }
}

/// One installed project, and what came of it.
struct Audited {
    distribution: Distribution,
    faulty: Vec<Faulty>,
    found: Found,
}

/// The whole answer.
struct Audit {
    environment: Environment,
    packages: Vec<Audited>,
    /// Things installed in forms that have no RECORD.
    others: Vec<PathBuf>,
    unclaimed: installed::Unclaimed,
    alarms: Vec<String>,
}

impl Audit {
    fn exit(&self) -> Exit {
        let packages = self.packages.iter().fold(Exit::Pass, |worst, package| worst.worst(package.found.exit()));
        let stray = if self.others.is_empty() && self.unclaimed.code.is_empty() { Exit::Pass } else { Exit::Refused };
        let alarm = if self.alarms.is_empty() { Exit::Pass } else { Exit::Alarm };
        packages.worst(stray).worst(alarm)
    }
}

pub(super) fn run(python: &Path, locks: &[PathBuf], selection: &Selection, run: &Run) -> anyhow::Result<Exit> {
    let layers = run.layers()?;
    let locked = if locks.is_empty() { Vec::new() } else { input::items(locks, selection, run)? };
    let environment = Environment::find(python)?;
    let (distributions, others) = environment.distributions()?;
    let faulty = {
        let _task = run.out.task(format!("hashing the files of {}", plural(distributions.len(), "package")));
        installed::check(&distributions, &environment)
    };
    let unclaimed = installed::unclaimed(&distributions, &environment);
    let candidates = candidates(&distributions, &faulty, &locked, run);
    let items: Vec<Item> = candidates.iter().flatten().cloned().collect();
    let judged = gate::judge(&items, &layers, run)?;
    let recorded = Recorded::read(&judged);
    let alarms = judged.gathered.alarms.iter().map(ToString::to_string).collect();
    let mut rest = judged.answers.as_slice();
    let mut packages = Vec::new();
    for ((distribution, faulty), own) in distributions.into_iter().zip(faulty).zip(&candidates) {
        let (answers, others) = rest.split_at(own.len());
        rest = others;
        let found = find(&distribution, &faulty, answers, &recorded, &environment);
        packages.push(Audited { distribution, faulty, found });
    }
    let audit = Audit { environment, packages, others, unclaimed, alarms };
    report::tell(&audit, &judged, run)?;
    Ok(audit.exit())
}

fn find(
    distribution: &Distribution,
    faulty: &[Faulty],
    answers: &[Answer<'_>],
    recorded: &Recorded,
    environment: &Environment,
) -> Found {
    if let Some(foreign) = distribution.foreign {
        return Found::Foreign(foreign);
    }
    if let Some(error) = distribution.record_error() {
        return Found::NoRecord(error.to_string());
    }
    if !faulty.is_empty() {
        return Found::Altered;
    }
    let unknown = |exit, why: &str| Found::Unknown { exit, why: why.to_owned() };
    let Some(there) = distribution.record_digest(environment) else {
        return unknown(Exit::Refused, "its RECORD lacks hashes or sizes, so nothing ties it to a wheel");
    };
    if answers.is_empty() {
        return unknown(Exit::Refused, "no lock, index or word of its own says which file it could be");
    }
    let accepted = answers.iter().filter(|answer| answer.outcome.lets_through());
    for answer in accepted.clone() {
        if let (Some(sha256), Some(record)) = (answer.item.digest(), recorded.of(answer))
            && record == there
        {
            return Found::Matches { file: answer.item.name.clone(), sha256 };
        }
    }
    if accepted.clone().any(|answer| recorded.of(answer).is_some()) {
        return unknown(Exit::Refused, "what lies here is not what the accepted file installs");
    }
    if accepted.count() > 0 {
        return unknown(Exit::Refused, "its file is accepted, and no vote says what that installs: install it again");
    }
    // The mildest: trying again may help where one candidate is undecided.
    let undecided = answers.iter().any(|answer| answer.outcome == Outcome::Undecided);
    if undecided {
        return unknown(Exit::Undecided, "of no file of this version it is known whether it is accepted");
    }
    unknown(Exit::Refused, "no file of this version is accepted")
}

/// For each distribution the files that it could be.
fn candidates(distributions: &[Distribution], faulty: &[Vec<Faulty>], locked: &[Item], run: &Run) -> Vec<Vec<Item>> {
    let mut all: Vec<Vec<Item>> = distributions
        .iter()
        .map(|distribution| {
            let is_it = |item: &&Item| {
                release(item).is_some_and(|(project, version)| {
                    project == distribution.project && version.same_as(&distribution.version)
                })
            };
            let mut items: Vec<Item> = locked.iter().filter(is_it).cloned().collect();
            items.extend(distribution.claimed.map(|digest| claimed(distribution, digest)));
            items
        })
        .collect();
    // Whom the index need not be asked about: those that are known, and those that cannot match anyway.
    let open: Vec<usize> = (0..all.len())
        .filter(|at| all[*at].is_empty() && faulty[*at].is_empty() && distributions[*at].foreign.is_none())
        .collect();
    if run.connection == Connection::Offline || open.is_empty() {
        return all;
    }
    let _task = run.out.task(format!("asking the index for {}", plural(open.len(), "project")));
    let index = run.places().map_err(anyhow::Error::from).and_then(|places| {
        let data = places.data()?.to_owned();
        Index::new(Pip::query(Path::new(PYTHON), &data)?.settings(), &data)
    });
    match index {
        Ok(index) => {
            for (at, items) in published(distributions, &open, &index, run) {
                all[at] = items;
            }
        }
        Err(error) => run.out.note(format_args!("the index cannot be asked which files there are: {error:#}")),
    }
    all
}

/// The wheels that the index has of each of these versions, those first that call themselves what is installed.
fn published(distributions: &[Distribution], open: &[usize], index: &Index, run: &Run) -> Vec<(usize, Vec<Item>)> {
    let found = Mutex::new(Vec::new());
    let next = Mutex::new(open.iter());
    let ask = || {
        let take = || next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        while let Some(at) = take() {
            let distribution = &distributions[*at];
            match index.project(&distribution.project) {
                Ok(files) => {
                    let wheel = |name: &str| {
                        WheelName::parse(name).ok().filter(|wheel| wheel.version.same_as(&distribution.version))
                    };
                    let of_version: Vec<_> =
                        files.into_iter().filter_map(|file| Some((wheel(&file.name)?, file))).collect();
                    let alike = of_version.iter().any(|(wheel, _)| distribution.is_tagged_like(wheel));
                    let items: Vec<Item> = of_version
                        .iter()
                        .filter(|(wheel, _)| !alike || distribution.is_tagged_like(wheel))
                        .filter_map(|(_, file)| {
                            let wanted =
                                Box::new(Wanted { digest: file.digest?, name: WantedName::File(file.name.clone()) });
                            let question = Question::File { wanted, url: Some(file.url.to_string()) };
                            Some(Item::new(file.name.clone(), Place::file(Path::new("the index")), question))
                        })
                        .collect();
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*at, items));
                }
                Err(error) => run.out.detail(format_args!("{}: {error:#}", distribution.project.as_str())),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(open.len()) {
            scope.spawn(ask);
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Which release an item of a lock is.
fn release(item: &Item) -> Option<(ProjectName, Version)> {
    let Question::File { wanted, .. } = &item.question else { return None };
    match &wanted.name {
        WantedName::File(name) => WheelName::parse(name).ok().map(|wheel| (wheel.project, wheel.version)),
        WantedName::Release { project, version } => Some((project.clone(), version.clone())),
    }
}

/// By direct_url.json, as a question: whether it is true is seen by what lies there.
fn claimed(distribution: &Distribution, digest: ArtifactDigest) -> Item {
    let (project, version) = (distribution.project.clone(), distribution.version.clone());
    let name = format!("{}=={}", project.as_str(), version.as_str());
    let wanted = Box::new(Wanted { digest, name: WantedName::Release { project, version } });
    Item::new(name, Place::file(Path::new("direct_url.json")), Question::File { wanted, url: None })
}

/// Names that more than one folder has: which of them Python takes depends on its path.
fn twice(packages: &[Audited]) -> BTreeSet<&str> {
    let names: Vec<&str> = packages.iter().map(|package| package.distribution.project.as_str()).collect();
    names.iter().copied().filter(|name| names.iter().filter(|other| other == &name).count() > 1).collect()
}

/// How many logs were asked.
fn asked(judged: &Judged<'_>) -> usize {
    judged.gathered.asked.len()
}
