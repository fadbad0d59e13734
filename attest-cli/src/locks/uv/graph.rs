//! Which packages of a uv.lock are reached: from the members of the workspace, over every dependency whose marker is not
//! surely false, extras and groups of all kinds included. What is reached by nothing is told, and counted.

use std::collections::{BTreeSet, HashMap};

use attest_core::artifact::{ProjectName, Version};

use crate::{item::Elsewhere, platform::Target};

use super::{
    super::{
        document::{LockError, Table, Value},
        listed,
    },
    Source, UvLock, origin, ruled_out,
};

/// Keys of a package whose tables are no dependencies.
const NO_DEPENDENCIES: [&str; 4] = ["metadata", "source", "sdist", "wheels"];
/// A dependency is at most in a list in a table.
const MAX_DEPTH: usize = 4;

/// Dependencies by the position of packages in the lock.
#[derive(Debug)]
pub(super) struct Graph<'d> {
    roots: Vec<Root<'d>>,
    edges: Vec<Vec<Edge<'d>>>,
    /// The markers of all dependencies that lead to a package.
    leading: Vec<Vec<Option<&'d str>>>,
    /// The forks of the resolution that a package belongs to.
    forks: Vec<Vec<&'d str>>,
}

#[derive(Debug)]
struct Root<'d> {
    package: usize,
    marker: Option<&'d str>,
    /// Named by requirement, so that uv goes by the forks.
    forked: bool,
}

#[derive(Debug)]
struct Edge<'d> {
    package: usize,
    marker: Option<&'d str>,
}

/// The packages that are reached, with those that lead there.
#[derive(Debug)]
pub(super) struct Reached {
    by: HashMap<usize, BTreeSet<usize>>,
}

impl<'d> Graph<'d> {
    pub(super) fn new(lock: &UvLock<'d>) -> Result<Self, LockError> {
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, entry) in lock.packages.iter().enumerate() {
            names.entry(entry.listing.project.as_str()).or_default().push(index);
        }
        let find = |dependency: &Dependency<'_>| -> Vec<usize> {
            let every = names.get(dependency.project.as_str()).cloned().unwrap_or_default();
            let fits = |index: &usize| dependency.fits(lock, *index);
            let fitting: Vec<usize> = every.iter().copied().filter(fits).collect();
            // Whatever uv would make of a source or version that is not there.
            if fitting.is_empty() { every } else { fitting }
        };
        let mut edges: Vec<Vec<Edge<'d>>> = Vec::new();
        let mut forks = Vec::new();
        for entry in &lock.packages {
            let mut all = Vec::new();
            for (_, value) in entry.table.values().filter(|(key, _)| !NO_DEPENDENCIES.contains(key)) {
                collect(value, 0, &mut all)?;
            }
            let edge = |dependency: &Dependency<'d>| {
                let marker = dependency.marker;
                find(dependency).into_iter().map(move |package| Edge { package, marker })
            };
            edges.push(all.iter().flat_map(edge).collect());
            let key = if entry.table.has("resolution-markers") { "resolution-markers" } else { "environment-markers" };
            forks.push(entry.table.texts(key, "markers")?);
        }
        let mut roots: Vec<Root<'d>> = lock
            .packages
            .iter()
            .enumerate()
            .filter(|(_, entry)| matches!(entry.source, Source::Folder(_)))
            .map(|(package, _)| Root { package, marker: None, forked: false })
            .collect();
        if let Some(manifest) = lock.top.inner("manifest", "a manifest")? {
            roots.extend(Self::named(&manifest, &find)?);
        }
        let mut leading = vec![Vec::new(); lock.packages.len()];
        for edge in edges.iter().flatten() {
            leading[edge.package].push(edge.marker);
        }
        if roots.is_empty() {
            roots = (0..lock.packages.len()).map(|package| Root { package, marker: None, forked: false }).collect();
        }
        Ok(Self { roots, edges, leading, forks })
    }

    /// What a workspace without a project of its own, or a script, names itself.
    fn named(manifest: &Table<'d>, find: &dyn Fn(&Dependency<'_>) -> Vec<usize>) -> Result<Vec<Root<'d>>, LockError> {
        let mut roots = Vec::new();
        for member in manifest.texts("members", "names of packages")? {
            let member = Dependency::named(listed::project(member, &manifest.place())?);
            roots.extend(find(&member).into_iter().map(|package| Root { package, marker: None, forked: false }));
        }
        let mut all = Vec::new();
        for (_, value) in manifest.values().filter(|(key, _)| *key != "members") {
            collect(value, 0, &mut all)?;
        }
        for dependency in all {
            let marker = dependency.marker;
            roots.extend(find(&dependency).into_iter().map(|package| Root { package, marker, forked: true }));
        }
        Ok(roots)
    }

    /// Everything that may be installed here.
    pub(super) fn reached(&self, target: &Target<'_>) -> Reached {
        let open = |marker: Option<&str>| !marker.is_some_and(|marker| target.rules_out(marker));
        let mut reached = Reached { by: HashMap::new() };
        let mut waiting = Vec::new();
        for root in &self.roots {
            let forked = root.forked && ruled_out(&self.forks[root.package], target);
            if open(root.marker) && !forked && reached.by.insert(root.package, BTreeSet::new()).is_none() {
                waiting.push(root.package);
            }
        }
        while let Some(package) = waiting.pop() {
            for edge in self.edges[package].iter().filter(|edge| open(edge.marker)) {
                let first = !reached.by.contains_key(&edge.package);
                reached.by.entry(edge.package).or_default().insert(package);
                if first {
                    waiting.push(edge.package);
                }
            }
        }
        reached
    }

    /// Why a package is not installed here.
    pub(super) fn elsewhere(&self, package: usize, reached: &Reached, target: &Target<'_>) -> Option<Elsewhere> {
        if matches!(target, Target::Everywhere) || reached.by.contains_key(&package) {
            return None;
        }
        let markers: Option<BTreeSet<&str>> = self.leading[package].iter().copied().collect();
        Some(match markers.filter(|markers| !markers.is_empty()) {
            Some(markers) => Elsewhere::Marker(markers.into_iter().collect::<Vec<_>>().join(" or ")),
            None => Elsewhere::Unreached,
        })
    }

    /// Who brings a package in, by name.
    pub(super) fn required_by(package: usize, reached: &Reached, lock: &UvLock<'_>) -> Vec<String> {
        let by = reached.by.get(&package).into_iter().flatten();
        by.map(|index| lock.packages[*index].listing.label()).collect()
    }
}

