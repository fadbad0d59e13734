//! `attest rebuild`: build a published wheel again and say whether it is the same.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use attest_core::note::VerifierKey;
use attest_core::statement::Network;
use serde_json::json;

use crate::batch::outbox::Outbox;
use crate::batch::{Batch, End, Entry, Manner, plan, summary};
use crate::cmd::building::Building;
use crate::cmd::sign::{Author, Named};
use crate::cmd::submit;
use crate::exit::{self, Exit, Failure};
use crate::interrupt;
use crate::output::{Board, Output, Style};
use crate::rebuild::environment::Archive;
use crate::rebuild::git::address::GitAddress;
use crate::rebuild::recipes::RecipeSpec;
use crate::rebuild::record::Verdict;
use crate::rebuild::source::Wanted;
use crate::rebuild::target::{Selected, Target};
use crate::rebuild::workshop::{Givens, Options, Outcome, Workshop};
use crate::run::Run;
use crate::signer::SignerSpec;

mod statement;

/// What a shell reports for SIGINT.
const INTERRUPTED: u8 = 130;

/// Rebuild published wheels from their source, bit for bit
///
/// Each result gets a folder below the output folder, from which `attest sign` makes a statement, and copies by digest in
/// by-digest, which any web server can serve as it is. A journal beside them tells what is finished: after Ctrl-C, a crash
/// or a power cut the same command goes on where it was.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent of each other")]
pub(crate) struct Args {
    /// NAME==VERSION, NAME (its newest release), a wheel file, or the URL of a wheel (#sha256=HEX pins it)
    #[arg(required_unless_present_any = ["requirement", "statement"], value_name = "TARGET")]
    targets: Vec<Target>,
    #[command(flatten)]
    given: Given,
    /// Print the recipe that would be followed, and build nothing
    #[arg(long, conflicts_with_all = ["recipe", "requirement", "statement", "signer"])]
    print_recipe: bool,
    /// Replay a signed statement, whoever signed it, and say whether it holds: a file or a URL
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["requirement", "signer"])]
    statement: Option<String>,
    /// Rebuild what a lock names: a requirements file, a report of pip, a folder of wheels; may be given more than once
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    /// Every wheel of a release, and not only the one that pip would take here
    #[arg(long)]
    all: bool,
    /// How many are rebuilt at a time
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: u16,
    /// Also rebuild what an earlier run finished with the same inputs
    #[arg(long)]
    fresh: bool,
    /// Build from this instead of the sdist on the index: an sdist, git (the repository that the wheel's metadata name), or
    /// git+URL@REF. REF is a tag, a branch or a commit's whole id; without it, the version's tag is taken
    #[arg(long, value_name = "SDIST|git|git+URL[@REF]")]
    source: Option<Wanted>,
    /// Say whether the sdist is what this commit gives, and name the commit in the result if it is
    #[arg(long, value_name = "git|git+URL[@REF]")]
    commit: Option<GitAddress>,
    /// Keep what diffoscope says about a wheel that comes out otherwise than published
    #[arg(long)]
    diffoscope: bool,
    /// Where to put one folder per result
    #[arg(long, value_name = "DIR", default_value = "attest-results")]
    output_dir: PathBuf,
    #[command(flatten)]
    building: Building,
    #[command(flatten)]
    publish: Publish,
}

/// What is done with results.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Signing")]
struct Publish {
    /// Sign every result, but for accusations, which wait for a person's word
    #[arg(long, value_name = "FILE|gpg:FINGERPRINT")]
    signer: Option<SignerSpec>,
    #[command(flatten)]
    named: Named,
    /// Submit what was signed to this log; may be given more than once
    #[arg(long, value_name = "URL", requires = "signer")]
    log: Vec<String>,
    /// The log's verifier key, one for each --log in the same order [default: from the policy that lists the URL]
    #[arg(long, value_name = "VKEY", requires = "log")]
    vkey: Vec<VerifierKey>,
}

impl Publish {
    /// Opens the key and the logs before anything is built: a typing error shows at once.
    fn outbox<'a>(&self, run: &'a Run) -> anyhow::Result<Option<Outbox<'a>>> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        if !self.vkey.is_empty() && self.vkey.len() != self.log.len() {
            let message = format!("expected one --vkey for each --log ({}), found {}", self.log.len(), self.vkey.len());
            return Err(Failure::usage(message).into());
        }
        let author = Author::open(signer, &self.named)?;
        let logs = self.log.iter().enumerate();
        let logs = logs.map(|(at, url)| submit::Target::open(url, self.vkey.get(at), run)).collect::<Result<_, _>>()?;
        Ok(Some(Outbox::new(author, logs, run)))
    }
}

