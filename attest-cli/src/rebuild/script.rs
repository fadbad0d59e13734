//! Running a recipe's own `build.sh` in the room, in place of a project's hooks.
//!
//! The script knows its inputs from variables alone (docs/recipes.md), so that a project's release job can run it too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::{Custom, Recipe, SystemPackage};
use reqwest::Url;

use super::build::{BuildError, Built, last_lines, limit_or_error, the_wheel};
use super::environment::{Archive, Lock};
use super::image::Ground;
use super::recipes::{LOCK, SCRIPT};
use super::source::Source;
use super::tree::Order;
use crate::host;
use crate::index::Index;
use crate::pip::Interpreter;
use crate::sandbox::{Isolation, Limits, Room};
use crate::temporary::Temporary;

/// What sets limits and variables and then runs the script.
const RUN: &str = "run.sh";
/// First thing that a room does: without it no code of the recipe ran, and the room is at fault.
const BEGAN: &str = "began";
/// The biggest package that is fetched.
const MAX_PACKAGE: u64 = 1 << 30;

/// A recipe's script, ready to be run.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    /// How.
    pub(crate) recipe: &'a Recipe,
    /// `build.sh`.
    pub(crate) text: &'a [u8],
    /// With what.
    pub(crate) lock: &'a Lock,
    /// The lock's text, where the recipe has one.
    pub(crate) lock_text: Option<String>,
    /// Packages, by their file names.
    pub(crate) packages: &'a BTreeMap<String, Vec<u8>>,
    /// From what.
    pub(crate) source: &'a Source,
    /// In what.
    pub(crate) ground: &'a Ground,
    /// In what kind of room.
    pub(crate) isolation: Isolation,
    /// Of the room.
    pub(crate) interpreter: &'a Interpreter,
    /// With how much.
    pub(crate) limits: Limits,
    /// Takes all output.
    pub(crate) log: &'a Path,
}

impl Script<'_> {
    /// Builds once, in a fresh copy of the source.
    pub(crate) fn build(&self, order: Order) -> anyhow::Result<Built> {
        let folder = Temporary::new("room")?;
        let room = Room::new(self.isolation, self.interpreter, self.ground.environment(), folder.path())?;
        let room = match self.ground.root() {
            Some(image) => room.with_root(image),
            None => room,
        };
        let room = match &self.recipe.paths {
            Some(paths) => room.with_paths(paths)?,
            None => room,
        };
        let source = self.source.lay_out(&room.outside("src"), &self.recipe.files, order);
        source.context("expected to lay out the source")?;
        self.provide(&room)?;
        let status = match self.ground.engine() {
            Some(engine) => engine.run(folder.path(), RUN, self.log, &self.limits),
            None => room.run_script(RUN, self.log, &self.limits),
        };
        let status = status.map_err(limit_or_error)?;
        if status.success() {
            return the_wheel(&room.outside("out"));
        }
        let said = last_lines(self.log)?;
        ensure!(room.outside("tmp").join(BEGAN).exists(), "expected a room for the build, found {status}\n{said}");
        Err(BuildError::Hook { hook: SCRIPT, status, said }.into())
    }

    /// Everything that the script finds in `run`, which it cannot change.
    fn provide(&self, room: &Room<'_>) -> anyhow::Result<()> {
        let run = room.outside("run");
        self.lock.copy_into(&run.join("wheels"))?;
        fs::create_dir_all(run.join("packages"))?;
        for (name, bytes) in self.packages {
            fs::write(run.join("packages").join(name), bytes)?;
        }
        if let Some(text) = &self.lock_text {
            fs::write(run.join(LOCK), text)?;
        }
        fs::write(run.join(SCRIPT), self.text)?;
        host::set_mode(&run.join(SCRIPT), 0o755)?;
        Ok(fs::write(run.join(RUN), self.prelude(room))?)
    }

    /// `run.sh`: a shell is all that an image surely has.
    fn prelude(&self, room: &Room<'_>) -> String {
        let inside = |name: &str| match self.ground.engine() {
            Some(_) => Path::new(crate::sandbox::BUILD).join(name),
            None => room.inside(name),
        };
        let run = inside("run");
        let mut variables = match self.ground.engine() {
            // The engine sets what the image says.
            Some(_) => BTreeMap::from([("HOME".to_owned(), text(&inside("home")))]),
            None => room.variables(),
        };
        variables.extend(self.ground.variables());
        variables.extend(self.recipe.all_variables());
        let paths = [
            ("OUT", Some(inside("out"))),
            ("LOCK", self.lock_text.as_ref().map(|_| run.join(LOCK))),
            ("WHEELS", Some(run.join("wheels"))),
            ("PACKAGES", Some(run.join("packages"))),
        ];
        variables.extend(paths.into_iter().filter_map(|(name, path)| Some((name.to_owned(), text(&path?)))));
        let mut lines = format!(": >{}\n", quoted(&text(&inside("tmp").join(BEGAN))));
        let _ = writeln!(lines, "umask {}", String::from(self.recipe.files.umask));
        // `ulimit` counts files in blocks of 512 bytes, memory in KiB; dash and busybox count processes by `-p`.
        for limit in [
            "ulimit -c 0".to_owned(),
            format!("ulimit -f {}", self.limits.disk / 512),
            format!("ulimit -v {}", self.limits.memory / 1024),
            format!("ulimit -u {0} || ulimit -p {0}", self.limits.processes),
        ] {
            // A lower limit that is there already stays.
            let _ = writeln!(lines, "{{ {limit}; }} 2>/dev/null || :");
        }
        for (name, value) in variables {
            let _ = writeln!(lines, "export {name}={}", quoted(&value));
        }
        let _ = writeln!(lines, "cd {} && exec {}", quoted(&text(&inside("src"))), quoted(&text(&run.join(SCRIPT))));
        lines
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// For a shell: nothing is special between single quotes but the quote itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The packages of a recipe, by digest: from an archive, or where the recipe says that they are.
pub(crate) fn packages(
    custom: &Custom,
    index: &Index,
    archive: Option<&Archive>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let fetch = |package: &SystemPackage| {
        let bytes = package_bytes(package, index, archive)?;
        let found = ArtifactDigest::of(&bytes);
        ensure!(found == package.sha256, "expected {} to have sha256 {}, found {found}", package.file, package.sha256);
        Ok((package.file.clone(), bytes))
    };
    custom.packages.iter().map(fetch).collect()
}

fn package_bytes(package: &SystemPackage, index: &Index, archive: Option<&Archive>) -> anyhow::Result<Vec<u8>> {
    if let Some((_, bytes)) = archive.map(|archive| archive.find(package.sha256)).transpose()?.flatten() {
        return Ok(bytes);
    }
    let url = package.url.as_ref().with_context(|| {
        format!(
            "expected the package {} in an archive (--dependencies), since the recipe has no url for it",
            package.file
        )
    })?;
    index.web(&Url::parse(url)?, MAX_PACKAGE).with_context(|| format!("expected the package {}", package.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_a_shell_whatever_is_in_them() {
        for value in ["", "plain", "it's", "'; touch /tmp/evil; '", "$(id) `id` \"x\" \\", "two\nlines"] {
            let script = format!("X={}; printf %s \"$X\"", quoted(value));
            let output = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
    }
}
