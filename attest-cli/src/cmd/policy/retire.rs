//! `attest policy retire-key`: the bound of a key's votes, from checkpoints that the policy itself believes now
//! (docs/TRUST.md 2.4).

use std::path::PathBuf;

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::{LeafIndex, TreeSize},
    policy::{Party, PolicyLog, Status},
    verify::{Asking, Connection, Evidence, LogView, Session},
};

use super::exempt::tell;
use crate::{
    amendment::{Amendment, quoted},
    client::Http,
    exit::{Exit, Failure},
    layers::Layer,
    output::causes,
    run::{self, Run},
};

#[derive(Debug, clap::Args)]
pub(super) struct RetireKey {
    /// Of the rebuilder, as the policy calls it
    name: String,
    /// The key was in foreign hands: none of its votes counts any more, unless you set bounds yourself
    #[arg(long)]
    compromised: bool,
    /// The policy [default: ~/.config/attest/policy.toml of the account]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: &RetireKey, run: &Run) -> anyhow::Result<Exit> {
    let mut amendment = Amendment::of(args.to.as_ref(), &run.places()?)?;
    let party = amendment.policy().rebuilders().find(|party| party.name().as_str() == args.name);
    let Some(party) = party.cloned() else {
        let names: Vec<_> = amendment.policy().rebuilders().map(|party| party.name().as_str()).collect();
        let message = format!("the policy has no rebuilder {}: expected one of {}", args.name, names.join(", "));
        return Err(Failure::usage(message).into());
    };
    if args.compromised {
        // Bounds that were there spoke of a key in its owner's hands.
        amendment.status(&args.name, "compromised", party.valid().map(|_| "[]"))?;
    } else {
        if party.status() != Status::Current {
            let message = format!("{} is no current key: its bounds are set (line {})", args.name, party.line());
            return Err(Failure::usage(message).into());
        }
        let layer = amendment.layer().clone();
        let mut ranges = Vec::new();
        for log in layer.policy.logs() {
            let size = size(log, &layer, run)?;
            ranges.extend(bounds(&party, log.origin(), LeafIndex::new(size.get())));
        }
        amendment.status(&args.name, "retired", Some(&format!("[{}]", ranges.join(", "))))?;
    }
    tell(&amendment.write()?, "attest.policy-retire/v1", run)
}

/// The ranges that the key has, cut off at the end of the log.
fn bounds(party: &Party, origin: &str, end: LeafIndex) -> Vec<String> {
    let had: Vec<_> = match party.valid() {
        Some(ranges) => ranges.iter().filter(|range| range.log() == origin).map(|r| (r.from(), r.before())).collect(),
        None => vec![(LeafIndex::new(0), None)],
    };
    let cut = had.into_iter().map(|(from, before)| (from, before.map_or(end, |before| before.min(end))));
    cut.filter(|(from, before)| from < before)
        .map(|(from, before)| {
            format!("{{ log = {}, from = {}, before = {} }}", quoted(origin), from.get(), before.get())
        })
        .collect()
}

/// How far the log goes now, by a checkpoint that the policy's witnesses vouch for.
fn size(log: &PolicyLog, layer: &Layer, run: &Run) -> anyhow::Result<TreeSize> {
    if let Some(last) = log.last() {
        return Ok(last.size);
    }
    let undecided = |why: String| {
        Failure::new(Exit::Undecided, format!("log {} gave no checkpoint to take the bound from: {why}", log.origin()))
            .hint("nothing was changed; a bound that nobody vouches for could be set anywhere")
    };
    if run.connection == Connection::Offline {
        return Err(undecided("nobody is asked with --offline".to_owned()).into());
    }
    let (http, history) = (Http::new(), run.history()?);
    let mut why = Vec::new();
    for url in log.urls() {
        let client = http.log(url)?;
        let note = match client.checkpoint() {
            Ok(note) => note,
            Err(error) => {
                why.push(causes(&error));
                continue;
            }
        };
        match UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(log.vkey())) {
            Ok(shown) => drop(history.admit(log.vkey(), &shown, |id| client.tile(id))?),
            Err(error) => {
                why.push(format!("{url}: {error}"));
                continue;
            }
        }
        match believed(log, layer, note) {
            Ok(size) => return Ok(size),
            Err(problem) => why.push(format!("{url}: {problem}")),
        }
    }
    Err(undecided(why.join("; ")).into())
}

/// The size, if the policy would count votes under this checkpoint now.
fn believed(log: &PolicyLog, layer: &Layer, checkpoint: Vec<u8>) -> Result<TreeSize, String> {
    let evidence = Evidence {
        logs: vec![LogView { checkpoint, entries: Vec::new() }],
        unlogged: Vec::new(),
        unreachable: Vec::new(),
        forks: Vec::new(),
        negatives: Vec::new(),
        replicas: Vec::new(),
    };
    let asking = Asking { now: run::now(), connection: Connection::Online, seen_serial: None };
    let session = Session::open(&layer.policy, &evidence, asking);
    let standing = session.logs().iter().find(|standing| standing.origin.as_deref() == Some(log.origin()));
    match standing {
        Some(standing) => match (&standing.problem, standing.size) {
            (None, Some(size)) => Ok(size),
            (Some(problem), _) => Err(problem.to_string()),
            (None, None) => Err("it has no size".to_owned()),
        },
        None => Err("it is of another log".to_owned()),
    }
}
