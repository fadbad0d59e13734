//! One rebuild, from its target to its result.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::recipe::Recipe;
use attest_core::statement;

use super::attempt::{Attempt, Bench};
use super::claim::Claim;
use super::diffoscope;
use super::environment::Archive;
use super::finding::Finding;
use super::git::address::GitAddress;
use super::infer;
use super::inventory::Inventory;
use super::lineage::Lineage;
use super::platform::Here;
use super::recipes::{RecipeSpec, Store};
use super::record::BuildRecord;
use super::result::ResultFolder;
use super::search;
use super::source::{self, Source, Wanted};
use super::target::{Pinned, Pinning, Published, Selected, Target};
use crate::exit::Failure;
use crate::index::Index;
use crate::pip::Pip;
use crate::sandbox::{Isolation, Limits};

mod commit;
mod guided;
mod keep;

pub(crate) use guided::Replay;

/// How a rebuild is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The Python that builds, and whose pip says where the index is.
    pub(crate) python: PathBuf,
    /// Where downloads and environments are kept.
    pub(crate) cache: PathBuf,
    /// Where result folders go.
    pub(crate) results: PathBuf,
    /// The room; nothing: the best that works.
    pub(crate) isolation: Option<Isolation>,
    /// What to build from instead of the index's sdist.
    pub(crate) source: Option<Wanted>,
    /// The commit that the sdist is to be held against.
    pub(crate) commit: Option<GitAddress>,
    /// Whether diffoscope is asked about what differs.
    pub(crate) diffoscope: bool,
    /// How much a build may use.
    pub(crate) limits: Limits,
    /// What is given instead of inferred.
    pub(crate) given: Givens,
}

/// What somebody gave to build by and with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Givens {
    /// A recipe to follow instead of inferring one.
    pub(crate) recipe: Option<RecipeSpec>,
    /// Build requirements by digest, for when the index has lost them.
    pub(crate) dependencies: Option<Archive>,
    /// The image that a recipe names.
    pub(crate) image_layout: Option<PathBuf>,
}

/// What is shared by all rebuilds of a run.
#[derive(Debug)]
pub(crate) struct Workshop {
    options: Options,
    pip: Pip,
    index: Index,
    inventory: Inventory,
    recipes: Store,
}

/// What a rebuild is about, and what was found before it began.
struct Case<'a> {
    published: &'a Published,
    inventory: &'a Inventory,
    /// What somebody stated, where it is that which is built again.
    claim: Option<&'a Claim>,
    log: &'a Path,
    /// Hears of every step.
    progress: &'a dyn Fn(&str),
    start: Instant,
}

/// What a rebuild came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Where everything is.
    pub(crate) folder: ResultFolder,
    /// In words; empty for EXACT.
    pub(crate) explanation: Vec<String>,
    /// Where the source comes from.
    pub(crate) lineage: Lineage,
    /// File name of the source.
    pub(crate) source: String,
    /// The backend that built, `setuptools 82.0.1`.
    pub(crate) backend: String,
    /// How long all of it took.
    pub(crate) took: Duration,
    /// How much of that the two builds took; nothing where it is not remembered.
    pub(crate) building: Option<Duration>,
}

impl Workshop {
    /// Asks pip for its settings and looks at the room.
    pub(crate) fn open(options: Options, progress: &dyn Fn(&str)) -> anyhow::Result<Self> {
        if options.diffoscope {
            diffoscope::check_installed()?;
        }
        fs::create_dir_all(&options.cache).and_then(|()| tempfile::tempfile_in(&options.cache)).with_context(|| {
            Failure::usage(format!("cannot keep downloads in {}", options.cache.display()))
                .hint("name a folder with --cache-dir")
        })?;
        let pip = Pip::query(&options.python, &options.cache.join("tools"))?;
        let index = Index::new(pip.settings(), &options.cache.join("files"))?;
        let inventory = Inventory::take(&pip.settings().interpreter, options.isolation)?;
        if inventory.isolation == Isolation::None {
            progress("no isolation works here: the build can reach the network, and the result will say so");
        }
        let recipes = Store::new(&options.cache);
        Ok(Self { options, pip, index, inventory, recipes })
    }

    /// The files of a target, each with its digest; `all`: every file of a release.
    pub(crate) fn pin(&self, target: &Target, all: bool, say: &dyn Fn(&str)) -> anyhow::Result<Vec<Selected>> {
        let here = &Here::of(&self.pip.settings().interpreter);
        Pinning { pip: &self.pip, index: &self.index, here, all, say }.pin(target)
    }

