//! From a wheel and its sdist to the recipe: how it was built, read off what was published.
//!
//! In scope: what the published bytes prove (generator, times, modes, the hidden `wheel` library). Out of scope:
//! [search by trial](super::search), and anything that would change a build's output after the fact.

use attest_core::artifact::WheelName;
use attest_core::recipe::{self, Backend, PythonTag, Recipe, Requirements};

use self::requirements::same_project;
use super::native::Evidence;
use super::traces;
use super::tree::Tree;
use super::wheel::Wheel;

mod clock;
mod container;
mod pyproject;
mod requirements;

pub(crate) use self::pyproject::BuildSystem;
pub(crate) use self::requirements::{pinned_projects, requirement_name, unsettled, with_pins};

/// setuptools builds wheels without the `wheel` library since this version.
const SETUPTOOLS_WITH_BDIST_WHEEL: &str = "setuptools<70.1";
/// `wheel` before 0.38 wrote RECORD's mode without its file type.
const WHEEL_WITHOUT_FILE_TYPE: &str = "wheel==0.37.1";
/// What is said where nothing in a wheel tells which setuptools built it.
pub(crate) const GUESSED_SETUPTOOLS: &str =
    "the wheel names only its `wheel` library: setuptools is the newest of that day";

/// The tools that a recipe may name where the source does not: inference pins them by what the wheel says of its making.
pub(crate) const TOOLS: [&str; 10] = [
    "flit_core",
    "hatchling",
    "maturin",
    "pdm-backend",
    "pdm-pep517",
    "poetry-core",
    "scikit-build-core",
    "setuptools",
    "uv_build",
    "wheel",
];
/// A source's backend, and the one that inference calls in its place.
pub(crate) const MASONRY: (&str, &str) = ("poetry.masonry.api", "poetry.core.masonry.api");

