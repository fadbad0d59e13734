//! The rules that a single statement must meet to be a vote (docs/TRUST.md 3.1 to 3.6, 3.8 and 3.9).
use super::{Counts, Ignored, NotCounted, SourceClass, Vote, ignored, inputs, origin_word};
use crate::{
    envelope::StatementId,
    policy::{Party, Policy, Role, Rule, Status},
    recipe::{Recipe, RecipeError},
    statement::{Build, Method, Network, Origin, Predicate, RecipeKind, Sha256, Source, Subject},
    verify::{Heard, Place, Standing, Wanted, WantedName},
};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// docs/TRUST.md 3.3
pub(super) const MIN_REPEAT: u32 = 2;

pub(super) struct Question<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a Rule,
    pub(super) wanted: &'a Wanted,
    /// Everything heard about the digest: withdrawals are among it.
    pub(super) heard: &'a [&'a Heard<'a>],
    pub(super) recipes: Recipes,
}

/// What recipes came to, by the digest of their text, which a statement is held to when it is read: rebuilders of one file
/// mostly follow the same one, and reading it takes longer than checking a signature.
#[derive(Debug)]
pub(super) struct Recipes(RefCell<BTreeMap<Sha256, Result<Rc<Recipe>, RecipeError>>>);

impl Recipes {
    /// None was read yet.
    pub(super) fn new() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    /// A recipe that is knobs only.
    fn knobs(&self, digest: Sha256, text: &str) -> Result<Rc<Recipe>, RecipeError> {
        let mut known = self.0.borrow_mut();
        let read = known.entry(digest).or_insert_with(|| {
            let recipe = Recipe::parse(text)?;
            recipe.knobs_only()?;
            Ok(Rc::new(recipe))
        });
        read.clone()
    }
}

/// A statement that is a vote if its place is good.
pub(super) struct Claimed {
    pub(super) source: SourceClass,
    method: Method,
    equivalent: bool,
}

