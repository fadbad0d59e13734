//! What is seen inside a room: of this machine or of an image, and the room's own folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{BUILD, ENVIRONMENT, Room};

/// `ro`, `rw` or `link`, from, to.
pub(super) type Mount = (&'static str, PathBuf, PathBuf);

impl Room<'_> {
    /// What is seen inside.
    pub(super) fn mounts(&self) -> io::Result<Vec<Mount>> {
        let mut mounts = match self.root {
            Some(root) => mounts_of(root)?,
            None => self.mounts_of_machine(),
        };
        let build = Path::new(BUILD);
        // An image without this file has nobody to ask for names, and a read-only root has no place for one.
        if self.root.is_none_or(|root| root.join("etc/passwd").is_file()) {
            mounts.push(("ro", self.folder.join("run/passwd"), "/etc/passwd".into()));
        }
        mounts.push(("rw", self.folder.to_owned(), build.to_owned()));
        mounts.push(("ro", self.folder.join("run"), build.join("run")));
        if self.source_at != build.join("src") {
            mounts.push(("rw", self.folder.join("src"), self.source_at.clone()));
        }
        if let Some(environment) = self.environment {
            mounts.push(("ro", environment.to_owned(), ENVIRONMENT.into()));
            // Beside it, since scripts in it begin with the path that they were installed for.
            if self.environment_at != Path::new(ENVIRONMENT) {
                mounts.push(("ro", environment.to_owned(), self.environment_at.clone()));
            }
        }
        Ok(mounts)
    }

    fn mounts_of_machine(&self) -> Vec<Mount> {
        let same = |path: &Path| ("ro", path.to_owned(), path.to_owned());
        let mut mounts = vec![same(Path::new("/usr"))];
        for path in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives"]
        {
            match fs::read_link(path) {
                Ok(target) => mounts.push(("link", target, path.into())),
                Err(_) if Path::new(path).exists() => mounts.push(same(Path::new(path))),
                Err(_) => {}
            }
        }
        let elsewhere = |prefix: &&PathBuf| !["/usr", "/nix/store"].iter().any(|known| prefix.starts_with(known));
        mounts.extend(self.interpreter.prefixes.iter().filter(elsewhere).map(|prefix| same(prefix)));
        mounts
    }
}

/// Each entry of an image's root, but for what the room has of its own.
fn mounts_of(root: &Path) -> io::Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let to = Path::new("/").join(entry.file_name());
        if ["/proc", "/dev", "/sys", "/tmp", BUILD].iter().any(|own| to == Path::new(own)) {
            continue;
        }
        if entry.file_type()?.is_symlink() {
            mounts.push(("link", fs::read_link(entry.path())?, to));
        } else {
            mounts.push(("ro", entry.path(), to));
        }
    }
    Ok(mounts)
}
