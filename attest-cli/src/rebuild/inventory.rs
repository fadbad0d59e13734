//! What is in the room, looked at before any project code runs there.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use anyhow::{bail, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_core::statement::{Digest, Network, Tool};
use attest_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::interrupt;
use crate::pip::Interpreter;
use crate::run;
use crate::sandbox::{Isolation, Job, Limits, Room};
use crate::temporary::Temporary;

const PROBE: &str = concat!(include_str!("../interpreter.py"), include_str!("probe.py"));
/// The biggest answer of the probe.
const MAX_PROBE: usize = 64 << 10;

/// What the room is made of.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    /// When it was looked at.
    pub(crate) taken_at: Timestamp,
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
    /// `6.1.0`
    pub(crate) kernel: String,
    /// What a build could call: compilers, linkers and the like.
    pub(crate) programs: Vec<Program>,
}

/// A program that a build could call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Program {
    /// The name it is called by.
    pub(crate) name: String,
    /// The file behind all links.
    pub(crate) path: String,
    /// The first line that it says about itself.
    pub(crate) version: String,
    /// Of the file.
    pub(crate) sha256: ArtifactDigest,
}

#[derive(Deserialize)]
struct Probe {
    reached: Vec<String>,
    python: Part,
    zlib: Part,
    libc: Option<Part>,
    platform: String,
    kernel: String,
    programs: Vec<Program>,
}

#[derive(Deserialize)]
struct Part {
    version: String,
    sha256: Option<ArtifactDigest>,
}

impl From<Part> for Tool {
    fn from(part: Part) -> Self {
        Self { version: part.version, digest: part.sha256.map(|sha256| Digest { sha256 }) }
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
        let taken_at = run::now();
        let folder = Temporary::new("room")?;
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
            taken_at,
            isolation,
            network: if closed { Network::None } else { Network::Open },
            python: probe.python.into(),
            zlib: probe.zlib.into(),
            libc: probe.libc.map(Tool::from),
            platform: probe.platform,
            kernel: probe.kernel,
            programs: probe.programs,
        })
    }

    /// What tells a room from another one in which something else may be built. Not when it was looked at, and not the
    /// kernel, which changes with every update and which a build does not see.
    pub(crate) fn identity(&self) -> String {
        let Self { taken_at: _, kernel: _, isolation, network, python, zlib, libc, platform, programs } = self;
        format!("{:?}", (isolation, network, python, zlib, libc, platform, programs))
    }

    /// A program for a statement.
    pub(crate) fn tool(&self, name: &str) -> Option<Tool> {
        let program = self.programs.iter().find(|program| program.name == name)?;
        Some(Tool { version: program.version.clone(), digest: Some(Digest { sha256: program.sha256 }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(version: &str) -> Tool {
        Tool { version: version.to_owned(), digest: Some(Digest { sha256: ArtifactDigest::of(version.as_bytes()) }) }
    }

    #[test]
    fn another_compressor_or_compiler_is_another_room_and_another_hour_or_kernel_is_not() {
        let cc = |version: &str| Program {
            name: "cc".to_owned(),
            path: "/usr/bin/cc".to_owned(),
            version: version.to_owned(),
            sha256: ArtifactDigest::of(version.as_bytes()),
        };
        let room = Inventory {
            taken_at: Timestamp::from_secs(1),
            isolation: Isolation::Bubblewrap,
            network: Network::None,
            python: tool("3.13.1"),
            zlib: tool("1.3.1"),
            libc: Some(tool("glibc 2.41")),
            platform: "linux/x86_64".to_owned(),
            kernel: "6.1.0".to_owned(),
            programs: vec![cc("14")],
        };
        let later = Inventory { taken_at: Timestamp::from_secs(2), kernel: "6.2.0".to_owned(), ..room.clone() };
        assert_eq!(later.identity(), room.identity());
        for other in [
            Inventory { zlib: tool("1.3.1.zlib-ng"), ..room.clone() },
            Inventory { python: Tool { version: "3.13.1".to_owned(), digest: None }, ..room.clone() },
            Inventory { programs: vec![cc("15")], ..room.clone() },
            Inventory { network: Network::Open, ..room.clone() },
        ] {
            assert_ne!(other.identity(), room.identity(), "{other:?}");
        }
    }
}
