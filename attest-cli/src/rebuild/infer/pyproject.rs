//! `pyproject.toml`, as far as it says who builds ([PEP 518](https://peps.python.org/pep-0518/)).

use serde::Deserialize;

use super::InferError;
use crate::rebuild::tree::Tree;

/// `[build-system]` with PEP 518's and PEP 517's defaults.
#[derive(Debug)]
pub(crate) struct BuildSystem {
    /// `requires`
    pub(crate) requires: Vec<String>,
    /// `build-backend`
    pub(crate) build_backend: String,
    /// `backend-path`
    pub(crate) backend_path: Vec<String>,
}

impl BuildSystem {
    /// What the source says.
    pub(crate) fn read(sdist: &Tree) -> Result<Self, InferError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Pyproject {
            build_system: Option<Table>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Table {
            requires: Vec<String>,
            build_backend: Option<String>,
            backend_path: Option<Vec<String>>,
        }
        let table = match sdist.file("pyproject.toml") {
            Some(file) => toml::from_str::<Pyproject>(std::str::from_utf8(&file.content)?)?.build_system,
            None => None,
        };
        let table = table.unwrap_or_else(|| Table {
            requires: vec!["setuptools".to_owned(), "wheel".to_owned()],
            build_backend: None,
            backend_path: None,
        });
        Ok(Self {
            requires: table.requires,
            build_backend: table.build_backend.unwrap_or_else(|| "setuptools.build_meta:__legacy__".to_owned()),
            backend_path: table.backend_path.unwrap_or_default(),
        })
    }
}
