//! `attest install ARGS...`: pip or uv says what it would install, every policy judges every file of it, and the installer
//! is then held to exactly those digests. Of a pylock.toml nobody is asked: it says so itself.

use std::{cell::OnceCell, collections::BTreeMap, path::Path};

use attest_core::{artifact::ArtifactDigest, verify::WantedName};

use crate::{
    exit::{Exit, Failure},
    files::{self, Mode},
    gate::{
        self, Judged,
        installation::{Installation, Installed, InstalledFile},
        report::Report,
    },
    interrupt,
    item::{GateError, Question, Unattestable},
    layers::Layers,
    locks::requirements::{self, Requirements},
    output::plural,
    run::Run,
    temporary::Temporary,
};

pub(crate) use self::arguments::Args;
use self::{
    installer::{Installer, Kind},
    others::Others,
    plan::{Chosen, Given, Package, Selection},
};

mod arguments;
mod installer;
mod lock;
mod others;
mod pip;
mod plan;
mod present;
mod sources;
mod uv;

const SCHEMA: &str = "attest.install/v1";

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    // Without a policy nobody is asked for anything.
    let layers = run.layers()?;
    if let Some(option) = args.requirements.iter().find(|requirement| requirement.starts_with('-')) {
        return Err(Failure::usage(format!("expected a requirement, found {option:?}")).into());
    }
    let lock = lock::named(args)?;
    let given = if lock.is_some() { Given::default() } else { refuse_before_asking(args, run)? };
    let installer = Installer::open(args, run)?;
    sources::tell(&installer, args, &run.out);
    let mut packages = if let Some(lock) = &lock {
        lock::packages(lock, installer.python(), run)?
    } else {
        let _task = run.out.task(format!("asking {} what it would install", installer.kind()));
        installer.plan(args, run)?
    };
    if packages.is_empty() {
        run.out.note(format_args!("{} would install nothing", installer.kind()));
        return Ok(Exit::Pass);
    }
    let missing = plan::keep_to(&mut packages, &given);
    if !missing.is_empty() {
        let message =
            format!("the requirements name hashes, and none that is among the files of {}", missing.join(", "));
        return Err(Failure::new(Exit::Refused, message)
            .hint("lock the requirements again, with what they require")
            .into());
    }
    origins(&packages, run);
    let (items, more) = (plan::questions(&packages), OnceCell::new());
    let mut judged = gate::judge(&items, &layers, run)?;
    let others = if lock.is_some() { None } else { others(&installer, args, &packages, &judged, run) };
    if let Some(others) = others.as_ref().filter(|_| installer.kind() == Kind::Pip) {
        let blocked = plan::blocked(&packages, &judged);
        if others.add_siblings(packages.iter_mut().zip(blocked), run) {
            // Hashes of the user's own hold for these, too.
            plan::keep_to(&mut packages, &given);
            judged = gate::judge(more.get_or_init(|| plan::questions(&packages)), &layers, run)?;
        }
    }
    let selection = plan::select(&packages, &mut judged);
    say_passed_over(&selection, installer.kind(), run);
    if judged.exit() != Exit::Pass || selection.chosen.len() != packages.len() {
        Report::new(SCHEMA, &judged, &layers).print(run)?;
        if let Some(others) = &others {
            let refused: Vec<&Package> = packages.iter().filter(|package| !selection.has(package)).collect();
            // Advice: what was judged stands, whatever becomes of it.
            match others.accepted(&refused, &layers, run) {
                Ok(accepted) => others::tell(&accepted, run),
                Err(error) => run.out.detail(format_args!("which other versions would pass is not known: {error:#}")),
            }
        }
        run.out.note("nothing was installed");
        return Ok(judged.exit().worst(Exit::Refused));
    }
    let order = Order { args, given: &given, installer: &installer };
    finish(&order, &selection, &judged, &layers, run)
}

/// What else there is, where something does not pass: nobody is asked for it otherwise.
fn others(installer: &Installer, args: &Args, packages: &[Package], judged: &Judged<'_>, run: &Run) -> Option<Others> {
    if !plan::blocked(packages, judged).contains(&true) {
        return None;
    }
    let opened = Others::open(installer, args, run);
    opened.inspect_err(|error| run.out.detail(format_args!("what else there is was not looked for: {error:#}"))).ok()
}

/// What is to be done, and by whom.
struct Order<'a> {
    args: &'a Args,
    given: &'a Given,
    installer: &'a Installer,
}

