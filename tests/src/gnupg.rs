//! A throw-away GnuPG home with one Ed25519 key, so that signing goes through a real gpg and its agent.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::command;

/// Ends its agent and removes its folder when dropped.
#[derive(Debug)]
pub struct Gnupg {
    home: TempDir,
    fingerprint: String,
}

impl Gnupg {
    /// Makes a home with a signing key for `user`.
    ///
    /// # Errors
    /// When gpg is missing or refuses.
    pub fn new(user: &str) -> Result<Self> {
        // Straight under the system's temporary folder: the agent's socket is in it, and a socket's path is at most 107 bytes.
        let home = tempfile::Builder::new().prefix("gpg").tempdir()?;
        restrict(home.path())?;
        let mut made = Self { home, fingerprint: String::new() };
        command::run(made.gpg().args(["--quick-generate-key", user, "ed25519", "sign", "never"]))?.expect(0)?;
        let listed = command::run(made.gpg().args(["--list-keys", "--with-colons"]))?.expect(0)?;
        let fingerprint = listed
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("fpr:"))
            .and_then(|fields| fields.split(':').find(|field| !field.is_empty()))
            .context("gpg lists no fingerprint")?;
        fingerprint.clone_into(&mut made.fingerprint);
        Ok(made)
    }

    /// `GNUPGHOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Fingerprint of the primary key, 40 upper-case hex digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The ASCII-armored certificate, as it stands in a policy.
    ///
    /// # Errors
    /// When gpg refuses.
    pub fn certificate(&self) -> Result<String> {
        Ok(command::run(self.gpg().args(["--armor", "--export", &self.fingerprint]))?.expect(0)?.stdout)
    }

    /// gpg, pointed at this home and never asking anything.
    pub fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.home.path());
        gpg.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        gpg
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        // Not through `command::run`: the agent must end even when the demo was interrupted. It also ends by itself when
        // its folder is gone, so a failure here has no consequence.
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).status();
    }
}

/// gpg warns about a home that others can read.
fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?)
}
