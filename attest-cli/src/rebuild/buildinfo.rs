//! `buildinfo.json`: everything a build is made with, by digest, taken before the first line of its code runs.
//!
//! A build that was tampered with can say anything about its environment afterwards; what was written down before it
//! ran, it cannot change. Every build requirement that is named here is kept beside the results
//! ([`Lock::archive`](super::environment::Lock::archive)), since requirements vanish from indexes.
//!
//! JSON Schema: `schemas/buildinfo.schema.json`.

use attest_core::artifact::ArtifactDigest;
use attest_core::statement::{Network, Tool};
use serde::Serialize;

use super::environment::Lock;
use super::inventory::{Inventory, Program};
use crate::sandbox::Isolation;

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "https://w3id.org/attest/buildinfo/v1";

/// `buildinfo.json`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildInfo {
    schema: &'static str,
    attest: &'static str,
    /// RFC 3339, UTC. Shown, never trusted.
    taken_at: String,
    platform: String,
    kernel: String,
    isolation: Isolation,
    network: Network,
    python: Tool,
    zlib: Tool,
    #[serde(skip_serializing_if = "Option::is_none")]
    libc: Option<Tool>,
    programs: Vec<Program>,
    dependencies: Vec<Requirement>,
}

/// A file that was installed for the build.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requirement {
    /// `pkg:pypi/setuptools@82.0.1`
    pub(crate) uri: String,
    /// File name of the wheel.
    pub(crate) file: String,
    /// Of the wheel.
    pub(crate) sha256: ArtifactDigest,
}

impl BuildInfo {
    /// Writes down what was there, and what was installed from files with these digests.
    pub(crate) fn new(inventory: &Inventory, lock: &Lock) -> Self {
        let inventory = inventory.clone();
        Self {
            schema: SCHEMA,
            attest: env!("CARGO_PKG_VERSION"),
            taken_at: inventory.taken_at.to_string(),
            platform: inventory.platform,
            kernel: inventory.kernel,
            isolation: inventory.isolation,
            network: inventory.network,
            python: inventory.python,
            zlib: inventory.zlib,
            libc: inventory.libc,
            programs: inventory.programs,
            dependencies: lock.files(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pip::Pip;

    #[test]
    fn what_is_found_here_fits_the_schema() {
        let schema: Value = serde_json::from_str(include_str!("../../../schemas/buildinfo.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let tools = tempfile::tempdir().unwrap();
        let pip = Pip::query("python3".as_ref(), tools.path()).unwrap();
        let inventory = Inventory::take(&pip.settings().interpreter, Some(Isolation::None)).unwrap();
        let mut info = serde_json::to_value(BuildInfo::new(&inventory, &Lock::default())).unwrap();
        assert_eq!(schema.validate(&info).map_err(|error| error.to_string()), Ok(()));
        // A machine that builds this has a C compiler.
        let cc = inventory.programs.iter().find(|program| program.name == "cc").unwrap();
        assert_eq!(cc.sha256, ArtifactDigest::of(&std::fs::read(&cc.path).unwrap()));
        info["surprise"] = json!(1);
        assert!(!schema.is_valid(&info));
    }
}
