//! A list of projects of which the record shows how many are rebuilt: one name per line, `#` begins a comment.

use std::{collections::BTreeSet, fs, io, path::Path, path::PathBuf};

use attest_core::artifact::{ArtifactError, ProjectName};

/// Names in one list: it is looked up whole for the home page.
const MAX_PROJECTS: usize = 1_000;

/// Why a list is refused.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// The file.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No name of a project.
    #[error("{}: line {line} is no name of a project", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// From 1 on.
        line: usize,
        /// Why.
        source: ArtifactError,
    },
    /// More than one answer can hold.
    #[error("{}: expected at most {MAX_PROJECTS} names of projects, found {found}", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// How many there are.
        found: usize,
    },
}

/// The names in their order; a second one of a project is left out.
///
/// # Errors
/// The file cannot be read, or is no such list.
pub fn read(path: &Path) -> Result<Vec<ProjectName>, CoverageError> {
    let text = fs::read_to_string(path).map_err(|source| CoverageError::Read { path: path.to_owned(), source })?;
    let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
    for (number, line) in text.lines().enumerate() {
        let name = line.split_once('#').map_or(line, |(name, _)| name).trim();
        if name.is_empty() {
            continue;
        }
        let name = ProjectName::new(name).map_err(|source| CoverageError::Name {
            path: path.to_owned(),
            line: number + 1,
            source,
        })?;
        if seen.insert(name.clone()) {
            list.push(name);
        }
    }
    match list.len() {
        found if found > MAX_PROJECTS => Err(CoverageError::TooMany { path: path.to_owned(), found }),
        _ => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<ProjectName>, CoverageError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn names_keep_their_order_and_are_there_once() {
        let names = list("# the most downloaded\nsix\n\nZope.Interface # old\n six \nattrs").unwrap();
        assert_eq!(names.iter().map(ProjectName::as_str).collect::<Vec<_>>(), ["six", "zope-interface", "attrs"]);
    }

    #[test]
    fn what_is_no_name_is_told_with_its_line() {
        let error = list("six\nsix==1.16\n").unwrap_err();
        assert!(matches!(error, CoverageError::Name { line: 2, .. }), "{error}");
        let many: Vec<_> = (0..=MAX_PROJECTS).map(|n| format!("p{n}")).collect();
        assert!(
            matches!(list(&many.join("\n")).unwrap_err(), CoverageError::TooMany { found, .. } if found == MAX_PROJECTS + 1)
        );
    }
}
