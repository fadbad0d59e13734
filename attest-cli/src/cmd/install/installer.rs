//! Which installer does the work, and one way to ask either.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ProjectName, Version},
    verify::Connection,
};

use super::{
    arguments::{Args, Choice},
    others::Others,
    pip::{InstallerError, Pip},
    plan::Package,
    uv::Uv,
};
use crate::{
    exit::{self, Exit, Failure},
    index::IndexError,
    locks::report::Planned,
    output::causes,
    platform::find::of_environment,
    run::Run,
};

/// Who installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pip,
    Uv,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pip => "pip",
            Self::Uv => "uv",
        })
    }
}

/// An installer and the Python that it installs into.
#[derive(Debug)]
pub(super) enum Installer {
    Pip(Pip),
    Uv(Uv),
}

impl Installer {
    /// The one that was asked for, or the one whose environment this is.
    pub(super) fn open(args: &Args, run: &Run) -> anyhow::Result<Self> {
        let (out, offline) = (&run.out, run.connection == Connection::Offline);
        let (kind, why) = match args.installer {
            Choice::Pip => (Kind::Pip, "asked for"),
            Choice::Uv => (Kind::Uv, "asked for"),
            Choice::Auto => guess(args),
        };
        args.fit(kind)?;
        let python = python(args, kind);
        if kind == Kind::Uv {
            let Some(version) = Uv::version() else {
                return Err(Failure::usage("uv is not there").hint("install uv, or use `--installer pip`").into());
            };
            out.detail(format_args!("{version} installs into {} ({why})", python.display()));
            return Ok(Self::Uv(Uv::open(python, args, offline)));
        }
        out.detail(format_args!("pip installs into {} ({why})", python.display()));
        match Pip::open(python.clone(), offline) {
            // An environment of uv's making has none.
            Err(error @ InstallerError::Pip { .. }) if args.installer == Choice::Auto && error.is_without_pip() => {
                match Uv::version() {
                    Some(version) => {
                        args.fit(Kind::Uv)?;
                        out.detail(format_args!("{} has no pip: {version} installs", python.display()));
                        Ok(Self::Uv(Uv::open(python, args, offline)))
                    }
                    None => Err(error.into()),
                }
            }
            opened => Ok(Self::Pip(opened?)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Pip(_) => Kind::Pip,
            Self::Uv(_) => Kind::Uv,
        }
    }

    /// The Python that is installed into.
    pub(super) fn python(&self) -> &Path {
        match self {
            Self::Pip(pip) => pip.python(),
            Self::Uv(uv) => uv.python(),
        }
    }

    /// What would be installed into an empty environment.
    pub(super) fn plan(&self, args: &Args, run: &Run) -> anyhow::Result<Vec<Package>> {
        let out = &run.out;
        let mut options = args.resolution.sources(self.kind());
        options.extend(args.resolution.choices(self.kind()));
        let failed = |error: anyhow::Error| {
            // Neither installer tells which of the two it was.
            let down = Others::open(self, args, run).and_then(|others| Ok(others.index().is_up()?)).err();
            if let Some(down) = down.as_ref().and_then(|error| error.downcast_ref::<IndexError>()) {
                let message = format!("{error:#}\n{}", causes(down));
                return Failure::new(exit::of_index(down), message).hint(down.hint().unwrap_or_default());
            }
            let hint = "the index has no wheel that fits: only wheels can be verified";
            Failure::usage(error.to_string()).hint(hint)
        };
        match self {
            Self::Uv(uv) => Ok(uv.resolve(args, &options, out).map_err(|error| failed(error.into()))?),
            Self::Pip(pip) => {
                for path in &args.requirement {
                    options.extend(["--requirement".to_owned(), path.to_string_lossy().into_owned()]);
                }
                options.extend(args.requirements.iter().cloned());
                let report = pip.report(&options, out).map_err(|error| failed(error.into()))?;
                let planned = Planned::parse(&report, Path::new("pip's report"))?;
                for file in planned.iter().filter(|file| file.yanked) {
                    out.detail(format_args!("{} is yanked, and taken because it is pinned", file.item.name));
                }
                let mut packages: Vec<Package> = planned.into_iter().map(Package::from).collect();
                for package in &mut packages {
                    package.restore_credentials(&args.requirements);
                }
                Ok(packages)
            }
        }
    }

    /// Everything that is there already, where it would be installed.
    pub(super) fn installed(&self, args: &Args) -> anyhow::Result<Vec<(ProjectName, Version)>> {
        Ok(match self {
            Self::Pip(pip) => pip.installed(&args.destination)?,
            Self::Uv(uv) => uv.installed(&args.destination)?,
        })
    }

    /// Installs the digests of a requirements file and nothing else. Passes the installer's exit code.
    pub(super) fn install(&self, requirements: &Path, args: &Args) -> anyhow::Result<Exit> {
        let mut options = args.resolution.sources(self.kind());
        options.extend(args.destination.options());
        Ok(match self {
            Self::Pip(pip) => {
                if args.force_reinstall {
                    options.push("--force-reinstall".to_owned());
                }
                if args.force_reinstall && args.destination.target.is_some() {
                    // Without it pip leaves in the folder what is there.
                    options.push("--upgrade".to_owned());
                }
                if args.destination.prefix.is_some() {
                    // pip would look for it, and uninstall it, elsewhere.
                    options.push("--ignore-installed".to_owned());
                }
                pip.install(requirements, &options)?
            }
            Self::Uv(uv) => {
                if args.force_reinstall {
                    options.push("--reinstall".to_owned());
                }
                uv.install(requirements, &options)?
            }
        })
    }
}

/// uv's where uv made the environment, or the project has its lock.
fn guess(args: &Args) -> (Kind, &'static str) {
    if args.destination.user {
        return (Kind::Pip, "--user is pip's");
    }
    if args.is_for_uv() {
        return (Kind::Uv, "an option of uv's is given");
    }
    let root = python(args, Kind::Uv).parent().and_then(Path::parent).map(|root| root.join("pyvenv.cfg"));
    let made_by_uv = root
        .and_then(|config| std::fs::read_to_string(config).ok())
        .is_some_and(|config| config.lines().any(|line| line.split('=').next().is_some_and(|key| key.trim() == "uv")));
    let locked = || std::env::current_dir().is_ok_and(|here| here.ancestors().any(|up| up.join("uv.lock").is_file()));
    if made_by_uv && Uv::version().is_some() {
        (Kind::Uv, "uv made the environment")
    } else if args.python.is_none() && locked() && Uv::version().is_some() {
        (Kind::Uv, "the project has a uv.lock")
    } else {
        (Kind::Pip, "nothing here is uv's")
    }
}

/// The Python to install into.
fn python(args: &Args, kind: Kind) -> PathBuf {
    let active = || {
        let folder = std::env::var_os("VIRTUAL_ENV").filter(|_| !args.destination.system)?;
        Some(PathBuf::from(folder).join("bin/python"))
    };
    let found_by_uv = || {
        let here = std::env::current_dir().ok().filter(|_| kind == Kind::Uv && !args.destination.system)?;
        here.ancestors().map(|up| up.join(".venv/bin/python")).find(|python| python.exists())
    };
    args.python
        .as_deref()
        .map(of_environment)
        .or_else(active)
        .or_else(found_by_uv)
        .unwrap_or_else(|| PathBuf::from("python3"))
}
