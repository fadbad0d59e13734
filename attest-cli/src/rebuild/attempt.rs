//! An attempt at a recipe: fetch what it needs, build once to see, then once more.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Recipe;
use attest_core::statement::RecipeKind;

use super::build::{BuildError, Builder, Built, Step};
use super::environment::{Installed, Lock};
use super::inventory::Inventory;
use super::pythons;
use super::recipes::Given;
use super::source::Source;
use super::target::Published;
use super::tree::Order;
use crate::index::Index;
use crate::pip::{Interpreter, Pip};
use crate::sandbox::load::Elsewhere;
use crate::sandbox::{Isolation, Limits};

mod sdist;
mod settle;

/// Hooks may name requirements only when others are installed; more rounds than this are a loop.
const MAX_ROUNDS: usize = 4;
/// How a second build is another one.
pub(super) const AGAIN: &str = "again, later, on a busier machine and from a tree laid out in another order";
/// Zip times are even seconds.
const ZIP_TICK: u64 = 2;

/// All that attempts at one source share.
pub(crate) struct Bench<'a> {
    /// Resolves and installs.
    pub(crate) pip: &'a Pip,
    /// Has the build requirements.
    pub(crate) index: &'a Index,
    /// Where environments are kept.
    pub(crate) cache: &'a Path,
    /// In what kind of room.
    pub(crate) isolation: Isolation,
    /// With how much.
    pub(crate) limits: Limits,
    /// From what.
    pub(crate) source: &'a Source,
    /// Takes all output.
    pub(crate) log: &'a Path,
    /// Hears of every step.
    pub(crate) progress: &'a dyn Fn(&str),
}

/// One build, and all that it takes to do it again.
#[derive(Debug)]
pub(crate) struct Probe {
    /// How: with all that hooks asked for.
    pub(crate) recipe: Recipe,
    /// With what.
    pub(crate) lock: Lock,
    /// By what.
    interpreter: Interpreter,
    inventory: Option<Inventory>,
    environment: Installed,
    /// How long the build took.
    took: Duration,
    /// What came out, or how the project failed.
    pub(crate) built: Result<Built, String>,
}

/// What two builds gave, or why there are none.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// How: with all that hooks asked for.
    pub(crate) recipe: Recipe,
    /// With what.
    pub(crate) lock: Lock,
    /// Where, if that is another Python's room than the usual one.
    pub(crate) inventory: Option<Inventory>,
    /// What came out, or how the project failed.
    pub(crate) built: Result<(Built, Built), String>,
    /// How long the builds took that count: all else is ours.
    pub(crate) building: Duration,
    /// The recipe as somebody gave it; nothing where it was inferred.
    pub(crate) given: Option<Given>,
    /// What such a recipe builds with and the source does not ask for.
    pub(crate) foreign: Option<String>,
}

impl Probe {
    /// Whether this is the very file, which was made at another time than ours.
    pub(crate) fn is(&self, digest: ArtifactDigest) -> bool {
        self.built.as_ref().is_ok_and(|built| ArtifactDigest::of(&built.bytes) == digest)
    }
}

impl Attempt {
    /// INFERRED only where neither the recipe's form nor what it names brings code of its author (docs/TRUST.md 3.3).
    pub(crate) fn recipe_kind(&self) -> RecipeKind {
        if self.foreign.is_some() { RecipeKind::Custom } else { self.recipe.kind() }
    }

    /// The wheel to show: of two that disagree the one that is not the published one.
    pub(crate) fn telling(&self, published: &Published) -> Option<&Built> {
        let (first, second) = self.built.as_ref().ok()?;
        let as_published = |built: &Built| ArtifactDigest::of(&built.bytes) == published.wheel.digest();
        Some(if as_published(first) && !as_published(second) { second } else { first })
    }
}

