//! Whose signatures are on statements: parties of the policy, and keys of our own. Every signature is verified; a name in a
//! statement is only what it says.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use attest_core::{
    envelope::{Envelope, StatementId},
    key::PublicKey,
};

use crate::{
    evidence::folder,
    files::{self, FileError},
    layers::Layers,
    output::{Output, causes},
};

/// A list of statementIds: a million of them.
const MAX_LIST: u64 = 66 << 20;

/// A key, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// In the policy.
    pub(crate) group: Option<String>,
    key: PublicKey,
}

#[cfg(test)]
impl Known {
    pub(crate) fn named(name: &str, group: Option<&str>) -> Self {
        let key = attest_core::key::ed25519::SecretKey::from_seed([7; 32]).public();
        Self { name: name.to_owned(), group: group.map(str::to_owned), key: PublicKey::Ed25519(key) }
    }
}

/// Everybody whose key is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring(Vec<Known>);

impl Keyring {
    /// The parties of the policies, and keys of our own.
    pub(crate) fn new(layers: Option<&Layers>, own: &[Own]) -> Self {
        let parties = layers.into_iter().flat_map(Layers::iter).flat_map(|layer| layer.policy.parties());
        let mut keys: Vec<Known> = Vec::new();
        for party in parties {
            if !keys.iter().any(|known| known.key == *party.key()) {
                let (name, group) = (party.name().as_str().to_owned(), party.group().as_str().to_owned());
                keys.push(Known { name, group: Some(group), key: party.key().clone() });
            }
        }
        for own in own {
            if !keys.iter().any(|known| known.key == own.key) {
                keys.push(Known { name: own.key.fingerprint(), group: None, key: own.key.clone() });
            }
        }
        Self(keys)
    }

    /// Whose signature it is.
    pub(crate) fn signer(&self, envelope: &Envelope) -> Option<&Known> {
        self.0.iter().find(|known| envelope.verify(&known.key).is_ok())
    }
}

/// A key of ours, and where what we signed with it is.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) key: PublicKey,
    /// Folders of statement files.
    pub(crate) statements: Vec<PathBuf>,
    /// Files with a statementId in each line.
    pub(crate) lists: Vec<PathBuf>,
}

/// What we signed ourselves, as far as it was read: files are looked at again before anybody is accused.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    ids: HashSet<StatementId>,
    /// Whether all files were read in this look.
    is_fresh: bool,
}

/// What we signed cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignedError {
    #[error("cannot read our own statements in {}", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot read the list of our own statements")]
    List(#[from] FileError),
    #[error("{}: expected a statementId of 64 hex digits in line {line}", .path.display())]
    Line { path: PathBuf, line: usize },
}

impl Signed {
    /// Files may have changed.
    pub(crate) fn age(&mut self) {
        self.is_fresh = false;
    }

    /// Whether this is a statement of ours.
    pub(crate) fn contains(&mut self, id: StatementId, own: &[Own], out: &Output) -> Result<bool, SignedError> {
        if !self.ids.contains(&id) && !self.is_fresh {
            self.read(own, out)?;
            self.is_fresh = true;
        }
        Ok(self.ids.contains(&id))
    }

    fn read(&mut self, own: &[Own], out: &Output) -> Result<(), SignedError> {
        self.ids.clear();
        for folder in own.iter().flat_map(|own| &own.statements) {
            self.read_folder(folder, out)?;
        }
        for list in own.iter().flat_map(|own| &own.lists) {
            self.read_list(list)?;
        }
        Ok(())
    }

    fn read_folder(&mut self, folder: &Path, out: &Output) -> Result<(), SignedError> {
        let failed = |source| SignedError::Folder { path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // Nothing was signed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match folder::read_envelope(&path) {
                Ok((envelope, _)) => {
                    self.ids.insert(envelope.statement_id());
                }
                Err(error) => out.detail(format_args!("{} is left out: {}", path.display(), causes(error.as_ref()))),
            }
        }
        Ok(())
    }

    fn read_list(&mut self, path: &Path) -> Result<(), SignedError> {
        let bytes = files::read(path, MAX_LIST)?;
        for (line, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                let id = text.parse().map_err(|_| SignedError::Line { path: path.to_owned(), line })?;
                self.ids.insert(id);
            }
        }
        Ok(())
    }
}
