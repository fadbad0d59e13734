//! `attest install ARGS...`: pip says what it would install, every policy judges every file of it, and pip then installs
//! exactly those digests.

use std::path::{Path, PathBuf};

use attest_core::artifact::{ProjectName, Version};

use crate::{
    exit::{Exit, Failure},
    files::{self, Mode},
    gate::{self, document::Document, verdicts},
    item::{GateError, Item, Question, Unattestable},
    locks::{
        report::Planned,
        requirements::{self, Requirements},
    },
    run::Run,
};

use self::installer::Installer;

mod installer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Requirements, as pip takes them.
    #[arg(value_name = "REQUIREMENT", required_unless_present = "requirement")]
    requirements: Vec<String>,
    /// A requirements file.
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    /// The Python to install into [default: of the active virtual environment, or python3].
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// Install again what is there already, so that it is the verified file.
    #[arg(long)]
    force_reinstall: bool,
    #[command(flatten)]
    resolution: Resolution,
}

/// Options of pip's that decide which files it would take. All others are refused: they could change what gets installed.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what a command line has")]
#[command(next_help_heading = "Options that pip gets")]
struct Resolution {
    /// A constraints file.
    #[arg(short, long, value_name = "FILE")]
    constraint: Vec<PathBuf>,
    /// The package index.
    #[arg(short, long, value_name = "URL")]
    index_url: Option<String>,
    /// Another index.
    #[arg(long, value_name = "URL")]
    extra_index_url: Vec<String>,
    /// A folder or page of files.
    #[arg(short, long, value_name = "URL")]
    find_links: Vec<String>,
    /// Only what --find-links finds.
    #[arg(long)]
    no_index: bool,
    /// Newer versions of what is there already.
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Pre-releases too.
    #[arg(long)]
    pre: bool,
    /// Not what the requirements require.
    #[arg(long)]
    no_deps: bool,
}

impl Resolution {
    /// Where files come from: the same when resolving and when installing.
    fn sources(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut add = |name: &str, value: &String| options.extend([name.to_owned(), value.clone()]);
        self.index_url.iter().for_each(|url| add("--index-url", url));
        self.extra_index_url.iter().for_each(|url| add("--extra-index-url", url));
        self.find_links.iter().for_each(|url| add("--find-links", url));
        if self.no_index {
            options.push("--no-index".to_owned());
        }
        options
    }

    /// What only the resolver needs to know.
    fn choices(&self) -> Vec<String> {
        let constraints =
            self.constraint.iter().flat_map(|path| ["--constraint".to_owned(), path.to_string_lossy().into_owned()]);
        let flags = [(self.upgrade, "--upgrade"), (self.pre, "--pre"), (self.no_deps, "--no-deps")];
        let flags = flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned());
        constraints.chain(flags).collect()
    }
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    // Without a policy nobody is asked for anything.
    let layers = run.layers()?;
    if let Some(option) = args.requirements.iter().find(|requirement| requirement.starts_with('-')) {
        return Err(Failure::usage(format!("expected a requirement, found {option:?}")).into());
    }
    refuse_before_pip(args)?;
    let installer = Installer::open(args.python.as_deref(), run.out.is_json())?;
    let planned = plan(args, &installer, run)?;
    if planned.is_empty() {
        run.out.note("pip would install nothing");
        return Ok(Exit::Pass);
    }
    if !args.force_reinstall {
        refuse_unchecked(&planned, &installer.installed()?)?;
    }
    let items: Vec<Item> = planned.iter().map(|planned| planned.item.clone()).collect();
    let judged = gate::judge(&items, &layers, run)?;
    if run.out.is_json() {
        run.out.json(&Document::new(&judged, &layers))?;
    } else {
        verdicts::print(&judged, &run.out)?;
    }
    let exit = judged.exit();
    if exit != Exit::Pass {
        run.out.note("nothing was installed");
        return Ok(exit);
    }
    install(args, &planned, &installer)
}

