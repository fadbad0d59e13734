//! The policies that judge a run (docs/TRUST.md 1.2).
//!
//! System, user, named and project policies are layers, never merged: each judges by itself and all that exist must
//! pass. A project's file alone, such as a fresh clone brings, is no policy: it can only add to what the user wants.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::ArtifactDigest,
    policy::{Policy, PolicyError},
    verify::Connection,
};

use crate::{
    files::{self, FileError, Mode},
    places::{PlaceError, Places},
};

mod excerpt;
mod include;

pub(crate) use self::include::FetchError;

/// A serial in decimal digits, and its line end.
const MAX_SERIAL_FILE: u64 = 32;

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    System,
    User,
    /// Included by one of these three, by its bytes.
    Organisation,
    /// `--policy FILE`
    Named,
    Project,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
            Self::Organisation => "organisation",
            Self::Named => "named",
            Self::Project => "project",
        })
    }
}

/// One policy.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) owner: Owner,
    pub(crate) path: PathBuf,
    pub(crate) policy: Policy,
    /// The highest serial seen before.
    pub(crate) seen_serial: Option<u64>,
    /// Where an included policy is from.
    url: Option<String>,
}

/// The policies of a run; at least one.
#[derive(Clone, Debug)]
pub(crate) struct Layers(Vec<Layer>);

/// There is no policy to judge by, or one of them cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error("no policy: looked in {}", shown(.looked))]
    None { looked: Vec<PathBuf>, project: Option<PathBuf> },
    #[error("the {owner} policy cannot be read")]
    Read { owner: Owner, source: FileError },
    #[error("the {owner} policy {} is not UTF-8 text", .path.display())]
    NotUtf8 { owner: Owner, path: PathBuf },
    // No source: its words stand here in the form that editors jump to, and would be printed a second time.
    #[error("{}:{}:{}: {}{excerpt}", .path.display(), .error.line, .error.column, .error.kind)]
    Parse { path: PathBuf, error: PolicyError, excerpt: String },
    #[error("{}:{line}: the policy at {url} cannot be had", .path.display())]
    Include { path: PathBuf, line: usize, url: String, source: Box<FetchError> },
    #[error("{}:{line}: {url} is not the policy that is meant: its bytes have sha256 {found}", .path.display())]
    OtherBytes { path: PathBuf, line: usize, url: String, found: ArtifactDigest },
    #[error("{}:{line}: a project's policy includes no others", .path.display())]
    ProjectIncludes { path: PathBuf, line: usize },
    #[error("{}:{line}: a policy that is included includes no others", .path.display())]
    Nested { path: PathBuf, line: usize },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(
        "{} was rolled back: expected serial {seen}, which was seen before, or a higher one, found {found}", .path.display()
    )]
    Rollback { path: PathBuf, seen: u64, found: u64 },
    #[error("the serial seen of {} cannot be kept", .path.display())]
    Memory { path: PathBuf, source: FileError },
    #[error("{} holds no serial: look why, and remove it to start anew", .memory.display())]
    Remembered { memory: PathBuf },
}

impl LayerError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::None { project: Some(project), .. } => Some(format!(
                "{} came with the project: read it, then name it with --policy {}",
                project.display(),
                project.display()
            )),
            Self::None { .. } => Some("`attest policy init --preset self` writes one to begin with".to_owned()),
            Self::Include { .. } => Some("it is kept once it was fetched; until then nothing can pass".to_owned()),
            Self::OtherBytes { .. } => {
                Some("ask whoever keeps it which bytes are meant, and change sha256 only by their word".to_owned())
            }
            Self::ProjectIncludes { .. } => Some("include it in your own policy".to_owned()),
            Self::Nested { .. } => Some("include both in your own policy".to_owned()),
            Self::Rollback { path, .. } => {
                Some(format!("bring back the newer {}, or ask whoever keeps it", path.display()))
            }
            _ => None,
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Layers {
    /// Reads every policy that exists, and holds each to the serial seen before.
    pub(crate) fn load(places: &Places, named: &[PathBuf], connection: Connection) -> Result<Self, LayerError> {
        let mut layers = Self::discover(places, named)?;
        layers.include(places, connection)?;
        for layer in &mut layers.0 {
            layer.seen_serial = layer.check_serial(places.data()?)?;
        }
        Ok(layers)
    }

    /// One policy alone, for commands that change it.
    pub(crate) fn only(layer: Layer) -> Self {
        Self(vec![layer])
    }

    /// Every included policy once, behind the one that names it.
    fn include(&mut self, places: &Places, connection: Connection) -> Result<(), LayerError> {
        let mut all: Vec<Layer> = Vec::new();
        for layer in std::mem::take(&mut self.0) {
            let mut included = Vec::new();
            for include in layer.policy.includes() {
                included.push(include::read(include, &layer, places.data()?, connection)?);
            }
            all.push(layer);
            for layer in included {
                if !all.iter().any(|other| other.path == layer.path) {
                    all.push(layer);
                }
            }
        }
        self.0 = all;
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.0.iter()
    }

    fn discover(places: &Places, named: &[PathBuf]) -> Result<Self, LayerError> {
        let mut layers = Vec::new();
        layers.extend(if_exists(Owner::System, &places.system_policy)?);
        if let Some(path) = &places.user_policy {
            layers.extend(if_exists(Owner::User, path)?);
        }
        for path in named {
            layers.push(read(Owner::Named, path)?);
        }
        let project = if_exists(Owner::Project, &places.project_policy)?;
        if layers.is_empty() {
            let looked = [Some(&places.system_policy), places.user_policy.as_ref()];
            return Err(LayerError::None {
                looked: looked.into_iter().flatten().cloned().collect(),
                project: project.map(|layer| layer.path),
            });
        }
        let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b));
        layers.extend(project.filter(|project| !layers.iter().any(|layer| same(&layer.path, &project.path))));
        Ok(Self(layers))
    }
}

