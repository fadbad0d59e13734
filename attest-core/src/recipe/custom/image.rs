//! Container images by digest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::artifact::{ArtifactDigest, excerpt};
use crate::recipe::RecipeError;

/// Longer names are none.
const MAX_NAME: usize = 255;

/// `NAME@sha256:HEX`, the name as the [OCI distribution
/// specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests) has it, with a
/// registry. No tag: it would say nothing beside the digest, and alone it means another image tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    name: String,
    digest: ArtifactDigest,
}

impl ImageRef {
    /// `quay.io/pypa/manylinux_2_28_x86_64`
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of its manifest, or of an index of manifests.
    pub fn digest(&self) -> ArtifactDigest {
        self.digest
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@sha256:{}", self.name, self.digest)
    }
}

impl FromStr for ImageRef {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let refused = || RecipeError::Image { found: excerpt(text) };
        let (name, digest) = text.split_once("@sha256:").ok_or_else(refused)?;
        let digest = digest.parse().map_err(|_| refused())?;
        if !is_name(name) {
            return Err(refused());
        }
        Ok(Self { name: name.to_owned(), digest })
    }
}

impl TryFrom<String> for ImageRef {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

/// A registry (`HOST` or `HOST:PORT`), then folders and a name.
fn is_name(name: &str) -> bool {
    let Some((registry, path)) = name.split_once('/') else {
        return false;
    };
    let (host, port) = registry.split_once(':').unwrap_or((registry, "0"));
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let component = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge)
            && part.ends_with(edge)
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            && !part.contains("..")
    };
    name.len() <= MAX_NAME
        && host.split('.').all(|part| label(part) && !part.starts_with('-'))
        && port.parse::<u16>().is_ok_and(|number| number.to_string() == port)
        && path.split('/').all(component)
}