/// Why no recipe could be inferred.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InferError {
    /// pyproject.toml is not what PEP 518 says.
    #[error("expected a pyproject.toml with a [build-system] as PEP 518 has it: {0}")]
    Pyproject(#[from] toml::de::Error),
    /// pyproject.toml is not text.
    #[error("expected pyproject.toml in UTF-8: {0}")]
    Encoding(#[from] std::str::Utf8Error),
}

/// Works out how `wheel` was built from `sdist`. `cutoff` is when it was uploaded, RFC 3339.
pub(crate) fn infer(
    name: &WheelName,
    wheel: &Wheel,
    sdist: &Tree,
    cutoff: Option<String>,
) -> Result<Recipe, InferError> {
    let generator = Generator::parse(wheel.generator());
    let system = BuildSystem::read(sdist)?;
    let mut guesses = Vec::new();
    if cutoff.is_none() {
        guesses
            .push("the index does not say when the wheel was uploaded: build requirements are the newest".to_owned());
    }
    guesses.extend(Evidence::of(name, wheel).iter().flat_map(Evidence::guesses));
    let (mut backend, build) = generator.backend(name, wheel, system, &mut guesses);
    backend.python_tag = generator.python_tag(name, wheel, sdist);
    let time = clock::infer(&generator, wheel, sdist, &mut guesses);
    Ok(Recipe {
        schema: recipe::SCHEMA.to_owned(),
        wheel: name.as_str().to_owned(),
        generator: wheel.generator().to_owned(),
        guesses,
        searched: Vec::new(),
        python: None,
        backend,
        requirements: Requirements { build, cutoff },
        time,
        files: container::infer(&generator, wheel, sdist),
        paths: traces::paths(wheel, sdist),
        variables: [("LC_ALL", "C.UTF-8"), ("PYTHONHASHSEED", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        container: None,
        custom: None,
    })
}

/// What wrote the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// setuptools with the `wheel` library: the line names only the latter's version.
    BdistWheel,
    Flit,
    Poetry,
    Setuptools,
    /// Backends for which a pinned version is all there is to know.
    Plain,
    Unknown,
}

/// The `Generator:` line, understood.
#[derive(Debug)]
struct Generator {
    family: Family,
    /// The distribution that it names.
    package: String,
    version: Option<String>,
}

impl Generator {
    /// `setuptools (82.0.1)`, `flit 3.12.0`, `meson`
    fn parse(line: &str) -> Self {
        let (name, rest) = line.split_once([' ', '(']).unwrap_or((line, ""));
        let version = rest.trim_matches([' ', '(', ')']);
        let (family, package) = match name {
            "bdist_wheel" => (Family::BdistWheel, "wheel"),
            "flit" => (Family::Flit, "flit_core"),
            "hatchling" | "maturin" | "pdm-backend" | "pdm-pep517" | "scikit-build-core" => (Family::Plain, name),
            "poetry" | "poetry-core" => (Family::Poetry, "poetry-core"),
            "setuptools" => (Family::Setuptools, name),
            "uv" => (Family::Plain, "uv_build"),
            _ => (Family::Unknown, name),
        };
        // It becomes part of a requirement: anything but a version in it would be somebody's words to a resolver.
        let is_version = version.starts_with(|first: char| first.is_ascii_digit())
            && version.chars().all(|next| next.is_ascii_alphanumeric() || ".+!_-".contains(next));
        Self { family, package: package.to_owned(), version: is_version.then(|| version.to_owned()) }
    }

    fn by_setuptools(&self) -> bool {
        matches!(self.family, Family::Setuptools | Family::BdistWheel)
    }

    /// The backend to call and what to install for it.
    fn backend(
        &self,
        name: &WheelName,
        wheel: &Wheel,
        mut system: BuildSystem,
        guesses: &mut Vec<String>,
    ) -> (Backend, Vec<String>) {
        let is_this = |package: &str| same_project(package, name.project.as_str());
        let built_itself = is_this(&self.package) || (self.family == Family::BdistWheel && is_this("setuptools"));
        // A backend that builds itself says its own version, or none; any other version is that of an installed one.
        let same_version = self
            .version
            .as_deref()
            .is_none_or(|version| version == name.version.as_str() || version.ends_with("+local"));
        let in_tree =
            !system.backend_path.is_empty() && built_itself && (same_version || self.family == Family::BdistWheel);
        if !system.backend_path.is_empty() && built_itself && !in_tree {
            system.backend_path.clear();
        }
        if self.family == Family::Poetry && system.build_backend == MASONRY.0 {
            MASONRY.1.clone_into(&mut system.build_backend);
            system.requires.retain(|line| requirement_name(line) != Some("poetry"));
        }
        let mut pins = Vec::new();
        match (&self.version, self.family) {
            (_, Family::Unknown) | (None, _) => {
                guesses.push(format!("the generator {:?} names no known backend version", wheel.generator()));
            }
            (Some(version), Family::BdistWheel) => {
                pins.push(format!("wheel=={version}"));
                if !in_tree {
                    pins.push(SETUPTOOLS_WITH_BDIST_WHEEL.to_owned());
                    guesses.push(GUESSED_SETUPTOOLS.to_owned());
                }
            }
            (Some(version), _) if !in_tree => pins.push(format!("{}=={version}", self.package)),
            _ => {}
        }
        if self.family == Family::Setuptools && container::has_record_without_file_type(wheel) {
            pins.push(WHEEL_WITHOUT_FILE_TYPE.to_owned());
        }
        let backend = Backend { name: system.build_backend, path: system.backend_path, python_tag: None };
        (backend, with_pins(&system.requires, &pins))
    }

    /// A pure wheel is `py3` unless setuptools was told otherwise: by the project, or on its maintainer's command line.
    fn python_tag(&self, name: &WheelName, wheel: &Wheel, sdist: &Tree) -> Option<PythonTag> {
        let by_project = ["setup.cfg", "setup.py", "pyproject.toml"].iter().any(|path| {
            let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
            let text = sdist.file(path).map(|file| text(&file.content)).unwrap_or_default();
            text.contains("universal") || text.contains("python_tag") || text.contains("python-tag")
        });
        let told = self.by_setuptools() && wheel.is_pure() && name.python.starts_with("py") && name.python != "py3";
        if told && !by_project { PythonTag::try_from(name.python.clone()).ok() } else { None }
    }
}

#[cfg(test)]
mod tests;
