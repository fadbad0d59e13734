//! A container engine: podman, or docker where that is what there is.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use anyhow::{Context as _, ensure};
use attest_core::recipe::ImageRef;

use crate::exit::{Exit, Failure};
use crate::host;
use crate::sandbox::{BUILD, Limits, SandboxError, supervise};

/// In the order of preference: podman needs no daemon and no root.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// An engine that has an image.
#[derive(Debug)]
pub(crate) struct Engine {
    program: &'static str,
    image: ImageRef,
}

impl Engine {
    /// Has an engine fetch an image, and looks from inside whether it is kept from the network.
    pub(crate) fn with(image: &ImageRef) -> anyhow::Result<Self> {
        let works = |program: &&str| {
            let answer = Command::new(program).arg("info").stdin(Stdio::null()).output();
            answer.is_ok_and(|answer| answer.status.success())
        };
        let program = ENGINES.into_iter().find(works).ok_or_else(|| {
            Failure::new(
                Exit::Undecided,
                format!("expected podman or docker for the image {image}, found that neither works here"),
            )
            .hint("copy the image into a folder (skopeo copy docker://IMAGE oci:DIR) and name that with --image-layout")
        })?;
        let engine = Self { program, image: image.clone() };
        if engine.succeed(&["image", "inspect", &image.to_string()]).is_err() {
            engine.succeed(&["pull", "--quiet", &image.to_string()]).context("expected to fetch the image")?;
        }
        engine.check_network()?;
        Ok(engine)
    }

    /// The kernel's list of network devices, as a container sees it.
    fn check_network(&self) -> anyhow::Result<()> {
        let mut words = vec!["run".to_owned()];
        words.extend(closed().map(str::to_owned));
        words.extend(["--entrypoint", "/bin/cat"].map(str::to_owned));
        words.extend([self.image.to_string(), "/proc/net/dev".to_owned()]);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let output = self.succeed(&words).context("expected a container to run")?;
        let list = String::from_utf8_lossy(&output.stdout);
        let devices: Vec<_> = list.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
        ensure!(
            devices.iter().all(|device| *device == "lo"),
            "expected a container without network, found {}",
            devices.join(", ")
        );
        Ok(())
    }

    /// Runs a script of the room's `run` folder to its end.
    pub(crate) fn run(
        &self,
        folder: &Path,
        script: &str,
        log: &Path,
        limits: &Limits,
    ) -> Result<ExitStatus, SandboxError> {
        let log = File::options().create(true).append(true).open(log)?;
        let name =
            format!("attest-{}", folder.file_name().unwrap_or_default().to_string_lossy().trim_start_matches('.'));
        let mut command = Command::new(self.program);
        command.args(self.arguments(folder, script, &name, limits));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = host::lead_group(&mut command).spawn()?;
        let end = supervise(child, folder, limits);
        if end.is_err() {
            // The client is gone; what it started is not.
            let _ = Command::new(self.program).args(["kill", &name]).stdin(Stdio::null()).output();
        }
        end
    }

    fn arguments(&self, folder: &Path, script: &str, name: &str, limits: &Limits) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["run".into(), "--name".into(), name.into()];
        words.extend(closed().map(OsString::from));
        let volume = |from: &Path, to: &str| {
            let mut volume = OsString::from("type=bind,source=");
            volume.push(from);
            volume.push(format!(",target={to}"));
            volume
        };
        for (from, to) in [(folder.to_owned(), BUILD.to_owned()), (folder.join("run"), format!("{BUILD}/run,readonly"))]
        {
            words.extend(["--mount".into(), volume(&from, &to)]);
        }
        words.extend(["--tmpfs".into(), "/tmp:rw,exec,mode=1777".into()]);
        words.extend([
            format!("--pids-limit={}", limits.processes).into(),
            format!("--memory={}b", limits.memory).into(),
            format!("--workdir={BUILD}/src").into(),
            "--entrypoint".into(),
            "/bin/sh".into(),
            self.image.to_string().into(),
            format!("{BUILD}/run/{script}").into(),
        ]);
        // Its root is the machine's; podman's is whoever runs it.
        if let Some(user) = host::user().filter(|_| self.program == "docker") {
            words.insert(1, format!("--user={user}").into());
        }
        words
    }

    fn succeed(&self, words: &[&str]) -> anyhow::Result<Output> {
        let output = Command::new(self.program).args(words).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {}: {}", self.program, words[0], said.trim());
        Ok(output)
    }
}

/// What every container of ours is run with. An engine's own limits of files and processes may be more than it may set
/// itself (podman as a root without CAP_SYS_RESOURCE), and are others on every machine.
fn closed() -> impl Iterator<Item = &'static str> {
    ["--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=all", "--hostname=build"]
        .into_iter()
        .chain(["--security-opt=no-new-privileges", "--security-opt=label=disable"])
        .chain(["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_no_network_a_read_only_root_and_nothing_of_the_machine_but_its_room() {
        let image = format!("registry.example/demo@sha256:{}", "0".repeat(64));
        for program in ENGINES {
            let engine = Engine { program, image: image.parse().unwrap() };
            let words = engine.arguments(Path::new("/tmp/.room"), "run.sh", "attest-room", &Limits::default());
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            for needed in ["--network=none", "--read-only", "--cap-drop=all", "--pull=never", "--rm"] {
                assert!(words.contains(&needed), "{program}: {needed}");
            }
            let mounts: Vec<_> = words.iter().filter(|word| word.starts_with("type=bind")).collect();
            assert_eq!(
                mounts,
                [
                    &"type=bind,source=/tmp/.room,target=/build",
                    &"type=bind,source=/tmp/.room/run,target=/build/run,readonly"
                ]
            );
            assert_eq!(words[words.len() - 2..], [image.as_str(), "/build/run/run.sh"]);
            assert_eq!(words.iter().any(|word| word.starts_with("--user=")), program == "docker");
        }
    }
}