/// Everything passed.
fn finish(
    order: &Order<'_>,
    selection: &Selection<'_>,
    judged: &Judged<'_>,
    layers: &Layers,
    run: &Run,
) -> anyhow::Result<Exit> {
    let Order { args, installer, .. } = order;
    let kept = present::check(&selection.chosen, judged, installer, args)?;
    let new = || selection.chosen.iter().filter(|chosen| !kept.contains(&chosen.package.name()));
    for name in &kept {
        run.out.note(format_args!("{name} is there already: its files are those of the verified one"));
    }
    let report = Report::new(SCHEMA, judged, layers);
    if run.out.is_text() {
        // Before the installer has its say.
        report.print(run)?;
    }
    let exit = if args.dry_run {
        run.out.note("nothing was installed: --dry-run");
        None
    } else {
        Some(install(order, &selection.chosen)?)
    };
    let done = exit == Some(Exit::Pass);
    if done {
        present::confirm(&selection.chosen, installer, args)?;
    }
    if !run.out.is_text() {
        let installed = new().filter(|_| done).map(installed).collect();
        let installation = Installation {
            installer: installer.kind().to_string(),
            exit,
            installed,
            kept: &kept,
            passed_over: &selection.passed_over,
        };
        Report { installation: Some(&installation), ..report }.print(run)?;
    } else if done {
        for chosen in new() {
            let digests: Vec<String> = chosen.files.iter().map(|(_, digest)| format!("sha256:{digest}")).collect();
            run.out.line(format_args!("installed {} {}", chosen.package.name(), digests.join(" or ")))?;
        }
    }
    if let Some(Exit::Child(code)) = exit {
        run.out.warning(format_args!("{} ended with {code}: what it says above is why", installer.kind()));
    }
    Ok(exit.unwrap_or(Exit::Pass))
}

fn installed<'a>(chosen: &'a Chosen<'a>) -> Installed<'a> {
    let file = |(name, digest): &'a (String, ArtifactDigest)| InstalledFile { name, sha256: digest.to_string() };
    let Package { project, version, .. } = chosen.package;
    Installed { project: project.as_str(), version: version.as_str(), files: chosen.files.iter().map(file).collect() }
}

/// What must not even be shown to an installer. To tell what a folder, a checkout or an sdist needs, it would run its
/// build code before anything was verified; and a file with a hash that the policy accepts and, beside it, another one that
/// nobody was asked about (docs/TRUST.md 6.1) passes with either. Returns what the files say.
fn refuse_before_asking(args: &Args, run: &Run) -> anyhow::Result<Given> {
    let refused = |what: &str, why: &Unattestable| -> anyhow::Error {
        let hint = "only published wheels come through the gate: install this one by itself, if you trust it";
        Failure::new(Exit::Refused, format!("{what} is {why}")).hint(hint).into()
    };
    if let Some(path) = args.editable.first() {
        return Err(refused(path, &Unattestable::Local));
    }
    for requirement in &args.requirements {
        if let Some(why) = requirements::runs_code(requirement) {
            return Err(refused(requirement, &why));
        }
    }
    let mut given = Given::default();
    for path in args.requirement.iter().chain(&args.resolution.constraint) {
        refuse_lock(path)?;
        let read = Requirements::read(path)?;
        for (place, source) in &read.sources {
            run.out.note(format_args!("{place}: files come from {}", sources::of_option(source)));
            given.sources.push(sources::from_elsewhere(source, place.path()));
        }
        for item in read.items.into_iter().chain(read.constraints) {
            match &item.question {
                Question::NotAttestable(why) => {
                    return Err(refused(&format!("{} ({})", item.name, item.place), why));
                }
                Question::Refused(error @ (GateError::OtherHash { .. } | GateError::MalformedHash { .. })) => {
                    let message = format!("{}: {}: {error}", item.place, item.name);
                    return Err(Failure::new(Exit::Refused, message).hint(error.hint()).into());
                }
                Question::File { wanted, .. } => {
                    if let WantedName::Release { project, .. } = &wanted.name {
                        given.hashes.entry(project.clone()).or_default().insert(wanted.digest);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(given)
}

/// A lock names its files already: there is nothing to resolve.
fn refuse_lock(path: &Path) -> Result<(), Failure> {
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(());
    }
    let message = format!("{} is no requirements file", path.display());
    Err(Failure::usage(message).hint(format!(
        "a lock names its files already: `attest verify {0}`, then install from it with `uv pip sync {0}` or `pip install -r {0}`",
        path.display()
    )))
}

/// More than one host is worth a look: whoever runs the other one may serve a project of the same name.
fn origins(packages: &[Package], run: &Run) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for item in packages.iter().flat_map(|package| &package.candidates) {
        if let Some(url) = plan::url(item) {
            run.out.detail(format_args!("{} from {}", item.name, sources::without_credentials(url)));
            let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
            *counts.entry(host.unwrap_or_else(|| "this machine".to_owned())).or_default() += 1;
        }
    }
    if counts.len() > 1 {
        let hosts: Vec<String> =
            counts.iter().map(|(host, count)| format!("{} from {host}", plural(*count, "file"))).collect();
        run.out.note(hosts.join(", "));
    }
}

fn say_passed_over(selection: &Selection<'_>, kind: Kind, run: &Run) {
    for name in &selection.passed_over {
        run.out.note(format_args!("{name} fits here and is not accepted: {kind} is only let take another file of it"));
    }
}

fn install(order: &Order<'_>, chosen: &[Chosen<'_>]) -> anyhow::Result<Exit> {
    // From here on Ctrl-C ends the installer, as it would without us, and then takes away what we made.
    interrupt::watch()?;
    // Only we can write here, so what is read is what was verified.
    let folder = Temporary::new("install")?;
    let file = folder.path().join("requirements.txt");
    files::create(&file, plan::pinned(chosen, &order.given.sources).as_bytes(), Mode::Private)?;
    order.installer.install(&file, order.args)
}
