//! The two programs under test, built by the same cargo, in the same profile, as the test that asks for them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, bail};

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    server: PathBuf,
    cli: PathBuf,
    profile: String,
}

impl Programs {
    /// Builds `attest-server` and `attest` the first time it is called in a process; a build that has nothing to do is
    /// quick, so a test can never run against yesterday's program.
    ///
    /// # Errors
    /// When cargo is not there or the build fails.
    pub fn build() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build_now().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    }

    /// `attest-server`.
    pub fn server(&self) -> &Path {
        &self.server
    }

    /// `attest`.
    pub fn cli(&self) -> &Path {
        &self.cli
    }

    /// `debug` or `release`: the folder that the running program was found in.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    fn build_now() -> Result<Self> {
        let me = env::current_exe().context("cannot tell where this program is")?;
        let mut folder = me.parent().context("this program is in no folder")?;
        // Test programs are in TARGET/PROFILE/deps, the others in TARGET/PROFILE.
        let tests = folder.ends_with("deps");
        if tests {
            folder = folder.parent().context("deps/ is in no folder")?;
        }
        let profile = folder.file_name().context("the profile's folder has no name")?.to_string_lossy().into_owned();
        let target = folder.parent().context("the profile's folder is in no folder")?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");

        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What cargo tells a test about its package is not for the build of others: some build scripts look at it, and
        // everything above them would be compiled again.
        for (name, _) in env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                cargo.env_remove(name);
            }
        }
        // The whole workspace, and its tests where a test asks: what is built together decides the features of what is
        // shared, and with the features of the build before, cargo finds everything done.
        cargo.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
        if tests {
            cargo.arg("--tests");
        }
        cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(target);
        cargo.args(["--profile", if profile == "debug" { "dev" } else { &profile }]);
        let status = cargo.status().context("cannot start cargo")?;
        if !status.success() {
            bail!("building attest-server and attest failed ({status})");
        }
        Ok(Self { server: folder.join("attest-server"), cli: folder.join("attest"), profile })
    }
}
