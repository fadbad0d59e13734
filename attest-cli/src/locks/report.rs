//! pip's installation report ([version 1](https://pip.pypa.io/en/stable/reference/installation-report/)): what an
//! installation would fetch, from where, with which hash.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, ArtifactError, ProjectName, Version, WheelName, file_name_from_url},
    verify::{Wanted, WantedName},
};
use serde::Deserialize;

use crate::{
    item::{Form, GateError, Item, Package, Place, Question, Unattestable},
    wheels::is_wheel,
};

const VERSION: &str = "1";

/// A file that pip would install.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) item: Item,
    pub(crate) project: ProjectName,
    pub(crate) version: Version,
    /// Where pip would fetch it.
    pub(crate) url: String,
    /// Asked for by URL, so no index may have it.
    pub(crate) direct: bool,
    pub(crate) yanked: bool,
}

/// The report is none, or of another version.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("{} is no report of pip's", .path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("expected a report of version {VERSION}, found {found:?}")]
    Version { found: String },
    #[error("pip's report names a project or version that is none")]
    Name { source: ArtifactError },
}

#[derive(Deserialize)]
struct Report {
    version: String,
    install: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    download_info: Download,
    metadata: Metadata,
    #[serde(default)]
    is_direct: bool,
    #[serde(default)]
    is_yanked: bool,
}

