//! From a wheel and its sdist to the recipe: how it was built, read off what was published.
//!
//! In scope: what the published bytes prove (generator, times, modes, the hidden `wheel` library). Out of scope:
//! search by trial, and anything that would change a build's output after the fact.

use std::path::Path;

use attest_core::artifact::{ProjectName, WheelName};
use attest_core::statement::Clock;
use serde::Deserialize;

use super::tree::Tree;
use super::wheel::{Wheel, zip_seconds};
use super::zip::Member;
use super::zone::{self, Sample};
use attest_core::recipe::{self, Backend, Files, Modes, Recipe, Requirements, Time, Umask};

/// Times that backends write when `SOURCE_DATE_EPOCH` is not set: 1980-01-01 (`uv_build`, pdm, poetry-core 1.x),
/// 2016-01-01 (poetry-core, flit), 2020-02-02 (hatchling).
const BACKEND_CONSTANTS: [i64; 3] = [315_532_800, 1_451_606_400, 1_580_601_600];
/// setuptools builds wheels without the `wheel` library since this version.
const SETUPTOOLS_WITH_BDIST_WHEEL: &str = "setuptools<70.1";
/// `wheel` before 0.38 wrote RECORD's mode without its file type.
const WHEEL_WITHOUT_FILE_TYPE: &str = "wheel==0.37.1";
const S_IFREG: u32 = 0o100_000;

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
    let (backend, build) = generator.backend(name, wheel, system, &mut guesses);
    let time = infer_time(&generator, wheel, sdist, &mut guesses);
    Ok(Recipe {
        schema: recipe::SCHEMA.to_owned(),
        wheel: name.as_str().to_owned(),
        generator: wheel.generator().to_owned(),
        guesses,
        backend,
        requirements: Requirements { build, cutoff },
        time,
        files: Files { umask: infer_umask(&generator, wheel), modes: infer_modes(wheel, sdist) },
        variables: [("LC_ALL", "C.UTF-8"), ("PYTHONHASHSEED", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
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
        let is_version = version.starts_with(|first: char| first.is_ascii_digit());
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
        if self.family == Family::Poetry && system.build_backend == "poetry.masonry.api" {
            "poetry.core.masonry.api".clone_into(&mut system.build_backend);
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
                    guesses.push(
                        "the wheel names only its `wheel` library: setuptools is the newest of that day".to_owned(),
                    );
                }
            }
            (Some(version), _) if !in_tree => pins.push(format!("{}=={version}", self.package)),
            _ => {}
        }
        if self.family == Family::Setuptools && has_record_without_file_type(wheel) {
            pins.push(WHEEL_WITHOUT_FILE_TYPE.to_owned());
        }
        let backend = Backend { name: system.build_backend, path: system.backend_path };
        (backend, with_pins(&system.requires, &pins))
    }
}

fn has_record_without_file_type(wheel: &Wheel) -> bool {
    wheel.metadata("RECORD").is_some_and(|record| record.mode() != 0 && record.mode() & S_IFREG == 0)
}

/// Requirement lines with `pins` in place of what they say about the same projects: the wheel is the better witness.
/// An upper bound (`<`) is no such witness, it only narrows.
pub(crate) fn with_pins(requires: &[String], pins: &[String]) -> Vec<String> {
    let pinned = |line: &String| {
        let name = requirement_name(line).unwrap_or_default();
        pins.iter().any(|pin| pin.contains("==") && requirement_name(pin).is_some_and(|pin| same_project(pin, name)))
    };
    let mut lines: Vec<String> = requires.iter().filter(|line| !pinned(line)).chain(pins).cloned().collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The pins among requirement lines, for adding requirements that only a hook names.
pub(crate) fn pins(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| line.contains("==") && !line.contains(';')).cloned().collect()
}

/// The project of a requirement line ([PEP 508](https://peps.python.org/pep-0508/)): all before extras, versions and markers.
pub(crate) fn requirement_name(line: &str) -> Option<&str> {
    let end = line.find(|next: char| !(next.is_ascii_alphanumeric() || "-_.".contains(next))).unwrap_or(line.len());
    Some(&line[..end]).filter(|name| !name.is_empty())
}

