//! What is to be rebuilt: a published wheel, whose digest is pinned before anything else happens.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName, file_name_from_url};
use reqwest::Url;

use super::platform;
use super::wheel::Wheel;
use super::zip;
use crate::exit::{Exit, Failure};
use crate::index::{Index, IndexFile};
use crate::item::Unattestable;

mod meant;
mod pin;

pub(crate) use self::pin::{Pinning, Selected};

/// What the user, or a lock, named.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `NAME`: the newest release.
    Newest(ProjectName),
    /// `NAME==VERSION`
    Release(ProjectName, Version),
    /// `NAME==VERSION` with the digests that a lock accepts.
    Locked(ProjectName, Version, Vec<ArtifactDigest>),
    /// A wheel on disk.
    File(PathBuf),
    /// A wheel on a server.
    Url(Box<Remote>),
}

/// A wheel on a server.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    url: Url,
    name: WheelName,
    /// From `#sha256=`, or from the lock.
    digest: Option<ArtifactDigest>,
}

impl Remote {
    /// A URL whose last part is the wheel's name; `#sha256=HEX` pins its bytes.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut url = Url::parse(text).context("expected the URL of a wheel")?;
        ensure!(matches!(url.scheme(), "http" | "https"), "expected a URL over https, found {}", url.scheme());
        let name = WheelName::parse(&file_name_from_url(url.path())?)?;
        let digest = match url.fragment() {
            None | Some("") => None,
            Some(fragment) => {
                let hex = fragment.strip_prefix("sha256=");
                Some(hex.with_context(|| format!("expected #sha256=HEX behind a URL, found #{fragment}"))?.parse()?)
            }
        };
        url.set_fragment(None);
        Ok(Self { url, name, digest })
    }

    /// The same, held to a digest.
    pub(crate) fn with_digest(self, digest: ArtifactDigest) -> Self {
        Self { digest: Some(digest), ..self }
    }
}

impl std::str::FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text.contains("://") {
            return Ok(Self::Url(Box::new(Remote::parse(text)?)));
        }
        if let Some((name, version)) = text.split_once("==") {
            return Ok(Self::Release(ProjectName::new(name.trim())?, Version::new(version.trim())?));
        }
        if Path::new(text).extension().is_some_and(|end| end == "whl") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let project = ProjectName::new(text).ok().filter(|_| Unattestable::by_name(text) != Unattestable::Sdist);
        Ok(Self::Newest(project.with_context(|| {
            let meant = meant::spelling(text).map(|meant| format!(": did you mean {meant}?")).unwrap_or_default();
            format!(
                "expected NAME, NAME==VERSION, a path that ends in .whl, or the URL of a wheel, found {text:?}{meant}"
            )
        })?))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newest(project) => f.write_str(project.as_str()),
            Self::Release(project, version) | Self::Locked(project, version, _) => {
                write!(f, "{}=={}", project.as_str(), version.as_str())
            }
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(remote) => f.write_str(&shown(&remote.url)),
        }
    }
}

/// A published wheel with the digest that it is held to, before its content was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    name: WheelName,
    digest: ArtifactDigest,
    place: Place,
    uploaded: Option<String>,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Place {
    Disk(PathBuf),
    Index(Box<IndexFile>),
    Url(Box<IndexFile>),
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
    /// Where its bytes are.
    pub(crate) pinned: Pinned,
}

impl Pinned {
    /// The file of this name, if the index has it with this digest.
    pub(crate) fn on_index(index: &Index, name: &WheelName, digest: ArtifactDigest) -> anyhow::Result<Self> {
        let files = index.project(&name.project)?;
        let file = files.into_iter().find(|file| file.name == name.as_str());
        let file =
            file.with_context(|| format!("expected {} on the index, found none: name the file", name.as_str()))?;
        let listed = file.digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        ensure!(
            file.digest == Some(digest),
            "expected {} with sha256 {digest}, found that the index lists {listed}",
            name.as_str()
        );
        let uploaded = file.uploaded.clone();
        Ok(Self { name: name.clone(), digest, place: Place::Index(Box::new(file)), uploaded })
    }

    /// A file that is to have this name and digest.
    pub(crate) fn on_disk(path: &Path, name: &WheelName, digest: ArtifactDigest) -> Self {
        Self { name: name.clone(), digest, place: Place::Disk(path.to_owned()), uploaded: None }
    }

    /// Its file name.
    pub(crate) fn name(&self) -> &WheelName {
        &self.name
    }

