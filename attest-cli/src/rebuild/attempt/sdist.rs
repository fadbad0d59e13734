//! The sdist that a commit gives.

use anyhow::Context as _;
use attest_core::recipe::Recipe;

use super::{Bench, MAX_ROUNDS};
use crate::rebuild::build::{BuildError, Built};
use crate::rebuild::environment::Lock;
use crate::rebuild::infer;

impl Bench<'_> {
    /// Builds it once, with what the recipe's wheel is built with and what its own hook asks for. How the project failed is
    /// an answer, and no error.
    pub(crate) fn build_sdist(&self, recipe: &Recipe) -> anyhow::Result<Result<Built, String>> {
        match self.try_build_sdist(recipe.clone()) {
            Ok(built) => Ok(Ok(built)),
            Err(error) => Ok(Err(error.downcast::<BuildError>()?.to_string())),
        }
    }

    fn try_build_sdist(&self, mut recipe: Recipe) -> anyhow::Result<Built> {
        let pip = self.pip_for(&recipe)?;
        let interpreter = &pip.settings().interpreter;
        for _ in 0..MAX_ROUNDS {
            let requirements = &recipe.requirements;
            let lock = Lock::resolve(&pip, self.index, &requirements.build, requirements.cutoff.as_deref())
                .context("expected the build requirements of the sdist")?;
            let environment = lock.environment(&pip, self.cache, self.isolation)?;
            let builder = self.builder(&recipe, interpreter);
            let asked = builder.requires_for_sdist(environment.path())?;
            let new = infer::unsettled(&asked, &requirements.build);
            if new.is_empty() {
                return builder.build_sdist(environment.path());
            }
            recipe.requirements.build.extend(new);
            recipe.requirements.build.sort();
        }
        Err(BuildError::Unsettled { rounds: MAX_ROUNDS }.into())
    }
}
