//! The build environment: a hashed lock of build requirements, a cached virtual environment made from it, and a record
//! of what is in the room, taken before any project code runs there.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName, WheelName};
use attest_core::statement::{Dependency, Digest, Network, Tool};
use serde::Deserialize;

use super::infer::requirement_name;
use crate::cache;
use crate::index::Index;
use crate::interrupt;
use crate::pip::pin::Pin;
use crate::pip::{Interpreter, Pip};
use crate::sandbox::{Isolation, Job, Limits, Room};

const PROBE: &str = include_str!("probe.py");
/// The biggest build requirement that is downloaded.
const MAX_WHEEL: u64 = 256 << 20;
/// The biggest answer of the probe.
const MAX_PROBE: usize = 64 << 10;

/// What the room is made of.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    /// How code is kept in.
    pub(crate) isolation: Isolation,
    /// NONE only where the probe could reach nothing.
    pub(crate) network: Network,
    /// The interpreter.
    pub(crate) python: Tool,
    /// The compressor, which decides the bytes of a wheel.
    pub(crate) zlib: Tool,
    /// The C library.
    pub(crate) libc: Option<Tool>,
    /// `linux/x86_64`
    pub(crate) platform: String,
}

#[derive(Deserialize)]
struct Probe {
    reached: Vec<String>,
    python: Part,
    zlib: Part,
    libc: Part,
    platform: String,
}

#[derive(Deserialize)]
struct Part {
    version: String,
    digest: Option<ArtifactDigest>,
}

impl From<Part> for Tool {
    fn from(part: Part) -> Self {
        Self { version: part.version, digest: part.digest.map(|sha256| Digest { sha256 }) }
    }
}

impl Inventory {
    /// Looks at a room. With `wanted` absent: the best isolation that works here.
    pub(crate) fn take(interpreter: &Interpreter, wanted: Option<Isolation>) -> anyhow::Result<Self> {
        let choices = match wanted {
            Some(isolation) => vec![isolation],
            None => vec![Isolation::Bubblewrap, Isolation::Unshare, Isolation::None],
        };
        let mut failures = Vec::new();
        for isolation in choices {
            match Self::probe(interpreter, isolation) {
                Ok(inventory) => return Ok(inventory),
                Err(error) if interrupt::requested() => return Err(error),
                Err(error) => failures.push(format!("{isolation:?}: {error:#}")),
            }
        }
        bail!("expected to run Python in a room of its own, found that none works here\n{}", failures.join("\n"))
    }

    fn probe(interpreter: &Interpreter, isolation: Isolation) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = tempfile::NamedTempFile::new()?;
        let room = Room::new(isolation, interpreter, None, folder.path())?;
        fs::write(room.outside("run").join("probe.py"), PROBE)?;
        // Code in a room that is not closed can connect to this; the kernel then shows it here, whatever the probe says.
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let answer = room.inside("out").join("probe.json");
        let job = Job {
            script: "probe.py",
            arguments: vec![answer.into(), listener.local_addr()?.port().to_string().into()],
            variables: &[("LC_ALL".to_owned(), "C.UTF-8".to_owned())].into(),
            log: log.path(),
            limits: Limits::default(),
        };
        let status = room.run(&job)?;
        let said = fs::read_to_string(log.path()).unwrap_or_default();
        ensure!(status.success(), "found {status}: {}", said.trim());
        let answer = fs::read(room.outside("out").join("probe.json"))?;
        ensure!(answer.len() <= MAX_PROBE, "expected a short answer of the probe");
        let probe: Probe = serde_json::from_slice(&answer)?;
        let unheard = listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        let closed = isolation != Isolation::None && unheard && probe.reached.is_empty();
        Ok(Self {
            isolation,
            network: if closed { Network::None } else { Network::Open },
            python: probe.python.into(),
            zlib: probe.zlib.into(),
            libc: Some(probe.libc).filter(|libc| !libc.version.is_empty()).map(Tool::from),
            platform: probe.platform,
        })
    }
}

/// One build requirement: the very file.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    project: ProjectName,
    version: String,
    digest: ArtifactDigest,
    path: PathBuf,
}

/// Every file that goes into the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lock(Vec<Locked>);

