//! What is to be rebuilt: a published wheel, whose digest is pinned before anything else happens.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};

use super::wheel::Wheel;
use super::zip;
use crate::index::Index;

/// What the user named.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `NAME==VERSION`
    Release(ProjectName, Version),
    /// A wheel on disk.
    File(PathBuf),
}

impl std::str::FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some((name, version)) = text.split_once("==") {
            return Ok(Self::Release(ProjectName::new(name.trim())?, Version::new(version.trim())?));
        }
        ensure!(
            Path::new(text).extension().is_some_and(|end| end == "whl"),
            "expected NAME==VERSION or a path that ends in .whl, found {text:?}"
        );
        Ok(Self::File(PathBuf::from(text)))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Release(project, version) => {
                write!(f, "{}=={}", project.as_str(), version.as_str())
            }
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The wheel that the result is compared with.
#[derive(Debug)]
pub(crate) struct Published {
    /// Its file name.
    pub(crate) name: WheelName,
    /// Its content.
    pub(crate) wheel: Wheel,
    /// When it was uploaded, RFC 3339, where the index says so.
    pub(crate) uploaded: Option<String>,
    /// What the index says its digest is, where that is another one.
    pub(crate) listed: Option<ArtifactDigest>,
}

impl Target {
    /// Reads the wheel. For a release the index's digest is taken first and the download held to it.
    pub(crate) fn open(&self, index: &Index) -> anyhow::Result<Published> {
        match self {
            Self::Release(project, version) => open_release(index, project, version),
            Self::File(path) => open_file(index, path),
        }
    }
}

fn open_release(index: &Index, project: &ProjectName, version: &Version) -> anyhow::Result<Published> {
    let files = index.project(project)?;
    let wheels = files.iter().filter_map(|file| Some((WheelName::parse(&file.name).ok()?, file)));
    let wheels: Vec<_> = wheels.filter(|(name, _)| name.version.same_as(version)).collect();
    ensure!(
        !wheels.is_empty(),
        "expected {} {} to have a wheel, found none on the index",
        project.as_str(),
        version.as_str()
    );
    let Some((name, file)) = wheels.iter().find(|(name, _)| is_pure_name(name)) else {
        bail!(
            "expected a wheel for any platform (none-any) of {} {}, found only wheels for platforms",
            project.as_str(),
            version.as_str()
        );
    };
    let digest = file.digest.with_context(|| format!("expected the index to give a sha256 for {}", file.name))?;
    let bytes = index.fetch(file, digest, zip::MAX_FILE)?;
    let wheel = Wheel::read(&bytes).with_context(|| format!("{} is not a wheel", file.name))?;
    check_pure(name, &wheel)?;
    Ok(Published { name: name.clone(), wheel, uploaded: file.uploaded.clone(), listed: None })
}

fn open_file(index: &Index, path: &Path) -> anyhow::Result<Published> {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    let name = WheelName::parse(&text)?;
    let size = fs::metadata(path).with_context(|| format!("expected a wheel at {}", path.display()))?.len();
    ensure!(size <= zip::MAX_FILE, "expected a wheel of at most {} bytes, found {size}", zip::MAX_FILE);
    let wheel = Wheel::read(&fs::read(path)?).with_context(|| format!("{} is not a wheel", path.display()))?;
    check_pure(&name, &wheel)?;
    // The index only adds when it was uploaded; a file that it does not list can still be rebuilt from a given source.
    let listed = index.project(&name.project).unwrap_or_default().into_iter().find(|file| file.name == text);
    let differs = listed.as_ref().and_then(|file| file.digest).filter(|digest| *digest != wheel.digest());
    Ok(Published { uploaded: listed.and_then(|file| file.uploaded), listed: differs, name, wheel })
}

fn is_pure_name(name: &WheelName) -> bool {
    name.abi == "none" && name.platform == "any"
}

fn check_pure(name: &WheelName, wheel: &Wheel) -> anyhow::Result<()> {
    ensure!(
        is_pure_name(name) && wheel.is_pure(),
        "expected a pure wheel (none-any, Root-Is-Purelib: true), found {}: wheels with compiled code cannot be rebuilt yet",
        name.as_str()
    );
    Ok(())
}
