//! Whether what is installed is what the policy accepts.
//!
//! No installer keeps the digest of a wheel. So the question goes the other way round: of the files that this version has
//! (in a lock, by the environment's own word, or in an index), which are accepted, and does one of them install exactly what
//! lies here? Its `recordDigest` in the accepted statements says so. Of a file that is accepted without votes, by an exemption
//! or a pin, the file itself says it.

use std::{cell::OnceCell, path::Path, sync::Mutex, thread};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    verify::{Connection, Wanted, WantedName},
};

use crate::{
    exit::Exit,
    gate::{self, Answer, Outcome},
    index::Index,
    installed::{self, Distribution, Environment, Faulty},
    item::{Item, Place, Question},
    layers::Layers,
    output::{causes, plural},
    rebuild::{wheel::Wheel, zip::MAX_FILE},
    recorded::Recorded,
    run::Run,
    temporary::Temporary,
};

/// An index is asked about this many projects at once.
const AT_ONCE: usize = 8;

/// What came of one installed project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
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
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Matches { .. } => Exit::Pass,
            Self::Unknown { exit, .. } => *exit,
            Self::Altered | Self::NoRecord(_) | Self::Foreign(_) => Exit::Refused,
        }
    }

    /// Why it is not the accepted file, for a person.
    pub(crate) fn why(&self) -> Option<String> {
        match self {
            Self::Matches { .. } | Self::Altered => None,
            Self::NoRecord(why) | Self::Unknown { why, .. } => Some(why.clone()),
            Self::Foreign(foreign) => Some(format!("{foreign} ({})", foreign.code())),
        }
    }
}

/// One installed project, and what came of it.
#[derive(Debug)]
pub(crate) struct Audited {
    pub(crate) distribution: Distribution,
    pub(crate) faulty: Vec<Faulty>,
    pub(crate) found: Found,
}

/// What came of all of them.
#[derive(Debug)]
pub(crate) struct Audits {
    pub(crate) packages: Vec<Audited>,
    pub(crate) alarms: Vec<String>,
    /// Logs that were asked.
    pub(crate) asked: usize,
}

/// Where the files of a version are looked up that no lock names. Opened when it is first needed.
pub(crate) struct Catalog<'a> {
    open: &'a dyn Fn(&Path) -> anyhow::Result<Index>,
    opened: OnceCell<Option<(Index, Temporary)>>,
    run: &'a Run,
}

impl<'a> Catalog<'a> {
    /// `open` gets a folder for what is downloaded, which goes with the catalog.
    pub(crate) fn new(open: &'a dyn Fn(&Path) -> anyhow::Result<Index>, run: &'a Run) -> Self {
        Self { open, opened: OnceCell::new(), run }
    }

    /// In which run it is asked.
    pub(crate) const fn run(&self) -> &Run {
        self.run
    }

    /// Nothing where nobody may be asked, or where it cannot be had, which is said once.
    fn index(&self) -> Option<&Index> {
        if self.run.connection == Connection::Offline {
            return None;
        }
        let opened = self.opened.get_or_init(|| {
            let folder = Temporary::new("audit").map_err(anyhow::Error::from);
            match folder.and_then(|folder| Ok(((self.open)(folder.path())?, folder))) {
                Ok(opened) => Some(opened),
                Err(error) => {
                    self.run.out.note(format_args!("the index cannot be asked which files there are: {error:#}"));
                    None
                }
            }
        });
        opened.as_ref().map(|(index, _)| index)
    }

    /// What a file installs, by the file.
    fn record_of(&self, item: &Item) -> anyhow::Result<ArtifactDigest> {
        self.wheel(item).map(|wheel| wheel.record_digest())
    }

    /// The file itself: its bytes have the digest that was accepted.
    fn wheel(&self, item: &Item) -> anyhow::Result<Wheel> {
        let (Some((project, _)), Some(digest)) = (release(item), item.digest()) else {
            anyhow::bail!("nothing says which project it is of");
        };
        let index = self.index().ok_or_else(|| anyhow::anyhow!("no index was asked for it"))?;
        let files = index.project(&project)?;
        let file = files.into_iter().find(|file| file.digest == Some(digest));
        let file = file.ok_or_else(|| anyhow::anyhow!("the index does not have it"))?;
        Ok(Wheel::read(&index.fetch(&file, digest, MAX_FILE)?)?)
    }
}