#[derive(Deserialize)]
struct Download {
    url: String,
    archive_info: Option<Archive>,
    vcs_info: Option<serde::de::IgnoredAny>,
    dir_info: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Archive {
    hashes: Option<BTreeMap<String, String>>,
    /// `sha256=HEX`, as older versions have it.
    hash: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

impl Planned {
    /// `path` names the report where a person reads about it.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Self>, ReportError> {
        let report: Report =
            serde_json::from_slice(bytes).map_err(|source| ReportError::Json { path: path.to_owned(), source })?;
        if report.version != VERSION {
            return Err(ReportError::Version { found: report.version });
        }
        report.install.into_iter().map(|entry| Self::new(entry, path)).collect()
    }

    fn new(entry: Entry, path: &Path) -> Result<Self, ReportError> {
        let failed = |source| ReportError::Name { source };
        let project = ProjectName::new(&entry.metadata.name).map_err(failed)?;
        let version = Version::new(&entry.metadata.version).map_err(failed)?;
        let name = format!("{}=={}", project.as_str(), version.as_str());
        let (shown, question) = match question(&entry.download_info) {
            Ok((file, digest)) => {
                let wanted = Box::new(Wanted { digest, name: WantedName::File(file.clone()) });
                (file, Question::File { wanted, url: Some(entry.download_info.url.clone()) })
            }
            Err(question) => (name, question),
        };
        let digest = match &question {
            Question::File { wanted, .. } => Some(wanted.digest),
            _ => None,
        };
        let form = match &question {
            Question::NotAttestable(Unattestable::Sdist) => Form::Sdist,
            Question::NotAttestable(Unattestable::Vcs) => Form::Vcs,
            Question::NotAttestable(Unattestable::Local) => Form::Folder,
            _ => Form::Wheel,
        };
        let package =
            Package { project: project.clone(), version: Some(version.clone()), form, digest, required_by: Vec::new() };
        Ok(Self {
            item: Item { package: Some(Box::new(package)), ..Item::new(shown, Place::file(path), question) },
            project,
            version,
            url: entry.download_info.url,
            direct: entry.is_direct,
            yanked: entry.is_yanked,
        })
    }
}

fn question(download: &Download) -> Result<(String, ArtifactDigest), Question> {
    if download.vcs_info.is_some() {
        return Err(Question::NotAttestable(Unattestable::Vcs));
    }
    let (Some(archive), None) = (&download.archive_info, &download.dir_info) else {
        return Err(Question::NotAttestable(Unattestable::Local));
    };
    let file = file_name_from_url(&download.url).map_err(|error| Question::NotAttestable(error.into()))?;
    if !is_wheel(Path::new(&file)) {
        let what = Unattestable::by_name(&file);
        // Nobody votes on a source distribution, but a policy may exempt its very bytes (docs/TRUST.md 6.2).
        return match digest(archive) {
            Ok(digest) if what == Unattestable::Sdist => Ok((file, digest)),
            _ => Err(Question::NotAttestable(what)),
        };
    }
    WheelName::parse(&file).map_err(|error| Question::NotAttestable(error.into()))?;
    digest(archive).map(|digest| (file, digest)).map_err(Question::Refused)
}

/// The sha256 alone: only that one is written into the requirements that pip has to keep to.
fn digest(archive: &Archive) -> Result<ArtifactDigest, GateError> {
    let legacy = archive.hash.as_deref().and_then(|hash| hash.split_once('='));
    let listed = archive.hashes.as_ref().and_then(|hashes| hashes.get("sha256")).map(String::as_str);
    let hex = listed.or_else(|| legacy.filter(|(algorithm, _)| *algorithm == "sha256").map(|(_, hex)| hex));
    match hex {
        Some(hex) => hex.parse().map_err(|_| GateError::MalformedHash { found: hex.to_owned() }),
        None => match archive.hashes.iter().flat_map(BTreeMap::keys).next().or(archive.hash.as_ref()) {
            Some(other) => Err(GateError::OtherHash { found: other.clone() }),
            None => Err(GateError::NoHash),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn one(download: &str) -> Planned {
        let report = format!(
            r#"{{"version":"1","install":[{{"download_info":{download},"metadata":{{"name":"Foo.Bar","version":"1.0+cu1"}}}}]}}"#
        );
        Planned::parse(report.as_bytes(), Path::new("report")).unwrap().remove(0)
    }

    #[test]
    fn the_exact_file_name_is_asked_about() {
        let planned = one(&format!(
            r#"{{"url":"https://x/a/foo_bar-1.0%2Bcu1-py3-none-any.whl","archive_info":{{"hashes":{{"sha256":"{HEX}"}}}}}}"#
        ));
        assert_eq!(planned.item.name, "foo_bar-1.0+cu1-py3-none-any.whl");
        assert_eq!(planned.project.as_str(), "foo-bar");
        assert_eq!(planned.item.digest().unwrap().to_string(), HEX);
        let legacy = one(&format!(
            r#"{{"url":"https://x/foo_bar-1.0-py3-none-any.whl","archive_info":{{"hash":"sha256={HEX}"}}}}"#
        ));
        assert!(legacy.item.digest().is_some());
    }

    #[test]
    fn what_is_no_published_wheel_is_named_for_what_it_is() {
        for (download, code) in [
            (r#"{"url":"https://x/foo-1.0.tar.gz","archive_info":{}}"#, "sdist"),
            (r#"{"url":"https://x/foo.git","vcs_info":{"vcs":"git"}}"#, "vcs"),
            (r#"{"url":"file:///src","dir_info":{"editable":true}}"#, "local"),
            (r#"{"url":"https://x/foo-1.0.whl","archive_info":{}}"#, "wheel-name"),
            (r#"{"url":"https://x/foo-1.0.egg","archive_info":{}}"#, "not-a-wheel"),
        ] {
            match one(download).item.question {
                Question::NotAttestable(why) => assert_eq!(why.code(), code),
                other => panic!("{download}: {other:?}"),
            }
        }
        let md5 = one(r#"{"url":"https://x/foo-1.0-py3-none-any.whl","archive_info":{"hashes":{"md5":"00"}}}"#);
        assert!(matches!(md5.item.question, Question::Refused(GateError::OtherHash { .. })));
    }

    #[test]
    fn a_report_of_another_version_is_not_read() {
        let error = Planned::parse(br#"{"version":"2","install":[]}"#, Path::new("report")).unwrap_err();
        assert!(matches!(error, ReportError::Version { .. }));
    }
}
