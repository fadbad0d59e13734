//! Programs that attest starts.

use std::process::{Command, Stdio};

use super::check::{Check, Package, State};
use crate::{
    output::causes,
    rebuild::git::{Git, GitLimits},
    sandbox::SYSTEM_PATH,
};

/// What a program calls itself is shown up to here.
const MAX_VERSION: usize = 60;

/// The first line that a program says of its version, or why it does not.
pub(super) fn version(program: &str) -> Result<String, String> {
    said(Command::new(program).arg("--version"), program)
}

/// Of one of the system's own, which is what rooms are made with, whatever `PATH` says.
pub(super) fn system_version(program: &str) -> Result<String, String> {
    said(Command::new(program).arg("--version").env("PATH", SYSTEM_PATH), program)
}

fn said(command: &mut Command, program: &str) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_owned(),
        _ => format!("{program} does not start: {error}"),
    })?;
    if !output.status.success() {
        return Err(format!("`{program} --version` fails ({})", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().chars().take(MAX_VERSION).collect())
}

/// What `attest rebuild` does more with.
pub(super) fn rebuilding() -> Vec<Check> {
    let git = match version("git")
        .and_then(|text| Git::find(GitLimits::default()).map(|_| text).map_err(|error| causes(&error)))
    {
        Ok(found) => Check::ok("git", found),
        Err(found) => Check::new("git", State::Missing, found)
            .costs(
                "no rebuilding from commits (--source git), and no word on whether an sdist is what its commit gives",
            )
            .mend(Package::GIT.install()),
    };
    let engines = ["podman", "docker"].map(version);
    let engine = match engines.iter().find_map(|found| found.as_ref().ok()) {
        Some(found) => Check::ok("containers", found),
        None => Check::new("containers", State::Missing, "neither podman nor docker")
            .costs("recipes that name an image, as those of wheels with compiled code do, need it as a folder (--image-layout)")
            .mend(Package::PODMAN.install()),
    };
    vec![git, engine]
}

/// What signs with OpenPGP keys.
pub(super) fn signing() -> Check {
    match version("gpg") {
        Ok(found) => Check::ok("gpg", found),
        Err(found) => Check::new("gpg", State::Missing, found)
            .costs("no signing with OpenPGP keys (--signer gpg:FINGERPRINT); key files sign, and everything is verified, without it")
            .mend(Package::GNUPG.install()),
    }
}