/// Asks about all of these distributions of an environment. What a lock names of a version is all that it may be.
pub(crate) fn audit(
    distributions: Vec<Distribution>,
    environment: &Environment,
    locked: &[Item],
    catalog: &Catalog<'_>,
    layers: &Layers,
) -> anyhow::Result<Audits> {
    let run = catalog.run;
    let faulty = {
        let _task = run.out.task(format!("hashing the files of {}", plural(distributions.len(), "package")));
        installed::check(&distributions, environment)
    };
    let candidates = candidates(&distributions, &faulty, locked, catalog);
    let items: Vec<Item> = candidates.iter().flatten().cloned().collect();
    let judged = gate::judge(&items, layers, run)?;
    let recorded = Recorded::read(&judged);
    let mut rest = judged.answers.as_slice();
    let mut packages = Vec::new();
    for ((distribution, faulty), own) in distributions.into_iter().zip(faulty).zip(&candidates) {
        let (answers, others) = rest.split_at(own.len());
        rest = others;
        let found = find(&distribution, &faulty, answers, &recorded, environment, catalog);
        packages.push(Audited { distribution, faulty, found });
    }
    let alarms = judged.gathered.alarms.iter().map(ToString::to_string).collect();
    Ok(Audits { packages, alarms, asked: judged.gathered.asked.len() })
}

fn find(
    distribution: &Distribution,
    faulty: &[Faulty],
    answers: &[Answer<'_>],
    recorded: &Recorded,
    environment: &Environment,
    catalog: &Catalog<'_>,
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
    let there = distribution.record_digests(environment);
    if there.is_empty() {
        return unknown(Exit::Refused, "its RECORD lacks hashes or sizes, so nothing ties it to a wheel");
    }
    if answers.is_empty() {
        return unknown(Exit::Refused, "no lock, index or word of its own says which file it could be");
    }
    let accepted = answers.iter().filter(|answer| answer.outcome.lets_through());
    let (mut compared, mut unread) = (false, None);
    for answer in accepted {
        let record = recorded.of(answer).map_or_else(|| catalog.record_of(answer.item), Ok);
        match (answer.item.digest(), record) {
            (Some(sha256), Ok(record)) if there.contains(&record) => {
                return Found::Matches { file: answer.item.name.clone(), sha256 };
            }
            (Some(sha256), Ok(_)) if lies_here(answer.item, distribution, environment, catalog) => {
                return Found::Matches { file: answer.item.name.clone(), sha256 };
            }
            (_, Ok(_)) => compared = true,
            (_, Err(error)) => unread = Some(causes(error.as_ref())),
        }
    }
    if let Some(why) = unread {
        let why = format!("its file is accepted, no vote says what that installs, and the file is not at hand: {why}");
        return Found::Unknown { exit: Exit::Undecided, why };
    }
    if compared {
        return unknown(Exit::Refused, "what lies here is not what the accepted file installs");
    }
    if answers.iter().any(|answer| answer.outcome == Outcome::Alarm) {
        return unknown(
            Exit::Alarm,
            "it is proven that something is wrong with a file of this version, and none is accepted",
        );
    }
    // The mildest: trying again may help where one candidate is undecided.
    let undecided = answers.iter().any(|answer| answer.outcome == Outcome::Undecided);
    if undecided {
        return unknown(Exit::Undecided, "of no file of this version it is known whether it is accepted");
    }
    unknown(Exit::Refused, "no file of this version is accepted")
}

/// Whether the accepted file itself, where it can be had, installs what lies here: a wheel may keep its code in several places.
fn lies_here(item: &Item, distribution: &Distribution, environment: &Environment, catalog: &Catalog<'_>) -> bool {
    catalog.wheel(item).is_ok_and(|wheel| distribution.is_installed_from(&wheel.rows(), environment))
}

/// For each distribution the files that it could be.
fn candidates(
    distributions: &[Distribution],
    faulty: &[Vec<Faulty>],
    locked: &[Item],
    catalog: &Catalog<'_>,
) -> Vec<Vec<Item>> {
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
    if open.is_empty() {
        return all;
    }
    let Some(index) = catalog.index() else { return all };
    let _task = catalog.run.out.task(format!("asking the index for {}", plural(open.len(), "project")));
    for (at, items) in published(distributions, &open, index, catalog.run) {
        all[at] = items;
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
