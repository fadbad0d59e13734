//! Policies that others keep, an organisation for example: named by URL and digest in a policy of the system or the user,
//! fetched once, kept by digest, and judging as layers of their own (docs/TRUST.md 1.2).

use std::path::Path;

use attest_core::{
    artifact::ArtifactDigest,
    policy::{Include, Policy},
    verify::Connection,
};

use super::{Layer, LayerError, Owner, parse};
use crate::{
    client::{ClientError, Http},
    files::{self, FileError, Mode},
};

/// Why an included policy is not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("nobody is asked with --offline, and it is not kept here")]
    Offline,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// The policy that another one includes.
pub(super) fn read(include: &Include, by: &Layer, data: &Path, connection: Connection) -> Result<Layer, LayerError> {
    let place = || (by.path.clone(), include.line());
    // A project comes with a clone: whom it makes a machine call is the user's business, and it can say all it has to say
    // in its own file.
    if by.owner == Owner::Project {
        let (path, line) = place();
        return Err(LayerError::ProjectIncludes { path, line });
    }
    let kept = data.join("policies").join(format!("{}.toml", include.sha256()));
    let bytes = match files::read(&kept, Policy::MAX_LEN as u64) {
        // Believed for its bytes alone: what was damaged on disk is fetched anew.
        Ok(bytes) if ArtifactDigest::of(&bytes) == include.sha256() => bytes,
        _ => fetched(include, by, &kept, connection)?,
    };
    let layer = parse(Owner::Organisation, &kept, bytes, Some(include.url().to_owned()))?.0;
    if let Some(nested) = layer.policy.includes().first() {
        return Err(LayerError::Nested { path: kept, line: nested.line() });
    }
    Ok(layer)
}

fn fetched(include: &Include, by: &Layer, kept: &Path, connection: Connection) -> Result<Vec<u8>, LayerError> {
    let failed = |source: FetchError| LayerError::Include {
        path: by.path.clone(),
        line: include.line(),
        url: include.url().to_owned(),
        source: Box::new(source),
    };
    let limit = Policy::MAX_LEN as u64;
    let bytes = match include.url().strip_prefix("file://") {
        Some(path) => files::read(Path::new(path), limit).map_err(|error| failed(error.into()))?,
        None if connection == Connection::Offline => return Err(failed(FetchError::Offline)),
        None => Http::new().file(include.url(), limit).map_err(|error| failed(error.into()))?,
    };
    let found = ArtifactDigest::of(&bytes);
    if found != include.sha256() {
        // docs/TRUST.md 1.5: bytes that are not those of their pinned digest.
        return Err(LayerError::OtherBytes {
            path: by.path.clone(),
            line: include.line(),
            url: include.url().to_owned(),
            found,
        });
    }
    files::replace(kept, &bytes, Mode::Shared).map_err(|error| failed(error.into()))?;
    Ok(bytes)
}
