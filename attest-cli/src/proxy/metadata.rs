//! `METADATA` of a wheel, beside it ([PEP 658](https://peps.python.org/pep-0658/)). A page names it only with a digest, and
//! a page that names it has to keep its word: installers do not go on without. Where the index does not serve what it named,
//! it is taken from the wheel.

use std::{io::Read as _, sync::Arc};

use attest_core::artifact::ArtifactDigest;

use super::{
    listing::Listed,
    shelf::{FetchError, Progress, Shelf},
    upstream::{Upstream, Upstreams},
};
use crate::rebuild::zip;

/// Bytes of a `METADATA`.
const MAX_METADATA: usize = 16 << 20;
/// Bytes of a wheel that is opened for it.
const MAX_WHEEL: u64 = 128 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("the index names no digest of its metadata")]
    Unnamed,
    #[error(transparent)]
    Wheel(Arc<FetchError>),
    #[error("the index does not serve its metadata, and it cannot be read from the wheel")]
    Unreadable,
    #[error("its metadata is not what the index pins")]
    Mismatch,
}

/// Exactly the bytes that the page pins.
pub(super) async fn fetch(
    upstreams: &Upstreams,
    shelf: &Arc<Shelf>,
    index: &Upstream,
    file: &Listed,
) -> Result<Vec<u8>, MetadataError> {
    let expected = file.metadata.ok_or(MetadataError::Unnamed)?;
    if let Some(text) = beside(upstreams, index, file).await
        && ArtifactDigest::of(&text) == expected
    {
        return Ok(text);
    }
    let text = within(shelf, index, file).await?;
    if ArtifactDigest::of(&text) == expected { Ok(text) } else { Err(MetadataError::Mismatch) }
}

async fn beside(upstreams: &Upstreams, index: &Upstream, file: &Listed) -> Option<Vec<u8>> {
    let mut url = file.url.clone();
    url.set_path(&format!("{}.metadata", file.url.path()));
    let mut response = upstreams.file(index, &url).await.ok()?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if text.len() + chunk.len() > MAX_METADATA {
            return None;
        }
        text.extend_from_slice(&chunk);
    }
    Some(text)
}

async fn within(shelf: &Arc<Shelf>, index: &Upstream, file: &Listed) -> Result<Vec<u8>, MetadataError> {
    let wheel = |error: FetchError| MetadataError::Wheel(Arc::new(error));
    let fetch = shelf.fetch(index, file).map_err(|error| wheel(error.into()))?;
    let mut progress = fetch.progress();
    let at_end = |progress: &Progress| !matches!(progress, Progress::Coming { .. });
    let size = match &*progress.wait_for(at_end).await.map_err(|_| MetadataError::Unreadable)? {
        Progress::Whole { size } => *size,
        Progress::Failed(error) => return Err(MetadataError::Wheel(Arc::clone(error))),
        Progress::Coming { .. } => return Err(MetadataError::Unreadable),
    };
    if size > MAX_WHEEL {
        return Err(MetadataError::Unreadable);
    }
    let opened = fetch.open().map_err(|error| wheel(error.into()))?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        opened.take(MAX_WHEEL).read_to_end(&mut bytes).ok()?;
        member(&bytes)
    });
    read.await.ok().flatten().ok_or(MetadataError::Unreadable)
}

fn member(wheel: &[u8]) -> Option<Vec<u8>> {
    let is_it = |name: &str| {
        name.strip_suffix("/METADATA").is_some_and(|folder| folder.ends_with(".dist-info") && !folder.contains('/'))
    };
    let members = zip::read(wheel).ok()?;
    let mut found = members.iter().filter(|member| is_it(&member.name));
    let only = found.next().filter(|_| found.next().is_none())?;
    Some(only.content.clone())
}