/// A file that is not there is no layer; one that is there and cannot be read is an error, so that nobody drops a
/// policy by making it unreadable.
fn if_exists(owner: Owner, path: &Path) -> Result<Option<Layer>, LayerError> {
    match read(owner, path) {
        Err(LayerError::Read { source: FileError::Read { source, .. }, .. })
            if source.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() =>
        {
            Ok(None)
        }
        // The folder it would be in is a file, for example.
        Err(LayerError::Read { source: FileError::Read { source, .. }, .. })
            if source.kind() == io::ErrorKind::NotADirectory =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Reads one policy file, without asking what was seen of it before.
pub(crate) fn read(owner: Owner, path: &Path) -> Result<Layer, LayerError> {
    Ok(read_text(owner, path)?.0)
}

/// The same, with the text.
pub(crate) fn read_text(owner: Owner, path: &Path) -> Result<(Layer, String), LayerError> {
    let bytes = files::read(path, Policy::MAX_LEN as u64).map_err(|source| LayerError::Read { owner, source })?;
    parse(owner, path, bytes, None)
}

/// A policy that is no file yet.
pub(crate) fn of_text(path: &Path, text: String) -> Result<Layer, LayerError> {
    Ok(parse(Owner::Named, path, text.into_bytes(), None)?.0)
}

fn parse(owner: Owner, path: &Path, bytes: Vec<u8>, url: Option<String>) -> Result<(Layer, String), LayerError> {
    let path = path.to_owned();
    let Ok(text) = String::from_utf8(bytes) else { return Err(LayerError::NotUtf8 { owner, path }) };
    match Policy::parse(&text) {
        Ok(policy) => Ok((Layer { owner, path, policy, seen_serial: None, url }, text)),
        Err(error) => {
            let excerpt = excerpt::pointed(&text, &error);
            Err(LayerError::Parse { path, error, excerpt })
        }
    }
}

impl Layer {
    /// The highest serial seen before; a lower one now is a rollback, which no command goes on with.
    ///
    /// Remembered for the path as named and for the file it leads to: neither a symbolic link that is turned to an older
    /// file nor a new link to one that was rolled back begins anew.
    pub(crate) fn check_serial(&self, data: &Path) -> Result<Option<u64>, LayerError> {
        let failed = |source| {
            let path = self.path.clone();
            LayerError::Memory { path: self.path.clone(), source: FileError::Read { path, source } }
        };
        let known_as: BTreeSet<Vec<u8>> = if let Some(url) = &self.url {
            // Kept under its digest, so that an older one would be another file.
            BTreeSet::from([url.clone().into_bytes()])
        } else {
            let named = std::path::absolute(&self.path).map_err(failed)?;
            let real = self.path.canonicalize().map_err(failed)?;
            [named, real].into_iter().map(|path| path.into_os_string().into_encoded_bytes()).collect()
        };
        let memories = known_as.into_iter().map(|name| {
            let id = ArtifactDigest::of(&name).to_string();
            data.join("policies").join(format!("{}.serial", &id[..32]))
        });
        let memories: Vec<_> =
            memories.map(|memory| Ok((self.remembered(&memory)?, memory))).collect::<Result<_, LayerError>>()?;
        let found = self.policy.serial().value;
        let seen = memories.iter().filter_map(|(seen, _)| *seen).max();
        if let Some(seen) = seen.filter(|seen| found < *seen) {
            return Err(LayerError::Rollback { path: self.path.clone(), seen, found });
        }
        for (_, memory) in memories.iter().filter(|(seen, _)| *seen != Some(found)) {
            files::replace(memory, format!("{found}\n").as_bytes(), Mode::Shared)
                .map_err(|source| LayerError::Memory { path: self.path.clone(), source })?;
        }
        Ok(seen)
    }

    fn remembered(&self, memory: &Path) -> Result<Option<u64>, LayerError> {
        match files::read(memory, MAX_SERIAL_FILE) {
            Ok(bytes) => String::from_utf8_lossy(&bytes)
                .trim_end()
                .parse()
                .map(Some)
                .map_err(|_| LayerError::Remembered { memory: memory.to_owned() }),
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LayerError::Memory { path: self.path.clone(), source }),
        }
    }
}
