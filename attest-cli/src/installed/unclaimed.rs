//! Files that no RECORD names: whoever can write into an environment can add code to it without touching a package.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;

use super::{Distribution, Environment, check::claimed, record::is_compiled};
use crate::wheels;

/// `_virtualenv.pth` and `_virtualenv.py`, which uv (before 0.13) and virtualenv put into every environment that they make.
/// Known by their bytes: under that name anything could lie there.
const OF_VIRTUALENV: [&str; 2] = [
    "69ac3d8f27e679c81b94ab30b3b56e9cd138219b1ba94a1fa3606d5a76a1433d",
    "cfb3db86aaa53bb62b5ff764970bec2d71c9228590a0ebec57f6ec926cc0bf1a",
];
/// What Python imports, or reads at its start (`.start` since PEP 829), and libraries that extension modules load.
const CODE: [&str; 10] = ["py", "pyc", "pyi", "pth", "start", "so", "pyd", "dll", "dylib", "zip"];
/// Names modules that other programs load as plugins.
const ENTRY_POINTS: &str = "entry_points.txt";
/// Deeper than any package.
const MAX_DEPTH: usize = 64;

/// What nobody claims.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    /// Files that Python could run.
    pub(crate) code: Vec<PathBuf>,
    /// Data, licences, locks.
    pub(crate) others: usize,
    /// In `__pycache__`: Python runs them instead of the source beside them, and nothing says what they have to be.
    pub(crate) compiled: usize,
}

/// Looks through all folders of an environment. Links are not followed: what lies behind one is unclaimed as a whole.
pub(crate) fn unclaimed(distributions: &[Distribution], environment: &Environment) -> Unclaimed {
    let claimed: HashSet<PathBuf> = claimed(distributions).collect();
    let mut found = Unclaimed::default();
    for folder in environment.folders() {
        walk(folder, &claimed, &mut found, 0);
    }
    found.code.sort();
    found
}

fn walk(folder: &Path, claimed: &HashSet<PathBuf>, found: &mut Unclaimed, depth: usize) {
    // Python imports from a folder that may be entered and not listed.
    let Ok(entries) = fs::read_dir(folder) else {
        found.code.push(folder.to_owned());
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&path, claimed, found, depth + 1);
        } else if kind.is_dir() || kind.is_symlink() && path.is_dir() {
            found.code.push(path);
        } else if is_compiled(&path) {
            found.compiled += 1;
        } else if !claimed.contains(&path) {
            match () {
                () if is_of_virtualenv(&path) => {}
                () if is_code(&path) => found.code.push(path),
                () => found.others += 1,
            }
        }
    }
}

fn is_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    // `libz.so.1` beside an extension module is taken instead of the system's.
    name == ENTRY_POINTS
        || name.contains(".so.")
        || path.extension().is_some_and(|extension| CODE.iter().any(|code| extension.eq_ignore_ascii_case(code)))
}

fn is_of_virtualenv(path: &Path) -> bool {
    let known = |digest: ArtifactDigest| OF_VIRTUALENV.contains(&digest.to_string().as_str());
    // A pipe of that name would be read for ever.
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && path.file_stem().is_some_and(|stem| stem == "_virtualenv") && wheels::digest(path).is_ok_and(known)
}
