//! An attempt at a recipe that somebody gave: nothing is inferred, nothing is added.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use attest_core::recipe::Recipe;

use super::attempt::{AGAIN, Attempt, Bench, project_s_own, wait_for_next_tick};
use super::build::{BuildError, Built, Step};
use super::environment::{Archive, Lock};
use super::image::Ground;
use super::inventory::Inventory;
use super::recipes::Given;
use super::script::{self, Script};
use super::tree::Order;
use crate::pip::Pip;
use crate::sandbox::load::Elsewhere;

mod foreign;

/// What a recipe names by digest, and this machine has already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supplies<'a> {
    /// Files that an index may have lost.
    pub(crate) archive: Option<&'a Archive>,
    /// An image.
    pub(crate) image_layout: Option<&'a Path>,
}

/// Two builds, and how long they took together.
type Twice = (Built, Built, Duration);

impl Bench<'_> {
    /// Fetches what the recipe says, and builds twice as it says.
    pub(crate) fn follow(&self, given: &Given, supplies: Supplies<'_>) -> anyhow::Result<Attempt> {
        let recipe = given.recipe().clone();
        let pip = self.pip_for(&recipe)?;
        // Looked at before any code of the project runs with it, as the usual one was.
        let inventory = match &pip {
            Cow::Borrowed(_) => None,
            Cow::Owned(pip) => Some(Inventory::take(&pip.settings().interpreter, Some(self.isolation))?),
        };
        let lock = self.lock(given, &pip, supplies)?;
        let foreign = match recipe.knobs_only() {
            Ok(()) => self.foreign(&recipe, &pip, &lock)?,
            Err(_) => None,
        };
        if let Some(foreign) = &foreign {
            self.note(&format!("the recipe builds with {foreign}, which the source does not ask for: it is custom"))?;
        }
        let built = match given.script() {
            Some(text) => self.run_script(given, text, (&pip, &lock), supplies),
            None => self.run_hooks(&recipe, &pip, &lock),
        };
        let built = project_s_own(built)?;
        let building = built.as_ref().map_or(Duration::ZERO, |(_, _, building)| *building);
        let built = built.map(|(first, second, _)| (first, second));
        Ok(Attempt { recipe, lock, inventory, built, building, given: Some(given.clone()), foreign })
    }

    fn lock(&self, given: &Given, pip: &Pip, supplies: Supplies<'_>) -> anyhow::Result<Lock> {
        let requirements = &given.recipe().requirements;
        match given.lock() {
            Some(lock) => {
                (self.progress)(&format!("fetching {} locked files", lock.files().len()));
                Lock::exactly(lock, self.index, supplies.archive)
            }
            None if given.script().is_some() => Ok(Lock::default()),
            None => {
                let lines = requirements.build.join(", ");
                (self.progress)(&format!("fetching build requirements with {}: {lines}", pip.driver()));
                Lock::resolve(pip, self.index, &requirements.build, requirements.cutoff.as_deref())
            }
        }
    }

    fn run_hooks(&self, recipe: &Recipe, pip: &Pip, lock: &Lock) -> anyhow::Result<Twice> {
        let environment = lock.environment(pip, self.cache, self.isolation)?;
        let builder = self.builder(recipe, &pip.settings().interpreter);
        let build = |order| match builder.build(environment.path(), order)? {
            Step::Built(built) => Ok(built),
            Step::Asks(lines) => Err(BuildError::Asks { lines: lines.join(", ") }.into()),
        };
        self.twice("building", build)
    }

    /// The second build must not see the same time, or a clock in the wheel would go unnoticed.
    fn twice(&self, doing: &str, build: impl Fn(Order) -> anyhow::Result<Built>) -> anyhow::Result<Twice> {
        (self.progress)(&format!("{doing} once"));
        let start = Instant::now();
        let first = build(Order::Forward)?;
        let once = start.elapsed();
        wait_for_next_tick();
        (self.progress)(&format!("{doing} {AGAIN}"));
        let _elsewhere = Elsewhere::begin();
        let start = Instant::now();
        let second = build(Order::Reversed)?;
        Ok((first, second, once + start.elapsed()))
    }

    fn run_script(
        &self,
        given: &Given,
        text: &[u8],
        (pip, lock): (&Pip, &Lock),
        supplies: Supplies<'_>,
    ) -> anyhow::Result<Twice> {
        let recipe = given.recipe();
        let Some(custom) = &recipe.custom else {
            bail!("expected a script with a recipe that names it");
        };
        let ground = match &custom.image {
            Some(image) => Ground::of_image(image, supplies.image_layout, self.cache, self.isolation, self.progress)?,
            None => Ground::Machine(lock.environment(pip, self.cache, self.isolation)?),
        };
        let packages = script::packages(custom, self.index, supplies.archive)?;
        let script = Script {
            recipe,
            text,
            lock,
            lock_text: given.lock().map(ToString::to_string),
            packages: &packages,
            source: self.source,
            ground: &ground,
            isolation: self.isolation,
            interpreter: &pip.settings().interpreter,
            limits: self.limits,
            log: self.log,
        };
        self.twice("running build.sh", |order| script.build(order))
    }
}
