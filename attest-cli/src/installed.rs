//! What is installed in an environment, read from its files alone: none of its code is run.
//!
//! The [database of installed distributions](https://packaging.python.org/en/latest/specifications/recording-installed-packages/):
//! a `.dist-info` folder each, whose RECORD names every file with its hash. An installer leaves the digest of the wheel
//! nowhere, so the rows of RECORD have to say which wheel it was (docs/TRUST.md 7, `recordDigest`).
//!
//! This is an audit, not prevention: code that ran here could have changed whatever is read here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    statement::record_digest,
};
use serde::Deserialize;

mod check;
mod environment;
mod record;
mod unclaimed;

use self::record::{Record, Row};
pub(crate) use self::{
    check::{Fault, Faulty, check},
    environment::{Environment, EnvironmentError},
    record::RecordError,
    unclaimed::{Unclaimed, unclaimed},
};
use crate::files::{self, FileError};

/// A RECORD with half a million rows.
const MAX_RECORD: u64 = 128 * 1024 * 1024;
/// `WHEEL` and `direct_url.json` are a few lines, `METADATA` may hold a whole README.
const MAX_METADATA: u64 = 1024 * 1024;
/// What installers add to a wheel's own rows, beside compiled files and scripts.
const ADDED: [&str; 6] =
    ["INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "provenance_url.json", "uv_cache.json"];

/// One installed project.
#[derive(Debug)]
pub(crate) struct Distribution {
    pub(crate) project: ProjectName,
    pub(crate) version: Version,
    /// `.../NAME-VERSION.dist-info`
    info: PathBuf,
    /// Why there is nothing to compare, where it was not installed from a wheel that anybody published.
    pub(crate) foreign: Option<Foreign>,
    /// The digest of the wheel, where the user named it by its URL. The environment's own word.
    pub(crate) claimed: Option<ArtifactDigest>,
    record: Result<Record, RecordError>,
}

/// What was not installed from a published wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    #[error("an editable install: its code lies elsewhere and can change at any time")]
    Editable,
    #[error("from a local folder: it was published by nobody")]
    Local,
    #[error("from a version control checkout: what was built from it here was rebuilt by nobody")]
    Vcs,
    #[error("not installed from a wheel")]
    NoWheel,
}

impl Foreign {
    /// Stable, for tools.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Editable => "editable",
            Self::Local => "local",
            Self::Vcs => "vcs",
            Self::NoWheel => "not-a-wheel",
        }
    }
}

/// [PEP 610](https://peps.python.org/pep-0610/)
#[derive(Deserialize)]
struct DirectUrl {
    #[serde(rename = "archive_info")]
    archive: Option<ArchiveInfo>,
    #[serde(rename = "vcs_info")]
    vcs: Option<serde::de::IgnoredAny>,
    #[serde(rename = "dir_info")]
    folder: Option<DirInfo>,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    hash: Option<String>,
    hashes: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

impl Distribution {
    /// Reads a `.dist-info` folder; nothing where its name is no project's.
    fn read(info: &Path) -> Option<Self> {
        let (name, version) = info.file_name()?.to_str()?.strip_suffix(".dist-info")?.split_once('-')?;
        let (project, version) = (ProjectName::new(name).ok()?, Version::new(version).ok()?);
        let record = files::read(&info.join("RECORD"), MAX_RECORD)
            .map_err(|error| match error {
                FileError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => RecordError::Missing,
                error => RecordError::Unreadable { why: crate::output::causes(&error) },
            })
            .and_then(|bytes| Record::parse(&bytes));
        let (foreign, claimed) = origin(info);
        Some(Self { project, version, info: info.to_owned(), foreign, claimed, record })
    }

    /// Its `.dist-info` folder.
    pub(crate) fn info(&self) -> &Path {
        &self.info
    }

