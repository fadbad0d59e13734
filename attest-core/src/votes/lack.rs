//! What a claim lacks by itself to be a vote, whoever signed it and whoever asks (docs/TRUST.md 3.3 and 3.5).
//!
//! What is left to a policy: whose statement it is, where it is logged, which custom recipes, methods, origins and
//! repositories it takes.
use super::{SourceClass, inputs, origin_word};
use crate::{
    artifact::ArtifactDigest,
    recipe::{Recipe, RecipeError},
    statement::{Build, Method, Network, Origin, Predicate, RecipeKind, Sha256, Source, Statement, Subject},
};
use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// docs/TRUST.md 3.3
const MIN_REPEAT: u32 = 2;
/// Recipes that are remembered: whoever signs chooses the text.
const MAX_RECIPES: usize = 1_024;

/// What a claim lacks by itself to be a vote: one variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// 3.3
    #[error("the network was {found}, expected NONE for the whole build")]
    Network {
        /// In the statement.
        found: &'static str,
    },
    /// 3.3
    #[error("it was built {found} times, expected at least {MIN_REPEAT}")]
    Repeat {
        /// In the statement.
        found: u32,
    },
    /// 3.3
    #[error("the recipe {0} has commands of its own, and no rule of the policy lists it")]
    CustomRecipe(ArtifactDigest),
    /// 3.3
    #[error(
        "the recipe {0} is neither in the statement nor does it say where to get it, so nobody can replay the vote"
    )]
    HiddenRecipe(ArtifactDigest),
    /// 3.3: nothing outside the statement can be checked here.
    #[error(
        "the recipe {0} is said to be INFERRED, but its text is not in the statement (which holds up to {max} bytes of it), and a download location cannot be checked offline",
        max = crate::statement::MAX_RECIPE
    )]
    RecipeNotInline(ArtifactDigest),
    /// 3.3: INFERRED is the signer's word, and the text says otherwise.
    #[error("the recipe is said to be INFERRED, but is more than knobs: {0}")]
    RecipeNotKnobs(RecipeError),
    /// 3.3: an image holds whatever its maker put into it.
    #[error("the recipe is said to be INFERRED, but the build ran in container image {0}")]
    RecipeImage(ArtifactDigest),
    /// 3.3: otherwise the recipe is not how it was built.
    #[error("the build's {knob} is not what its INFERRED recipe says")]
    RecipeEnvironment {
        /// What differs: the file name, a variable, the build path, the umask, Python, the clock, the method, a requirement,
        /// a dependency.
        knob: String,
    },
    /// 3.5
    #[error("expected exactly one source of kind {origin}, found {found}")]
    Sources {
        /// In the statement.
        origin: &'static str,
        /// Sources of that kind.
        found: usize,
    },
}

/// What a claim lacks to be a vote under a policy that lists its signer and log, accepts both methods and origins, pins no
/// repository and lists no custom recipe. Nothing for a vote, and nothing for what claims nothing. What an `equivalent` claim
/// lacks is what it lacks where a policy names its project.
pub fn lack(statement: &Statement, recipes: &Recipes) -> Option<Lack> {
    match statement.predicate() {
        Predicate::Reproduced(build) | Predicate::Equivalent { build, .. } => {
            source(build, statement.subject(), recipes, |_| false).err()
        }
        Predicate::NotReproduced { .. } | Predicate::Withdrawn(_) => None,
    }
}

/// What a claim that lacks nothing was built from. `accepts`: of a custom recipe, whether the policy lists it.
pub(super) fn source(
    build: &Build,
    subject: &Subject,
    recipes: &Recipes,
    accepts: impl FnOnce(&Sha256) -> bool,
) -> Result<SourceClass, Lack> {
    replayable(build)?;
    recipe(build, subject, recipes, accepts)?;
    source_class(build)
}

/// docs/TRUST.md 3.7, of pairs of a group and what its vote was built from: the groups that agree, the most supported
/// source first, and of two equally supported ones the first by value, the same for everybody. Those that are `left_out`
/// are in none.
pub fn agreement<G: Ord, S: Ord>(
    votes: impl IntoIterator<Item = (G, S)>,
    left_out: impl Fn(&G) -> bool,
) -> Vec<(S, Vec<G>)> {
    let mut classes: BTreeMap<S, BTreeSet<G>> = BTreeMap::new();
    for (group, source) in votes {
        if !left_out(&group) {
            classes.entry(source).or_default().insert(group);
        }
    }
    let mut classes: Vec<_> =
        classes.into_iter().map(|(source, groups)| (source, groups.into_iter().collect())).collect();
    classes.sort_by_key(|(_, groups): &(S, Vec<G>)| Reverse(groups.len()));
    classes
}

/// What recipes came to, by the digest of their text, which a statement is held to when it is read: rebuilders of one file
/// mostly follow the same one, and reading it takes longer than checking a signature.
#[derive(Debug)]
pub struct Recipes(RefCell<BTreeMap<Sha256, Result<Rc<Recipe>, RecipeError>>>);

