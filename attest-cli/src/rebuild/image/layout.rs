//! A local image: the [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md), as
//! `skopeo copy docker://IMAGE oci:DIR` or `podman save --format oci-dir` writes it.
//!
//! The recipe names a digest; everything is reached from there, digest by digest. `index.json` is not asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::unpack::UnpackError;
use super::zstd::Frames;
use crate::files::{self, FileError};

/// The biggest manifest, index or configuration.
const MAX_JSON: u64 = 4 << 20;
/// More than overlayfs can stack.
const MAX_LAYERS: usize = 256;
/// The biggest layer, compressed.
const MAX_LAYER: u64 = 8 << 30;

/// Why a folder does not give an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    /// A file that is missing, or too big.
    #[error(transparent)]
    File(#[from] FileError),
    /// A layer that does not read.
    #[error("expected to read a layer: {0}")]
    Io(#[from] io::Error),
    /// Not JSON of this form.
    #[error("expected {what} in JSON: {error}")]
    Form {
        /// Which document.
        what: &'static str,
        /// Why not.
        error: serde_json::Error,
    },
    /// Another version of the format.
    #[error("expected an OCI image layout of version 1.0.0, found {found:?}")]
    Version {
        /// As given.
        found: String,
    },
    /// A blob is not what its name says.
    #[error("expected a blob with sha256 {expected}, found {found}")]
    Digest {
        /// As named.
        expected: ArtifactDigest,
        /// Of its bytes.
        found: ArtifactDigest,
    },
    /// Neither a manifest nor an index, or both, which is read as one by some and as the other by others.
    #[error("expected either a manifest with layers or an index with manifests")]
    Ambiguous,
    /// No image for this machine.
    #[error("expected an image for {expected}, found {}", if found.is_empty() { "none" } else { found.as_str() })]
    Platform {
        /// OS and architecture.
        expected: String,
        /// What there is.
        found: String,
    },
    /// Too many.
    #[error("expected at most {MAX_LAYERS} layers, found {found}")]
    Layers {
        /// How many.
        found: usize,
    },
    /// Too big, or of another size than its manifest says.
    #[error("expected a layer of {expected} bytes (at most {MAX_LAYER}), found {found}")]
    Size {
        /// As the manifest says.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// A layer in another form.
    #[error("expected layers as tar, gzip or zstd, found {found:?}")]
    MediaType {
        /// As given.
        found: String,
    },
    /// Not SHA-256.
    #[error("expected a digest sha256:HEX, found {found:?}")]
    Algorithm {
        /// As given.
        found: String,
    },
    /// Not `NAME=VALUE`.
    #[error("expected an image's variables as NAME=VALUE, found {found:?}")]
    Variable {
        /// As given.
        found: String,
    },
    /// What is in the layer.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

/// A folder with blobs.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

/// What an image is made of.
#[derive(Debug)]
pub(crate) struct Image {
    /// From the lowest to the highest.
    pub(crate) layers: Vec<Layer>,
    /// What it sets.
    pub(crate) variables: BTreeMap<String, String>,
}

/// One set of changes.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Of the blob.
    pub(crate) digest: ArtifactDigest,
    size: u64,
    form: Form,
}

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug)]
enum Form {
    Tar,
    Gzip,
    Zstd,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// A manifest or an index.
#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(flatten)]
    platform: Platform,
    config: Option<Execution>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    env: Option<Vec<String>>,
}

