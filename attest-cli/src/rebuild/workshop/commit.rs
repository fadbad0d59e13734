//! Sdists and the commits that they are said to be made from.

use std::path::Path;

use attest_core::recipe::Recipe;

use super::Workshop;
use crate::rebuild::lineage::{Claims, Lineage, MAX_PROVENANCE, SdistCheck};
use crate::rebuild::source::{self, Source};
use crate::rebuild::target::Published;

impl Workshop {
    /// What the publisher's attestation says, where the index serves one. That it cannot be had is said, and no failure.
    pub(super) fn ask_publisher(&self, published: &Published, source: &Source, lineage: &mut Lineage) {
        let files = self.index.project(&published.name.project).unwrap_or_default();
        let digest = published.wheel.digest();
        let Some(file) = files.into_iter().find(|file| file.digest == Some(digest)) else { return };
        match self.index.provenance(&file, MAX_PROVENANCE) {
            Ok(provenance) => {
                if let Some(claims) = provenance.and_then(|bytes| Claims::read(&bytes, digest)) {
                    lineage.claimed(claims, source);
                }
            }
            Err(error) => lineage.notes.push(format!("the publisher's attestation cannot be had: {error:#}")),
        }
    }

    /// Holds the published sdist against the commit that the wheel was built from, or the sdist that it was built from
    /// against the commit that the user named.
    pub(super) fn hold_against(
        &self,
        published: &Published,
        source: &mut Source,
        recipe: &Recipe,
        (log, progress): (&Path, &dyn Fn(&str)),
        lineage: &mut Lineage,
    ) -> anyhow::Result<()> {
        if matches!(source, Source::Git(_)) {
            match Source::beside(&self.index, &published.name) {
                Ok(Some(sdist)) => {
                    let check = SdistCheck::make(&self.bench(source, log, progress), recipe, &sdist)?;
                    lineage.from_commit = Some(check);
                }
                Ok(None) => lineage.notes.push("the index has no sdist to hold against the commit".to_owned()),
                Err(error) => lineage.notes.push(format!("no sdist was held against the commit: {error:#}")),
            }
        } else if let Some(address) = &self.options.commit {
            let commit = Source::Git(Box::new(source::checkout(address, published, &self.options.cache)?));
            let check = SdistCheck::make(&self.bench(&commit, log, progress), recipe, source)?;
            if check.is_verified() {
                source.verify(&commit);
            }
            lineage.from_commit = Some(check);
        }
        Ok(())
    }
}
