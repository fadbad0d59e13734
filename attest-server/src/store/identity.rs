//! `DIR/log.id`: which log (or which mirror of which log) this folder holds, and `DIR/log.key`: its secret key.
//!
//! ```toml
//! format = 1
//! kind = "log"
//! vkey = "example.com/log+530d903a+AZg..."
//! ```
//!
//! A mirror has `kind = "mirror"`, the upstream log's key as `vkey`, and its own cosigning key as `cosigner`. The file
//! is the last thing that `init` writes: where it is, everything else was made and synced before.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use attest_core::note::{KeyType, NoteError, SignerKey, VerifierKey};
use serde::{Deserialize, Serialize};

/// The on-disk format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Whether this folder is a log or a replica of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A log: it appends and signs.
    Log,
    /// A mirror: it follows a log and cosigns.
    Mirror,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Mirror => "mirror",
        })
    }
}

/// What `log.id` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    log: VerifierKey,
    /// Where it is there, this is a mirror.
    cosigner: Option<VerifierKey>,
}

impl Identity {
    /// A log.
    pub const fn of_log(vkey: VerifierKey) -> Self {
        Self { log: vkey, cosigner: None }
    }

    /// A mirror of the log `upstream`.
    pub const fn of_mirror(upstream: VerifierKey, cosigner: VerifierKey) -> Self {
        Self { log: upstream, cosigner: Some(cosigner) }
    }

    /// Log or mirror.
    pub const fn kind(&self) -> Kind {
        if self.cosigner.is_some() { Kind::Mirror } else { Kind::Log }
    }

    /// Key of the log whose entries these are.
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// Key whose secret half is in `log.key`.
    pub fn own(&self) -> &VerifierKey {
        self.cosigner.as_ref().unwrap_or(&self.log)
    }

    /// Reads `log.id` alone, of a log or a mirror.
    pub fn load(data: &Path) -> Result<Self, IdentityError> {
        let path = data.join("log.id");
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(IdentityError::Missing { data: data.to_owned() })
            }
            Err(source) => Err(IdentityError::Io { path, source }),
        }
    }

    /// Reads `log.id` and `log.key`, which have to agree.
    pub fn read(data: &Path, expected: Kind) -> Result<(Self, SignerKey), IdentityError> {
        let identity = Self::load(data)?;
        if identity.kind() != expected {
            return Err(IdentityError::Kind { path: data.join("log.id"), expected, found: identity.kind() });
        }
        let path = data.join("log.key");
        warn_if_shared(&path);
        let secret = fs::read_to_string(&path).map_err(|source| IdentityError::Io { path: path.clone(), source })?;
        let key = SignerKey::from_str(secret.trim_end_matches('\n'))
            .map_err(|source| IdentityError::Key { path: path.clone(), source })?;
        if key.verifier() != identity.own() {
            let expected = identity.own().to_string();
            return Err(IdentityError::OtherKey { path, expected, found: key.verifier().to_string() });
        }
        Ok((identity, key))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, IdentityError> {
        let file: File =
            toml::from_str(text).map_err(|source| IdentityError::Form { path: path.to_owned(), source })?;
        if file.format != FORMAT {
            return Err(IdentityError::Format { path: path.to_owned(), expected: FORMAT, found: file.format });
        }
        let key = |text: &str| {
            VerifierKey::from_str(text).map_err(|source| IdentityError::Key { path: path.to_owned(), source })
        };
        let log = key(&file.vkey)?;
        if log.kind() != KeyType::Ed25519 {
            return Err(IdentityError::KeyType { path: path.to_owned(), key: file.vkey });
        }
        match (file.kind, file.cosigner) {
            (Kind::Log, None) => Ok(Self::of_log(log)),
            (Kind::Mirror, Some(own)) => Ok(Self::of_mirror(log, key(&own)?)),
            (kind, _) => Err(IdentityError::Cosigner { path: path.to_owned(), kind }),
        }
    }
}

impl std::fmt::Display for Identity {
    /// The text of `log.id`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A name may have quotes and backslashes in it (C2SP signed-note, "Signatures").
        let quoted = |key: &VerifierKey| toml::Value::String(key.to_string());
        write!(f, "format = {FORMAT}\nkind = \"{}\"\nvkey = {}\n", self.kind(), quoted(&self.log))?;
        let cosigner = self.cosigner.as_ref();
        cosigner.map_or(Ok(()), |cosigner| writeln!(f, "cosigner = {}", quoted(cosigner)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    kind: Kind,
    vkey: String,
    cosigner: Option<String>,
}

/// What is wrong with `log.id` or `log.key`.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no log here.
    #[error(
        "{} holds no log: expected the file log.id in it\nhint: make one with `attest-server init --data DIR --origin \
         NAME`; if an earlier init was interrupted, delete the folder first",
        data.display()
    )]
    Missing {
        /// The data folder.
        data: PathBuf,
    },
    /// A log where a mirror was expected, or the other way round.
    #[error("{}: expected a {expected}, found a {found}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What the command works on.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// Not the TOML that `init` writes.
    #[error("{}: not a log identity", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// A format of another version of this program.
    #[error("{}: expected format {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What this program reads.
        expected: u32,
        /// What the file says.
        found: u32,
    },
    /// A key that does not parse.
    #[error("{}: holds a key that does not parse", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoteError,
    },
    /// The log's key is of a type that cannot sign checkpoints.
    #[error("{}: expected an Ed25519 log key (type 0x01), found {key}", path.display())]
    KeyType {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A mirror without, or a log with a `cosigner`.
    #[error("{}: a mirror has the key `cosigner` and a log has not; this is a {kind}", path.display())]
    Cosigner {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        kind: Kind,
    },
    /// The secret key is another log's.
    #[error("{}: expected the secret key of {expected}, found that of {found}", path.display())]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// What `log.id` names.
        expected: String,
        /// What the key file holds.
        found: String,
    },
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
/// `init` writes the key for its owner alone; a backup or a copy may have opened it. A warning only: a group may be how
/// a service manager hands the key over.
fn warn_if_shared(path: &Path) {
    let mode = fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    if let Ok(mode) = mode
        && mode & 0o077 != 0
    {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:04o}"),
            "others can read the secret key: expected mode 0600; anybody who has it can sign as this log"
        );
    }
}
