//! The rules that a single statement must meet to be a vote (docs/TRUST.md 3.1 to 3.6, 3.8 and 3.9).
use super::{Counts, Ignored, NotCounted, Recipes, SourceClass, Vote, ignored, lack, origin_word};
use crate::{
    envelope::StatementId,
    policy::{Party, Policy, Role, Rule, Status},
    statement::{Build, Method, Origin, Predicate, Source, Subject},
    verify::{Heard, Place, Standing, Wanted, WantedName},
};

pub(super) struct Question<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a Rule,
    pub(super) wanted: &'a Wanted,
    /// Everything heard about the digest: withdrawals are among it.
    pub(super) heard: &'a [&'a Heard<'a>],
    pub(super) recipes: Recipes,
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
        let source = lack::source(build, subject, &self.recipes, |recipe| self.rule.accepts_recipe(recipe))?;
        self.accepted(build)?;
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

fn same_subject(one: &Subject, other: &Subject) -> bool {
    one.digest == other.digest && one.name.as_str() == other.name.as_str()
}