impl Question<'_> {
    /// Checks every rule but where the statement is: what it says is looked at first, so that the answer names the
    /// deepest reason.
    pub(super) fn claim(&self, heard: &Heard<'_>, party: &Party) -> Result<Claimed, NotCounted> {
        let (build, equivalent) = match heard.statement().predicate() {
            Predicate::Reproduced(build) => (build, false),
            Predicate::Equivalent { build, .. } => (build, true),
            Predicate::NotReproduced { .. } | Predicate::Withdrawn(_) => {
                return Err(NotCounted::Equivalent);
            }
        };
        if equivalent && !self.rule.accepts_equivalent() {
            return Err(NotCounted::Equivalent);
        }
        let subject = heard.statement().subject();
        self.name(subject)?;
        rebuilder_id(build, party)?;
        replayable(build)?;
        self.recipe(build, subject)?;
        self.accepted(build)?;
        let source = source_class(build)?;
        self.repository(build, subject)?;
        if let Some(by) = self.withdrawal_of(heard, party) {
            return Err(NotCounted::Withdrawn { by });
        }
        Ok(Claimed { source, method: build.method, equivalent })
    }

    /// The vote that a claim is where its place is good too.
    pub(super) fn vote(&self, heard: &Heard<'_>, party: &Party, claim: Claimed) -> Result<Vote, NotCounted> {
        Ok(Vote {
            by: party.name().clone(),
            group: party.group().clone(),
            statement: heard.id(),
            place: self.place(heard, party)?,
            source: claim.source,
            method: claim.method,
            equivalent: claim.equivalent,
            line: party.line(),
            counts: Counts::Yes,
        })
    }

    /// Whether a claim is its group's word when the group is asked for one source (docs/TRUST.md 3.7): wherever it is,
    /// for hiding a place must not mend a split. Not where the key was not valid: its thief would split the group.
    pub(super) fn binds(&self, heard: &Heard<'_>, party: &Party) -> bool {
        match self.place(heard, party) {
            Ok(_) => true,
            Err(NotCounted::OutsideValidity { .. }) => false,
            Err(_) => party.status() != Status::Compromised,
        }
    }

    /// docs/TRUST.md 3.2
    fn name(&self, subject: &Subject) -> Result<(), NotCounted> {
        let found = subject.name.as_str();
        match &self.wanted.name {
            WantedName::File(name) if name == found => Ok(()),
            WantedName::File(name) => Err(NotCounted::OtherName { expected: name.clone(), found: found.to_owned() }),
            WantedName::Release { project, version } => {
                if *project == subject.name.project && version.same_as(&subject.name.version) {
                    return Ok(());
                }
                Err(NotCounted::OtherName {
                    expected: format!("{} {}", project.as_str(), version.as_str()),
                    found: found.to_owned(),
                })
            }
        }
    }

    /// docs/TRUST.md 3.3: retrievable, and knobs only or commands that the user has read.
    fn recipe(&self, build: &Build, subject: &Subject) -> Result<(), NotCounted> {
        let expected = build.recipe.digest.sha256;
        if build.recipe.content.is_none() && build.recipe.download_location.is_none() {
            return Err(NotCounted::HiddenRecipe(expected));
        }
        match build.recipe.kind {
            RecipeKind::Inferred => inferred(build, subject, &self.recipes),
            RecipeKind::Custom if self.rule.accepts_recipe(&expected) => Ok(()),
            RecipeKind::Custom => Err(NotCounted::CustomRecipe(expected)),
        }
    }

    /// docs/TRUST.md 3.4 and 3.5
    fn accepted(&self, build: &Build) -> Result<(), NotCounted> {
        let methods = self.rule.accept_method();
        if !methods.value.contains(&build.method) {
            return Err(NotCounted::Method {
                found: match build.method {
                    Method::Exact => "EXACT",
                    Method::Replayed => "REPLAYED",
                },
                line: methods.line,
            });
        }
        let origins = self.rule.accept_origin();
        if !origins.value.contains(&build.origin) {
            return Err(NotCounted::Origin { found: origin_word(build.origin), line: origins.line });
        }
        Ok(())
    }

    /// docs/TRUST.md 3.6
    fn repository(&self, build: &Build, subject: &Subject) -> Result<(), NotCounted> {
        for pin in self.rule.repositories() {
            let (repository, line) = (&pin.value, pin.line);
            let git = build.source.iter().find_map(|source| match source {
                Source::Git { uri, r#ref, .. } => Some((uri, r#ref)),
                Source::Sdist { .. } => None,
            });
            let (Origin::Git, Some((uri, reference))) = (build.origin, git) else {
                return Err(NotCounted::PinnedButSdist { url: repository.url().to_owned(), line });
            };
            if uri.strip_prefix("git+") != Some(repository.url()) {
                return Err(NotCounted::Repository { expected: repository.url().to_owned(), found: uri.clone(), line });
            }
            // Whatever a pattern says: commits of forks are served under the parent's URL, but not as its branches or tags.
            let named = reference.starts_with("refs/tags/") || reference.starts_with("refs/heads/");
            let patterns = repository.refs(&subject.name.version);
            if !named || !patterns.iter().any(|pattern| pattern.matches(reference)) {
                let expected: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                return Err(NotCounted::Ref { expected: expected.join(" or "), found: reference.clone(), line });
            }
        }
        Ok(())
    }

    /// docs/TRUST.md 3.8: by statement id, so in every log and in whatever bytes the statement comes again.
    fn withdrawal_of(&self, heard: &Heard<'_>, party: &Party) -> Option<StatementId> {
        self.heard
            .iter()
            .find(|other| match other.statement().predicate() {
                Predicate::Withdrawn(withdrawal) => {
                    withdrawal.statement_id == heard.id() && self.may_withdraw(other, heard, party)
                }
                _ => false,
            })
            .map(|withdrawal| withdrawal.id())
    }

    /// A current key of the group, or one that was valid where the log has the withdrawal: retiring a key must not bring
    /// withdrawn votes back, for a withdrawal is final.
    fn may_withdraw(&self, withdrawal: &Heard<'_>, heard: &Heard<'_>, party: &Party) -> bool {
        let same_subject = same_subject(withdrawal.statement().subject(), heard.statement().subject());
        withdrawal.by().is_some_and(|by| {
            let valid = by.status() == Status::Current || self.included_while_valid(withdrawal, by).is_some();
            same_subject && by.group() == party.group() && valid
        })
    }

    /// A withdrawal of a vote that does not withdraw it.
    pub(super) fn idle_withdrawal(&self, withdrawal: &Heard<'_>, of: StatementId) -> Option<Ignored> {
        let target = self.heard.iter().find(|heard| heard.id() == of && heard.by().is_some())?;
        let votes = matches!(target.statement().predicate(), Predicate::Reproduced(_) | Predicate::Equivalent { .. });
        let effective = target.by().is_some_and(|party| self.may_withdraw(withdrawal, target, party));
        (votes && !effective).then(|| ignored(withdrawal, withdrawal.by(), NotCounted::IdleWithdrawal { of }))
    }

    /// docs/TRUST.md 3.1, 2.4 and 3.9
    fn place(&self, heard: &Heard<'_>, party: &Party) -> Result<Place, NotCounted> {
        if let Some(place) = self.included_while_valid(heard, party) {
            return Ok(place);
        }
        if party.role() == Role::Own {
            return Ok(Place::Unlogged);
        }
        let mut why = NotCounted::NotLogged;
        for seen in heard.seen() {
            why = match &seen.standing {
                // Included, but not while the key was valid: nothing else can mend that.
                Standing::Included => {
                    return Err(NotCounted::OutsideValidity { line: party.line() });
                }
                Standing::Pending => NotCounted::Checkpoint,
                Standing::NotIncluded(error) if why != NotCounted::Checkpoint => NotCounted::NotIncluded(error.clone()),
                Standing::Unproven if why == NotCounted::NotLogged => NotCounted::UnknownLog,
                Standing::NotIncluded(_) | Standing::Unproven | Standing::Unlogged => why,
            };
        }
        Err(why)
    }

    /// A place in a log of the policy, under a good checkpoint, where the key is valid. No signer's clock is asked.
    fn included_while_valid(&self, heard: &Heard<'_>, party: &Party) -> Option<Place> {
        heard
            .seen()
            .iter()
            .filter(|seen| seen.standing == Standing::Included)
            .map(|seen| &seen.place)
            .find(|place| match place {
                Place::Logged { origin, index, .. } => {
                    self.policy.log(origin).is_some() && party.is_valid_at(origin, *index)
                }
                Place::Unlogged => false,
            })
            .cloned()
    }
}

