//! A recipe that somebody gave, with the files beside it.

use attest_core::artifact::{ArtifactDigest, ProjectName, Version};
use attest_core::recipe::{BuildLock, LockError, LockedFile, Recipe, RecipeError};

use crate::rebuild::infer::requirement_name;

/// The script beside a recipe.
pub(crate) const SCRIPT: &str = "build.sh";
/// The lock beside a recipe.
pub(crate) const LOCK: &str = "build.lock";
/// The biggest recipe that is read.
pub(crate) const MAX_RECIPE: u64 = 256 << 10;
/// The biggest file beside it.
const MAX_BESIDE: u64 = 1 << 20;

/// Why a recipe is not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GivenError {
    /// Too long.
    #[error("expected a recipe of at most {MAX_RECIPE} bytes, found {found}")]
    TooLarge {
        /// Bytes.
        found: usize,
    },
    /// Not text.
    #[error("expected {name} in UTF-8")]
    Encoding {
        /// Which file.
        name: &'static str,
    },
    /// Not a recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Not a lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file that the recipe names is not there.
    #[error("expected {name} beside the recipe, which names it by sha256 {expected}, found none")]
    Missing {
        /// Which.
        name: &'static str,
        /// As the recipe has it.
        expected: ArtifactDigest,
    },
    /// A file was changed, or swapped for another.
    #[error("expected {name} with sha256 {expected} as the recipe says, found {found}")]
    Changed {
        /// Which.
        name: &'static str,
        /// As the recipe has it.
        expected: ArtifactDigest,
        /// Of what lies there.
        found: ArtifactDigest,
    },
    /// The lock is not one of this recipe's requirements.
    #[error("expected {requirement} in build.lock as the recipe says, found {}", found.as_deref().unwrap_or("none of it"))]
    Unlocked {
        /// A requirement of the recipe.
        requirement: String,
        /// The version in the lock.
        found: Option<String>,
    },
    /// A file beside the recipe could not be read.
    #[error("expected {name} beside the recipe: {reason}")]
    Beside {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// A recipe, byte for byte as it was given, and the files that it names by digest.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    recipe: Recipe,
    text: String,
    script: Option<Vec<u8>>,
    lock: Option<BuildLock>,
}

impl Given {
    /// Reads a recipe. `beside` gives a file that lies beside it, of at most so many bytes; nothing where there is none.
    pub(crate) fn read(
        text: &[u8],
        beside: impl Fn(&'static str, u64) -> anyhow::Result<Option<Vec<u8>>>,
    ) -> Result<Self, GivenError> {
        if text.len() as u64 > MAX_RECIPE {
            return Err(GivenError::TooLarge { found: text.len() });
        }
        let text = utf8(text.to_vec(), "the recipe")?;
        let recipe = Recipe::parse(&text)?;
        let read = |name: &'static str, limit| {
            beside(name, limit).map_err(|error| GivenError::Beside { name, reason: format!("{error:#}") })
        };
        let held = |name: &'static str, expected: ArtifactDigest, limit| {
            let bytes = read(name, limit)?.ok_or(GivenError::Missing { name, expected })?;
            let found = ArtifactDigest::of(&bytes);
            if found == expected { Ok(bytes) } else { Err(GivenError::Changed { name, expected, found }) }
        };
        let (script, lock) = match &recipe.custom {
            Some(custom) => {
                let lock = custom.build_lock.map(|expected| held(LOCK, expected, MAX_BESIDE)).transpose()?;
                (Some(held(SCRIPT, custom.build_sh, MAX_BESIDE)?), lock)
            }
            // A result folder has the lock that its recipe led to.
            None => (None, read(LOCK, MAX_BESIDE)?),
        };
        let lock = lock.map(|lock| Ok::<_, GivenError>(utf8(lock, LOCK)?.parse::<BuildLock>()?)).transpose()?;
        if let Some(lock) = lock.as_ref().filter(|_| recipe.custom.is_none()) {
            check_pins(&recipe, lock)?;
        }
        Ok(Self { recipe, text, script, lock })
    }

    /// What it says.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What it says, byte for byte.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Of its text.
    pub(crate) fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(self.text.as_bytes())
    }

    /// All that decides what it builds, lock and script included.
    pub(crate) fn identity(&self) -> String {
        let script = self.script.as_deref().map(ArtifactDigest::of);
        let lock = self.lock.as_ref().map(|lock| ArtifactDigest::of(lock.to_string().as_bytes()));
        format!("{} {script:?} {lock:?}", self.digest())
    }

    /// What is run, where it has a script.
    pub(crate) fn script(&self) -> Option<&[u8]> {
        self.script.as_deref()
    }

    /// The very files to build with, where somebody has fixed them.
    pub(crate) fn lock(&self) -> Option<&BuildLock> {
        self.lock.as_ref()
    }

    /// The same with another lock, which somebody states to have built with.
    ///
    /// # Errors
    /// When it is none of the recipe's requirements.
    pub(crate) fn with_lock(self, lock: BuildLock) -> Result<Self, GivenError> {
        if self.recipe.custom.is_none() {
            check_pins(&self.recipe, &lock)?;
        }
        Ok(Self { lock: Some(lock), ..self })
    }
}

fn utf8(bytes: Vec<u8>, name: &'static str) -> Result<String, GivenError> {
    String::from_utf8(bytes).map_err(|_| GivenError::Encoding { name })
}

/// No digest binds the lock beside a recipe of knobs, so at least what the recipe pins has to be in it.
fn check_pins(recipe: &Recipe, lock: &BuildLock) -> Result<(), GivenError> {
    // One with a marker may not apply here.
    let pins = recipe.requirements.build.iter().filter(|line| line.contains("==") && !line.contains(';'));
    for requirement in pins {
        let project = requirement_name(requirement).and_then(|name| ProjectName::new(name).ok());
        let found = lock.files().iter().find(|file| Some(file.project()) == project.as_ref());
        let said = requirement.split_once("==").map_or("", |(_, version)| version.trim_matches([' ', '=', ')']));
        // `==1.*` and several bounds are no pin.
        let wanted = Version::new(said).ok();
        let fits = |file: &LockedFile| {
            wanted.as_ref().is_none_or(|wanted| Version::new(file.version()).is_ok_and(|found| found.same_as(wanted)))
        };
        if !found.is_some_and(fits) {
            let found = found.map(|file| file.version().to_owned());
            return Err(GivenError::Unlocked { requirement: requirement.clone(), found });
        }
    }
    Ok(())
}
