//! A `keyring` that has one login, for Ann at one index, and writes down what it was asked.

use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use anyhow::Result;

use crate::scene::Scene;

/// Who may read the index.
pub const USER: &str = "ann";
/// What nobody is shown.
pub const SECRET: &str = "s3cret";

/// A program in a folder of its own.
#[derive(Debug)]
pub struct Keyring {
    folder: PathBuf,
}

impl Keyring {
    /// For the index at `url`. It answers as the two forms of the real one do that installers use.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(scene: &Scene, url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> \"$0.asked\"\ncase \"$*\" in\n\
             'get {url} {USER}' | 'get {url}/ {USER}') echo '{SECRET}' ;;\n\
             '--mode=creds --output=json get {url}/'*) echo '{{\"username\": \"{USER}\", \"password\": \"{SECRET}\"}}' ;;\n\
             *) exit 1 ;;\nesac\n"
        );
        let program = scene.write("keyring/keyring", script)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder: scene.path("keyring") })
    }

    /// `PATH` with it in front.
    ///
    /// # Errors
    /// When the scene's folder has a colon in its name.
    pub fn path(&self, rest: Option<OsString>) -> Result<OsString> {
        let rest = rest.or_else(|| env::var_os("PATH")).unwrap_or_default();
        Ok(env::join_paths([self.folder.clone()].into_iter().chain(env::split_paths(&rest)))?)
    }

    /// What it was asked since the last time that somebody wanted to know.
    pub fn asked(&self) -> Vec<String> {
        let file = self.folder.join("keyring.asked");
        let asked = fs::read_to_string(&file).unwrap_or_default();
        let _gone = fs::remove_file(file);
        asked.lines().map(str::to_owned).collect()
    }
}