fn rebuilder_id(build: &Build, party: &Party) -> Result<(), NotCounted> {
    match party.id() {
        Some(expected) if expected != build.rebuilder.id => Err(NotCounted::RebuilderId {
            expected: expected.to_owned(),
            found: build.rebuilder.id.clone(),
            line: party.line(),
        }),
        _ => Ok(()),
    }
}

/// docs/TRUST.md 3.3: that a recipe is knobs only is shown by its text, and that the build followed it by all that the
/// statement says a second time.
fn inferred(build: &Build, subject: &Subject, recipes: &Recipes) -> Result<(), NotCounted> {
    if let Some(image) = build.environment.container_image {
        return Err(NotCounted::RecipeImage(image.sha256));
    }
    let Some(text) = &build.recipe.content else {
        return Err(NotCounted::RecipeNotInline(build.recipe.digest.sha256));
    };
    let recipe = recipes.knobs(build.recipe.digest.sha256, text).map_err(NotCounted::RecipeNotKnobs)?;
    match disagreement(&recipe, build, subject) {
        Some(knob) => Err(NotCounted::RecipeEnvironment { knob }),
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
fn replayable(build: &Build) -> Result<(), NotCounted> {
    match build.environment.network {
        Network::None => {}
        Network::FetchOnly => {
            return Err(NotCounted::Network { found: "FETCH_ONLY" });
        }
        Network::Open => return Err(NotCounted::Network { found: "OPEN" }),
    }
    if build.repeat < MIN_REPEAT {
        return Err(NotCounted::Repeat { found: build.repeat });
    }
    Ok(())
}

/// docs/TRUST.md 3.7: one source, or nobody could say what the vote agrees with.
fn source_class(build: &Build) -> Result<SourceClass, NotCounted> {
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
            Err(NotCounted::Sources { origin: origin_word(build.origin), found: usize::from(first.is_some()) + others })
        }
    }
}

fn same_subject(one: &Subject, other: &Subject) -> bool {
    one.digest == other.digest && one.name.as_str() == other.name.as_str()
}
