//! `attest verify --env PYTHON [LOCKS...]`: an audit of a whole environment, and of what lies in it that nobody claims.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    audit::{self, Audited, Audits, Catalog},
    exit::Exit,
    index::Index,
    input,
    installed::{self, Environment},
    pip::Pip,
    platform::find::Selection,
    run::Run,
};

mod report;

/// What answers for the index: never the audited environment's own Python.
const PYTHON: &str = "python3";

/// The whole answer.
struct Audit {
    environment: Environment,
    packages: Vec<Audited>,
    /// Things installed in forms that have no RECORD.
    others: Vec<PathBuf>,
    unclaimed: installed::Unclaimed,
    alarms: Vec<String>,
}

impl Audit {
    fn exit(&self) -> Exit {
        let packages = self.packages.iter().fold(Exit::Pass, |worst, package| worst.worst(package.found.exit()));
        let stray = if self.others.is_empty() && self.unclaimed.code.is_empty() { Exit::Pass } else { Exit::Refused };
        let alarm = if self.alarms.is_empty() { Exit::Pass } else { Exit::Alarm };
        packages.worst(stray).worst(alarm)
    }
}

pub(super) fn run(python: &Path, locks: &[PathBuf], selection: &Selection, run: &Run) -> anyhow::Result<Exit> {
    let layers = run.layers()?;
    let locked = if locks.is_empty() { Vec::new() } else { input::items(locks, selection, run)? };
    let environment = Environment::find(python)?;
    let (distributions, others) = environment.distributions()?;
    let unclaimed = installed::unclaimed(&distributions, &environment);
    let data = run.places()?.data()?.to_owned();
    let index = |folder: &Path| Index::new(Pip::query(Path::new(PYTHON), &data)?.settings(), folder);
    let catalog = Catalog::new(&index, run);
    let Audits { packages, alarms, asked } = audit::audit(distributions, &environment, &locked, &catalog, &layers)?;
    let audit = Audit { environment, packages, others, unclaimed, alarms };
    report::tell(&audit, asked, run)?;
    Ok(audit.exit())
}

/// Names that more than one folder has: which of them Python takes depends on its path.
fn twice(packages: &[Audited]) -> BTreeSet<&str> {
    let names: Vec<&str> = packages.iter().map(|package| package.distribution.project.as_str()).collect();
    names.iter().copied().filter(|name| names.iter().filter(|other| other == &name).count() > 1).collect()
}