/// What others wrote and kept.
#[derive(Debug, clap::Args)]
struct Given {
    /// Follow this recipe instead of inferring one: a file, a folder of recipes, a URL (`#sha256=HEX` pins it), sha256:HEX
    /// of one that is kept here, or `project` for the source's own
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<RecipeSpec>,
    /// Take build requirements that the index has lost from here: DIR/SHA256/FILE, as rebuilds keep them
    #[arg(long, value_name = "DIR")]
    dependencies: Option<PathBuf>,
    /// Take the image that a recipe names from this folder, an OCI image layout, instead of from podman or docker
    #[arg(long, value_name = "DIR")]
    image_layout: Option<PathBuf>,
}

impl Args {
    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            python: self.building.python.clone(),
            cache: self.building.cache()?,
            results: self.output_dir.clone(),
            isolation: self.building.isolation,
            source: self.source.clone(),
            commit: self.commit.clone(),
            diffoscope: self.diffoscope,
            given: Givens {
                recipe: self.given.recipe.clone(),
                dependencies: self.given.dependencies.as_deref().map(Archive::new),
                image_layout: self.given.image_layout.clone(),
            },
            limits: self.building.limits(),
        })
    }
}

/// Rebuilds every target; one that fails does not stop the others. 0: all equal; 1: one is not; 3: one could not be built.
pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<ExitCode> {
    interrupt::watch()?;
    for target in &args.targets {
        if let Target::File(path) = target
            && !path.is_file()
        {
            return Err(Failure::usage(format!("expected a wheel at {}, found no file", path.display())).into());
        }
    }
    let outbox = args.publish.outbox(run)?;
    let asked = plan::plan(&args.targets, &args.requirement, run)?;
    let start = Instant::now();
    let out = &run.out;
    let workshop = {
        let _task = out.task("asking pip where the index is");
        Workshop::open(args.options()?, &|text| out.note(text))?
    };
    if args.print_recipe {
        return print_recipes(args, &workshop, out);
    }
    if let Some(place) = &args.statement {
        return statement::run(place, &args.targets, &workshop, out);
    }
    let jobs = usize::from(args.jobs).min(asked.len()).max(1);
    let board = Board::new(out, asked.len(), jobs);
    let manner = Manner { jobs, all: args.all, fresh: args.fresh };
    let batch = Batch::open(&args.output_dir, &workshop, manner, &board, outbox.as_ref())?;
    let (entries, stopped) = batch.run(&asked);
    report(&Report { entries, stopped, asked: asked.len(), seconds: start.elapsed().as_secs_f64() }, out)
}

/// Recipes are results: on standard output, as they are, so that one can be edited and given back as `--recipe`.
fn print_recipes(args: &Args, workshop: &Workshop, out: &Output) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for target in &args.targets {
        for selected in workshop.pin(target, args.all, &|text| out.note(text))? {
            let pinned = match selected {
                Selected::Pinned(pinned) => pinned,
                Selected::NotAttestable { name, why } => {
                    out.warning(format!("{name}: {why}"));
                    continue;
                }
            };
            let (recipe, failed) = workshop.infer(&pinned, &|text| out.note(text))?;
            if let Some(error) = failed {
                out.warning(format!(
                    "{}: what its hooks ask for is not in the recipe: {error}",
                    pinned.name().as_str()
                ));
            }
            if out.is_json() {
                documents.push(serde_json::to_value(&recipe)?);
            } else {
                out.line(recipe.to_toml()?.trim_end())?;
            }
        }
    }
    if out.is_json() {
        out.json(&json!({ "schema": "attest.recipes/v1", "recipes": documents }))?;
    }
    Ok(Exit::Pass.into())
}

/// What there is to say at the end.
struct Report {
    entries: Vec<Entry>,
    stopped: Option<anyhow::Error>,
    asked: usize,
    seconds: f64,
}

fn report(report: &Report, out: &Output) -> anyhow::Result<ExitCode> {
    let Report { entries, stopped, asked, seconds } = report;
    let mut exit = entries.iter().fold(Exit::Pass, |exit, entry| exit.worst(entry.exit(exit_of)));
    if stopped.is_some() {
        exit = exit.worst(Exit::Usage);
    }
    let interrupted = interrupt::requested();
    if interrupted {
        exit = Exit::Child(INTERRUPTED);
    }
    if out.is_json() {
        let results: Vec<_> = entries.iter().map(entry_document).collect();
        let mut document = json!({
            "schema": "attest.rebuild/v1",
            "results": results,
            "summary": {
                "checked": entries.len(),
                "counts": summary::counts(entries),
                "kept": summary::kept(entries),
                "interrupted": interrupted,
                "seconds": seconds,
            },
        });
        if let Some(error) = stopped {
            document["error"] = json!(format!("{error:#}"));
        }
        out.json(&document)?;
        return Ok(exit.into());
    }
    match entries.as_slice() {
        [entry] if *asked == 1 => print_one(entry, out)?,
        [] => {}
        entries => {
            summary::table(entries, *seconds, out)?;
            for entry in entries {
                print_posting(entry, out);
            }
            let open = entries.iter().filter(|entry| entry.was_open()).count();
            if open > 0 {
                out.warning(format!("{open} of them could reach the network while being built: these do not vote"));
                out.hint("install bubblewrap, or allow user namespaces, and rebuild with --fresh");
            }
        }
    }
    if let Some(error) = stopped {
        out.error(error, Exit::Usage, Some("make room, and run the same command again: what is finished is kept"));
    }
    if interrupted {
        out.warning("interrupted: run the same command again to go on");
    }
    Ok(exit.into())
}

