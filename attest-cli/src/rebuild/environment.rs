//! The build environment: a hashed lock of build requirements, and a cached virtual environment made from it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName, WheelName};
use attest_core::recipe::is_plain_requirement;
use attest_core::statement::{Dependency, Digest};

use super::buildinfo::Requirement;
use crate::cache;
use crate::index::Index;
use crate::pip::Pip;
use crate::pip::pin::Pin;
use crate::sandbox::{ENVIRONMENT as ROOM_ENVIRONMENT, Isolation};
use crate::temporary::Temporary;

mod closure;
mod exact;

pub(crate) use closure::projects;
pub(crate) use exact::Archive;

/// The biggest build requirement that is downloaded.
const MAX_WHEEL: u64 = 256 << 20;

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

    /// The files, for the build info.
    pub(crate) fn files(&self) -> Vec<Requirement> {
        let name = |one: &Locked| one.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let requirement = |(one, dependency): (&Locked, Dependency)| Requirement {
            uri: dependency.uri,
            file: name(one),
            sha256: one.digest,
        };
        self.0.iter().zip(self.dependencies()).map(requirement).collect()
    }

    /// Keeps every file as `folder/SHA256/NAME`: what an index no longer has, nobody can rebuild with.
    pub(crate) fn archive(&self, folder: &Path) -> anyhow::Result<()> {
        for one in &self.0 {
            let kept = folder.join(one.digest.to_string()).join(one.path.file_name().context("expected a file name")?);
            if !kept.exists() {
                Index::keep(&kept, &fs::read(&one.path)?).context("expected to keep a build requirement")?;
            }
        }
        Ok(())
    }

    /// A virtual environment of exactly these files. A room sees it read-only, so it comes from the cache where it was
    /// made before; without a room a build could change it, so every build has its own.
    pub(crate) fn environment(&self, pip: &Pip, cache: &Path, isolation: Isolation) -> anyhow::Result<Installed> {
        if isolation == Isolation::None {
            let folder = Temporary::new("env")?;
            self.install(pip, &folder.path().join("env"))?;
            return Ok(Installed { path: folder.path().join("env"), _own: Some(folder) });
        }
        let interpreter = &pip.settings().interpreter;
        let identity = format!(
            "{}\n{}\n{}\n{ROOM_ENVIRONMENT}\n{}",
            pip.driver(),
            interpreter.executable.display(),
            interpreter.version,
            self.to_text()
        );
        let folder = cache.join("environments").join(ArtifactDigest::of(identity.as_bytes()).to_string());
        cache::make_once(&folder, |folder| {
            self.install(pip, &folder.join("env"))?;
            move_scripts(&folder.join("env"), Path::new(ROOM_ENVIRONMENT)).context("expected to install scripts")
        })?;
        Ok(Installed { path: folder.join("env"), _own: None })
    }

    pub(crate) fn install(&self, pip: &Pip, folder: &Path) -> anyhow::Result<()> {
        let wheels: Vec<_> = self.0.iter().map(|one| one.path.clone()).collect();
        pip.environment(folder, &wheels).context("expected to install the build requirements")
    }
}

/// A virtual environment on disk.
#[derive(Debug)]
pub(crate) struct Installed {
    path: PathBuf,
    _own: Option<Temporary>,
}

impl Installed {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Console scripts name the interpreter by its path, which is another one in the room than where it was installed.
fn move_scripts(environment: &Path, place: &Path) -> anyhow::Result<()> {
    let made = environment.to_str().context("expected a cache folder with a path in UTF-8")?;
    let place = place.to_str().context("expected a path in UTF-8")?;
    for entry in fs::read_dir(environment.join("bin"))? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        // What is not text is a program, and what does not begin with `#!` is no script.
        let Ok(script) = fs::read_to_string(entry.path()) else { continue };
        if script.starts_with("#!") && script.contains(made) {
            // Written in place: the mode stays.
            fs::write(entry.path(), script.replace(made, place))?;
        }
    }
    Ok(())
}

/// A line that goes to a resolver must be a name with versions, never an option or a place to fetch from: pip builds a
/// source that it fetches, here and not in a room.
pub(crate) fn check_requirement(line: &str) -> anyhow::Result<()> {
    ensure!(is_plain_requirement(line), "expected a build requirement by name and version, found {line:?}");
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
    let folder = Temporary::new("download")?;
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
        for line in [
            "",
            "-r /etc/passwd",
            "--index-url=http://x",
            "x @ http://x",
            "a\n-r b",
            "x --hash=sha256:0",
            "x==1 -r b",
            "x; python_version > '3' -r b",
            "x>=${HOME}",
            "x \\",
            // Places: pip would fetch them and run their code here and now.
            "https://example.com/x-1.0.tar.gz",
            "file:///tmp/x",
            "git+https://example.com/x",
            "folder/x",
            "x.tar.gz",
            "x-1.0-py3-none-any.whl",
            "x==1.ZIP",
            "x[a/b]",
            "x\u{1b}[2J",
        ] {
            assert!(check_requirement(line).is_err(), "{line:?}");
        }
        for line in [
            "setuptools>=61",
            "hatch-vcs",
            "tomli>=1; python_version < '3.11'",
            "setuptools_scm[toml]>=6.2",
            "setuptools_scm [toml] >= 6.2, != 7.*, < 9",
            "wheel (>=0.30)",
            "poetry-core>=1.0.0,<2",
            "numpy==2.0.0rc1 ; platform_python_implementation != 'PyPy' and (python_version>=\"3.9\")",
            "x===1!2.0+local.3",
            "torch~=2.0",
            "zipfile.zip2>=1",
        ] {
            assert!(check_requirement(line).is_ok(), "{line:?}");
        }
    }

    #[test]
    fn scripts_name_the_interpreter_where_it_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let (made, bin) = (folder.path().to_str().unwrap(), folder.path().join("bin"));
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("tool"), format!("#!{made}/bin/python\nprint()\n")).unwrap();
        // What pip and uv write where the path is too long for a first line.
        fs::write(bin.join("long"), format!("#!/bin/sh\n'''exec' '{made}/bin/python' \"$0\" \"$@\"\n' '''\n")).unwrap();
        let program = [b"\x7fELF\xff".as_slice(), made.as_bytes()].concat();
        fs::write(bin.join("program"), &program).unwrap();
        move_scripts(folder.path(), Path::new("/build/env")).unwrap();
        let read = |name: &str| fs::read_to_string(bin.join(name)).unwrap();
        assert_eq!(read("tool"), "#!/build/env/bin/python\nprint()\n");
        assert!(read("long").contains("'/build/env/bin/python'"));
        assert_eq!(fs::read(bin.join("program")).unwrap(), program);
    }
}
