//! Python, pip, uv, and the index that they are told to use.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use attest_core::artifact::ProjectName;

use super::{
    check::{Check, Package, State},
    programs,
};
use crate::{
    index::{Index, IndexFile},
    pip::Pip,
};

/// Every index that has anything has this.
const ASKED_FOR: &str = "pip";
/// The oldest Python that the scripts of a build run on.
const OLDEST: (u32, u32) = (3, 8);
/// What environments are made with, where uv is not.
const VENV: &str = "import venv, ensurepip";
const VERSION: &str = "import platform; print(platform.python_version())";

/// What was found, and the pip to go on with.
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    pub(super) pip: Option<Pip>,
}

pub(super) fn look(python: &Path, cache: &Path) -> Found {
    const NOTHING: &str = "nothing can be rebuilt, checked or installed; what is logged can still be asked for";
    let name = python.display();
    let Some(version) = said(python, VERSION) else {
        let found = format!("{name} does not run");
        let check = Check::new("python", State::Broken, found).costs(NOTHING).mend(Package::PYTHON.install());
        return Found { checks: vec![check], pip: None };
    };
    if release(&version).is_none_or(|found| found < OLDEST) {
        let found = format!("expected Python {}.{} or newer, found {version} ({name})", OLDEST.0, OLDEST.1);
        let check = Check::new("python", State::Broken, found).costs(NOTHING).mend("name a newer one with --python");
        return Found { checks: vec![check], pip: None };
    }
    let uv = programs::version("uv");
    let mut checks = vec![environments(python, &version, uv.is_ok())];
    let pip = match Pip::query(python, &cache.join("tools")) {
        Ok(pip) => {
            let version = said(python, "import pip; print(pip.__version__)");
            let version = version.unwrap_or_else(|| "of the Python below this environment".to_owned());
            checks.push(Check::ok("pip", version));
            Some(pip)
        }
        Err(error) => {
            let check = Check::new("pip", State::Broken, format!("{error:#}")).costs(NOTHING);
            checks.push(check.mend(format!("{name} -m ensurepip, or {}", Package::PYTHON.install())));
            None
        }
    };
    checks.push(match uv {
        Ok(found) => Check::ok("uv", found),
        Err(found) => Check::new("uv", State::Missing, found)
            .costs("environments are made by pip, which takes a few seconds more for each rebuild; no installing through uv")
            .mend(format!("{name} -m pip install uv")),
    });
    Found { checks, pip }
}

/// Debian has the module that fills environments in a package of its own.
fn environments(python: &Path, version: &str, uv: bool) -> Check {
    let found = format!("{version} ({})", python.display());
    if uv || said(python, VENV).is_some() {
        return Check::ok("python", found);
    }
    Check::new("python", State::Broken, format!("{found} cannot make environments: it lacks `venv` or `ensurepip`"))
        .costs("nothing can be rebuilt without an environment for its build tools")
        .mend(format!("{}, or {} -m pip install uv", Package::PYTHON.install(), python.display()))
}

/// What a script prints, if it succeeds; nothing is imported from the folder that this is run in.
fn said(python: &Path, script: &str) -> Option<String> {
    let output = Command::new(python).args(["-I", "-c", script]).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Every index in pip's order.
pub(super) fn indexes(pip: &Pip, cache: &Path, online: bool) -> Vec<Check> {
    const NAME: &str = "index";
    let broken = |error: anyhow::Error| {
        vec![
            Check::new(NAME, State::Broken, format!("{error:#}"))
                .costs("nothing can be found by name and version: only files can be rebuilt, and their sources not")
                .mend(format!("{} config set global.index-url URL", pip_command(pip))),
        ]
    };
    let index = match Index::new(pip.settings(), &cache.join("files")) {
        Ok(index) => index,
        Err(error) => return broken(error),
    };
    if index.hosts().next().is_none() {
        return vec![
            Check::new(NAME, State::Missing, "pip is told to use none")
                .costs("nothing can be found by name and version")
                .mend(format!("{} config unset global.no-index", pip_command(pip))),
        ];
    }
    if !online {
        let hosts: Vec<_> = index.hosts().collect();
        return vec![Check::new(NAME, State::Unasked, hosts.join(", "))];
    }
    let project = match ProjectName::new(ASKED_FOR) {
        Ok(project) => project,
        Err(error) => return broken(error.into()),
    };
    index.ask_each(&project).map(|(host, answer)| answered(&host, answer, pip)).collect()
}

fn answered(host: &str, answer: anyhow::Result<Option<Vec<IndexFile>>>, pip: &Pip) -> Check {
    const NAME: &str = "index";
    match answer {
        Err(error) => Check::new(NAME, State::Unreachable, format!("{error:#}"))
            .costs("nothing can be rebuilt by name until it answers")
            .mend(format!("{} config list shows what pip is told; proxy and cert belong there too", pip_command(pip))),
        Ok(Some(files)) if !files.is_empty() && files.iter().all(|file| file.uploaded.is_none()) => {
            Check::new(NAME, State::Missing, format!("{host} answers without upload times"))
                .costs("build tools cannot be chosen as of the day of a release: fewer old wheels come out EXACT")
                .mend(format!(
                    "{} config set global.index-url URL, of an index with the JSON of PEP 700",
                    pip_command(pip)
                ))
        }
        Ok(_) => Check::ok(NAME, format!("{host} answers")),
    }
}

fn pip_command(pip: &Pip) -> String {
    format!("{} -m pip", pip.settings().interpreter.executable.display())
}
