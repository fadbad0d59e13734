//! What a requirement leads to: a release of a project, or one file.

use std::path::{Path, PathBuf};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName, file_name_from_url},
    verify::{self, WantedName},
};

use crate::{
    item::{GateError, Question, Unattestable},
    wheels,
};

/// A release or a wheel.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    name: WantedName,
    url: Option<String>,
    path: Option<PathBuf>,
    /// From the fragment of a URL: pip adds them to those that it accepts.
    pub(super) hashes: Vec<String>,
}

impl Wanted {
    /// `NAME[extras]==VERSION`, `NAME @ URL`, a URL, or a path to a wheel.
    pub(super) fn parse(text: &str) -> Result<Self, Question> {
        // Only behind a name: `https://evil/@https://trusted/x.whl` is fetched from the first host.
        if let Some((name, url)) = text.split_once('@')
            && url.contains("://")
            && project(name).is_some()
        {
            return by_url(url.trim());
        }
        if text.contains("://") {
            return by_url(text);
        }
        let path = Path::new(text);
        if text.contains(['/', '\\']) || text.starts_with('.') || wheels::is_wheel(path) {
            let name = path.file_name().and_then(|name| WheelName::parse(name.to_str()?).ok());
            let name = name.ok_or(Question::NotAttestable(Unattestable::Local))?;
            let name = WantedName::File(name.as_str().to_owned());
            return Ok(Self { name, url: None, path: Some(path.to_owned()), hashes: Vec::new() });
        }
        if Unattestable::by_name(text) == Unattestable::Sdist {
            return Err(Question::NotAttestable(Unattestable::Sdist));
        }
        // `file:folder` and `name @ file:folder` need no slash.
        if text.contains(['@', ':']) {
            return Err(Question::NotAttestable(Unattestable::Local));
        }
        let name = release(text).map_err(Question::Refused)?;
        Ok(Self { name, url: None, path: None, hashes: Vec::new() })
    }

    /// Project and version, where it is a release and no file.
    pub(super) fn into_release(self) -> Option<(ProjectName, Version)> {
        match self.name {
            WantedName::Release { project, version } => Some((project, version)),
            WantedName::File(_) => None,
        }
    }

    /// Digest of the file itself, where it is at hand.
    pub(super) fn on_disk(&self) -> Option<ArtifactDigest> {
        self.path.as_deref().and_then(|path| wheels::digest(path).ok())
    }

    /// The question about one of the files that the requirement accepts.
    pub(super) fn question(&self, digest: ArtifactDigest) -> Question {
        let wanted = Box::new(verify::Wanted { digest, name: self.name.clone() });
        Question::File { wanted, url: self.url.clone() }
    }
}

fn release(text: &str) -> Result<WantedName, GateError> {
    let not_pinned = || GateError::NotPinned { found: text.to_owned() };
    let (name, version) = text.split_once("==").ok_or_else(not_pinned)?;
    // `===`, `==1.*` and a second specifier are no versions.
    let version = Version::new(version.trim()).map_err(|_| not_pinned())?;
    let project = project(name).ok_or_else(not_pinned)?;
    Ok(WantedName::Release { project, version })
}

/// `NAME` or `NAME[EXTRAS]`
fn project(text: &str) -> Option<ProjectName> {
    let name = match text.split_once('[') {
        Some((name, extras)) if extras.trim_end().ends_with(']') => name,
        Some(_) => return None,
        None => text,
    };
    ProjectName::new(name.trim()).ok()
}

fn by_url(url: &str) -> Result<Wanted, Question> {
    let not_attestable = |why: Unattestable| Question::NotAttestable(why);
    if url.split("://").next().is_some_and(|scheme| scheme.contains('+')) {
        return Err(not_attestable(Unattestable::Vcs));
    }
    let (base, fragment) = url.split_once('#').unwrap_or((url, ""));
    let mut hashes = Vec::new();
    for part in fragment.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("egg" | "subdirectory", _)) => {}
            Some((algorithm, value)) => hashes.push(format!("{algorithm}:{value}")),
            None => hashes.push(part.to_owned()),
        }
    }
    let name = file_name_from_url(base).map_err(|error| not_attestable(error.into()))?;
    match WheelName::parse(&name) {
        Ok(_) => Ok(Wanted { name: WantedName::File(name), url: Some(base.to_owned()), path: None, hashes }),
        Err(_) => Err(not_attestable(Unattestable::by_name(&name))),
    }
}
