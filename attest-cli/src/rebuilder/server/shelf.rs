//! Files of published results by their digests. Each record is read once.

use std::collections::{HashMap, HashSet};

use attest_core::artifact::ArtifactDigest;

use crate::files;
use crate::rebuild::zip::MAX_FILE;
use crate::rebuilder::folder::Folder;
use crate::rebuilder::intake::{self, RECORD};

/// Which result has a file, and under which name.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    files: HashMap<ArtifactDigest, (ArtifactDigest, String)>,
    read: HashSet<ArtifactDigest>,
}

impl Shelf {
    /// Takes up the results that are new; one that does not read is not there.
    pub(super) fn take_up(&mut self, folder: &Folder, builds: &[ArtifactDigest]) {
        for build in builds.iter().filter(|build| self.read.insert(**build)) {
            self.files.insert(*build, (*build, RECORD.to_owned()));
            let named = intake::named(folder, *build).unwrap_or_default();
            self.files.extend(named.into_iter().map(|file| (file.sha256, (*build, file.name))));
        }
    }

    /// Its bytes, if they still are what the record says.
    pub(super) fn read(&self, folder: &Folder, digest: ArtifactDigest) -> Option<Vec<u8>> {
        let (build, name) = self.files.get(&digest)?;
        let bytes = files::read(&folder.result(*build).join(name), MAX_FILE).ok()?;
        (ArtifactDigest::of(&bytes) == digest).then_some(bytes)
    }
}
