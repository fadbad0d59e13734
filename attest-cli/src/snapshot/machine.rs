//! What is around the files: whatever could have made them, or could make them other ones.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};

use super::files::digest;

const PROBE: &str = concat!(include_str!("../interpreter.py"), include_str!("probe.py"));
/// Compilers, linkers and what calls them, as PATH finds them.
const TOOLS: [&str; 27] = [
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "cl",
    "gfortran",
    "ld",
    "ld.lld",
    "ld.gold",
    "ld.mold",
    "link",
    "ar",
    "rustc",
    "cargo",
    "cmake",
    "meson",
    "ninja",
    "make",
    "swig",
    "patchelf",
    "git",
    "uv",
    "auditwheel",
    "delocate-wheel",
    "cibuildwheel",
];
/// The variables that are written down, and no others: they say how something was built, and hold no secrets.
const VARIABLES: [&str; 34] = [
    "ARCHFLAGS",
    "AUDITWHEEL_ARCH",
    "AUDITWHEEL_PLAT",
    "AUDITWHEEL_POLICY",
    "CC",
    "CFLAGS",
    "CI_COMMIT_SHA",
    "CI_JOB_IMAGE",
    "CI_PIPELINE_ID",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_SHA",
    "GITHUB_WORKFLOW_REF",
    "ImageOS",
    "ImageVersion",
    "LANG",
    "LC_ALL",
    "LD",
    "LDFLAGS",
    "MACOSX_DEPLOYMENT_TARGET",
    "PYTHONHASHSEED",
    "RUNNER_ARCH",
    "RUNNER_OS",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "SOURCE_DATE_EPOCH",
    "TZ",
    "_PYTHON_HOST_PLATFORM",
];

/// A program or a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Part {
    /// Where it really is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
    /// What it says of itself.
    pub(crate) version: String,
    /// Of its file.
    pub(crate) sha256: Option<ArtifactDigest>,
}

/// An installed distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Distribution {
    /// As its metadata has it.
    pub(crate) name: String,
    /// As its metadata has it.
    pub(crate) version: String,
    /// Of its RECORD, which holds the digests of its files.
    pub(crate) record_sha256: Option<ArtifactDigest>,
}

/// Where the tree is in its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Commit {
    /// Its id.
    pub(crate) id: String,
    /// Whether tracked files differ from it.
    pub(crate) dirty: bool,
}

/// What is around the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Machine {
    /// `linux/x86_64`
    pub(crate) platform: String,
    /// `Debian GNU/Linux 12 (bookworm)`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<String>,
    /// Of the container, where it tells: podman's image id, or a CI's image with a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    /// The commit of the current folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<Commit>,
    /// The interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) python: Option<Part>,
    /// Its compressor, which decides the bytes of wheels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zlib: Option<Part>,
    /// Its C library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) libc: Option<Part>,
    /// What is installed for it.
    pub(crate) distributions: Vec<Distribution>,
    /// Compilers and linkers by name.
    pub(crate) tools: BTreeMap<String, Part>,
    /// Those of a closed list that are set.
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Probe {
    python: Part,
    zlib: Part,
    libc: Option<Part>,
    system: String,
    distributions: Vec<Distribution>,
}

impl Machine {
    /// Looks around. What cannot be found out is left out: a machine without Python or git has files to list, too.
    pub(crate) fn look(python: &Path) -> Self {
        let probe = probe(python);
        let variables = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
        let tools = TOOLS.iter().filter_map(|name| Some(((*name).to_owned(), tool(name)?)));
        let system = os_release().or_else(|| probe.as_ref().map(|probe| probe.system.clone()));
        let (python, zlib, libc, distributions) = match probe {
            Some(probe) => (Some(probe.python), Some(probe.zlib), probe.libc, probe.distributions),
            None => (None, None, None, Vec::new()),
        };
        Self {
            platform: format!("{}/{}", env::consts::OS, env::consts::ARCH),
            system,
            image: image(),
            commit: commit(),
            python,
            zlib,
            libc,
            distributions,
            tools: tools.collect(),
            variables: variables.collect(),
        }
    }
}

fn probe(python: &Path) -> Option<Probe> {
    // -I: neither the working directory nor the user's variables decide what is imported.
    let output = Command::new(python).args(["-I", "-c", PROBE]).stdin(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn tool(name: &str) -> Option<Part> {
    let file = if cfg!(windows) { format!("{name}.exe") } else { name.to_owned() };
    let folders = env::var_os("PATH")?;
    let found = env::split_paths(&folders).map(|folder| folder.join(&file)).find(|path| path.is_file())?;
    // Microsoft's tools know no such option; their digest says it all.
    let output = Command::new(&found).arg("--version").stdin(Stdio::null()).output().ok();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let path = fs::canonicalize(&found).unwrap_or(found);
    let sha256 = digest(&path).ok().map(|(_, sha256)| sha256);
    Some(Part { path: Some(path), version: said.lines().next().unwrap_or_default().to_owned(), sha256 })
}

/// <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>
fn os_release() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

fn image() -> Option<String> {
    if let Ok(text) = fs::read_to_string("/run/.containerenv")
        && let Some(id) = text.lines().find_map(|line| line.strip_prefix("imageid="))
    {
        return Some(format!("sha256:{}", id.trim_matches('"')));
    }
    env::var("CI_JOB_IMAGE").ok().filter(|image| image.contains("@sha256:"))
}

fn commit() -> Option<Commit> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let id = git(&["rev-parse", "HEAD"])?;
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(Commit { id, dirty })
}
