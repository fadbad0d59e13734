//! Building a working tree twice, in two different places and ways, to see whether somebody else would get the same.
//!
//! | module | what it does |
//! |---|---|
//! | [`worktree`] | lists the tree as git would hand it on, and copies it |
//! | [`variation`] | what the two builds are made to differ in, and what they are not |
//! | [`scratch`] | where they happen |
//! | [`bench`](mod@bench) | one build: any command, or the project's own hooks |
//! | [`project`], [`backend`] | those hooks, and the environment that they need |
//! | [`made`], [`archive`] | what came out |
//! | [`symptom`] | what differs |
//! | [`trace`], [`cause`], [`narrow`] | why: from the differing bytes, then by building again |
//! | [`fixes`](mod@fixes) | what to do about it |
//!
//! The code is the user's own, and runs as the user, with the network: this is a test, and no clean room.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use self::backend::Backend;
use self::bench::{Bench, Builder, Built};
use self::cause::Diagnosis;
use self::fixes::{Circumstances, Fix, Fixes};
use self::made::{Made, Patterns};
use self::narrow::Narrowing;
use self::scratch::Scratch;
use self::trace::Traces;
use self::variation::{Plan, Side, Variation, Wishes};
use self::worktree::WorkTree;
use crate::rebuild::attempt::wait_for_next_tick;
use crate::rebuild::wheel::Wheel;

pub(crate) mod archive;
pub(crate) mod backend;
pub(crate) mod bench;
pub(crate) mod cause;
pub(crate) mod fixes;
pub(crate) mod made;
pub(crate) mod narrow;
pub(crate) mod project;
pub(crate) mod scratch;
pub(crate) mod symptom;
pub(crate) mod trace;
pub(crate) mod variation;
pub(crate) mod worktree;

/// How to check.
#[derive(Debug)]
pub(crate) struct Options {
    /// The tree.
    pub(crate) folder: PathBuf,
    /// What builds; nothing: the project's own hooks.
    pub(crate) command: Option<Vec<OsString>>,
    /// Without a command: build the sdist too.
    pub(crate) sdist: bool,
    /// Where to look for what was built.
    pub(crate) patterns: Patterns,
    /// What not to vary.
    pub(crate) same: Vec<Variation>,
    /// Variables for both builds.
    pub(crate) set: Vec<(String, String)>,
    /// For one build.
    pub(crate) timeout: Duration,
    /// Whether to build again to find the cause.
    pub(crate) narrow: bool,
    /// Where to keep what both builds made.
    pub(crate) keep: Option<PathBuf>,
    /// Without a command: the Python that builds.
    pub(crate) python: PathBuf,
    /// Without a command: where downloads are kept.
    pub(crate) cache: PathBuf,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was built with.
    pub(crate) command: String,
    /// What was varied, and what was not.
    pub(crate) plan: Plan,
    /// What the first build made.
    pub(crate) first: Vec<Made>,
    /// What the second build made.
    pub(crate) second: Vec<Made>,
    /// How they differ, and why.
    pub(crate) diagnoses: Vec<Diagnosis>,
    /// What was tried to find out.
    pub(crate) narrowing: Narrowing,
    /// What to do, each once.
    pub(crate) fixes: Vec<Fix>,
    /// Anything else that a maintainer should know.
    pub(crate) warnings: Vec<String>,
}

/// Builds twice and compares. A [`bench::BuildError`] among the causes of an error means that there is nothing to compare.
pub(crate) fn check(options: &Options, progress: &dyn Fn(&str)) -> anyhow::Result<Outcome> {
    let tree = WorkTree::read(&options.folder)?;
    let folder = tree.folder();
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let scratch = Scratch::new(if name.is_empty() { "project" } else { &name })?;
    let [first, second] = scratch.trees();
    let set = options.set.iter().map(|(name, _)| name.clone()).collect();
    let wishes = Wishes { same: options.same.clone(), set, command: options.command.is_some() };
    let mut plan = Plan::make(&wishes, [&first, &second]);
    let builder = builder(options, &tree, &scratch, &plan, progress)?;
    if matches!(builder, Builder::Command(_)) && !bench::shows_order(&scratch.file("order"))? {
        plan.add_not_varied(
            "listing",
            "files are created in another order, but this filesystem lists them by an order of its own: put TMPDIR on a tmpfs",
        );
    }
    let bench = Bench {
        tree: &tree,
        scratch: &scratch,
        plan: &plan,
        builder: &builder,
        patterns: &options.patterns,
        set: &options.set,
        timeout: options.timeout,
    };
    progress(&format!("building once: {builder}"));
    let one = bench.build(&Side::first()).context("the first build")?;
    // The second build must not see the same time, or a clock in the output would go unnoticed.
    wait_for_next_tick();
    progress(&format!("building again, in another way: {builder}"));
    let two = bench.build(&plan.second()).context("the second build, under the other variations")?;
    if let Some(folder) = &options.keep {
        keep(&folder.join("first"), &one)?;
        keep(&folder.join("second"), &two)?;
    }
    let (diagnoses, narrowing) = diagnose(&bench, [&one, &two], options.narrow, progress)?;
    let circumstances = circumstances(options, &builder, &one);
    let fixes = fixes(&diagnoses, &circumstances)?;
    let warnings = warnings(&tree, &one);
    let command = builder.to_string();
    Ok(Outcome { command, plan, first: one.files, second: two.files, diagnoses, narrowing, fixes, warnings })
}

