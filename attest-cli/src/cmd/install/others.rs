//! What an index has beside the file that pip chose, where that one does not pass.
//!
//! pip names one file of each project. Another wheel of the very same version (another tag or build number, as uv names them all) may
//! stand in for it: nothing is older by that, and pip is held to its digest. Another version may not: whoever asked for the newest
//! does not get an older one in silence (docs/proxy.md says why a proxy has to). So accepted versions are named, and somebody decides.

use std::path::Path;

use anyhow::{Context as _, ensure};
use attest_core::{
    artifact::{ProjectName, Version, WheelName},
    verify::{Connection, Wanted, WantedName},
};

use super::{
    arguments::Args,
    installer::{Installer, Kind},
    plan::Package,
};
use crate::{
    gate,
    index::{Index, IndexFile},
    item::{Item, Place, Question},
    layers::Layers,
    output::plural,
    pip::{Pip, Settings},
    run::Run,
    temporary::Temporary,
};

/// Versions of a project that are looked at, the newest ones.
const MAX_VERSIONS: usize = 20;
/// Versions that are named.
const MAX_NAMED: usize = 3;

/// The indexes that an installer asks.
pub(super) struct Others {
    index: Index,
    settings: Settings,
    _folder: Temporary,
}

impl Others {
    /// As the installer is configured, and as the command line has it. Not where nobody may be asked, and not where uv reads
    /// from a file of its own which index it asks.
    pub(super) fn open(installer: &Installer, args: &Args, run: &Run) -> anyhow::Result<Self> {
        ensure!(run.connection != Connection::Offline, "nobody is asked: --offline");
        let folder = Temporary::new("index")?;
        let mut settings = Pip::query(installer.python(), folder.path())?.settings().clone();
        args.resolution.adjust(&mut settings);
        if installer.kind() == Kind::Uv && args.resolution.index_url.is_none() {
            let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
            let index = variable("UV_DEFAULT_INDEX").or_else(|| variable("UV_INDEX_URL"));
            settings.index_url = index.context("expected a variable that says which index uv asks")?;
            settings.extra_index_urls.clone_from(&args.resolution.extra_index_url);
        }
        Ok(Self { index: Index::new(&settings, folder.path())?, settings, _folder: folder })
    }

    pub(super) const fn index(&self) -> &Index {
        &self.index
    }

    /// Gives each package that is blocked the other wheels of its version that fit here. Whether there were any.
    pub(super) fn add_siblings<'a>(&self, packages: impl Iterator<Item = (&'a mut Package, bool)>, run: &Run) -> bool {
        let mut any = false;
        for (package, _) in packages.filter(|(package, is_blocked)| *is_blocked && package.direct.is_none()) {
            let siblings = self.wheels(&package.project, run).into_iter();
            let siblings = siblings.filter(|(wheel, _)| wheel.version.same_as(&package.version));
            let files: Vec<IndexFile> = siblings.map(|(_, file)| file).collect();
            any |= add(package, files.iter());
        }
        any
    }

    /// For each of these packages the newest other versions of which a wheel that fits here is accepted.
    pub(super) fn accepted(
        &self,
        packages: &[&Package],
        layers: &Layers,
        run: &Run,
    ) -> anyhow::Result<Vec<(ProjectName, Vec<Version>)>> {
        let mut asked: Vec<(usize, Version, Item)> = Vec::new();
        for (at, package) in packages.iter().enumerate().filter(|(_, package)| package.direct.is_none()) {
            let mut wheels = self.wheels(&package.project, run);
            wheels.retain(|(wheel, _)| !wheel.version.same_as(&package.version));
            wheels.sort_by(|(one, _), (other, _)| other.version.compare(&one.version));
            let mut versions: Vec<&Version> = wheels.iter().map(|(wheel, _)| &wheel.version).collect();
            versions.dedup_by(|one, other| one.same_as(other));
            let Some(oldest) = versions.into_iter().take(MAX_VERSIONS).next_back().cloned() else { continue };
            let newest = wheels.into_iter().filter(|(wheel, _)| wheel.version.compare(&oldest).is_ge());
            asked.extend(
                newest.filter_map(|(wheel, file)| Some((at, wheel.version, item(&file, Some(file.url.to_string()))?))),
            );
        }
        let items: Vec<Item> = asked.iter().map(|(_, _, item)| item.clone()).collect();
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let judged = gate::judge(&items, layers, run)?;
        let mut found: Vec<(ProjectName, Vec<Version>)> =
            packages.iter().map(|package| (package.project.clone(), Vec::new())).collect();
        for ((at, version, _), answer) in asked.into_iter().zip(&judged.answers) {
            let (_, named) = &mut found[at];
            let is_new = named.last().is_none_or(|last| !last.same_as(&version));
            if answer.outcome.lets_through() && is_new && named.len() < MAX_NAMED {
                named.push(version);
            }
        }
        found.retain(|(_, versions)| !versions.is_empty());
        Ok(found)
    }

    /// Wheels of a project that this Python takes. None that was yanked: nobody pinned it (docs/TRUST.md 6.5).
    fn wheels(&self, project: &ProjectName, run: &Run) -> Vec<(WheelName, IndexFile)> {
        let files = self.index.project(project).unwrap_or_else(|error| {
            // Nothing depends on it: what does not pass is not installed.
            run.out.detail(format_args!("what else there is of {} is not known: {error:#}", project.as_str()));
            Vec::new()
        });
        let offered = files.into_iter().filter(|file| !file.yanked);
        let parsed = offered.filter_map(|file| Some((WheelName::parse(&file.name).ok()?, file)));
        parsed.filter(|(wheel, _)| wheel.project == *project && self.settings.tags.take(wheel)).collect()
    }
}