impl Recipes {
    /// None was read yet.
    #[expect(clippy::new_without_default, reason = "nothing that takes part in decisions has a default")]
    pub const fn new() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    /// A recipe that is knobs only.
    fn knobs(&self, digest: Sha256, text: &str) -> Result<Rc<Recipe>, RecipeError> {
        let mut known = self.0.borrow_mut();
        if known.len() >= MAX_RECIPES {
            known.clear();
        }
        let read = known.entry(digest).or_insert_with(|| {
            let recipe = Recipe::parse(text)?;
            recipe.knobs_only()?;
            Ok(Rc::new(recipe))
        });
        read.clone()
    }
}

/// docs/TRUST.md 3.3: retrievable, and knobs only or commands that the user has read.
fn recipe(
    build: &Build,
    subject: &Subject,
    recipes: &Recipes,
    accepts: impl FnOnce(&Sha256) -> bool,
) -> Result<(), Lack> {
    let expected = build.recipe.digest.sha256;
    if build.recipe.content.is_none() && build.recipe.download_location.is_none() {
        return Err(Lack::HiddenRecipe(expected));
    }
    match build.recipe.kind {
        RecipeKind::Inferred => inferred(build, subject, recipes),
        RecipeKind::Custom if accepts(&expected) => Ok(()),
        RecipeKind::Custom => Err(Lack::CustomRecipe(expected)),
    }
}

/// docs/TRUST.md 3.3: that a recipe is knobs only is shown by its text, and that the build followed it by all that the
/// statement says a second time.
fn inferred(build: &Build, subject: &Subject, recipes: &Recipes) -> Result<(), Lack> {
    if let Some(image) = build.environment.container_image {
        return Err(Lack::RecipeImage(image.sha256));
    }
    let Some(text) = &build.recipe.content else {
        return Err(Lack::RecipeNotInline(build.recipe.digest.sha256));
    };
    let recipe = recipes.knobs(build.recipe.digest.sha256, text).map_err(Lack::RecipeNotKnobs)?;
    match disagreement(&recipe, build, subject) {
        Some(knob) => Err(Lack::RecipeEnvironment { knob }),
        None => Ok(()),
    }
}

/// What a statement says otherwise than the recipe in it.
fn disagreement(recipe: &Recipe, build: &Build, subject: &Subject) -> Option<String> {
    let environment = &build.environment;
    let variables = recipe.all_variables();
    let mut names = variables.keys().chain(environment.variables.keys());
    let other = names.find(|name| variables.get(*name) != environment.variables.get(*name));
    if let Some(name) = other {
        return Some(format!("variable {name}"));
    }
    let knob = if recipe.check_builds(&subject.name).is_err() {
        // A recipe of another file, which may well give that one: whoever replays this vote builds something else.
        "file name"
    } else if environment.build_path != recipe.build_path() {
        "build path"
    } else if recipe.python.is_some_and(|python| !python.is_release(&environment.python.version)) {
        "Python"
    } else if environment.umask != String::from(recipe.files.umask) {
        "umask"
    } else if environment.clock != recipe.time.clock {
        "clock"
    } else if (build.method == Method::Replayed) != recipe.container.is_some() {
        // docs/TRUST.md 3.4: who accepts EXACT alone must not get what was set afterwards, and what was set must be said.
        "method"
    } else {
        return inputs::unmet(recipe, &build.resolved_dependencies);
    };
    Some(knob.to_owned())
}

/// docs/TRUST.md 3.3: whoever repeats the build without a network gets the same.
fn replayable(build: &Build) -> Result<(), Lack> {
    match build.environment.network {
        Network::None => {}
        Network::FetchOnly => {
            return Err(Lack::Network { found: "FETCH_ONLY" });
        }
        Network::Open => return Err(Lack::Network { found: "OPEN" }),
    }
    if build.repeat < MIN_REPEAT {
        return Err(Lack::Repeat { found: build.repeat });
    }
    Ok(())
}

/// docs/TRUST.md 3.7: one source, or nobody could say what the vote agrees with.
fn source_class(build: &Build) -> Result<SourceClass, Lack> {
    let mut classes = build.source.iter().filter_map(|source| match (build.origin, source) {
        (Origin::Git, Source::Git { digest, tree_sha256, .. }) => {
            Some(SourceClass::Commit { commit: digest.git_commit.clone(), tree: *tree_sha256 })
        }
        (Origin::Sdist, Source::Sdist { digest, .. }) => Some(SourceClass::Sdist(digest.sha256)),
        _ => None,
    });
    match (classes.next(), classes.count()) {
        (Some(class), 0) => Ok(class),
        (first, others) => {
            Err(Lack::Sources { origin: origin_word(build.origin), found: usize::from(first.is_some()) + others })
        }
    }
}