fn builder(
    options: &Options,
    tree: &WorkTree,
    scratch: &Scratch,
    plan: &Plan,
    progress: &dyn Fn(&str),
) -> anyhow::Result<Builder> {
    if let Some(words) = &options.command {
        return Ok(Builder::Command(words.clone()));
    }
    // Hooks are asked in a copy: they may write.
    let place = scratch.place(&Side::first());
    Scratch::clear(&place)?;
    tree.copy(&place.tree, 0o022, false)?;
    let copy = tree.folder_in(&place.tree);
    let mut backend = Backend::prepare(&copy, &place, options.sdist, &options.python, &options.cache, progress)?;
    if plan.value(Variation::Order, &Side::first()).is_none() {
        backend.keep_order();
    }
    Ok(Builder::Backend(Box::new(backend)))
}

fn diagnose(
    bench: &Bench<'_>,
    [first, second]: [&Built; 2],
    narrow: bool,
    progress: &dyn Fn(&str),
) -> anyhow::Result<(Vec<Diagnosis>, Narrowing)> {
    let sides = [&Side::first(), &bench.plan.second()];
    let traces = Traces::of(bench.scratch, bench.plan, sides, [first, second]);
    let umask = bench.plan.value(Variation::Umask, sides[0]).is_some();
    let symptoms = symptom::compare(first, second, &traces);
    let mut found: Vec<_> = symptoms.into_iter().map(|one| Diagnosis::at_sight(one, umask)).collect();
    let narrowing = if narrow { narrow::narrow(bench, first, &mut found, progress)? } else { Narrowing::default() };
    Ok((found, narrowing))
}

/// What was at work: what wheels say of themselves, and every word of the command.
fn circumstances(options: &Options, builder: &Builder, built: &Built) -> Circumstances {
    let wheels = built.files.iter().filter(|made| made.is_wheel()).filter_map(|made| Wheel::read(&made.bytes).ok());
    let mut tools: Vec<_> = wheels.map(|wheel| wheel.generator().to_lowercase()).collect();
    match builder {
        Builder::Command(words) => tools.extend(words.iter().map(|word| word.to_string_lossy().to_lowercase())),
        Builder::Backend(backend) => tools.extend(backend.tools()),
    }
    let name = "SOURCE_DATE_EPOCH";
    let epoch = std::env::var_os(name).is_some() || options.set.iter().any(|(set, _)| set == name);
    Circumstances { tools, epoch }
}

fn fixes(diagnoses: &[Diagnosis], circumstances: &Circumstances) -> anyhow::Result<Vec<Fix>> {
    let table = Fixes::load().context("the table of fixes")?;
    let mut fixes: Vec<Fix> = Vec::new();
    for fix in diagnoses.iter().filter_map(|one| table.of(one, circumstances)) {
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    Ok(fixes)
}

fn warnings(tree: &WorkTree, built: &Built) -> Vec<String> {
    let mut warnings = Vec::new();
    for link in tree.links_out() {
        warnings.push(format!("{link} is a link out of the tree: whoever has only the tree cannot build this"));
    }
    if !tree.is_git() && !tree.left_out().is_empty() {
        warnings.push(format!("not copied, as what earlier builds left: {}", tree.left_out().join(", ")));
    }
    for (at, made) in built.files.iter().enumerate() {
        let twin = built.files[..at].iter().find(|other| other.file_name() == made.file_name());
        if let Some(twin) = twin.filter(|twin| twin.bytes != made.bytes) {
            warnings
                .push(format!("{} and {} have one name and two contents: upload one of them", twin.path, made.path));
        }
    }
    warnings
}

fn keep(folder: &Path, built: &Built) -> io::Result<()> {
    for made in &built.files {
        let path = folder.join(&made.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &made.bytes)?;
    }
    Ok(())
}
