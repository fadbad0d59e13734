//! Which files of a lock some requirements need, by what the wheels themselves say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use attest_core::artifact::ProjectName;

use super::Lock;
use crate::rebuild::infer::requirement_name;
use crate::rebuild::zip;

impl Lock {
    /// The files of these projects, and of all that those require. Markers and extras are not looked at: what a wheel may
    /// require, it names.
    pub(crate) fn needed_by(&self, projects: &BTreeSet<ProjectName>) -> anyhow::Result<Self> {
        let mut wanted = projects.clone();
        let mut needed = Vec::new();
        let mut others: Vec<_> = self.0.iter().collect();
        while let Some(at) = others.iter().position(|one| wanted.contains(&one.project)) {
            let one = others.remove(at);
            wanted.extend(requires(&one.path)?);
            needed.push(one.clone());
        }
        needed.sort_by(|left, right| left.project.cmp(&right.project));
        Ok(Self(needed))
    }

    /// A project that is in this lock and not in a part of it.
    pub(crate) fn first_beyond(&self, part: &Self) -> Option<&ProjectName> {
        let known: BTreeSet<_> = part.0.iter().map(|one| &one.project).collect();
        self.0.iter().map(|one| &one.project).find(|project| !known.contains(project))
    }
}

/// The projects in `Requires-Dist`. A wheel that does not read requires nothing that we know of.
fn requires(wheel: &Path) -> anyhow::Result<BTreeSet<ProjectName>> {
    let Ok(members) = zip::read(&fs::read(wheel)?) else { return Ok(BTreeSet::new()) };
    let is_metadata = |name: &str| {
        name.strip_suffix("/METADATA").is_some_and(|folder| folder.ends_with(".dist-info") && !folder.contains('/'))
    };
    let texts = members.iter().filter(|member| is_metadata(&member.name));
    let texts: Vec<_> = texts.map(|member| String::from_utf8_lossy(&member.content)).collect();
    let headers = texts.iter().flat_map(|text| text.lines().take_while(|line| !line.is_empty()));
    let lines = headers.filter_map(|line| line.strip_prefix("Requires-Dist:"));
    Ok(projects(lines))
}

/// The projects of requirement lines.
pub(crate) fn projects<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeSet<ProjectName> {
    lines.into_iter().filter_map(|line| ProjectName::new(requirement_name(line.trim())?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use attest_core::artifact::ArtifactDigest;

    use super::super::Locked;
    use super::*;
    use crate::rebuild::fixture::{part, zip};

    #[test]
    fn a_file_is_needed_where_a_needed_wheel_names_its_project_and_no_file_is_needed_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let locked = |name: &str, requires: &[&str]| {
            let lines: Vec<_> = requires.iter().map(|line| format!("Requires-Dist: {line}\n")).collect();
            let text = format!("Name: {name}\n{}\nRequires-Dist: evil\n", lines.concat());
            let path = folder.path().join(format!("{name}-1-py3-none-any.whl"));
            fs::write(&path, zip(&[part(&format!("{name}-1.dist-info/METADATA"), &text)])).unwrap();
            let project = ProjectName::new(name).unwrap();
            Locked { project, version: "1".to_owned(), digest: ArtifactDigest::of(b""), path }
        };
        let lock = Lock(vec![
            locked("backend", &["Plug.In>=1; python_version > '3'"]),
            locked("evil", &["backend"]),
            locked("packaging", &[]),
            locked("plug-in", &["packaging (>=20)", "backend"]),
        ]);
        let needed = lock.needed_by(&projects(["backend[x]==1"])).unwrap();
        let names: Vec<_> = needed.0.iter().map(|one| one.project.as_str()).collect();
        assert_eq!(names, ["backend", "packaging", "plug-in"]);
        assert_eq!(lock.first_beyond(&needed).unwrap().as_str(), "evil");
        assert_eq!(needed.first_beyond(&needed), None);
    }
}
