//! A copy of the database to look into: opening sled writes, and what is examined must stay as it was found.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::store::sled::found;

/// A private folder with `db/` in it. Deleted when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Copies `data/db`, or what the last start found there, while that was not trusted.
    pub(crate) fn of_database(data: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("attest-fsck-{:016x}", u64::from_be_bytes(random));
        let scratch = Self { path: std::env::temp_dir().join(name) };
        fs::DirBuilder::new().mode(0o700).create(&scratch.path)?;
        copy(&found::trusted(data), &scratch.path.join("db"))?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary copy could not be deleted");
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let to = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &to)?;
        } else {
            fs::copy(item.path(), to)?;
        }
    }
    Ok(())
}
