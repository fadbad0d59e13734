//! `attest policy init`, `attest policy check`, `attest policy add-rebuilder`

use std::path::PathBuf;

use attest_core::{
    note::VerifierKey,
    policy::{Negatives, Party, Policy, Witnessing},
};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    files::{self, FileError, Mode},
    layers::{self, Layer, Owner},
    output::Style,
    places::PlaceError,
    run::{self, Run},
};

use self::preset::{Draft, Preset};

mod add;
mod preset;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write a policy to begin with; overwrites nothing
    Init(Init),
    /// Read policies, and print what they come to
    Check {
        /// A policy [default: all that judge here].
        file: Option<PathBuf>,
    },
    /// Add a rebuilder from its introduction card
    AddRebuilder(add::AddRebuilder),
}

#[derive(Debug, clap::Args)]
struct Init {
    /// `self`: your own rebuilds are enough, with no log. `quorum`: independent groups, through logs.
    #[arg(long, value_enum)]
    preset: Preset,
    /// Who rebuilds: `ed25519:BASE64`, `gpg:FINGERPRINT`, a key file or an armored certificate. For a quorum with the
    /// group that it votes for in front, as in `GROUP=KEY`. May be given more than once.
    #[arg(long, value_name = "[GROUP=]KEY")]
    key: Vec<String>,
    /// A log and where to ask it; the same key again with a mirror's URL. May be given more than once.
    #[arg(long, num_args = 2, value_names = ["VKEY", "URL"])]
    log: Vec<String>,
    /// A witness that cosigns checkpoints, with its group. May be given more than once.
    #[arg(long, value_name = "GROUP=VKEY")]
    witness: Vec<String>,
    /// How many groups must agree [default: 1 for self, 2 for quorum].
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    /// The new file [default: ~/.config/attest/policy.toml of the account].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Init(init) => write(init, run),
        What::Check { file } => check(file.as_ref(), run),
        What::AddRebuilder(args) => add::run(args, run),
    }
}

fn write(args: &Init, run: &Run) -> anyhow::Result<Exit> {
    let places = run.places()?;
    let path = args.output.as_ref().or(places.user_policy.as_ref()).ok_or_else(PlaceError::no_home)?.clone();
    let mut draft = Draft::new(args.preset, args.threshold);
    for key in &args.key {
        draft.key(key)?;
    }
    if args.key.is_empty() && args.preset == Preset::Own {
        draft.own_key_file(&places.key()?)?;
    }
    for pair in args.log.chunks_exact(2) {
        let vkey: VerifierKey = pair[0].parse()?;
        draft.log(vkey, &pair[1]);
    }
    for witness in &args.witness {
        draft.witness(witness)?;
    }
    let text = draft.print(run::now())?;
    match files::create(&path, text.as_bytes(), Mode::Shared) {
        Err(FileError::Exists { path }) => {
            let hint = "a policy is never overwritten: edit it, or name another file with -o";
            return Err(Failure::usage(format!("{} exists already", path.display())).hint(hint).into());
        }
        written => written?,
    }
    if run.out.is_json() {
        run.out.json(&serde_json::json!({ "schema": "attest.policy-init/v1", "file": path }))?;
    } else {
        run.out.line(path.display())?;
    }
    if args.output.is_some() {
        run.out.hint(format_args!("it judges where you name it: `--policy {}`", path.display()));
    }
    Ok(Exit::Pass)
}

fn check(file: Option<&PathBuf>, run: &Run) -> anyhow::Result<Exit> {
    let layers: Vec<Layer> = match file {
        Some(path) => vec![layers::read(Owner::Named, path)?],
        None => run.layers()?.iter().cloned().collect(),
    };
    let now = run::now();
    let expired = layers.iter().any(|layer| layer.policy.expires().value <= now);
    if run.out.is_json() {
        let policies = layers.iter().map(Shown::of).collect();
        run.out.json(&Document { schema: "attest.policy-check/v1", policies })?;
    } else {
        for layer in &layers {
            print(layer, run)?;
        }
    }
    if expired {
        let hint = "review it, then set `expires` and raise `serial`";
        return Err(Failure::new(Exit::Undecided, "a policy has expired: nothing passes").hint(hint).into());
    }
    Ok(Exit::Pass)
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    policies: Vec<Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    layer: String,
    file: PathBuf,
    serial: u64,
    expires: String,
    threshold: u32,
    parties: Vec<ShownParty>,
    logs: Vec<ShownLog>,
    witnesses: Vec<String>,
    exemptions: usize,
    dismissals: usize,
}

