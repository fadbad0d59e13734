//! An attempt at a recipe: fetch what it needs, then build twice.

use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Recipe;

use super::build::{BuildError, Builder, Built};
use super::environment::Lock;
use super::infer;
use super::source::Source;
use super::target::Published;
use super::tree::Order;
use crate::index::Index;
use crate::pip::Pip;
use crate::sandbox::{Isolation, Limits};

/// Hooks may name requirements only when others are installed; more rounds than this are a loop.
const MAX_ROUNDS: usize = 4;
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

/// What two builds gave, or why there are none.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// How: with all that hooks asked for.
    pub(crate) recipe: Recipe,
    /// With what.
    pub(crate) lock: Lock,
    /// What came out, or how the project failed.
    pub(crate) built: Result<(Built, Built), String>,
}

impl Attempt {
    /// The wheel to show: of two that disagree the one that is not the published one.
    pub(crate) fn telling(&self, published: &Published) -> Option<&Built> {
        let (first, second) = self.built.as_ref().ok()?;
        let as_published = |built: &Built| ArtifactDigest::of(&built.bytes) == published.wheel.digest();
        Some(if as_published(first) && !as_published(second) { second } else { first })
    }
}

impl Bench<'_> {
    /// Fetches what the build needs, then builds twice.
    pub(crate) fn attempt(&self, mut recipe: Recipe) -> anyhow::Result<Attempt> {
        let mut lock = Lock::default();
        for _ in 0..MAX_ROUNDS {
            (self.progress)(&format!(
                "fetching build requirements with {}: {}",
                self.pip.driver(),
                recipe.requirements.build.join(", ")
            ));
            lock =
                Lock::resolve(self.pip, self.index, &recipe.requirements.build, recipe.requirements.cutoff.as_deref())?;
            let environment = lock.environment(self.pip, self.cache, self.isolation)?;
            let builder = self.builder(&recipe);
            let more = match builder.requires(environment.path()) {
                Ok(more) => infer::with_pins(&more, &infer::pins(&recipe.requirements.build)),
                Err(error) => return failed(recipe, lock, error),
            };
            let known = recipe.requirements.build.clone();
            let new: Vec<_> =
                more.into_iter().filter(|line| !known.contains(line) && !infer::is_for_extra(line)).collect();
            if new.is_empty() {
                let built = self.build_twice(&builder, environment.path());
                return match built {
                    Ok(built) => Ok(Attempt { recipe, lock, built: Ok(built) }),
                    Err(error) => failed(recipe, lock, error),
                };
            }
            recipe.requirements.build.extend(new);
            recipe.requirements.build.sort();
        }
        failed(recipe, lock, BuildError::Unsettled { rounds: MAX_ROUNDS }.into())
    }

    fn builder<'a>(&'a self, recipe: &'a Recipe) -> Builder<'a> {
        Builder {
            recipe,
            source: self.source,
            interpreter: &self.pip.settings().interpreter,
            isolation: self.isolation,
            limits: self.limits,
            log: self.log,
        }
    }

    fn build_twice(&self, builder: &Builder<'_>, environment: &Path) -> anyhow::Result<(Built, Built)> {
        (self.progress)("building once");
        let first = builder.build(environment, Order::Forward)?;
        // The second build must not see the same time, or a clock in the wheel would go unnoticed.
        wait_for_next_tick();
        (self.progress)("building again, later and from a tree laid out in another order");
        Ok((first, builder.build(environment, Order::Reversed)?))
    }
}

/// What the project failed at is a result; everything else is an error, and nothing is said about the wheel.
fn failed(recipe: Recipe, lock: Lock, error: anyhow::Error) -> anyhow::Result<Attempt> {
    let built = Err(error.downcast::<BuildError>()?.to_string());
    Ok(Attempt { recipe, lock, built })
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn wait_for_next_tick() {
    let now = since_1970();
    let next = Duration::from_secs((now.as_secs() / ZIP_TICK + 1) * ZIP_TICK);
    thread::sleep(next.saturating_sub(now));
}