    /// What it is held to.
    pub(crate) fn digest(&self) -> ArtifactDigest {
        self.digest
    }

    /// What tells it, and what is built from it, from every other file.
    pub(crate) fn identity(&self) -> (&str, ArtifactDigest, Option<&str>) {
        (self.name.as_str(), self.digest, self.uploaded.as_deref())
    }

    /// The name under which it was published and will never change; none for a file on disk. Never with the credentials
    /// that a URL may hold.
    pub(crate) fn published_as(&self) -> Option<String> {
        match &self.place {
            Place::Disk(_) => None,
            Place::Index(file) => Some(file.name.clone()),
            Place::Url(file) => Some(shown(&file.url)),
        }
    }

    /// The file, held to its digest.
    pub(crate) fn bytes(&self, index: &Index) -> anyhow::Result<Vec<u8>> {
        let bytes = match &self.place {
            Place::Index(file) | Place::Url(file) => index.fetch(file, self.digest, zip::MAX_FILE)?,
            Place::Disk(path) => read_disk(path)?,
        };
        let found = ArtifactDigest::of(&bytes);
        if found != self.digest {
            return Err(changed(&self.name, self.digest, found).into());
        }
        Ok(bytes)
    }

    /// Reads the wheel.
    pub(crate) fn open(&self, index: &Index) -> anyhow::Result<Published> {
        let bytes = self.bytes(index)?;
        let wheel = Wheel::read(&bytes).with_context(|| format!("{} is not a wheel", self.name.as_str()))?;
        check_purity(&self.name, &wheel)?;
        Ok(Published { name: self.name.clone(), wheel, uploaded: self.uploaded.clone(), pinned: self.clone() })
    }
}

/// Without credentials.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// docs/TRUST.md 1.5: bytes that are not what they were pinned to are proof of something, and no outage.
pub(crate) fn changed(name: &WheelName, pinned: ArtifactDigest, found: ArtifactDigest) -> Failure {
    let message = format!("{} was pinned to sha256 {pinned}, and now has sha256 {found}", name.as_str());
    Failure::new(Exit::Alarm, message).hint("a published file never changes: keep both, and ask the index's operator")
}

fn read_disk(path: &Path) -> anyhow::Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("expected a wheel at {}", path.display()))?.len();
    ensure!(size <= zip::MAX_FILE, "expected a wheel of at most {} bytes, found {size}", zip::MAX_FILE);
    fs::read(path).with_context(|| format!("expected to read {}", path.display()))
}

/// A wheel that is named for everybody has to say the same inside.
fn check_purity(name: &WheelName, wheel: &Wheel) -> anyhow::Result<()> {
    ensure!(
        !platform::is_pure(name) || wheel.is_pure(),
        "expected Root-Is-Purelib: true in {}, whose name says that it is for any platform",
        name.as_str()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Target> {
        text.parse().ok()
    }

    #[test]
    fn targets_are_told_apart_by_their_form() {
        assert!(matches!(parsed("Requests"), Some(Target::Newest(name)) if name.as_str() == "requests"));
        assert!(matches!(parsed("requests == 2.0"), Some(Target::Release(_, version)) if version.as_str() == "2.0"));
        assert!(matches!(parsed("./demo-1.0-py3-none-any.whl"), Some(Target::File(_))));
        assert!(matches!(parsed("https://host/a%2Bb-1-py3-none-any.whl"), None | Some(Target::Url(_))));
        for text in ["", "==1", "a>=1", "a==", "a==1.*", "a.tar.gz", "../a", "a b", "ftp://host/a-1-py3-none-any.whl"] {
            assert!(parsed(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_url_names_a_wheel_and_its_fragment_is_a_digest_or_an_error() {
        let url = "https://user:secret@host:8443/files/demo-1.0-py3-none-any.whl";
        let digest = ArtifactDigest::of(b"wheel");
        let Some(Target::Url(remote)) = parsed(&format!("{url}#sha256={digest}")) else {
            panic!("expected a URL");
        };
        assert_eq!(remote.digest, Some(digest));
        let target = Target::Url(remote);
        assert_eq!(target.to_string(), "https://host:8443/files/demo-1.0-py3-none-any.whl", "no credentials");
        for fragment in ["sha256=00", "md5=00", "egg=demo", "sha512=00"] {
            assert!(parsed(&format!("{url}#{fragment}")).is_none(), "{fragment}");
        }
        assert!(parsed("https://host/demo-1.0.tar.gz").is_none());
    }
}