/// Whether a line only applies with an extra. Nobody asks a build for extras, but flit lists them.
pub(crate) fn is_for_extra(line: &str) -> bool {
    line.split_once(';').is_some_and(|(_, marker)| marker.split_whitespace().any(|word| word == "extra"))
}

fn same_project(left: &str, right: &str) -> bool {
    matches!((ProjectName::new(left), ProjectName::new(right)), (Ok(left), Ok(right)) if left == right)
}

/// `[build-system]` with PEP 518's and PEP 517's defaults.
#[derive(Debug)]
struct BuildSystem {
    requires: Vec<String>,
    build_backend: String,
    backend_path: Vec<String>,
}

impl BuildSystem {
    fn read(sdist: &Tree) -> Result<Self, InferError> {
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

fn infer_time(generator: &Generator, wheel: &Wheel, sdist: &Tree, guesses: &mut Vec<String>) -> Time {
    let times: Option<Vec<i64>> = wheel.members().iter().map(|member| zip_seconds(member.dos_time)).collect();
    let times = times.unwrap_or_default();
    let real = Time { clock: Clock::Real, source_date_epoch: None, stamp: None, zone: "UTC".to_owned() };
    let Some(first) = times.first().copied() else {
        guesses.push("the wheel's times are not dates".to_owned());
        return real;
    };
    let one = times.iter().all(|time| *time == first);
    // setuptools has no constant of its own: there 1980 is an epoch that somebody set.
    let constant = BACKEND_CONSTANTS.contains(&first) && !generator.by_setuptools();
    if one && !constant {
        return Time { clock: Clock::SourceDateEpoch, source_date_epoch: Some(first), ..real };
    }
    if !one && generator.by_setuptools() {
        let stamp = wheel.metadata("WHEEL").and_then(|member| zip_seconds(member.dos_time));
        return Time { clock: Clock::Replayed, stamp, ..real };
    }
    if !one && generator.family == Family::Flit {
        let zone = zone::infer(&time_samples(wheel, sdist));
        if zone.is_none() {
            guesses.push("no known time zone explains the wheel's times".to_owned());
        }
        return Time { zone: zone.unwrap_or("UTC").to_owned(), ..real };
    }
    real
}

/// Files that are the same in both: their time once in UTC, once local.
fn time_samples(wheel: &Wheel, sdist: &Tree) -> Vec<Sample> {
    let sample = |member: &Member| {
        let (_, file) = sdist
            .files()
            .find(|(path, file)| path.ends_with(Path::new(&member.name)) && file.content == member.content)?;
        let utc = i64::try_from(file.modified.as_secs()).ok()?;
        Some(Sample { utc, local: zip_seconds(member.dos_time)? })
    };
    wheel.members().iter().filter(|member| !wheel.is_metadata(&member.name)).filter_map(sample).collect()
}

/// setuptools writes METADATA through the umask; the other backends normalise modes.
fn infer_umask(generator: &Generator, wheel: &Wheel) -> Umask {
    let written = wheel.metadata("METADATA").map_or(0, |member| member.mode() & 0o777);
    let from_windows = wheel.metadata("METADATA").is_some_and(|member| member.create_system == 0);
    if generator.by_setuptools() && written != 0 && !from_windows {
        Umask::new(0o666 & !written)
    } else {
        Umask::new(0o022)
    }
}

/// setuptools copies some files, such as licences, with their modes: those tell how the sdist had been unpacked.
fn infer_modes(wheel: &Wheel, sdist: &Tree) -> Modes {
    let verbatim =
        wheel.members().iter().filter(|member| wheel.is_metadata(&member.name) && !member.content.is_empty());
    for member in verbatim {
        let Some(base) = member.name.rsplit('/').next() else {
            continue;
        };
        let same = sdist.files().find(|(path, file)| path.ends_with(base) && file.content == member.content);
        let Some((_, file)) = same else { continue };
        let (raw, filtered) = (Modes::Raw.apply(file.mode), Modes::Filtered.apply(file.mode));
        if raw != filtered && member.mode() & 0o777 == filtered {
            return Modes::Filtered;
        }
    }
    Modes::Raw
}

#[cfg(test)]
mod tests;