#[derive(Serialize)]
struct ShownParty {
    role: String,
    name: String,
    group: String,
    key: String,
    line: usize,
}

#[derive(Serialize)]
struct ShownLog {
    origin: String,
    urls: Vec<String>,
    line: usize,
}

impl Shown {
    fn of(layer: &Layer) -> Self {
        let policy = &layer.policy;
        Self {
            layer: layer.owner.to_string(),
            file: layer.path.clone(),
            serial: policy.serial().value,
            expires: policy.expires().value.to_string(),
            threshold: policy.threshold().value,
            parties: policy.parties().iter().map(ShownParty::of).collect(),
            logs: policy
                .logs()
                .iter()
                .map(|log| ShownLog { origin: log.origin().to_owned(), urls: log.urls().to_vec(), line: log.line() })
                .collect(),
            witnesses: policy.witnesses().iter().map(|witness| witness.vkey().to_string()).collect(),
            exemptions: policy.exemptions().len(),
            dismissals: policy.dismissals().len(),
        }
    }
}

impl ShownParty {
    fn of(party: &Party) -> Self {
        Self {
            role: party.role().to_string(),
            name: party.name().to_string(),
            group: party.group().to_string(),
            key: party.key().fingerprint(),
            line: party.line(),
        }
    }
}

/// Every value with its line, so that "why" leads back to the file.
fn print(layer: &Layer, run: &Run) -> std::io::Result<()> {
    let policy = &layer.policy;
    let title = format!("{} ({} policy)", layer.path.display(), layer.owner);
    run.out.line(run.out.paint(Style::Strong, title))?;
    let row = |line: usize, text: String| run.out.line(format_args!("{line:>5}  {text}"));
    row(policy.serial().line, format!("serial {}", policy.serial().value))?;
    row(policy.expires().line, format!("expires {}", policy.expires().value))?;
    row(policy.threshold().line, format!("{} independent group(s) must agree", policy.threshold().value))?;
    row(policy.negatives().line, dissent(policy))?;
    row(policy.witnessing().line, witnessing(policy))?;
    for party in policy.parties() {
        let text =
            format!("{} {} votes for {}: {}", party.role(), party.name(), party.group(), party.key().fingerprint());
        row(party.line(), text)?;
    }
    for log in policy.logs() {
        row(log.line(), format!("log {} at {}", log.origin(), log.urls().join(", ")))?;
    }
    for witness in policy.witnesses() {
        row(witness.line(), format!("witness {} of {}", witness.name(), witness.group()))?;
    }
    for auditor in policy.auditors() {
        row(auditor.line(), format!("auditor {} of {}", auditor.name(), auditor.group()))?;
    }
    for dismissal in policy.dismissals() {
        row(dismissal.line(), format!("dismisses {} until {}", dismissal.statement(), dismissal.expires()))?;
    }
    run.out.line(format_args!("       {} exemption(s)", policy.exemptions().len()))
}

fn dissent(policy: &Policy) -> String {
    match policy.negatives().value {
        Negatives::Complete { auditor_threshold } => {
            format!("all dissent must be shown: {auditor_threshold} auditor group(s) vouch for it")
        }
        Negatives::BestEffort => "dissent counts where it is found; that some is withheld is not excluded".to_owned(),
    }
}

fn witnessing(policy: &Policy) -> String {
    match policy.witnessing().value {
        Witnessing::None => "no witnesses: nobody vouches that everybody sees the same log".to_owned(),
        Witnessing::Quorum { groups, max_age, .. } => {
            format!("{groups} witness group(s) must have cosigned within {} s", max_age.as_secs())
        }
    }
}
