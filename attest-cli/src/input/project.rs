//! Which lock is the project's: in the nearest folder that has one, the one that its installer goes by.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::locks;

/// What locks everything comes before what locks one way to install it.
const BEST_FIRST: [fn(&str) -> bool; 7] = [
    |name| name == "uv.lock",
    |name| name == "pylock.toml",
    locks::is_pylock,
    |name| name == "poetry.lock",
    |name| name == "pdm.lock",
    |name| name == "Pipfile.lock",
    is_requirements,
];
/// Where a project ends.
const BOUNDARY: &str = ".git";
/// As much of requirements as it takes to find a hash.
const GLANCE: u64 = 4 * 1024 * 1024;

/// The lock of a project.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) lock: PathBuf,
    /// Names of what else is there.
    pub(super) others: Vec<String>,
}

/// Looks in a folder and those above it, up to the top of the checkout.
pub(super) fn find(folder: &Path) -> Option<Found> {
    for (depth, above) in folder.ancestors().enumerate() {
        let mut candidates = candidates(above);
        if !candidates.is_empty() {
            let best = candidates.remove(0);
            // Short where it is the folder that one is in.
            let lock = if depth == 0 { PathBuf::from(best) } else { above.join(best) };
            return Some(Found { lock, others: candidates });
        }
        if above.join(BOUNDARY).exists() {
            return None;
        }
    }
    None
}

fn candidates(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let rank = |name: &str| BEST_FIRST.iter().position(|is| is(name));
    let mut found: Vec<(usize, bool, String)> = names
        .filter_map(|name| Some((rank(&name)?, name != "requirements.txt", name)))
        .filter(|(_, _, name)| !is_requirements(name) || name == "requirements.txt" || has_hashes(&folder.join(name)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, name)| name).collect()
}

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "as the tools that write them name them")]
fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && name.ends_with(".txt")
}

/// Without any, it is what people write by hand, and no lock.
fn has_hashes(path: &Path) -> bool {
    crate::files::read(path, GLANCE).is_ok_and(|bytes| bytes.windows(6).any(|window| window == b"--hash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_lock_that_the_installer_goes_by_comes_first_and_the_others_are_named() {
        let all = ["requirements.txt", "uv.lock", "poetry.lock", "pylock.dev.toml", "pylock.toml", "pdm.lock"];
        let folder = project(&all.map(|name| (name, "")));
        let found = find(folder.path()).unwrap();
        assert_eq!(found.lock, Path::new("uv.lock"));
        assert_eq!(found.others, ["pylock.toml", "pylock.dev.toml", "poetry.lock", "pdm.lock", "requirements.txt"]);
    }

    #[test]
    fn the_nearest_folder_with_a_lock_is_the_project_and_a_checkout_ends_it() {
        let folder = project(&[("uv.lock", ""), ("a/b/x", ""), ("c/.git/x", ""), ("c/d/x", "")]);
        let found = find(&folder.path().join("a/b")).unwrap();
        assert_eq!(found.lock, folder.path().join("uv.lock"));
        assert_eq!(find(&folder.path().join("c/d")), None);
    }

    #[test]
    fn requirements_of_other_names_are_a_lock_where_they_have_hashes() {
        let folder = project(&[
            ("requirements-dev.txt", "idna==3.7 --hash=sha256:00"),
            ("requirements-docs.txt", "idna"),
            ("notes.txt", "--hash"),
        ]);
        let found = find(folder.path()).unwrap();
        assert_eq!((found.lock.as_path(), found.others.len()), (Path::new("requirements-dev.txt"), 0));
    }
}