    /// Rebuilds one wheel. An error means that nothing could be said; everything else is in the outcome.
    pub(crate) fn rebuild(&self, target: &Pinned, progress: &dyn Fn(&str)) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let published = target.open(&self.index)?;
        progress(&format!("published: {} sha256:{}", published.name.as_str(), published.wheel.digest()));
        let source = Source::open(self.options.source.as_ref(), &published, &self.index, &self.options.cache)?;
        progress(&format!("source: {}", source.summary()));
        let log_file = tempfile::NamedTempFile::new()?;
        let log = log_file.path();
        // Before any code of the project runs: what it does to its room, it cannot do to this.
        let inventory = self.inventory()?;
        let bench = self.bench(&source, log, progress);
        let attempt = if let Some(spec) = &self.options.given.recipe {
            let given = self.given(spec, &published.name, &source, progress)?;
            bench.follow(&given, self.supplies())?
        } else {
            let uploaded = published.uploaded.clone();
            let recipe = infer::infer(&published.name, &published.wheel, source.tree(), uploaded)?;
            progress(&format!("recipe: {}", recipe.summary()));
            search::search(&bench, &published.wheel, recipe)?
        };
        let case = Case { published: &published, inventory: &inventory, claim: None, log, progress, start };
        self.conclude(&case, source, attempt)
    }

    /// The recipe that would be followed first; nothing is built. What the project's hooks ask for is in it; where they fail,
    /// that is said, and what was read off the wheel is all there is.
    pub(crate) fn infer(&self, target: &Pinned, progress: &dyn Fn(&str)) -> anyhow::Result<(Recipe, Option<String>)> {
        let published = target.open(&self.index)?;
        let source = Source::open(self.options.source.as_ref(), &published, &self.index, &self.options.cache)?;
        let recipe = infer::infer(&published.name, &published.wheel, source.tree(), published.uploaded.clone())?;
        let log = tempfile::NamedTempFile::new()?;
        Ok(match self.bench(&source, log.path(), progress).settle(recipe.clone())? {
            Ok(settled) => (settled, None),
            Err(error) => (recipe, Some(error)),
        })
    }

    /// Compares, keeps and says what came out.
    fn conclude(&self, case: &Case<'_>, mut source: Source, mut attempt: Attempt) -> anyhow::Result<Outcome> {
        let Case { published, log, progress, .. } = case;
        let finding = Finding::of(published, &attempt);
        if let Some(replayed) = &finding.replayed {
            attempt.recipe.container = Some(replayed.container.clone());
        }
        let recipe = &attempt.recipe;
        let mut lineage = Lineage::of(&source, &published.wheel, recipe, finding.verdict);
        self.ask_publisher(published, &source, &mut lineage);
        self.hold_against(published, &mut source, recipe, (log, progress), &mut lineage)?;
        let folder = self.write(case, &source, &attempt, (&finding, &lineage))?;
        let backend = attempt
            .lock
            .version_of(recipe.backend_package())
            .map_or_else(|| recipe.generator.clone(), |version| format!("{} {version}", recipe.backend_package()));
        Ok(Outcome {
            folder,
            explanation: finding.explanation,
            lineage,
            source: source.name(),
            backend,
            took: case.start.elapsed(),
            building: Some(attempt.building),
        })
    }

    /// Digest of all that decides a result before its source is looked at. With the same, the same would be built again.
    pub(crate) fn inputs(&self, target: &Pinned) -> anyhow::Result<ArtifactDigest> {
        // Without `..`: whoever adds an option decides here whether results of another value are kept.
        let Options { python: _, cache: _, results: _, isolation, source, commit, diffoscope, limits, given } =
            &self.options;
        // Where files with a digest come from decides nothing.
        let Givens { recipe, dependencies: _, image_layout: _ } = given;
        let recipe = recipe.as_ref().map(|spec| spec.identity(target.name(), &self.index)).transpose()?;
        let source = source.as_ref().map(Wanted::identity).transpose()?;
        let interpreter = &self.pip.settings().interpreter;
        let room = (self.inventory.identity(), &interpreter.executable, &interpreter.version);
        let attest = (env!("CARGO_PKG_VERSION"), self.pip.driver());
        let inputs =
            format!("{:?}", (attest, target.identity(), source, commit, isolation, diffoscope, limits, recipe, room));
        Ok(ArtifactDigest::of(inputs.as_bytes()))
    }

    /// Whether the source of an older result is still the one that would be taken.
    pub(crate) fn has_source(&self, record: &BuildRecord, wheel: &WheelName) -> bool {
        let listed = || self.index.project(&wheel.project).unwrap_or_default();
        let commit = match &self.options.source {
            Some(Wanted::Git(address)) => Some(address),
            _ => self.options.commit.as_ref(),
        };
        let mut of_git = false;
        let same = record.source.iter().all(|source| match source {
            // An sdist that the user names is among the inputs.
            statement::Source::Sdist { .. } if matches!(self.options.source, Some(Wanted::Sdist(_))) => true,
            statement::Source::Sdist { name, digest, .. } => {
                listed().iter().any(|file| file.name == *name && file.digest == Some(digest.sha256))
            }
            git @ statement::Source::Git { .. } => {
                of_git = true;
                commit.is_some_and(|address| source::still_leads(address, git, wheel, &self.options.cache))
            }
        });
        // An sdist that was not what the commit gave names none: another commit may give it.
        same && (of_git || commit.is_none())
    }

    /// Where the result about a wheel goes.
    pub(crate) fn place(&self, wheel: &WheelName) -> PathBuf {
        self.options.results.join(wheel.as_str().trim_end_matches(".whl"))
    }

    /// Drops what is remembered of a project whose file is done with.
    pub(crate) fn forget(&self, target: &Pinned) {
        self.index.forget(&target.name().project);
    }

    /// Nothing that runs in a room changes what the next room is made of; without rooms it can, so that is looked at again.
    fn inventory(&self) -> anyhow::Result<Cow<'_, Inventory>> {
        match self.inventory.isolation {
            Isolation::None => {
                Ok(Cow::Owned(Inventory::take(&self.pip.settings().interpreter, Some(Isolation::None))?))
            }
            Isolation::Bubblewrap | Isolation::Unshare => Ok(Cow::Borrowed(&self.inventory)),
        }
    }

    /// Where attempts at one source are made.
    fn bench<'a>(&'a self, source: &'a Source, log: &'a Path, progress: &'a dyn Fn(&str)) -> Bench<'a> {
        Bench {
            pip: &self.pip,
            index: &self.index,
            cache: &self.options.cache,
            isolation: self.inventory.isolation,
            limits: self.options.limits,
            source,
            log,
            progress,
        }
    }
}
