//! Files by path, size and digest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ListedFile {
    /// As named, with `/`.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// SHA-256.
    pub(crate) sha256: ArtifactDigest,
}

/// Files could not be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A file or a folder.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// JSON holds text.
    #[error("expected a path in UTF-8, found {}", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
}

/// Files, and everything in folders, by path. Links to files are read, links to folders are not followed.
pub(crate) fn list(paths: &[String]) -> Result<Vec<ListedFile>, FilesError> {
    let mut found = BTreeMap::new();
    for path in paths {
        add(Path::new(path), true, &mut found)?;
    }
    Ok(found.into_values().collect())
}

fn add(path: &Path, named: bool, found: &mut BTreeMap<String, ListedFile>) -> Result<(), FilesError> {
    let failed = |source| FilesError::Read { path: path.to_owned(), source };
    let is_link = fs::symlink_metadata(path).map_err(failed)?.is_symlink();
    let data = match fs::metadata(path) {
        // A link to nothing holds nothing.
        Err(_) if is_link && !named => return Ok(()),
        other => other.map_err(failed)?,
    };
    if data.is_dir() {
        if is_link && !named {
            return Ok(());
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            add(&entry.map_err(failed)?.path(), false, found)?;
        }
    } else if data.is_file() {
        let text = path.to_str().ok_or_else(|| FilesError::Name { path: path.to_owned() })?;
        let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
        let (size, sha256) = digest(path).map_err(failed)?;
        found.insert(text.clone(), ListedFile { path: text, size, sha256 });
    } else if named {
        return Err(failed(io::Error::other("it is neither a file nor a folder")));
    }
    Ok(())
}

/// Size and SHA-256 of a file of any size.
pub(crate) fn digest(path: &Path) -> io::Result<(u64, ArtifactDigest)> {
    let (mut file, mut hash, mut size) = (File::open(path)?, Sha256::new(), 0_u64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, ArtifactDigest::from_bytes(hash.finalize().into())));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}
