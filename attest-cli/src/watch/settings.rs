//! What is watched and who is told: by flags in the simple case ([`Settings::add_project`] and its like), or by a file ([`mod@file`]).

use std::{path::PathBuf, time::Duration};

use attest_core::{
    artifact::{ArtifactDigest, ArtifactError, ProjectName},
    key::KeyError,
    note::VerifierKey,
    tlog_policy::TlogPolicyError,
};

use super::{
    event::Kind,
    health::Witness,
    interest::{Interest, Repository},
    keys::Own,
};
use crate::files::FileError;

mod file;
mod span;

pub(crate) use self::{
    file::{read_key, read_witnesses},
    span::Span,
};

/// How often logs are looked at, unless it is said.
pub(crate) const EVERY: Span = Span::new(Duration::from_secs(5 * 60));
/// A log that is idle has its checkpoint cosigned again every ten minutes (docs/witness.md).
pub(crate) const STALL_AFTER: Span = Span::new(Duration::from_secs(6 * 3_600));
/// The same, for one witness.
pub(crate) const WITNESS_AFTER: Span = Span::new(Duration::from_secs(3_600));
/// How long a command may take for an event.
const EXEC_LIMIT: Span = Span::new(Duration::from_secs(60));

/// All of it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) every: Span,
    pub(crate) from_start: bool,
    /// Where the memory is; where it is not said, it follows from what is watched.
    pub(crate) state: Option<PathBuf>,
    /// None: those of the policy.
    pub(crate) logs: Vec<Log>,
    pub(crate) interest: Interest,
    /// Locks and wheels whose files are judged by the policy.
    pub(crate) accepted: Vec<PathBuf>,
    pub(crate) keys: Vec<Own>,
    pub(crate) sinks: Vec<SinkSettings>,
    pub(crate) stall_after: Span,
    pub(crate) witness_after: Span,
}

/// A log to follow.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) vkey: VerifierKey,
    pub(crate) urls: Vec<String>,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) stall_after: Span,
    pub(crate) witness_after: Span,
}

/// Who is told.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    pub(crate) name: String,
    pub(crate) only: Option<Vec<Kind>>,
    pub(crate) target: TargetSettings,
}

/// How.
#[derive(Clone, Debug)]
pub(crate) enum TargetSettings {
    Exec { command: Vec<String>, limit: Span },
    Webhook { url: String, secret: PathBuf },
    Lines { path: PathBuf },
    Stdout,
    Atom { path: PathBuf, title: String },
}

/// There are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not as expected", .path.display())]
    Form { path: PathBuf, source: toml::de::Error },
    #[error("{} is no list of witnesses", .path.display())]
    Witnesses { path: PathBuf, source: TlogPolicyError },
    #[error("expected the name of a project, found {found:?}")]
    Project { found: String, source: ArtifactError },
    #[error("expected a sha256 of 64 hex digits, found {found:?}")]
    Digest { found: String },
    #[error("expected a repository as https://HOST/PATH, found {found:?}")]
    Repository { found: String },
    #[error("expected ed25519:BASE64 or a file with an OpenPGP certificate, found {found:?}")]
    Key { found: String, source: KeyError },
    #[error("log {origin} has no URL")]
    NoUrl { origin: String },
    #[error("two sinks are called {name:?}: what each was told is remembered by its name")]
    SameName { name: String },
    #[error("sink {name:?}: `command` is empty")]
    NoCommand { name: String },
}

impl Settings {
    /// Nothing is watched, by nobody.
    pub(crate) fn new() -> Self {
        Self {
            every: EVERY,
            from_start: false,
            state: None,
            logs: Vec::new(),
            interest: Interest::default(),
            accepted: Vec::new(),
            keys: Vec::new(),
            sinks: Vec::new(),
            stall_after: STALL_AFTER,
            witness_after: WITNESS_AFTER,
        }
    }

    pub(crate) fn add_project(&mut self, name: &str) -> Result<(), SettingsError> {
        let project =
            ProjectName::new(name).map_err(|source| SettingsError::Project { found: name.to_owned(), source })?;
        self.interest.projects.insert(project);
        Ok(())
    }

    pub(crate) fn add_digest(&mut self, text: &str) -> Result<(), SettingsError> {
        let digest: Result<ArtifactDigest, _> = text.strip_prefix("sha256:").unwrap_or(text).parse();
        self.interest.digests.insert(digest.map_err(|_| SettingsError::Digest { found: text.to_owned() })?);
        Ok(())
    }

    pub(crate) fn add_repository(&mut self, url: &str) -> Result<(), SettingsError> {
        let repository = Repository::parse(url).ok_or_else(|| SettingsError::Repository { found: url.to_owned() })?;
        self.interest.repositories.insert(repository);
        Ok(())
    }

    pub(crate) fn add_sink(&mut self, sink: SinkSettings) -> Result<(), SettingsError> {
        if self.sinks.iter().any(|other| other.name == sink.name) {
            return Err(SettingsError::SameName { name: sink.name });
        }
        self.sinks.push(sink);
        Ok(())
    }
}

impl TargetSettings {
    /// A program alone, with the usual limit.
    pub(crate) fn program(program: String) -> Self {
        Self::Exec { command: vec![program], limit: EXEC_LIMIT }
    }
}