impl Layout {
    /// A folder with an `oci-layout` file.
    pub(crate) fn open(folder: &Path) -> Result<Self, LayoutError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mark {
            image_layout_version: String,
        }
        let mark: Mark = parse("oci-layout", &files::read(&folder.join("oci-layout"), MAX_JSON)?)?;
        if mark.image_layout_version != "1.0.0" {
            return Err(LayoutError::Version { found: mark.image_layout_version });
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The image whose manifest, or index of manifests, has this digest.
    pub(crate) fn image(&self, digest: ArtifactDigest) -> Result<Image, LayoutError> {
        let document: Document = parse("a manifest", &self.blob(digest)?)?;
        let document = match document {
            Document { config: None, layers: None, manifests: Some(manifests) } => self.for_this_machine(&manifests)?,
            other => other,
        };
        let Document { config: Some(config), layers: Some(layers), manifests: None } = document else {
            return Err(LayoutError::Ambiguous);
        };
        if layers.len() > MAX_LAYERS {
            return Err(LayoutError::Layers { found: layers.len() });
        }
        let config: Configuration = parse("a configuration", &self.blob(config.sha256()?)?)?;
        if !config.platform.is_ours() {
            return Err(LayoutError::Platform { expected: ours(), found: config.platform.to_string() });
        }
        let variables = config.config.and_then(|config| config.env).unwrap_or_default();
        Ok(Image {
            layers: layers.iter().map(Layer::read).collect::<Result<_, _>>()?,
            variables: variables.iter().map(|line| variable(line)).collect::<Result<_, _>>()?,
        })
    }

    fn for_this_machine(&self, manifests: &[Descriptor]) -> Result<Document, LayoutError> {
        let platform = |one: &Descriptor| one.platform.as_ref().map(ToString::to_string);
        let Some(found) = manifests.iter().find(|one| one.platform.as_ref().is_some_and(Platform::is_ours)) else {
            let found: Vec<_> = manifests.iter().filter_map(platform).collect();
            return Err(LayoutError::Platform { expected: ours(), found: found.join(", ") });
        };
        parse("a manifest", &self.blob(found.sha256()?)?)
    }

    fn path(&self, digest: ArtifactDigest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.to_string())
    }

    fn blob(&self, expected: ArtifactDigest) -> Result<Vec<u8>, LayoutError> {
        let bytes = files::read(&self.path(expected), MAX_JSON)?;
        let found = ArtifactDigest::of(&bytes);
        if found == expected { Ok(bytes) } else { Err(LayoutError::Digest { expected, found }) }
    }

    /// Hands a layer's tar to `apply`. What that did is only to be kept when this succeeds: the digest is known at the end.
    pub(crate) fn read_layer(
        &self,
        layer: &Layer,
        apply: impl FnOnce(&mut dyn Read) -> Result<(), UnpackError>,
    ) -> Result<(), LayoutError> {
        let file = File::open(self.path(layer.digest))?;
        let found = file.metadata()?.len();
        if found != layer.size || found > MAX_LAYER {
            return Err(LayoutError::Size { expected: layer.size, found });
        }
        let mut hashed = Hashed { inner: BufReader::new(file), hasher: Sha256::new() };
        match layer.form {
            Form::Tar => apply(&mut hashed)?,
            Form::Gzip => apply(&mut MultiGzDecoder::new(&mut hashed))?,
            Form::Zstd => apply(&mut Frames::new(BufReader::new(&mut hashed)))?,
        }
        io::copy(&mut hashed, &mut io::sink())?;
        let found = ArtifactDigest::from_bytes(hashed.hasher.finalize().into());
        if found == layer.digest { Ok(()) } else { Err(LayoutError::Digest { expected: layer.digest, found }) }
    }
}

impl Layer {
    fn read(descriptor: &Descriptor) -> Result<Self, LayoutError> {
        let form = match descriptor.media_type.as_str() {
            "application/vnd.oci.image.layer.v1.tar" => Form::Tar,
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                Form::Gzip
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" => Form::Zstd,
            other => return Err(LayoutError::MediaType { found: other.to_owned() }),
        };
        Ok(Self { digest: descriptor.sha256()?, size: descriptor.size, form })
    }
}

impl Descriptor {
    fn sha256(&self) -> Result<ArtifactDigest, LayoutError> {
        let hex = self.digest.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        hex.ok_or_else(|| LayoutError::Algorithm { found: self.digest.clone() })
    }
}

impl Platform {
    fn is_ours(&self) -> bool {
        self.to_string() == ours()
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// As Go and so images name it.
fn ours() -> String {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "x86" => "386",
        "x86_64" => "amd64",
        other => other,
    };
    format!("{}/{architecture}", std::env::consts::OS)
}

fn variable(line: &str) -> Result<(String, String), LayoutError> {
    let word = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match line.split_once('=') {
        Some((name, value)) if word(name) && !value.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err(LayoutError::Variable { found: line.to_owned() }),
    }
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, LayoutError> {
    serde_json::from_slice(bytes).map_err(|error| LayoutError::Form { what, error })
}

/// Hashes all that is read.
struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
