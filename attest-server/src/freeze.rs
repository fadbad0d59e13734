//! `DIR/frozen`: a log that is read-only. Nothing new is accepted or signed; reads go on.
//!
//! ```toml
//! since = "2026-11-22T03:00:00Z"
//! by = "operator"
//! reason = "this log is full; the next one is log2.example.org"
//! next = "https://log2.example.org/"
//! ```
//!
//! That the file exists is what freezes, whatever is in it: damaged, it freezes too. It survives restarts, and a running
//! server sees it within a second. A restored log is frozen from its first moment ([`Cause::Restore`]), and thawed only
//! when it was shown that nobody has seen a larger tree: signing again what was signed once, with other entries, would
//! fork the log.

pub(crate) mod command;
mod thaw;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use attest_core::time::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::thaw::ThawError;
use crate::store::durable;

const NAME: &str = "frozen";
/// How long a look at the file is believed: submissions come thousands of times a second.
const RECHECK: Duration = Duration::from_millis(250);

/// Why a log is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Its operator closed it, or the server did for its operator: a mirror has another history under its key.
    Operator,
    /// It was restored, and may be older than what was signed.
    Restore,
}

/// What `frozen` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    since: String,
    by: Cause,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Frozen {
    /// Frozen from `since` on. `next` is where statements go instead.
    pub fn new(since: Timestamp, by: Cause, reason: String, next: Option<String>) -> Self {
        Self { since: since.to_string(), by, reason, next }
    }

    /// Who froze it.
    pub const fn by(&self) -> Cause {
        self.by
    }

    /// Where statements go instead.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Reads the file of a data folder; `None` where the log is not frozen.
    pub fn read(data: &Path) -> Result<Option<Self>, FreezeError> {
        let path = data.join(NAME);
        match fs::read_to_string(&path) {
            Ok(text) => match toml::from_str(&text) {
                Ok(frozen) => Ok(Some(frozen)),
                Err(source) => Err(FreezeError::Form { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FreezeError::Io { operation: "reading", path, source }),
        }
    }

    /// Writes the file, durably on return. If we crash in here, the log is frozen or it is not.
    pub fn write(&self, data: &Path) -> Result<(), FreezeError> {
        let path = data.join(NAME);
        let io = |source| FreezeError::Io { operation: "writing", path: path.clone(), source };
        let text = toml::to_string(self).map_err(io::Error::other).map_err(io)?;
        durable::replace(&path, text.as_bytes(), 0o644).map_err(io)
    }

    /// Deletes the file, durably on return.
    fn remove(data: &Path) -> Result<(), FreezeError> {
        let path = data.join(NAME);
        let remove = fs::remove_file(&path).and_then(|()| durable::sync_dir(data));
        remove.map_err(|source| FreezeError::Io { operation: "deleting", path, source })
    }
}

impl std::fmt::Display for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frozen since {}: {}", self.since, self.reason)
    }
}

/// Whether a data folder is frozen: what cannot be read freezes too.
pub fn is_frozen(data: &Path) -> bool {
    !matches!(Frozen::read(data), Ok(None))
}

/// Whether a log may be older than what was signed: restored, or frozen by nobody knows whom. Then its key signs nothing,
/// not even about what was published.
pub fn may_be_old(data: &Path) -> bool {
    match Frozen::read(data) {
        Ok(frozen) => frozen.is_some_and(|frozen| frozen.by() == Cause::Restore),
        Err(_) => true,
    }
}

/// Whether a log is frozen now, for a server that is asked thousands of times a second.
#[derive(Debug)]
pub struct Watch {
    /// `None` for a mirror: what it serves is not its own.
    data: Option<PathBuf>,
    seen: Mutex<(Instant, Option<Arc<Frozen>>)>,
}

impl Watch {
    /// Looks at the file of a log.
    pub fn new(data: &Path) -> Self {
        Self { data: Some(data.to_owned()), seen: Mutex::new((Instant::now(), look(data))) }
    }

    /// Never frozen.
    pub fn never() -> Self {
        Self { data: None, seen: Mutex::new((Instant::now(), None)) }
    }

    /// What the file says, as of a moment ago.
    pub fn now(&self) -> Option<Arc<Frozen>> {
        let data = self.data.as_deref()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0.elapsed() >= RECHECK {
            let found = look(data);
            if found.is_some() != seen.1.is_some() {
                let state = found.as_ref().map_or_else(|| "no longer frozen".to_owned(), ToString::to_string);
                tracing::warn!("{state}");
            }
            *seen = (Instant::now(), found);
        }
        seen.1.clone()
    }
}

fn look(data: &Path) -> Option<Arc<Frozen>> {
    let damaged = |error: FreezeError| {
        let reason = crate::logging::chain(&error);
        Some(Frozen { since: "an unknown time".to_owned(), by: Cause::Operator, reason, next: None })
    };
    Frozen::read(data).unwrap_or_else(damaged).map(Arc::new)
}

/// What is wrong with `frozen`.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// Not the TOML that this program writes.
    #[error("{}: not what `attest-server freeze` writes, so the log stays frozen", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// A file operation failed.
    #[error("{}: {operation} failed", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen() -> Frozen {
        let since = Timestamp::from_secs(1_795_000_000);
        Frozen::new(
            since,
            Cause::Restore,
            "a \"reason\"\nin two lines".to_owned(),
            Some("https://n.example/".to_owned()),
        )
    }

    #[test]
    fn what_is_written_is_read_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_frozen(dir.path()));
        frozen().write(dir.path()).unwrap();
        assert_eq!(Frozen::read(dir.path()).unwrap(), Some(frozen()));
        Frozen::remove(dir.path()).unwrap();
        assert!(!is_frozen(dir.path()));
    }

    #[test]
    fn only_what_its_operator_froze_is_known_to_be_no_older_than_what_was_signed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!may_be_old(dir.path()));
        frozen().write(dir.path()).unwrap();
        assert!(may_be_old(dir.path()));
        Frozen { by: Cause::Operator, ..frozen() }.write(dir.path()).unwrap();
        assert!(!may_be_old(dir.path()));
        fs::write(dir.path().join("frozen"), "damaged").unwrap();
        assert!(may_be_old(dir.path()));
    }

    #[test]
    fn a_damaged_file_freezes() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "since = 1", "since = 'a'\nby = 'nobody'\nreason = ''", "\u{0}"] {
            fs::write(dir.path().join("frozen"), text).unwrap();
            assert!(is_frozen(dir.path()), "{text:?}");
            assert!(matches!(Frozen::read(dir.path()), Err(FreezeError::Form { .. })), "{text:?}");
            assert!(Watch::new(dir.path()).now().is_some(), "{text:?}");
        }
        fs::remove_file(dir.path().join("frozen")).unwrap();
        fs::create_dir(dir.path().join("frozen")).unwrap();
        assert!(is_frozen(dir.path()));
    }
}
