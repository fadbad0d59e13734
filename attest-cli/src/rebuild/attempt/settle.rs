//! What the project's hooks ask for beside its `pyproject.toml`, without building anything.

use attest_core::recipe::Recipe;

use super::{Bench, MAX_ROUNDS, project_s_own};
use crate::rebuild::build::BuildError;
use crate::rebuild::environment::Lock;
use crate::rebuild::infer;

impl Bench<'_> {
    /// The recipe with all that its hook asks for, which runs in the room as when it builds. How the project failed is an
    /// answer, and no error.
    pub(crate) fn settle(&self, mut recipe: Recipe) -> anyhow::Result<Result<Recipe, String>> {
        let pip = self.pip_for(&recipe)?;
        let interpreter = &pip.settings().interpreter;
        for _ in 0..MAX_ROUNDS {
            let requirements = &recipe.requirements;
            let lock = Lock::resolve(&pip, self.index, &requirements.build, requirements.cutoff.as_deref())?;
            let environment = lock.environment(&pip, self.cache, self.isolation)?;
            let asked = self.builder(&recipe, interpreter).requires_for_wheel(environment.path());
            let asked = match project_s_own(asked)? {
                Ok(asked) => infer::unsettled(&asked, &requirements.build),
                Err(error) => return Ok(Err(error)),
            };
            if asked.is_empty() {
                return Ok(Ok(recipe));
            }
            recipe.requirements.build.extend(asked);
            recipe.requirements.build.sort();
        }
        Ok(Err(BuildError::Unsettled { rounds: MAX_ROUNDS }.to_string()))
    }
}
