//! Whether a recipe of knobs brings code of its author after all: a backend or a build requirement that the source does not
//! ask for. Anybody can upload a package that writes the published wheel; a recipe that builds with it turns more than
//! knobs, whatever its form (docs/TRUST.md 3.3).

use attest_core::recipe::Recipe;

use crate::pip::Pip;
use crate::rebuild::attempt::{Bench, project_s_own};
use crate::rebuild::environment::{Lock, projects};
use crate::rebuild::infer::{BuildSystem, MASONRY, TOOLS};

/// As many rounds as an inferred recipe's requirements may take to settle.
const MAX_ROUNDS: usize = 4;

impl Bench<'_> {
    /// What a recipe builds with and the source does not ask for, in words.
    pub(super) fn foreign(&self, recipe: &Recipe, pip: &Pip, lock: &Lock) -> anyhow::Result<Option<String>> {
        let system = BuildSystem::read(self.source.tree())?;
        if !is_own_backend(recipe, &system) {
            return Ok(Some(format!("backend {}", recipe.backend.name)));
        }
        let mut wanted = projects(system.requires.iter().map(String::as_str).chain(TOOLS));
        let mut needed = lock.needed_by(&wanted)?;
        for _ in 0..MAX_ROUNDS {
            if lock.first_beyond(&needed).is_none() {
                return Ok(None);
            }
            // What the project's hooks ask for is asked where nothing is installed but what the source itself asks for:
            // otherwise what the recipe brings could ask for itself.
            let environment = needed.environment(pip, self.cache, self.isolation)?;
            let builder = self.builder(recipe, &pip.settings().interpreter);
            let Ok(asked) = project_s_own(builder.requires_for_wheel(environment.path()))? else { break };
            wanted.extend(projects(asked.iter().map(String::as_str)));
            needed = lock.needed_by(&wanted)?;
        }
        Ok(lock.first_beyond(&needed).map(|project| format!("build requirement {project}")))
    }
}

/// The backend that the source names, or the installed one of that name.
fn is_own_backend(recipe: &Recipe, system: &BuildSystem) -> bool {
    let named = recipe.backend.name == system.build_backend
        || MASONRY == (system.build_backend.as_str(), recipe.backend.name.as_str());
    named && (recipe.backend.path.is_empty() || recipe.backend.path == system.backend_path)
}
