//! What is there already in the version that would be installed: installers skip it, hashes or not. It may stay where its
//! files are shown to be those of a file that passed; otherwise it was never checked.

use attest_core::artifact::{ArtifactDigest, ProjectName, Version};

use super::{
    arguments::Args,
    installer::{Installer, Kind},
    plan::Chosen,
};
use crate::{
    exit::{Exit, Failure},
    gate::Judged,
    installed::{self, Distribution, Environment, Fault, Faulty},
    item::Question,
    recorded::Recorded,
};

/// Finds what the installer would skip. Returns the names of what may stay, or refuses.
pub(super) fn check(
    chosen: &[Chosen<'_>],
    judged: &Judged<'_>,
    installer: &Installer,
    args: &Args,
) -> anyhow::Result<Vec<String>> {
    if args.force_reinstall {
        return Ok(Vec::new());
    }
    let there = installer.installed(args)?;
    // pip leaves any version in a folder as it is.
    let any_version =
        installer.kind() == Kind::Pip && (args.destination.target.is_some() || args.destination.prefix.is_some());
    let skipped: Vec<(&Chosen<'_>, bool)> = chosen
        .iter()
        .filter_map(|chosen| {
            let found = |(project, version): &&(ProjectName, Version)| {
                *project == chosen.package.project && (any_version || version.same_as(&chosen.package.version))
            };
            let (_, version) = there.iter().find(found)?;
            Some((chosen, version.same_as(&chosen.package.version)))
        })
        .collect();
    if skipped.is_empty() {
        return Ok(Vec::new());
    }
    let audit = Audit::read(installer, args, judged);
    let (kept, unchecked): (Vec<_>, Vec<_>) = skipped
        .into_iter()
        .partition(|(chosen, same)| *same && audit.as_ref().is_some_and(|audit| audit.shows(chosen)));
    if unchecked.is_empty() {
        return Ok(kept.into_iter().map(|(chosen, _)| chosen.package.name()).collect());
    }
    let names: Vec<String> = unchecked.iter().map(|(chosen, _)| chosen.package.name()).collect();
    let message = format!("installed already, from files that nobody checked: {}", names.join(", "));
    let hint = "--force-reinstall puts the verified files in their place; or use a fresh virtual environment";
    Err(Failure::new(Exit::Refused, message).hint(hint).into())
}

/// Into a folder (`--target`) pip moves only what has no namesake there yet, and ends with 0 all the same. Compares what
/// lies there with the RECORD that came with each verified wheel.
pub(super) fn confirm(chosen: &[Chosen<'_>], installer: &Installer, args: &Args) -> anyhow::Result<()> {
    let Some(target) = args.destination.target.as_ref().filter(|_| installer.kind() == Kind::Pip) else {
        return Ok(());
    };
    let environment = Environment::folder(target)?;
    let (distributions, _) = environment.distributions()?;
    let faulty = installed::check(&distributions, &environment);
    // Rows of data files still say where they were before pip moved them.
    let is_wrong = |found: &[Faulty]| found.iter().any(|faulty| faulty.fault != Fault::Outside);
    let is_there = |chosen: &&Chosen<'_>| {
        let mut of_project =
            distributions.iter().zip(&faulty).filter(|(found, _)| found.project == chosen.package.project);
        let first = of_project.next();
        first.is_some_and(|(found, faulty)| found.record_error().is_none() && !is_wrong(faulty))
            && of_project.next().is_none()
    };
    let wrong: Vec<String> =
        chosen.iter().filter(|chosen| !is_there(chosen)).map(|chosen| chosen.package.name()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!(
        "pip left files in {} as they were, so these are not whole there: {}",
        target.display(),
        wrong.join(", ")
    );
    Err(Failure::new(Exit::Refused, message).hint("install into a folder that is empty").into())
}

/// What the environment's files show.
struct Audit {
    environment: Environment,
    distributions: Vec<Distribution>,
    whole: Vec<bool>,
    accepted: Vec<(ArtifactDigest, ArtifactDigest)>,
}

impl Audit {
    /// Nothing where the environment cannot be read: then nothing is shown.
    fn read(installer: &Installer, args: &Args, judged: &Judged<'_>) -> Option<Self> {
        let environment = match (&args.destination.target, &args.destination.prefix) {
            (Some(target), _) => Environment::folder(target),
            (None, Some(prefix)) => Environment::prefix(prefix),
            (None, None) if args.destination.user => return None,
            (None, None) => Environment::find(installer.python()),
        };
        let environment = environment.ok()?;
        let (distributions, _) = environment.distributions().ok()?;
        let whole = installed::check(&distributions, &environment).iter().map(Vec::is_empty).collect();
        let recorded = Recorded::read(judged);
        let accepted = judged.answers.iter().filter_map(|answer| match &answer.item.question {
            Question::File { wanted, .. } => Some((wanted.digest, recorded.of(answer)?)),
            _ => None,
        });
        Some(Self { distributions, whole, accepted: accepted.collect(), environment })
    }

    /// Whether what lies there is one of the files that passed.
    fn shows(&self, chosen: &Chosen<'_>) -> bool {
        let of_project = || {
            let both = self.distributions.iter().zip(&self.whole);
            both.filter(|(distribution, _)| distribution.project == chosen.package.project)
        };
        let mut found = of_project();
        let (Some((distribution, whole)), None) = (found.next(), found.next()) else {
            return false;
        };
        let there = distribution.record_digests(&self.environment);
        let is_accepted = |(file, record): &(ArtifactDigest, ArtifactDigest)| {
            chosen.files.iter().any(|(_, digest)| digest == file) && there.contains(record)
        };
        *whole && distribution.foreign.is_none() && self.accepted.iter().any(is_accepted)
    }
}