/// No address: the page may name one, and pip get the same digest from another. Only what pip says that it downloads has an
/// origin (docs/TRUST.md 6.3). Whether there were any that the package did not have.
fn add<'a>(package: &mut Package, siblings: impl Iterator<Item = &'a IndexFile>) -> bool {
    let before = package.candidates.len();
    for item in siblings.filter_map(|file| item(file, None)) {
        if package.candidates.iter().all(|known| known.name != item.name) {
            package.candidates.push(item);
        }
    }
    package.candidates.len() > before
}

fn item(file: &IndexFile, url: Option<String>) -> Option<Item> {
    let wanted = Box::new(Wanted { digest: file.digest?, name: WantedName::File(file.name.clone()) });
    let question = Question::File { wanted, url };
    Some(Item::new(file.name.clone(), Place::file(Path::new("the index")), question))
}

/// Says which versions would pass.
pub(super) fn tell(accepted: &[(ProjectName, Vec<Version>)], run: &Run) {
    for (project, versions) in accepted {
        let names: Vec<&str> = versions.iter().map(Version::as_str).collect();
        run.out.note(format_args!(
            "{} of {} would pass: {}; nothing older is taken unless it is asked for: `attest install {}=={}`, or a file for --constraint",
            plural(versions.len(), "other version"),
            project.as_str(),
            names.join(", "),
            project.as_str(),
            names.first().copied().unwrap_or_default()
        ));
    }
}

#[cfg(test)]
mod tests {
    use attest_core::artifact::ArtifactDigest;
    use reqwest::Url;

    use super::*;

    #[test]
    fn where_a_page_says_that_a_file_is_tells_nobody_where_the_installer_gets_it() {
        let file = IndexFile {
            name: "demo-1.0-py3-none-any.whl".to_owned(),
            url: Url::parse("https://internal.example/demo-1.0-py3-none-any.whl").unwrap(),
            digest: Some(ArtifactDigest::of(b"demo")),
            uploaded: None,
            provenance: None,
            yanked: false,
        };
        let mut package = Package {
            project: ProjectName::new("demo").unwrap(),
            version: Version::new("1.0").unwrap(),
            direct: None,
            candidates: Vec::new(),
        };
        assert!(add(&mut package, [file.clone(), file].iter()));
        assert!(matches!(&package.candidates[..], [Item { question: Question::File { url: None, .. }, .. }]));
    }
}