/// What must not even be shown to pip. To tell what a folder, a checkout or an sdist needs, it would run its build code
/// before anything was verified; and a file with a hash that the policy accepts and, beside it, another one that nobody was
/// asked about (docs/TRUST.md 6.1) passes pip with either.
fn refuse_before_pip(args: &Args) -> anyhow::Result<()> {
    let refused = |what: &str, why: &Unattestable| {
        let hint = "only published wheels come through the gate: install this one by itself, if you trust it";
        Err(Failure::new(Exit::Refused, format!("{what} is {why}")).hint(hint).into())
    };
    for requirement in &args.requirements {
        if let Some(why) = requirements::runs_code(requirement) {
            return refused(requirement, &why);
        }
    }
    for path in args.requirement.iter().chain(&args.resolution.constraint) {
        let read = Requirements::read(path)?;
        for item in read.items.into_iter().chain(read.constraints) {
            match &item.question {
                Question::NotAttestable(why) => {
                    return refused(&format!("{} ({})", item.name, item.place), why);
                }
                Question::Refused(error @ (GateError::OtherHash { .. } | GateError::MalformedHash { .. })) => {
                    let message = format!("{}: {}: {error}", item.place, item.name);
                    return Err(Failure::new(Exit::Refused, message).hint(error.hint()).into());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn plan(args: &Args, installer: &Installer, run: &Run) -> anyhow::Result<Vec<Planned>> {
    let _task = run.out.task("asking pip what it would install");
    let mut options = args.resolution.sources();
    options.extend(args.resolution.choices());
    for path in &args.requirement {
        options.extend(["--requirement".to_owned(), path.to_string_lossy().into_owned()]);
    }
    options.extend(args.requirements.iter().cloned());
    let report = installer.report(&options).map_err(|error| {
        let hint = "either the index does not answer, or it has no wheel that fits: only wheels can be verified";
        Failure::usage(error.to_string()).hint(hint)
    })?;
    let planned = Planned::parse(&report, Path::new("pip's report"))?;
    for file in planned.iter().filter(|file| file.yanked) {
        run.out.warning(format_args!(
            "{} was yanked by its maintainers; pip takes it because it is pinned",
            file.item.name
        ));
    }
    for file in &planned {
        run.out.detail(format_args!("{} from {}", file.item.name, file.url));
    }
    Ok(planned)
}

/// pip skips what is there in the same version, hashes or not: that file would be used and was never checked.
fn refuse_unchecked(planned: &[Planned], installed: &[(ProjectName, Version)]) -> anyhow::Result<()> {
    let skipped: Vec<String> = planned
        .iter()
        .filter(|file| {
            installed.iter().any(|(project, version)| *project == file.project && version.same_as(&file.version))
        })
        .map(|file| format!("{}=={}", file.project.as_str(), file.version.as_str()))
        .collect();
    if skipped.is_empty() {
        return Ok(());
    }
    let message = format!("installed already, from files that nobody checked: {}", skipped.join(", "));
    let hint = "--force-reinstall puts the verified files in their place; or use a fresh virtual environment";
    Err(Failure::new(Exit::Refused, message).hint(hint).into())
}

fn install(args: &Args, planned: &[Planned], installer: &Installer) -> anyhow::Result<Exit> {
    // Only we can write here, so what pip reads is what was verified.
    let folder = tempfile::Builder::new().prefix("attest-install-").tempdir()?;
    let file = folder.path().join("requirements.txt");
    files::create(&file, pinned(planned).as_bytes(), Mode::Private)?;
    let mut options = args.resolution.sources();
    if args.force_reinstall {
        options.push("--force-reinstall".to_owned());
    }
    installer.install(&file, &options)
}

/// Exactly the verified digests, one for each project.
fn pinned(planned: &[Planned]) -> String {
    let line = |file: &Planned| {
        let (project, version, digest) = (file.project.as_str(), file.version.as_str(), file.digest()?);
        let from = if file.direct { format!(" @ {}", file.url) } else { format!("=={version}") };
        Some(format!("{project}{from} --hash=sha256:{digest}\n"))
    };
    planned.iter().filter_map(line).collect()
}