/// A package as another one names it.
#[derive(Debug)]
struct Dependency<'d> {
    project: ProjectName,
    version: Option<&'d str>,
    source: Option<String>,
    marker: Option<&'d str>,
}

impl<'d> Dependency<'d> {
    const fn named(project: ProjectName) -> Self {
        Self { project, version: None, source: None, marker: None }
    }

    fn new(table: &Table<'d>, name: &str) -> Result<Self, LockError> {
        Ok(Self {
            project: listed::project(name, &table.place())?,
            version: table.text("version", "a version")?,
            source: table.value("source").and_then(|value| value.as_table()).map(|source| origin(&source)),
            marker: table.text("marker", "a marker")?,
        })
    }

    fn fits(&self, lock: &UvLock<'_>, index: usize) -> bool {
        let entry = &lock.packages[index];
        let version = match (self.version, &entry.listing.version) {
            (Some(wanted), Some(found)) => Version::new(wanted).is_ok_and(|wanted| wanted.same_as(found)),
            _ => true,
        };
        version && self.source.as_ref().is_none_or(|source| *source == entry.origin)
    }
}

/// Every table with a name, in lists and tables under a key: `dependencies`, `optional-dependencies`, `dev-dependencies`, and
/// whatever a later uv calls them.
fn collect<'d>(value: Value<'d>, depth: usize, all: &mut Vec<Dependency<'d>>) -> Result<(), LockError> {
    if depth == MAX_DEPTH {
        return Ok(());
    }
    if let Some(values) = value.items() {
        return values.into_iter().try_for_each(|value| collect(value, depth + 1, all));
    }
    let Some(table) = value.as_table() else {
        return Ok(());
    };
    match table.value("name").and_then(|name| name.as_text()) {
        Some(name) => all.push(Dependency::new(&table, name)?),
        None => {
            for (_, value) in table.values() {
                collect(value, depth + 1, all)?;
            }
        }
    }
    Ok(())
}
