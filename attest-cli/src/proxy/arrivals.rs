//! What a command installed, seen from outside: distributions that are in an environment afterwards and were not before.
//!
//! An installer may take files from where no proxy is asked: a cache, a folder, a URL in a file, a program that overrides its
//! variables. What was installed and was never shown by the proxy in this run did not come through the gate.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use attest_core::artifact::{ProjectName, Version};
use serde::Deserialize;

use crate::installed::Environment;

/// Environments below one prefix; more is no environment.
const MAX_FOLDERS: usize = 64;

/// A distribution that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) name: String,
    pub(super) version: String,
    /// From a folder of the user's own: their code, which no index has.
    pub(super) is_local: bool,
    /// From a file, checkout or folder that was named by its address: no index was asked.
    pub(super) is_direct: bool,
}

impl Arrival {
    /// Both, where they are such.
    pub(super) fn release(&self) -> Option<(ProjectName, Version)> {
        Some((ProjectName::new(&self.name).ok()?, Version::new(&self.version).ok()?))
    }
}

/// The environments that a command can be expected to install into.
#[derive(Debug)]
pub(super) struct Environments {
    folders: Vec<PathBuf>,
}

/// When each distribution was changed last.
pub(super) type Known = BTreeMap<PathBuf, Option<SystemTime>>;

impl Environments {
    /// Of the active environment, of `.venv` here, of the program itself, and of what the command names.
    pub(super) fn of(program: Option<&Path>, targets: &[&str]) -> Self {
        let active = ["VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "PIP_TARGET", "PIP_PREFIX"]
            .iter()
            .filter_map(std::env::var_os);
        let mut prefixes: Vec<PathBuf> = active.map(PathBuf::from).collect();
        prefixes.push(PathBuf::from(".venv"));
        prefixes.extend(program.and_then(prefix_of));
        for target in targets.iter().map(Path::new) {
            prefixes.push(target.to_owned());
            prefixes.extend(prefix_of(target));
        }
        Self { folders: prefixes }
    }

    /// Every distribution that is there now.
    pub(super) fn now(&self) -> Known {
        let folders = self.folders.iter().flat_map(|prefix| site_packages(prefix));
        let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let infos =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "dist-info"));
        infos.map(|path| (path.clone(), changed(&path))).collect()
    }

    /// Those that can be read as environments, each once.
    pub(super) fn environments(&self) -> Vec<Environment> {
        let mut found: Vec<Environment> = Vec::new();
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            let read = Environment::virtual_environment(folder).or_else(|_| Environment::prefix(folder));
            let read = read.ok().filter(|environment| !environment.folders().is_empty());
            // `--target` names the folder with the packages.
            let read = read.or_else(|| Environment::folder(folder).ok());
            found.extend(read.filter(|new| found.iter().all(|known| known.folders() != new.folders())));
        }
        found
    }

    /// What came since.
    pub(super) fn since(&self, before: &Known) -> Vec<Arrival> {
        let now = self.now();
        let new = now.iter().filter(|(path, time)| before.get(*path) != Some(*time));
        new.filter_map(|(path, _)| arrival(path)).collect()
    }
}

/// Written last by every installer; an installation over another one changes it.
fn changed(info: &Path) -> Option<SystemTime> {
    info.join("RECORD").metadata().or_else(|_| info.metadata()).and_then(|metadata| metadata.modified()).ok()
}

fn prefix_of(program: &Path) -> Option<PathBuf> {
    let bin = program.parent()?;
    if bin.file_name()? == "bin" { bin.parent().map(Path::to_owned) } else { None }
}

/// `lib/pythonX.Y/site-packages` below a prefix, and the folder itself for `--target`.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let mut found = vec![prefix.to_owned()];
    for lib in ["lib", "lib64"] {
        let Ok(entries) = fs::read_dir(prefix.join(lib)) else { continue };
        found.extend(entries.flatten().take(MAX_FOLDERS).map(|entry| entry.path().join("site-packages")));
    }
    let mut real: Vec<PathBuf> = found.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    real.sort();
    real.dedup();
    real
}

fn arrival(info: &Path) -> Option<Arrival> {
    #[derive(Deserialize)]
    struct Direct {
        dir_info: Option<serde_json::Value>,
    }
    let stem = info.file_stem()?.to_str()?;
    let (name, version) = stem.rsplit_once('-')?;
    // PEP 610.
    let direct = fs::read(info.join("direct_url.json")).ok();
    let is_direct = direct.is_some();
    let is_local = direct
        .and_then(|bytes| serde_json::from_slice::<Direct>(&bytes).ok())
        .is_some_and(|direct| direct.dir_info.is_some());
    Some(Arrival { name: name.to_owned(), version: version.to_owned(), is_local, is_direct })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_while_a_command_runs_is_seen() {
        let venv = tempfile::tempdir().unwrap();
        let site = venv.path().join("lib/python3.11/site-packages");
        let install = |info: &str| {
            fs::create_dir_all(site.join(info)).unwrap();
            fs::write(site.join(info).join("RECORD"), info).unwrap();
        };
        install("old-1.0.dist-info");
        let environments = Environments::of(Some(&venv.path().join("bin/pip")), &[]);
        let before = environments.now();
        assert!(environments.since(&before).is_empty());
        install("new_er-2.0.dist-info");
        install("mine-0.1.dist-info");
        fs::write(site.join("mine-0.1.dist-info/direct_url.json"), "{\"url\": \"file:///m\", \"dir_info\": {}}")
            .unwrap();
        let mut arrived = environments.since(&before);
        arrived.sort_by(|a, b| a.name.cmp(&b.name));
        let shown: Vec<_> = arrived.iter().map(|one| (one.name.as_str(), one.version.as_str(), one.is_local)).collect();
        assert_eq!(shown, [("mine", "0.1", true), ("new_er", "2.0", false)]);
        assert_eq!(arrived[1].release().unwrap().0.as_str(), "new-er");
    }
}
