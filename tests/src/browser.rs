//! A real browser, driven by Playwright in a Python environment of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{clients, command, tool};

/// Playwright, and axe-core in a form that it runs.
const REQUIREMENTS: [&str; 2] = ["playwright==1.65.2", "axe-playwright-python==0.1.8"];

/// What one look at a site needs.
#[derive(Debug)]
pub struct Browser {
    python: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    /// The browser; nothing, with the reason printed, where Chromium or the index cannot be had.
    ///
    /// # Errors
    /// When the folder for the environment cannot be made.
    ///
    /// # Panics
    /// When it cannot be had and the environment variable `CI` is set.
    pub fn find() -> Result<Option<Self>> {
        let Some(chromium) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(tool::find) else {
            tool::skip("chromium");
            return Ok(None);
        };
        let python = clients::tools("playwright-1.65.2", &REQUIREMENTS)?;
        Ok(python.map(|python| Self { python, chromium }))
    }

    /// Runs `python/look.py` over a site; screenshots are left in `screenshots`. Returns what it printed.
    ///
    /// # Errors
    /// When the script does not end well.
    pub fn look(&self, url: &str, screenshots: &Path, sights: &[(&str, String)]) -> Result<String> {
        fs::create_dir_all(screenshots).with_context(|| format!("making {}", screenshots.display()))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/look.py");
        let mut look = Command::new(&self.python);
        look.arg(script).arg(&self.chromium).arg(url).arg(screenshots);
        look.args(sights.iter().map(|(name, path)| format!("{name}={path}")));
        Ok(command::run(&mut look)?.expect(0)?.stdout)
    }
}

/// `TARGET/screenshots`.
///
/// # Errors
/// When this program is in no target directory.
pub fn screenshots() -> Result<PathBuf> {
    let me = env::current_exe().context("cannot tell where this program is")?;
    let profile = me.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    Ok(profile.and_then(Path::parent).context("this program is in no target directory")?.join("screenshots"))
}
