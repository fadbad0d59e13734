//! What was there already, and a command relied on: installers skip what is installed in the right version, whatever its files
//! are, and ask nobody about it (docs/TRUST.md 6.2). So it is audited: its files against its RECORD, and that against what
//! the accepted file of this version installs.
//!
//! A command relies on the projects that it names (or that its lock has), on those that it installed, and on what all of them
//! require. What else lies in an environment, pip itself for one, is none of its business; `attest verify --env` asks about all.

use std::{collections::BTreeSet, path::Path};

use attest_core::artifact::ProjectName;

use super::{
    arrivals::{Environments, Known},
    tally::Tally,
};
use crate::{
    audit::{self, Catalog, Found},
    exit::Exit,
    installed::Distribution,
    item::Item,
    locks::marker::{self, Truth},
    output::causes,
};

/// A project that a command names, as requirements write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) project: ProjectName,
    /// Whether it is asked for with extras: then what only they require counts too.
    pub(super) extras: bool,
}

impl Named {
    /// The project at the beginning of a requirement; nothing for paths, URLs and options.
    pub(super) fn in_requirement(text: &str) -> Option<Self> {
        let text = text.trim();
        let end =
            text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let rest = rest.trim_start();
        if rest.starts_with(['/', '\\', ':']) || name.starts_with(['.', '-']) {
            return None;
        }
        Some(Self { project: ProjectName::new(name).ok()?, extras: rest.starts_with('[') })
    }
}

/// What was looked at: distributions with what came of them.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// `NAME VERSION`
    pub(super) verified: Vec<String>,
    /// With the reason.
    pub(super) unverified: Vec<String>,
    /// What is proven to be wrong, with one of them or with a log.
    pub(super) alarms: Vec<String>,
}

/// Audits what was there before the command ran, is untouched, and is relied on.
pub(super) fn look(
    named: &[Named],
    places: &Environments,
    before: &Known,
    locked: &[Item],
    catalog: &Catalog<'_>,
    tally: &Tally,
) -> anyhow::Result<Standing> {
    let layers = catalog.run().layers()?;
    let now = places.now();
    let mut standing = Standing::default();
    for environment in places.environments() {
        let (all, others) = match environment.distributions() {
            Ok(read) => read,
            Err(error) => {
                standing.unverified.push(causes(&error));
                continue;
            }
        };
        let is_new = |one: &Distribution| before.get(one.info()) != now.get(one.info());
        let new = all.iter().filter(|one| is_new(one)).map(|one| Named { project: one.project.clone(), extras: false });
        let relied = relied_on(named.iter().cloned().chain(new), &all);
        // Installers take these for installed, too.
        let others = others.iter().filter(|path| project_of(path).is_some_and(|project| relied.contains(&project)));
        standing.unverified.extend(others.map(|path| format!("{} (not installed from a wheel)", path.display())));
        if environment.sees_system && locked.is_empty() {
            let elsewhere = below(named, &all);
            standing
                .unverified
                .extend(elsewhere.map(|name| format!("{name} (not here: in the Python below, if anywhere)")));
        }
        let untouched = all.into_iter().filter(|one| !is_new(one) && relied.contains(&one.project)).collect();
        let audits = audit::audit(untouched, &environment, locked, catalog, &layers)?;
        standing.alarms.extend(audits.alarms);
        // The index that was asked is the proxy, which hides what it would raise an alarm for.
        let status = tally.status();
        for audited in audits.packages {
            let Distribution { project, version, .. } = &audited.distribution;
            let name = format!("{} {}", project.as_str(), version.as_str());
            let is_alarm = audited.found.exit() == Exit::Alarm || status.has_alarm(project, version);
            if is_alarm && !matches!(audited.found, Found::Matches { .. }) {
                standing
                    .alarms
                    .push(format!("{name}: its files are contradicted by two groups, or a log shows two histories"));
            }
            match &audited.found {
                Found::Matches { .. } => standing.verified.push(name),
                found => {
                    let why = found.why().unwrap_or_else(|| "its files are not what its RECORD says".to_owned());
                    standing.unverified.push(format!("{name} ({why})"));
                }
            }
        }
    }
    Ok(standing)
}