impl Lock {
    /// Resolves requirements and fetches what was chosen. This is the fetch phase: it has a network and runs no project code.
    pub(crate) fn resolve(
        pip: &Pip,
        index: &Index,
        requirements: &[String],
        cutoff: Option<&str>,
    ) -> anyhow::Result<Self> {
        for line in requirements {
            check_requirement(line)?;
        }
        let pins = pip
            .resolve(requirements, cutoff)
            .with_context(|| format!("expected versions for {}", requirements.join(", ")))?;
        let mut locked = pins.iter().map(|pin| lock_one(pip, index, pin)).collect::<anyhow::Result<Vec<_>>>()?;
        locked.sort_by(|left, right| left.project.cmp(&right.project));
        Ok(Self(locked))
    }

    /// A requirements file that pip installs from with `--require-hashes`.
    pub(crate) fn to_text(&self) -> String {
        let line = |one: &Locked| format!("{}=={} --hash=sha256:{}\n", one.project.as_str(), one.version, one.digest);
        self.0.iter().map(line).collect()
    }

    /// For the statement.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let dependency = |one: &Locked| Dependency {
            uri: format!("pkg:pypi/{}@{}", one.project.as_str(), one.version),
            digest: Digest { sha256: one.digest },
        };
        self.0.iter().map(dependency).collect()
    }

    /// `setuptools 82.0.1`, for people; nothing where the project is not in it.
    pub(crate) fn version_of(&self, project: &str) -> Option<&str> {
        let project = ProjectName::new(project).ok()?;
        self.0.iter().find(|one| one.project == project).map(|one| one.version.as_str())
    }

    /// A virtual environment of exactly these files, from the cache where it was made before.
    pub(crate) fn environment(&self, pip: &Pip, cache: &Path) -> anyhow::Result<PathBuf> {
        let interpreter = &pip.settings().interpreter;
        let identity = format!(
            "{}\n{}\n{}\n{}",
            pip.driver(),
            interpreter.executable.display(),
            interpreter.version,
            self.to_text()
        );
        let folder = cache.join("environments").join(ArtifactDigest::of(identity.as_bytes()).to_string());
        cache::make_once(&folder, |folder| {
            let wheels: Vec<_> = self.0.iter().map(|one| one.path.clone()).collect();
            pip.environment(&folder.join("env"), &wheels).context("expected to install the build requirements")
        })?;
        Ok(folder.join("env"))
    }
}

/// A line that goes to a resolver must be a name with versions, never an option or a place to fetch from.
fn check_requirement(line: &str) -> anyhow::Result<()> {
    let name = requirement_name(line).is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphanumeric()));
    let plain = !line.contains(['\n', '\r', '@', '#', '\0']) && !line.contains("--");
    ensure!(name && plain, "expected a build requirement by name and version, found {line:?}");
    Ok(())
}

fn lock_one(pip: &Pip, index: &Index, pin: &Pin) -> anyhow::Result<Locked> {
    let locked = |digest, path| Locked { project: pin.project.clone(), version: pin.version.clone(), digest, path };
    // A project that only find-links has is not on the index: pip then finds it.
    let files = index.project(&pin.project).unwrap_or_default();
    let pure =
        |name: &str| WheelName::parse(name).is_ok_and(|name| name.platform == "any" && name.python.contains("py3"));
    for file in files.iter().filter(|file| pure(&file.name)) {
        if let Some(digest) = file.digest.filter(|digest| pin.digests.contains(digest)) {
            index.fetch(file, digest, MAX_WHEEL)?;
            return Ok(locked(digest, index.kept(digest, &file.name)));
        }
    }
    let folder = tempfile::tempdir()?;
    pip.download(pin, folder.path())
        .with_context(|| format!("expected a wheel of {} {}", pin.project.as_str(), pin.version))?;
    let entry = fs::read_dir(folder.path())?.next().context("expected pip to download a file")??;
    let bytes = fs::read(entry.path())?;
    let digest = ArtifactDigest::of(&bytes);
    ensure!(pin.digests.contains(&digest), "expected a locked file from pip, found sha256 {digest}");
    let path = index.kept(digest, &entry.file_name().to_string_lossy());
    Index::keep(&path, &bytes)?;
    Ok(locked(digest, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_that_are_options_or_addresses_are_refused() {
        for line in ["-r /etc/passwd", "--index-url=http://x", "x @ http://x", "a\n-r b", "", "x --hash=sha256:0"] {
            assert!(check_requirement(line).is_err(), "{line:?}");
        }
        for line in ["setuptools>=61", "hatch-vcs", "tomli>=1; python_version < '3.11'", "setuptools_scm[toml]>=6.2"] {
            assert!(check_requirement(line).is_ok(), "{line:?}");
        }
    }
}
