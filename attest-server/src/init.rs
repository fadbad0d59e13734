//! Making a new log or mirror on disk.
//!
//! The order is the point: keys, database, highwater, tiles, all synced, and `log.id` last. A folder with a `log.id` is
//! whole; one without was never a log, whatever else is in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    note::{KeyName, KeyType, SignerKey, VerifierKey},
    time::Timestamp,
};

use crate::store::{
    DatabaseError, Epoch, durable,
    highwater::{Highwater, Mark},
    identity::Identity,
    sled::SledDatabase,
    tiles::TileStore,
};

/// Makes a new log in `data`, which is missing or an empty folder, and returns its public key.
pub fn init_log(data: &Path, origin: KeyName, now: Timestamp) -> Result<VerifierKey, InitError> {
    let key = SignerKey::from_seed(origin, KeyType::Ed25519, seed()?);
    let identity = Identity::of_log(key.verifier().clone());
    create(data, &identity, &key, now)?;
    Ok(key.verifier().clone())
}

/// Makes a new mirror of the log `upstream` in `data`, which is missing or an empty folder, and returns the public key
/// of its cosignatures.
pub fn init_mirror(
    data: &Path,
    upstream: VerifierKey,
    name: KeyName,
    now: Timestamp,
) -> Result<VerifierKey, InitError> {
    let key = SignerKey::from_seed(name, KeyType::CosignatureV1, seed()?);
    let cosigner = key.verifier().clone();
    create(data, &Identity::of_mirror(upstream, cosigner.clone()), &key, now)?;
    Ok(cosigner)
}

fn seed() -> Result<[u8; 32], InitError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(InitError::Random)?;
    Ok(seed)
}

fn create(data: &Path, identity: &Identity, key: &SignerKey, now: Timestamp) -> Result<(), InitError> {
    refuse_to_overwrite(data)?;
    let io = |operation| move |source| InitError::Io { operation, path: data.to_owned(), source };
    let missing = data.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let missing = missing.take_while(|folder| !folder.exists()).count();
    fs::create_dir_all(data).map_err(io("making"))?;
    let secret = format!("{}\n", key.to_secret_string());
    durable::write_secret(&data.join("log.key"), secret.as_bytes()).map_err(io("writing the key in"))?;
    SledDatabase::create(data, now)?;
    let empty = TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() };
    let mark = Mark { epoch: Epoch::FIRST, tree: empty, time: now };
    Highwater::create(data, mark).map_err(io("writing the highwater mark in"))?;
    TileStore::create(data).map_err(io("making the tile folder in"))?;
    for folder in [&data.join("tile"), data] {
        durable::sync_dir(folder).map_err(io("syncing"))?;
    }
    // If we crash before the rename, there is no log: `init` says so and asks for an empty folder. A `log.id` is whole.
    let making = data.join("log.id.new");
    durable::write_new(&making, identity.to_string().as_bytes(), 0o644).map_err(io("writing log.id in"))?;
    fs::rename(&making, data.join("log.id")).map_err(io("naming log.id in"))?;
    durable::sync_dir(data).map_err(io("syncing"))?;
    // Every folder that was made on the way has its name in the one above.
    let data = fs::canonicalize(data).map_err(io("finding"))?;
    let mut parents = data.ancestors().skip(1).take(missing.max(1));
    parents.try_for_each(durable::sync_dir).map_err(io("syncing the parents of"))
}

/// A folder that is missing or empty is where a new log may be made.
pub(crate) fn refuse_to_overwrite(data: &Path) -> Result<(), InitError> {
    if data.join("log.id").exists() {
        return Err(InitError::Exists { data: data.to_owned() });
    }
    match fs::read_dir(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InitError::Io { operation: "reading", path: data.to_owned(), source }),
        Ok(mut files) => match files.next() {
            None => Ok(()),
            Some(Err(source)) => Err(InitError::Io { operation: "reading", path: data.to_owned(), source }),
            Some(Ok(file)) => {
                let found = file.file_name().to_string_lossy().into_owned();
                Err(InitError::NotEmpty { data: data.to_owned(), found })
            }
        },
    }
}

/// Why nothing new was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one already.
    #[error(
        "{} holds a log already, which is never overwritten\nhint: run it with `attest-server run --data DIR`, or choose \
         another folder",
        data.display()
    )]
    Exists {
        /// The data folder.
        data: PathBuf,
    },
    /// Something else is there.
    #[error(
        "{} is not empty: expected a new or empty folder, found {found}\nhint: if an earlier init was interrupted, \
         delete the folder and run init again",
        data.display()
    )]
    NotEmpty {
        /// The data folder.
        data: PathBuf,
        /// A file in it.
        found: String,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a key")]
    Random(#[source] getrandom::Error),
    /// The database could not be made.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A file operation failed.
    #[error("{operation} {} failed", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// In which folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn origin() -> KeyName {
        KeyName::new("example.com/log").unwrap()
    }

    #[test]
    fn a_log_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("log");
        let now = Timestamp::from_secs(1);
        init_log(&data, origin(), now).unwrap();
        let key = fs::read(data.join("log.key")).unwrap();
        assert!(matches!(init_log(&data, origin(), now), Err(InitError::Exists { .. })));
        fs::remove_file(data.join("log.id")).unwrap();
        assert!(matches!(init_log(&data, origin(), now), Err(InitError::NotEmpty { .. })));
        assert_eq!(fs::read(data.join("log.key")).unwrap(), key);
    }

    #[test]
    fn the_secret_key_is_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("log");
        init_log(&data, origin(), Timestamp::from_secs(1)).unwrap();
        let mode = fs::metadata(data.join("log.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
