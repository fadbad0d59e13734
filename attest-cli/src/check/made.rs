//! What a build left: wheels and sdists in the folders where they are looked for.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;

/// Where build tools put what they make (`python -m build`, `uv build`, `pip wheel -w`; cibuildwheel, auditwheel).
const FOLDERS: [&str; 2] = ["dist", "wheelhouse"];
/// The biggest file that is compared.
const MAX_FILE: u64 = 1 << 30;

/// A wheel or an sdist.
#[derive(Debug)]
pub(crate) struct Made {
    /// Relative to the folder that was built in: `dist/demo-1.0-py3-none-any.whl`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

impl Made {
    /// SHA-256 of its bytes.
    pub(crate) fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(&self.bytes)
    }

    /// Without its folder.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// By its name.
    pub(crate) fn is_wheel(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|end| end == "whl")
    }
}

/// `--output`: folders, or a folder and a name with `*`.
#[derive(Clone, Debug)]
pub(crate) struct Patterns(Vec<(PathBuf, String)>);

impl Patterns {
    /// Those that were given, or the usual ones.
    pub(crate) fn new(given: &[String]) -> Self {
        if given.is_empty() {
            return Self(FOLDERS.map(|folder| (PathBuf::from(folder), "*".to_owned())).into());
        }
        let split = |pattern: &String| match pattern.rsplit_once('/') {
            Some((folder, name)) if name.contains('*') || is_archive(Path::new(name)) => {
                (PathBuf::from(folder), name.to_owned())
            }
            None if pattern.contains('*') || is_archive(Path::new(pattern)) => (PathBuf::new(), pattern.clone()),
            _ => (PathBuf::from(pattern), "*".to_owned()),
        };
        Self(given.iter().map(split).collect())
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|(folder, name)| folder.join(if name == "*" { "" } else { name }));
        let words: Vec<_> = words.map(|path| path.display().to_string()).collect();
        f.write_str(&words.join(" or "))
    }
}

/// Wheels and sdists below `folder` that match and that `is_known` does not know as part of the source, by path.
pub(crate) fn collect(folder: &Path, patterns: &Patterns, is_known: impl Fn(&Path) -> bool) -> io::Result<Vec<Made>> {
    let mut found: Vec<Made> = Vec::new();
    for (below, name) in &patterns.0 {
        let entries = match fs::read_dir(folder.join(below)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let text = path.to_string_lossy().into_owned();
            let is_new = !is_known(&path) && found.iter().all(|made| made.path != text);
            if !is_new || !is_archive(&path) || !matches(name, &entry.file_name()) {
                continue;
            }
            let data = fs::metadata(entry.path())?;
            if data.len() > MAX_FILE {
                return Err(io::Error::other(format!("{text} has {} bytes: at most {MAX_FILE}", data.len())));
            }
            if data.is_file() {
                found.push(Made { path: text, bytes: fs::read(entry.path())? });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.extension().is_some_and(|end| end == "whl") || name.ends_with(".tar.gz")
}

/// `*` stands for any text, and nothing else is special.
fn matches(pattern: &str, name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "a.whl", true),
            ("*.whl", "a.whl", true),
            ("*.whl", "a.tar.gz", false),
            ("a-*-any.whl", "a-1-py3-none-any.whl", true),
            ("a-*-any.whl", "b-1-py3-none-any.whl", false),
            ("a.whl", "a.whl", true),
            ("a.whl", "aa.whl", false),
        ] {
            assert_eq!(matches(pattern, OsStr::new(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_the_source_holds_already_was_not_made() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dist")).unwrap();
        for name in ["old.whl", "new.whl", "notes.txt", "new.tar.gz"] {
            fs::write(folder.path().join("dist").join(name), name).unwrap();
        }
        let made = |given: &[String]| -> Vec<String> {
            let known = |path: &Path| path == Path::new("dist/old.whl");
            let made = collect(folder.path(), &Patterns::new(given), known).unwrap();
            made.into_iter().map(|made| made.path).collect()
        };
        assert_eq!(made(&[]), ["dist/new.tar.gz", "dist/new.whl"]);
        assert_eq!(made(&["dist/*.whl".to_owned()]), ["dist/new.whl"]);
        assert_eq!(made(&["dist/".to_owned(), "dist".to_owned()]), ["dist/new.tar.gz", "dist/new.whl"]);
        assert!(made(&["elsewhere".to_owned()]).is_empty());
    }
}
