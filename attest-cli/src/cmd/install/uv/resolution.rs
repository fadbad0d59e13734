//! What `uv pip compile --format pylock.toml` writes ([PEP 751](https://peps.python.org/pep-0751/)), for one Python and
//! wheels alone. Not a reader of other people's locks: keys that uv does not write here are refused.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ProjectName, Version, WheelName, file_name_from_url},
    verify::{Wanted, WantedName},
};
use serde::Deserialize;

use super::UvError;
use crate::{
    cmd::install::plan::Package,
    item::{GateError, Item, Place, Question, Unattestable},
};

/// Where a person reads about it.
const PLACE: &str = "uv's resolution";
const LOCK_VERSION: &str = "1.0";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Resolution {
    lock_version: String,
    #[serde(default)]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    name: String,
    version: Option<String>,
    #[serde(default)]
    wheels: Vec<File>,
    archive: Option<File>,
    sdist: Option<serde::de::IgnoredAny>,
    vcs: Option<serde::de::IgnoredAny>,
    directory: Option<serde::de::IgnoredAny>,
    #[serde(rename = "index")]
    _index: Option<String>,
    #[serde(rename = "requires-python")]
    _requires_python: Option<String>,
    #[serde(rename = "marker")]
    _marker: Option<String>,
    #[serde(rename = "dependencies")]
    _dependencies: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<PathBuf>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Package>, UvError> {
    let unknown = |why: String| UvError::Resolution { why };
    let read: Resolution = toml::from_str(text).map_err(|error| unknown(error.message().to_owned()))?;
    if read.lock_version != LOCK_VERSION {
        return Err(unknown(format!("expected version {LOCK_VERSION}, found {:?}", read.lock_version)));
    }
    read.packages.iter().map(package).collect()
}

fn package(entry: &Entry) -> Result<Package, UvError> {
    let failed = |source| UvError::Name { source };
    let project = ProjectName::new(&entry.name).map_err(failed)?;
    let not_attestable = |why| vec![item(entry.name.clone(), Question::NotAttestable(why))];
    let direct = entry.archive.as_ref().map(File::address).transpose()?;
    let candidates = match (&entry.archive, entry.vcs.is_some(), entry.directory.is_some()) {
        (_, true, _) => not_attestable(Unattestable::Vcs),
        (_, _, true) => not_attestable(Unattestable::Local),
        (Some(archive), ..) => vec![archive.item()?],
        _ if entry.wheels.is_empty() && entry.sdist.is_some() => not_attestable(Unattestable::Sdist),
        _ => entry.wheels.iter().map(File::item).collect::<Result<_, _>>()?,
    };
    // Only an editable folder has none.
    let version = Version::new(entry.version.as_deref().unwrap_or("0")).map_err(failed)?;
    Ok(Package { project, version, direct, candidates })
}

impl File {
    /// As a requirement may name it.
    fn address(&self) -> Result<String, UvError> {
        match (&self.url, &self.path) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => {
                let real = path.canonicalize().map_err(|source| UvError::Run { source })?;
                reqwest::Url::from_file_path(&real)
                    .map(String::from)
                    .map_err(|()| UvError::Resolution { why: format!("{} is no file", path.display()) })
            }
            (None, None) => Err(UvError::Resolution { why: "a file without url and path".to_owned() }),
        }
    }

    fn item(&self) -> Result<Item, UvError> {
        let url = self.address()?;
        let unknown = |error: attest_core::artifact::ArtifactError| UvError::Resolution { why: error.to_string() };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => file_name_from_url(&url).map_err(unknown)?,
        };
        if WheelName::parse(&name).is_err() {
            return Ok(item(name.clone(), Question::NotAttestable(Unattestable::by_name(&name))));
        }
        let question = match self.hashes.get("sha256").map(|hex| (hex, hex.parse())) {
            Some((_, Ok(digest))) => {
                let wanted = Box::new(Wanted { digest, name: WantedName::File(name.clone()) });
                Question::File { wanted, url: Some(without_credentials(&url)) }
            }
            Some((hex, Err(_))) => Question::Refused(GateError::MalformedHash { found: hex.clone() }),
            None => Question::Refused(match self.hashes.keys().next() {
                Some(other) => GateError::OtherHash { found: other.clone() },
                None => GateError::NoHash,
            }),
        };
        Ok(item(name, question))
    }
}

fn item(name: String, question: Question) -> Item {
    Item::new(name, Place::file(Path::new(PLACE)), question)
}

/// A URL as it may be printed.
fn without_credentials(url: &str) -> String {
    crate::cmd::install::sources::without_credentials(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn one(entry: &str) -> Result<Package, UvError> {
        parse(&format!("lock-version = \"1.0\"\ncreated-by = \"uv\"\n[[packages]]\nname = \"Foo.Bar\"\n{entry}"))
            .map(|mut packages| packages.remove(0))
    }

    fn codes(package: &Package) -> Vec<&'static str> {
        let code = |item: &Item| match &item.question {
            Question::File { .. } => "file",
            Question::NotAttestable(why) => why.code(),
            Question::Refused(error) => error.code(),
            Question::NotSelectable(_) => "not-selectable",
        };
        package.candidates.iter().map(code).collect()
    }

    #[test]
    fn every_file_that_fits_is_a_question_of_its_own() {
        let package = one(&format!(
            "version = \"1.0\"\nwheels = [{{ url = \"https://ann:pw@x/foo_bar-1.0-py3-none-any.whl\", size = 3, hashes = {{ sha256 = \"{HEX}\" }} }}, \
             {{ url = \"https://x/foo_bar-1.0-cp311-cp311-linux_x86_64.whl\", hashes = {{ md5 = \"00\" }} }}, \
             {{ url = \"https://x/foo_bar-1.0-cp311-none-any.whl\", hashes = {{ sha256 = \"AA\" }} }}, \
             {{ url = \"https://x/foo_bar-1.0-py2.py3-none-any.whl\" }}]"
        ))
        .unwrap();
        assert_eq!(package.name(), "foo-bar==1.0");
        assert_eq!(codes(&package), ["file", "other-hash", "malformed-hash", "no-hash"]);
        let url = crate::cmd::install::plan::url(&package.candidates[0]);
        assert_eq!(url, Some("https://x/foo_bar-1.0-py3-none-any.whl"), "credentials are not shown");
    }

    #[test]
    fn what_is_no_published_wheel_is_named_for_what_it_is() {
        for (entry, code) in [
            ("version = \"1\"\nvcs = { type = \"git\", url = \"https://x\" }", "vcs"),
            ("directory = { path = \".\", editable = true }", "local"),
            ("version = \"1\"\nsdist = { url = \"https://x/foo_bar-1.tar.gz\" }", "sdist"),
            ("version = \"1\"\narchive = { url = \"https://x/foo_bar-1.tar.gz\" }", "sdist"),
        ] {
            assert_eq!(codes(&one(entry).unwrap()), [code], "{entry}");
        }
    }

    #[test]
    fn what_uv_never_wrote_is_not_read() {
        assert!(one("version = \"1\"\nexclusive = true").is_err());
        assert!(one("version = \"1\"\nwheels = [{ hashes = {} }]").is_err());
        assert!(parse("lock-version = \"2.0\"\npackages = []").is_err());
        assert!(parse("lock-version = \"1.0\"").unwrap().is_empty());
    }
}
