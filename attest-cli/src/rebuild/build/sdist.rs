//! Building a source distribution: `build_sdist` of [PEP 517](https://peps.python.org/pep-0517/#build-sdist).

use std::fs;
use std::path::Path;

use super::{BuildError, Builder, Built, Hook, made_folder, read_made, read_requires};
use crate::rebuild::sdist::MAX_FILE;
use crate::rebuild::tree::Order;
use crate::temporary::Temporary;

impl Builder<'_> {
    /// What the project needs for that beside its static requirements.
    pub(crate) fn requires_for_sdist(&self, environment: &Path) -> anyhow::Result<Vec<String>> {
        let folder = Temporary::new("room")?;
        let room = self.run(Hook::GetRequiresForBuildSdist, environment, folder.path(), Order::Forward)?;
        read_requires(&room)
    }

    /// Builds one, in a fresh copy of the source.
    pub(crate) fn build_sdist(&self, environment: &Path) -> anyhow::Result<Built> {
        let folder = Temporary::new("room")?;
        let room = self.run(Hook::BuildSdist, environment, folder.path(), Order::Forward)?;
        let out = made_folder(room.outside("out"))?;
        let mut sdists = Vec::new();
        for entry in fs::read_dir(&out)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".tar.gz") {
                sdists.push(name);
            }
        }
        let [name] = sdists.as_slice() else {
            return Err(BuildError::Sdists { found: sdists.len() }.into());
        };
        Ok(Built { name: name.clone(), bytes: read_made(&out.join(name), MAX_FILE)? })
    }
}
