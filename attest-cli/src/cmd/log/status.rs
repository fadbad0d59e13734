//! `attest log status`

use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    note::VerifierKey,
    policy::Policy,
    time::Timestamp,
};
use serde::Serialize;

use super::{Named, of_policies};
use crate::{
    client::{Http, LogClient},
    exit::{self, Exit, Failure},
    history::{History, Seen},
    output::{Style, causes},
    run::{self, Run},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    named: Named,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    logs: Vec<Line>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    origin: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    cosignatures: Vec<Cosigned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit: u8,
}

#[derive(Serialize)]
struct Cosigned {
    name: String,
    time: String,
    #[serde(rename = "ageSeconds")]
    age: u64,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let (sources, cosigners) = if let Some(source) = args.named.source() {
        (vec![source], Vec::new())
    } else {
        let layers = run.layers()?;
        (of_policies(&layers)?, cosigners(layers.iter().map(|layer| &layer.policy)))
    };
    let (http, history) = (Http::new(), run.history()?);
    let mut worst = Exit::Pass;
    let mut logs = Vec::new();
    for source in &sources {
        for url in &source.urls {
            let task = run.out.task(format!("asking {url}"));
            let status = http
                .log(url)
                .map_err(anyhow::Error::from)
                .and_then(|client| status(&client, &source.log, &cosigners, &history));
            drop(task);
            let line = status.unwrap_or_else(|error| failed(&error));
            let line = Line { origin: source.log.name().as_str().to_owned(), url: url.clone(), ..line.0 }.with(line.1);
            worst = worst.worst(line.1);
            print(&line.0, run)?;
            logs.push(line.0);
        }
    }
    if run.out.is_json() {
        run.out.json(&Document { schema: "attest.log-status/v1", logs })?;
    }
    Ok(worst)
}

impl Line {
    fn with(self, exit: Exit) -> (Self, Exit) {
        (Self { exit: exit.code(), ..self }, exit)
    }
}

fn cosigners<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<VerifierKey> {
    let mut keys: Vec<VerifierKey> = Vec::new();
    for witness in policies.flat_map(Policy::witnesses) {
        if !keys.contains(witness.vkey()) {
            keys.push(witness.vkey().clone());
        }
    }
    keys
}

fn failed(error: &anyhow::Error) -> (Line, Exit) {
    let line = Line { error: Some(causes(error.as_ref())), ..Line::default() };
    (line, exit::of(error).0)
}

fn status(
    client: &LogClient,
    log: &VerifierKey,
    cosigners: &[VerifierKey],
    history: &History,
) -> anyhow::Result<(Line, Exit)> {
    let bytes = client.checkpoint()?;
    let origin = || log.name().as_str().to_owned();
    let shown = UnverifiedCheckpoint::parse(&bytes).and_then(|note| note.verify(log)).map_err(|source| {
        let message = format!("{} shows no checkpoint that {} signed: {source}", client.base(), origin());
        Failure::new(Exit::Undecided, message)
    })?;
    let seen = history.admit(log, &shown, |id| client.tile(id))?;
    Ok((line(&shown, cosigners, seen, run::now())?, Exit::Pass))
}

fn line(shown: &LogCheckpoint, cosigners: &[VerifierKey], seen: Seen, now: Timestamp) -> anyhow::Result<Line> {
    let cosignatures = shown.cosignatures(cosigners).map_err(|source| {
        Failure::new(Exit::Undecided, format!("a cosignature on the checkpoint does not hold: {source}"))
    })?;
    Ok(Line {
        size: Some(shown.head().size.get()),
        root: Some(shown.head().root.to_string()),
        cosignatures: cosignatures
            .iter()
            .map(|(key, time)| Cosigned {
                name: key.name().as_str().to_owned(),
                time: time.to_string(),
                age: now.secs().saturating_sub(time.secs()),
            })
            .collect(),
        seen_before: match seen {
            Seen::First => None,
            Seen::Same => Some(shown.head().size.get()),
            Seen::GrewFrom(size) => Some(size.get()),
        },
        ..Line::default()
    })
}

fn print(line: &Line, run: &Run) -> std::io::Result<()> {
    if run.out.is_json() {
        return Ok(());
    }
    run.out.line(format_args!("{}  {}", run.out.paint(Style::Strong, &line.origin), line.url))?;
    if let Some(error) = &line.error {
        return run.out.line(format_args!("  {} {error}", run.out.paint(Style::Bad, "x")));
    }
    if let (Some(size), Some(root)) = (line.size, &line.root) {
        run.out.line(format_args!("  {size} entries, root {root}"))?;
    }
    for cosigned in &line.cosignatures {
        run.out.line(format_args!("  cosigned by {} {} s ago ({})", cosigned.name, cosigned.age, cosigned.time))?;
    }
    match line.seen_before {
        Some(size) if Some(size) == line.size => run.out.line("  the same as was seen before"),
        Some(size) => run.out.line(format_args!("  continues the {size} entries seen before")),
        None => run.out.line("  seen for the first time: from now on it is held to this"),
    }
}
