//! `attest policy init`: a policy to begin with.

use std::path::PathBuf;

use attest_core::{note::VerifierKey, policy::Policy, time::Timestamp};

use super::{
    preset::{Draft, Preset},
    ratchet::{DEFAULT_DAYS, Takes, Turned},
};
use crate::{
    exit::{Exit, Failure},
    files::{self, FileError, Mode},
    input, layers,
    places::PlaceError,
    platform::find::Selection,
    run::{self, Run},
    until::Until,
};

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// With `--mode ratchet`: what is pinned [default: the project's lock].
    locks: Vec<PathBuf>,
    /// `self`: your own rebuilds are enough, with no log. `quorum`: independent groups, through logs.
    #[arg(long, value_enum)]
    preset: Preset,
    /// `enforce`: what lacks votes is refused. `ratchet`: what lacks votes today is pinned for a while, and from then on
    /// nothing may get worse.
    #[arg(long, value_enum, default_value_t = Start::Enforce)]
    mode: Start,
    /// With `--mode ratchet`: until when the pins hold, `90d` or `2027-03-31` [default: 90d].
    #[arg(long, value_name = "UNTIL")]
    expires: Option<Until>,
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

/// `--mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Start {
    Enforce,
    Ratchet,
}

pub(super) fn run(args: &Init, run: &Run) -> anyhow::Result<Exit> {
    let places = run.places()?;
    let path = args.output.as_ref().or(places.user_policy.as_ref()).ok_or_else(PlaceError::no_home)?.clone();
    if args.mode == Start::Enforce && (!args.locks.is_empty() || args.expires.is_some()) {
        return Err(Failure::usage("locks are pinned, for a while, with --mode ratchet only").into());
    }
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
    let now = run::now();
    let mut text = draft.print(now)?;
    if path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let turned = match args.mode {
        Start::Enforce => None,
        Start::Ratchet => Some(ratchet(args, &mut text, &path, now, run)?),
    };
    match files::create(&path, text.as_bytes(), Mode::Shared) {
        Err(FileError::Exists { path }) => return Err(exists(&path)),
        written => written?,
    }
    if run.out.is_json() {
        let refused = turned.as_ref().map(Turned::refused_json).unwrap_or_default();
        run.out.json(&serde_json::json!({ "schema": "attest.policy-init/v1", "file": path, "refused": refused }))?;
    } else {
        run.out.line(path.display())?;
        if let Some(turned) = &turned {
            turned.tell(&run.out)?;
        }
    }
    if args.output.is_some() {
        run.out.hint(format_args!("it judges where you name it: `--policy {}`", path.display()));
    }
    Ok(turned.map_or(Exit::Pass, |turned| turned.exit()))
}

fn exists(path: &std::path::Path) -> anyhow::Error {
    let hint = "a policy is never overwritten: edit it, or name another file with -o";
    Failure::usage(format!("{} exists already", path.display())).hint(hint).into()
}

/// Judges the locks by the policy that is about to be, and pins what lacks votes.
fn ratchet(
    args: &Init,
    text: &mut String,
    path: &std::path::Path,
    now: Timestamp,
    run: &Run,
) -> anyhow::Result<Turned> {
    let expires = args.expires.unwrap_or(DEFAULT_DAYS).after(now)?;
    let items = input::items(&args.locks, &Selection::default(), run)?;
    let layer = layers::of_text(path, text.clone())?;
    let turned = Turned::by(&items, &layer, &Takes::All, expires, run)?;
    let (pins, attested) = turned.lists();
    let why = "\n# What lacked votes on the day in front is taken until `expires`; whatever speaks against a file still does.\n\
         # What was attested is remembered, so that its loss is told. `attest policy ratchet LOCK...` turns it.\n";
    let table = format!("[ratchet]\nexpires = {expires}\npins = {pins}\nattested = {attested}\n");
    text.push_str(why);
    text.push_str(&table);
    Policy::parse(text)?;
    Ok(turned)
}