fn print_one(entry: &Entry, out: &Output) -> anyhow::Result<()> {
    match &entry.end {
        End::Done { outcome, kept } => {
            print(outcome, out)?;
            if *kept {
                out.note("kept from an earlier run with the same inputs (--fresh builds again)");
            }
            print_posting(entry, out);
        }
        End::Failed { error } => {
            let verdict = out.paint(Style::Caution, "NOT REBUILT");
            out.line(format!("{verdict} {}: {error:#}", entry.target))?;
            if let Some(hint) = exit::of(error).1 {
                out.hint(hint);
            }
        }
        End::NotAttestable { .. } | End::NotSelectable { .. } | End::Duplicate { .. } => {
            let word = out.paint(Style::Caution, entry.word().replace('_', " "));
            out.line(format!("{word} {}: {}", entry.name(), entry.reason()))?;
        }
    }
    Ok(())
}

/// On stderr: the result is the verdict.
fn print_posting(entry: &Entry, out: &Output) {
    let (Some(posting), End::Done { outcome, .. }) = (&entry.posting, &entry.end) else {
        return;
    };
    for line in posting.lines(outcome.folder.path()) {
        out.note(format!("{}: {line}", entry.name()));
    }
    if let Some(error) = &posting.error {
        let (exit, hint) = exit::of(error);
        out.error(error, exit, hint.as_deref());
    }
}

fn entry_document(entry: &Entry) -> serde_json::Value {
    let mut document = entry.document();
    if let End::Done { outcome, kept } = &entry.end {
        document = self::document(outcome);
        document["target"] = json!(entry.target);
        document["kept"] = json!(kept);
    }
    if let Some(posting) = &entry.posting {
        document["statement"] = posting.document();
    }
    document
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Exact | Verdict::Replayed => Exit::Pass,
        Verdict::Equivalent | Verdict::Different | Verdict::Nondeterministic | Verdict::EnvironmentUnknown => {
            Exit::Refused
        }
        Verdict::BuildFailed => Exit::Undecided,
    }
}

pub(super) fn print(outcome: &Outcome, out: &Output) -> anyhow::Result<()> {
    let record = outcome.folder.record();
    let subject = &record.subject;
    let seconds = outcome.took.as_secs_f64();
    let how = match record.verdict {
        Verdict::Exact => "rebuilt twice from",
        Verdict::Replayed => "rebuilt twice, zip metadata replayed, from",
        Verdict::Equivalent => "rebuilt twice, the same but for generated SBOMs, from",
        Verdict::BuildFailed => "not built from",
        Verdict::Nondeterministic => "rebuilt twice, with two results, from",
        Verdict::Different | Verdict::EnvironmentUnknown => "rebuilt twice, otherwise than published, from",
    };
    let verdict = out.paint(if record.verdict.is_equal() { Style::Good } else { Style::Bad }, record.verdict);
    let (name, sha256, source, backend) = (&subject.name, subject.sha256, &outcome.source, &outcome.backend);
    out.line(format!("{verdict} {name} sha256:{sha256} {how} {source} with {backend}, {seconds:.1} s"))?;
    for line in &outcome.explanation {
        out.line(format!("  {line}"))?;
    }
    for line in outcome.lineage.lines() {
        out.line(format!("  {line}"))?;
    }
    if record.environment.network != Network::None {
        out.warning("the build could reach the network: this result does not vote");
        out.hint("install bubblewrap, or allow user namespaces, and rebuild");
    }
    out.note(format!("result: {}", outcome.folder.path().display()));
    Ok(())
}

pub(super) fn document(outcome: &Outcome) -> serde_json::Value {
    let record = outcome.folder.record();
    json!({
        "verdict": record.verdict,
        "wheel": record.subject,
        "rebuilt": record.rebuilt,
        "emitted": record.emitted,
        "source": record.source,
        "lineage": outcome.lineage,
        "backend": outcome.backend,
        "network": record.environment.network,
        "repeat": record.repeat,
        "recipe": { "kind": record.recipe_kind, "sha256": outcome.folder.recipe_digest() },
        "explanation": outcome.explanation,
        "differencesTotal": record.differences_total,
        "differences": record.differences,
        "seconds": outcome.took.as_secs_f64(),
        "buildSeconds": outcome.building.map(|building| building.as_secs_f64()),
        "folder": outcome.folder.path(),
    })
}