/// What is named and not among these: an installer that succeeded found it where nobody looked.
fn below<'a>(named: &'a [Named], installed: &'a [Distribution]) -> impl Iterator<Item = &'a str> {
    let missing = |one: &&Named| installed.iter().all(|there| there.project != one.project);
    named.iter().filter(missing).map(|one| one.project.as_str())
}

/// Of `NAME-VERSION.egg-info` and its like.
fn project_of(path: &Path) -> Option<ProjectName> {
    let stem = path.file_stem()?.to_str()?;
    ProjectName::new(stem.split('-').next()?).ok()
}

/// These projects and, as far as they are installed, what they require.
fn relied_on(named: impl Iterator<Item = Named>, installed: &[Distribution]) -> BTreeSet<ProjectName> {
    let (mut open, mut seen): (Vec<Named>, BTreeSet<Named>) = (named.collect(), BTreeSet::new());
    while let Some(next) = open.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        // Where two folders say that they are it, either may be what the installer read.
        for distribution in installed.iter().filter(|one| one.project == next.project) {
            open.extend(distribution.requires().iter().filter_map(|text| required(text, next.extras)));
        }
    }
    seen.into_iter().map(|named| named.project).collect()
}

/// What a `Requires-Dist` leads to here.
fn required(text: &str, with_extras: bool) -> Option<Named> {
    let (requirement, marker) = text.split_once(';').unwrap_or((text, ""));
    let known = |variable: &str| match variable {
        "extra" => (!with_extras).then_some(""),
        other => marker::of_system(other),
    };
    let applies = marker.trim().is_empty() || marker::evaluate(marker, &known) != Truth::No;
    applies.then(|| Named::in_requirement(requirement)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installed::Environment;

    fn named(text: &str) -> Option<(String, bool)> {
        Named::in_requirement(text).map(|named| (named.project.as_str().to_owned(), named.extras))
    }

    #[test]
    fn the_project_of_a_requirement_is_found_and_paths_have_none() {
        for (text, project, extras) in [
            ("six", "six", false),
            ("Foo_Bar==1.0", "foo-bar", false),
            ("flask[async]>=2", "flask", true),
            ("x @ https://host/x.whl", "x", false),
            ("zope.interface (>=5)", "zope-interface", false),
        ] {
            assert_eq!(named(text), Some((project.to_owned(), extras)), "{text}");
        }
        for text in [".", "./x", "../x", "src/x", "-e", "--pre", "https://host/x.whl", "C:\\x", ""] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn what_only_an_extra_or_another_system_requires_is_not_relied_on() {
        let project = |text, extras| required(text, extras).map(|named| named.project.as_str().to_owned());
        assert_eq!(project("click>=8 ; python_version >= '3.8'", false).as_deref(), Some("click"));
        assert_eq!(project("dotenv ; extra == 'dotenv'", false), None);
        assert_eq!(project("dotenv ; extra == 'dotenv'", true).as_deref(), Some("dotenv"));
        assert_eq!(project("pywin32 ; sys_platform == 'win32'", true), None);
    }

    #[test]
    fn what_was_installed_without_a_wheel_has_the_name_of_its_project_all_the_same() {
        for name in ["six-1.17.0-py3.11.egg-info", "six-1.17.0.dist-info", "six.egg-link", "SIX-1.17.egg"] {
            assert_eq!(project_of(Path::new(name)).unwrap().as_str(), "six", "{name}");
        }
    }

    #[test]
    fn what_is_relied_on_is_followed_through_what_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, requires) in
            [("a", "Requires-Dist: b\nRequires-Dist: gone\n"), ("b", "requires-dist : a\n"), ("other", "")]
        {
            let info = folder.path().join(format!("{name}-1.0.dist-info"));
            std::fs::create_dir(&info).unwrap();
            std::fs::write(info.join("METADATA"), format!("Name: {name}\n{requires}\nRequires-Dist: other\n")).unwrap();
        }
        let (installed, _) = Environment::folder(folder.path()).unwrap().distributions().unwrap();
        let relied = relied_on([Named::in_requirement("A").unwrap()].into_iter(), &installed);
        let relied: Vec<&str> = relied.iter().map(ProjectName::as_str).collect();
        let named = [Named::in_requirement("b").unwrap(), Named::in_requirement("six==1.0").unwrap()];
        assert_eq!(below(&named, &installed).collect::<Vec<_>>(), ["six"]);
        assert_eq!(relied, ["a", "b", "gone"], "the description of a package is none of its requirements");
    }
}
