//! Traces of the place that a binary was built in, and the paths that leave the same traces again.
//!
//! | trace | made by |
//! |---|---|
//! | `/tmp/build-env-XXXXXXXX`, `/tmp/build-via-sdist-XXXXXXXX` | `python -m build` |
//! | `/tmp/pip-req-build-XXXXXXXX`, `/tmp/pip-build-env-XXXXXXXX/overlay`, `/tmp/pip-wheel-XXXXXXXX` | pip |
//! | `.tmpXXXXXX` | uv and other programs in Rust |
//! | `/tmp/tmpXXXXXXXX`, `.mesonpy-XXXXXXXX` | Python's `tempfile`, which scikit-build-core and meson-python use |
//! | `/project`, `/host/...`, `/io`, `/__w/...`, `/home/runner/work/...` | cibuildwheel and CI services |
//!
//! In scope: what DWARF and texts in ELF members say. What is found is replayed when the recipe is built: nothing of it is
//! written into a file afterwards.

use std::collections::{BTreeMap, BTreeSet};

use attest_core::recipe::{BuildPath, Paths, TemporaryName};

use super::elf::difference::strings;
use super::elf::dwarf::{self, Unit};
use super::elf::{Elf, Section};
use super::tree::Tree;
use super::wheel::Wheel;

/// Folders in which places of builds are made; texts in a binary that lie below one are paths of a build.
const PLACES: [&str; 10] =
    ["/__w/", "/builds/", "/home/", "/host/", "/io/", "/project/", "/root/", "/tmp/", "/Users/", "/var/"];
/// Months as C's `__DATE__` has them.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Of a wheel with hundreds of modules some are enough: they are built in one place.
const MAX_MODULES: usize = 16;
/// How many texts of one module are looked at.
const MAX_TEXTS: usize = 200_000;

/// How telling a text in a binary is, smallest first; nothing for those that say nothing of where or when it was built.
pub(crate) fn rank(text: &str) -> Option<u8> {
    let temporary = text.split('/').any(is_random);
    match text {
        _ if temporary => Some(0),
        _ if is_date(text) => Some(1),
        _ if PLACES.iter().any(|place| text.starts_with(place)) || text == "/project" || text == "/io" => Some(2),
        _ if text.contains("/.cargo/registry/") => Some(2),
        _ => None,
    }
}

/// `tmpa1b2c3d4`, `build-env-a1b2c3d4`, `.tmpA1b2C3`
fn is_random(part: &str) -> bool {
    let tempfile = ["tmp", ".tmp-", ".mesonpy-", "build-env-", "build-via-sdist-"]
        .iter()
        .filter_map(|prefix| part.strip_prefix(prefix))
        .chain(part.strip_prefix("pip-").and_then(|rest| rest.rsplit_once('-')).map(|(_, random)| random))
        .any(|random| {
            random.len() == 8 && random.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
    let rust = part
        .strip_prefix(".tmp")
        .is_some_and(|random| random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric()));
    tempfile || rust
}

/// `Nov 22 2026`, as `__DATE__` has it.
fn is_date(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let month = words.next().is_some_and(|word| MONTHS.contains(&word));
    let day = words.next().is_some_and(|word| word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit()));
    let year = words.next().is_some_and(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()));
    month && day && year
}

/// Where the published wheel was built, as far as its modules say so and a recipe can have it.
pub(crate) fn paths(wheel: &Wheel, source: &Tree) -> Option<Paths> {
    let files: BTreeSet<String> = source.files().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
    let mut votes = Votes::default();
    let modules = wheel.members().iter().filter_map(|member| Elf::read(&member.content).ok());
    for module in modules.take(MAX_MODULES) {
        for unit in dwarf::units(&module) {
            votes.unit(&unit, &files);
        }
        for name in [".rodata", ".debug_str", ".debug_line_str", ".debug_line"] {
            let bytes = module.section(name).and_then(Section::unpacked).unwrap_or_default();
            for text in strings(&bytes).take(MAX_TEXTS).filter(|text| text.starts_with('/')) {
                votes.text(&text, &files);
            }
        }
    }
    votes.paths()
}

/// What each trace speaks for.
#[derive(Default)]
struct Votes {
    /// Top folders of the source: by units, which name file and folder.
    compiled: BTreeMap<String, usize>,
    /// The same by texts alone, such as `__FILE__`.
    mentioned: BTreeMap<String, usize>,
    environments: BTreeMap<String, usize>,
    folders: BTreeSet<String>,
}

impl Votes {
    fn unit(&mut self, unit: &Unit, files: &BTreeSet<String>) {
        let Some(folder) = unit.folder.as_deref().filter(|folder| folder.starts_with('/')) else {
            return;
        };
        let name = unit.name.as_deref().unwrap_or_default();
        let full = if name.starts_with('/') { normal(name) } else { normal(&format!("{folder}/{name}")) };
        // A generated file (Cython) is no file of the source: then the compiler ran where the build did, as with setuptools.
        let top = top_of(&full, files).map_or_else(|| normal(folder), str::to_owned);
        *self.compiled.entry(top).or_default() += 1;
        self.folders.insert(normal(folder));
    }

    fn text(&mut self, text: &str, files: &BTreeSet<String>) {
        if let Some(environment) = environment_of(text) {
            *self.environments.entry(environment.to_owned()).or_default() += 1;
        } else if let Some(top) = top_of(text, files) {
            *self.mentioned.entry(top.to_owned()).or_default() += 1;
        }
    }

    fn paths(self) -> Option<Paths> {
        let most = |votes: &BTreeMap<String, usize>| {
            votes.iter().max_by_key(|(_, count)| **count).map(|(path, _)| path.clone())
        };
        let top = most(&self.compiled).or_else(|| most(&self.mentioned));
        let build = top.clone().and_then(|path| BuildPath::try_from(path).ok());
        let environment = most(&self.environments).and_then(|path| BuildPath::try_from(path).ok());
        let top = top.unwrap_or_default();
        let below = |folder: &String| folder.strip_prefix(&top).unwrap_or(folder).to_owned();
        let names: BTreeSet<TemporaryName> = self
            .folders
            .iter()
            .map(below)
            .flat_map(|rest| rest.split('/').filter(|part| is_random(part)).map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|name| TemporaryName::try_from(name).ok())
            .collect();
        let paths = Paths { build, environment, temporary: names.into_iter().collect() };
        let nothing = paths.build.is_none() && paths.environment.is_none() && paths.temporary.is_empty();
        // A recipe that breaks its own rules replays nothing at all.
        (!nothing && paths.check().is_ok()).then_some(paths)
    }
}

/// The folder of the source, where a path ends in one of its files: `/project` of `/project/src/core.c`. Of several files that
/// fit the one with the longest name wins.
fn top_of<'a>(path: &'a str, files: &BTreeSet<String>) -> Option<&'a str> {
    let cuts = path.match_indices('/').map(|(at, _)| at);
    let fits = |at: &usize| *at > 0 && files.contains(&path[at + 1..]) && path[at + 1..].contains('.');
    cuts.into_iter().find(fits).map(|at| &path[..at])
}

/// The environment of `PREFIX/lib/python3.11/site-packages/...`.
fn environment_of(path: &str) -> Option<&str> {
    let (prefix, rest) = path.split_once("/lib/python3.")?;
    let (minor, rest) = rest.split_once('/')?;
    let packages = rest == "site-packages" || rest.starts_with("site-packages/");
    (packages && minor.bytes().all(|b| b.is_ascii_digit())).then_some(prefix)
}

/// Without `.` and `..`, as the compiler's system would resolve it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
