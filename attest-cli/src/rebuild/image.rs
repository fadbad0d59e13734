//! What is around a recipe's script: this machine's clean room, an unpacked image in its place, or a container engine.
//!
//! An image is named by digest. A local OCI layout needs no engine: its layers are unpacked by [`unpack`] and become the
//! root of the room. Otherwise podman or docker runs it, without network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::ImageRef;

use super::environment::Installed;
use crate::exit::{Exit, Failure};
use crate::sandbox::Isolation;
use crate::{cache, files};

mod engine;
mod layout;
mod unpack;
mod zstd;

pub(crate) use engine::Engine;
use layout::Layout;

/// The biggest list of variables that an image brings.
const MAX_VARIABLES: u64 = 1 << 20;

/// What is around a script.
#[derive(Debug)]
pub(crate) enum Ground {
    /// A container engine, and the image that it has.
    Engine(Engine),
    /// The machine, and an environment that has the lock installed.
    Machine(Installed),
    /// An image's files.
    Unpacked {
        /// Where they are.
        root: PathBuf,
        /// What the image sets.
        variables: BTreeMap<String, String>,
    },
}

impl Ground {
    /// Has an image ready, from a layout where one is named, from an engine otherwise.
    pub(crate) fn of_image(
        image: &ImageRef,
        layout: Option<&Path>,
        cache: &Path,
        isolation: Isolation,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let Some(layout) = layout else {
            progress(&format!("image: {image}"));
            return Ok(Self::Engine(Engine::with(image)?));
        };
        // unshare's way into a room needs the machine's tools inside it.
        if isolation != Isolation::Bubblewrap {
            let found = format!("expected bubblewrap for a room of an image, found {isolation:?}");
            let failure = Failure::new(Exit::Undecided, found);
            return Err(failure.hint("install bubblewrap, or podman").into());
        }
        progress(&format!("image: {image} from {}", layout.display()));
        let folder = unpacked(image.digest(), layout, cache)?;
        let variables = serde_json::from_slice(&files::read(&folder.join("variables.json"), MAX_VARIABLES)?)?;
        Ok(Self::Unpacked { root: folder.join("root"), variables })
    }

    /// The environment of the machine's room.
    pub(crate) fn environment(&self) -> Option<&Path> {
        match self {
            Self::Machine(environment) => Some(environment.path()),
            Self::Engine(_) | Self::Unpacked { .. } => None,
        }
    }

    /// The files that take the machine's place in the room.
    pub(crate) fn root(&self) -> Option<&Path> {
        match self {
            Self::Unpacked { root, .. } => Some(root),
            Self::Engine(_) | Self::Machine(_) => None,
        }
    }

    /// What runs the container.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Engine(engine) => Some(engine),
            Self::Machine(_) | Self::Unpacked { .. } => None,
        }
    }

    /// What an unpacked image sets; an engine does that itself.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        match self {
            Self::Unpacked { variables, .. } => variables.clone(),
            Self::Engine(_) | Self::Machine(_) => BTreeMap::new(),
        }
    }
}

/// The folder of an image that was unpacked once, with its digests checked then.
fn unpacked(digest: ArtifactDigest, layout: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("images").join(digest.to_string());
    cache::make_once(&folder, |folder| {
        let layout = Layout::open(layout)?;
        let image =
            layout.image(digest).with_context(|| format!("expected the image sha256:{digest} in the layout"))?;
        ensure!(!image.layers.is_empty(), "expected an image with layers, found one without");
        let mut unpacker = unpack::Unpacker::new(folder.join("root"))?;
        for layer in &image.layers {
            layout
                .read_layer(layer, |tar| unpacker.apply(tar))
                .with_context(|| format!("layer sha256:{}", layer.digest))?;
        }
        Ok(std::fs::write(folder.join("variables.json"), serde_json::to_vec(&image.variables)?)?)
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests;
