//! The `[build-system]` of a working tree ([PEP 518](https://peps.python.org/pep-0518/#build-system-table),
//! [PEP 517](https://peps.python.org/pep-0517/#source-trees)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The biggest pyproject.toml that is read.
const MAX_PYPROJECT: u64 = 4 << 20;

/// Why a folder is not a project.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// Neither pyproject.toml nor setup.py.
    #[error("expected a pyproject.toml or a setup.py in {}, found neither", folder.display())]
    None {
        /// Where.
        folder: PathBuf,
    },
    /// A file.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: crate::files::FileError,
    },
    /// Not text.
    #[error("expected {} in UTF-8", path.display())]
    Encoding {
        /// Which.
        path: PathBuf,
    },
    /// Not what the PEP says.
    #[error("expected [build-system] in {} as PEP 518 has it: {error}", path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: toml::de::Error,
    },
}

/// What the project says about how it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// What the backend needs.
    pub(crate) requires: Vec<String>,
    /// `module:object`
    pub(crate) backend: String,
    /// Folders with an in-tree backend.
    pub(crate) path: Vec<String>,
}

#[derive(Deserialize)]
struct PyProject {
    #[serde(rename = "build-system")]
    build_system: Option<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    requires: Vec<String>,
    build_backend: Option<String>,
    // PEP 517 gives it a default.
    #[serde(default)]
    backend_path: Vec<String>,
}

impl Project {
    /// Reads a project folder. What is not said is as PEP 518 and PEP 517 have it: setuptools.
    pub(crate) fn read(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join("pyproject.toml");
        let table = match crate::files::read(&path, MAX_PYPROJECT) {
            Ok(bytes) => Self::table(&path, &bytes)?,
            Err(crate::files::FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let is_old = fs::metadata(folder.join("setup.py")).is_ok_and(|data| data.is_file());
                if !is_old {
                    return Err(ProjectError::None { folder: folder.to_owned() });
                }
                None
            }
            Err(source) => return Err(ProjectError::Read { path, source }),
        };
        let legacy = || "setuptools.build_meta:__legacy__".to_owned();
        Ok(match table {
            Some(table) => Self {
                requires: table.requires,
                backend: table.build_backend.unwrap_or_else(legacy),
                path: table.backend_path,
            },
            None => Self { requires: vec!["setuptools".to_owned()], backend: legacy(), path: Vec::new() },
        })
    }

    fn table(path: &Path, bytes: &[u8]) -> Result<Option<Table>, ProjectError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ProjectError::Encoding { path: path.to_owned() })?;
        let project: PyProject =
            toml::from_str(text).map_err(|error| ProjectError::Table { path: path.to_owned(), error })?;
        Ok(project.build_system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Project, ProjectError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Project::read(folder.path())
    }

    #[test]
    fn a_folder_without_a_project_and_a_table_that_is_none_are_told_apart() {
        assert!(matches!(read(&[]), Err(ProjectError::None { .. })));
        for text in ["[build-system]\nrequires = 'x'", "[build-system]\n", "[build-system]\nrequires=[]\nother=1", "["]
        {
            assert!(matches!(read(&[("pyproject.toml", text)]), Err(ProjectError::Table { .. })), "{text}");
        }
    }

    #[test]
    fn without_a_table_the_backend_is_setuptools() {
        let legacy = read(&[("setup.py", "")]).unwrap();
        assert_eq!((legacy.requires.as_slice(), legacy.path.len()), (["setuptools".to_owned()].as_slice(), 0));
        assert_eq!(read(&[("pyproject.toml", "[project]\nname = 'x'\n")]).unwrap(), legacy);
        let flit = "[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'\n";
        assert_eq!(read(&[("pyproject.toml", flit)]).unwrap().backend, "flit_core.buildapi");
    }
}
