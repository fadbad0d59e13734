//! The entries themselves, by bundle.

use attest_core::tile::{self, BundleId, Entry, MAX_BUNDLE_LEN, Resource};

use super::{ClientError, LogClient};

impl LogClient {
    /// The entries of a bundle, cut from the full one where the partial one is gone.
    pub(crate) fn entries(&self, id: BundleId) -> Result<Vec<Entry>, ClientError> {
        let get =
            |id| self.ask(self.client.get(format!("{}/{}", self.base, Resource::Bundle(id))), MAX_BUNDLE_LEN as u64);
        let (found, bytes) = match get(id) {
            Err(ClientError::NotALog { .. }) if !id.is_full() => (id.full(), get(id.full())?),
            other => (id, other?),
        };
        let mut entries =
            tile::decode_bundle(found, &bytes).map_err(|_| self.garbage("a bundle of entries", &bytes))?;
        entries.truncate(usize::from(id.width()));
        Ok(entries)
    }
}