    /// What METADATA says that it requires, as written; nothing where that cannot be read.
    pub(crate) fn requires(&self) -> Vec<String> {
        let Ok(text) = files::read(&self.info.join("METADATA"), MAX_METADATA) else { return Vec::new() };
        let text = String::from_utf8_lossy(&text);
        // The description follows an empty line.
        let head = text.lines().take_while(|line| !line.is_empty());
        let fields = head.filter_map(|line| line.split_once(':'));
        // As in mail, in whatever case.
        let requires = fields.filter(|(name, _)| name.trim_end().eq_ignore_ascii_case("Requires-Dist"));
        requires.map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// What is wrong with RECORD, where it cannot be used.
    pub(crate) fn record_error(&self) -> Option<&RecordError> {
        self.record.as_ref().err()
    }

    fn rows(&self) -> &[Row] {
        self.record.as_ref().map_or(&[], Record::rows)
    }

    /// Where the rows of RECORD start from.
    fn folder(&self) -> &Path {
        self.info.parent().unwrap_or(Path::new(""))
    }

    /// Whether a wheel of this name says of itself what the installed WHEEL says: the same tags and build.
    pub(crate) fn is_tagged_like(&self, wheel: &WheelName) -> bool {
        let Ok(text) = files::read(&self.info.join("WHEEL"), MAX_METADATA) else { return false };
        let text = String::from_utf8_lossy(&text);
        let values = |key: &str| -> Vec<String> {
            text.lines().filter_map(|line| Some(line.strip_prefix(key)?.trim().to_owned())).collect()
        };
        let mut installed = values("Tag:");
        let mut named = Vec::new();
        for python in wheel.python.split('.') {
            for abi in wheel.abi.split('.') {
                named.extend(wheel.platform.split('.').map(|platform| format!("{python}-{abi}-{platform}")));
            }
        }
        installed.sort();
        named.sort();
        installed == named && values("Build:").first().map(String::as_str) == wheel.build.as_deref()
    }

    /// What the `recordDigest` of the wheel that these rows are of can be (docs/TRUST.md 7); nothing where RECORD does not say
    /// enough. Whether the files are those of the rows is what [`check()`] finds out.
    ///
    /// Installers lay `.data/purelib` and `.data/platlib` out where everything else is, and no row says what came from there. A
    /// wheel mostly has all of its code in one place, so there are three readings; each is bound by a digest of all rows.
    pub(crate) fn record_digests(&self, environment: &Environment) -> Vec<ArtifactDigest> {
        let Some(stem) = self.info.file_name().and_then(|name| name.to_str()?.strip_suffix(".dist-info")) else {
            return Vec::new();
        };
        let Some(rows) = self.wheel_rows(stem, environment) else { return Vec::new() };
        let (own, data) = (format!("{stem}.dist-info/"), format!("{stem}.data/"));
        let moved = |scheme: &str| {
            let path = |path: &String| {
                let stays = path.starts_with(&own) || path.starts_with(&data);
                if stays { path.clone() } else { format!("{data}{scheme}/{path}") }
            };
            let rows: Vec<_> = rows.iter().map(|(name, sha256, size)| (path(name), *sha256, *size)).collect();
            record_digest(&rows).sha256
        };
        vec![record_digest(&rows).sha256, moved("purelib"), moved("platlib")]
    }

    /// Whether a wheel with these files installs exactly what lies here: for one that has code in several places at once,
    /// which no digest of a wheel's rows can be compared with. Where two of its files go to one place, nothing is shown.
    pub(crate) fn is_installed_from(&self, files: &[(String, ArtifactDigest, u64)], environment: &Environment) -> bool {
        let stem = self.info.file_name().and_then(|name| name.to_str()?.strip_suffix(".dist-info"));
        let Some(mut there) = stem.and_then(|stem| self.wheel_rows(stem, environment)) else { return false };
        let laid_out =
            |(path, sha256, size): &(String, ArtifactDigest, u64)| (laid_out(path).to_owned(), *sha256, *size);
        let mut files: Vec<_> = files.iter().map(laid_out).collect();
        there.sort();
        files.sort();
        let unique = files.windows(2).all(|pair| pair[0].0 != pair[1].0);
        unique && there == files
    }

    /// Path in the wheel, digest and size of every row that came with it.
    fn wheel_rows(&self, stem: &str, environment: &Environment) -> Option<Vec<(String, ArtifactDigest, u64)>> {
        let mut rows = Vec::new();
        for row in self.record.as_ref().ok()?.rows() {
            match self.in_wheel(row, stem, environment) {
                InWheel::No => {}
                InWheel::Unknown => return None,
                InWheel::As(path) => rows.push((path, row.sha256()?, row.size?)),
            }
        }
        Some(rows)
    }

    fn in_wheel(&self, row: &Row, stem: &str, environment: &Environment) -> InWheel {
        if let Some(name) = row.path.strip_prefix(&format!("{stem}.dist-info/"))
            && ADDED.contains(&name)
        {
            return InWheel::No;
        }
        // An installer that compiles gives no hash.
        if row.hash.is_none() {
            return if row.is_compiled() { InWheel::No } else { InWheel::Unknown };
        }
        if !row.path.starts_with("../") {
            return InWheel::As(row.path.clone());
        }
        // What a wheel keeps in `.data` goes to other folders of the environment.
        let path = row.place(self.folder());
        let Some(below) = path.strip_prefix(environment.root()).ok().and_then(Path::to_str) else {
            return if row.is_script() { InWheel::No } else { InWheel::Unknown };
        };
        if below.starts_with("bin/") {
            return InWheel::No;
        }
        let headers = below.strip_prefix("include/site/").and_then(|rest| rest.splitn(3, '/').nth(2));
        match headers {
            Some(header) => InWheel::As(format!("{stem}.data/headers/{header}")),
            None => InWheel::As(format!("{stem}.data/data/{below}")),
        }
    }
}

/// Where installers put a file of a wheel, as rows of other files say it: code has one place, whatever it is kept in.
fn laid_out(path: &str) -> &str {
    let code = path.split_once(".data/").filter(|(top, _)| !top.contains('/')).map(|(_, rest)| rest);
    let code = code.and_then(|rest| rest.strip_prefix("purelib/").or_else(|| rest.strip_prefix("platlib/")));
    code.unwrap_or(path)
}

/// What an installed file was called in the wheel.
enum InWheel {
    /// It came from the installer, or is a script: those are rewritten (docs/TRUST.md 7).
    No,
    Unknown,
    As(String),
}

/// Where a distribution says that it came from.
fn origin(info: &Path) -> (Option<Foreign>, Option<ArtifactDigest>) {
    let no_wheel = (!info.join("WHEEL").is_file()).then_some(Foreign::NoWheel);
    let direct = info.join("direct_url.json");
    if fs::symlink_metadata(&direct).is_err() {
        return (no_wheel, None);
    }
    let read =
        files::read(&direct, MAX_METADATA).ok().and_then(|bytes| serde_json::from_slice::<DirectUrl>(&bytes).ok());
    match read {
        Some(DirectUrl { folder: Some(DirInfo { editable: true }), .. }) => (Some(Foreign::Editable), None),
        Some(DirectUrl { vcs: Some(_), .. }) => (Some(Foreign::Vcs), None),
        Some(DirectUrl { archive: Some(archive), folder: None, .. }) => {
            let legacy = archive.hash.as_deref().and_then(|hash| hash.strip_prefix("sha256="));
            let listed = archive.hashes.as_ref().and_then(|hashes| hashes.get("sha256")).map(String::as_str);
            (no_wheel, listed.or(legacy).and_then(|hex| hex.parse().ok()))
        }
        // A file that says it came from elsewhere and not from where: nothing that was published.
        _ => (Some(Foreign::Local), None),
    }
}

#[cfg(test)]
mod tests;