impl Bench<'_> {
    /// Fetches what the build needs, then builds once.
    pub(crate) fn probe(&self, mut recipe: Recipe) -> anyhow::Result<Probe> {
        let pip = self.pip_for(&recipe)?;
        let interpreter = pip.settings().interpreter.clone();
        // Looked at before any code of the project runs with it, as the usual one was.
        let inventory = match &pip {
            Cow::Borrowed(_) => None,
            Cow::Owned(_) => Some(Inventory::take(&interpreter, Some(self.isolation))?),
        };
        let mut round = 1;
        loop {
            let requirements = &recipe.requirements;
            (self.progress)(&format!(
                "fetching build requirements with {}: {}",
                pip.driver(),
                requirements.build.join(", ")
            ));
            let lock = Lock::resolve(&pip, self.index, &requirements.build, requirements.cutoff.as_deref())?;
            let environment = lock.environment(&pip, self.cache, self.isolation)?;
            (self.progress)("building once");
            let start = Instant::now();
            let step = self.builder(&recipe, &interpreter).build(environment.path(), Order::Forward);
            let took = start.elapsed();
            let built = match project_s_own(step)? {
                Ok(Step::Asks(lines)) if round < MAX_ROUNDS => {
                    round += 1;
                    recipe.requirements.build.extend(lines);
                    recipe.requirements.build.sort();
                    continue;
                }
                Ok(Step::Asks(_)) => Err(BuildError::Unsettled { rounds: MAX_ROUNDS }.to_string()),
                Ok(Step::Built(built)) => Ok(built),
                Err(error) => Err(error),
            };
            return Ok(Probe { recipe, lock, interpreter, inventory, environment, took, built });
        }
    }

    /// Builds again from a tree laid out in another order, and later: must `published` have been made by this recipe, that
    /// is late enough already. Anything else with the time in it could come out the same twice within one tick.
    pub(crate) fn repeat(&self, probe: Probe, published: ArtifactDigest) -> anyhow::Result<Attempt> {
        let is_published = probe.is(published);
        let Probe { recipe, lock, interpreter, inventory, environment, took, built } = probe;
        let mut building = took;
        let built = match built {
            Ok(first) => {
                if !is_published {
                    wait_for_next_tick();
                }
                (self.progress)(&format!("building {AGAIN}"));
                let _elsewhere = Elsewhere::begin();
                let start = Instant::now();
                let step = self.builder(&recipe, &interpreter).build(environment.path(), Order::Reversed);
                building += start.elapsed();
                match project_s_own(step)? {
                    Ok(Step::Built(second)) => Ok((first, second)),
                    Ok(Step::Asks(lines)) => Err(BuildError::Wavers { asks: lines.join(", ") }.to_string()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        Ok(Attempt { recipe, lock, inventory, built, building, given: None, foreign: None })
    }

    /// Into the progress and the log.
    pub(crate) fn note(&self, line: &str) -> anyhow::Result<()> {
        (self.progress)(line);
        Ok(writeln!(File::options().create(true).append(true).open(self.log)?, "attest: {line}")?)
    }

    /// pip with the Python that the recipe wants.
    pub(super) fn pip_for(&self, recipe: &Recipe) -> anyhow::Result<Cow<'_, Pip>> {
        match recipe.python {
            Some(version) if !pythons::is_release_of(version, &self.pip.settings().interpreter) => {
                let interpreter = pythons::find(version).with_context(|| {
                    format!("expected python{version} as the recipe has it, found none on this machine")
                })?;
                Ok(Cow::Owned(self.pip.with_interpreter(interpreter)))
            }
            _ => Ok(Cow::Borrowed(self.pip)),
        }
    }

    pub(super) fn builder<'a>(&'a self, recipe: &'a Recipe, interpreter: &'a Interpreter) -> Builder<'a> {
        Builder {
            recipe,
            source: self.source,
            interpreter,
            isolation: self.isolation,
            limits: self.limits,
            log: self.log,
        }
    }
}

/// What the project failed at is a result; everything else is an error, and nothing is said about the wheel.
pub(super) fn project_s_own<T>(step: anyhow::Result<T>) -> anyhow::Result<Result<T, String>> {
    match step {
        Ok(step) => Ok(Ok(step)),
        Err(error) => Ok(Err(error.downcast::<BuildError>()?.to_string())),
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Sleeps until zip times show another one.
pub(crate) fn wait_for_next_tick() {
    let now = since_1970();
    let next = Duration::from_secs((now.as_secs() / ZIP_TICK + 1) * ZIP_TICK);
    thread::sleep(next.saturating_sub(now));
}
