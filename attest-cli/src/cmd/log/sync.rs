//! `attest log sync`

use serde::Serialize;

use super::{Named, of_policies};
use crate::{
    client::Http,
    evidence::Source,
    exit::{self, Exit, Failure},
    history::HistoryError,
    output::{Style, causes},
    replica::{Replica, ReplicaError, sync::Synced},
    run::{self, Run},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    named: Named,
    /// Remove what is held and download it again.
    #[arg(long, conflicts_with = "forget")]
    anew: bool,
    /// Remove what is held, and ask the log itself from now on.
    #[arg(long)]
    forget: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    logs: Vec<Line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    origin: String,
    folder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// Entries that were not held before.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit: u8,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let sources = match args.named.source() {
        Some(source) => vec![source],
        None => of_policies(&run.layers()?)?,
    };
    let places = run.places()?;
    let http = Http::new();
    let (mut logs, mut worst) = (Vec::new(), Exit::Pass);
    for source in &sources {
        let replica = Replica::new(places.data()?, &source.log);
        if args.forget {
            replica.forget()?;
            run.out.note(format_args!("{}: nothing is held any more", source.log.name().as_str()));
            continue;
        }
        let synced = sync(source, &replica, args.anew, &http, run);
        let line = line(source, &replica, synced, run);
        worst = worst.worst(line.1);
        print(&line.0, run)?;
        logs.push(line.0);
    }
    if run.out.is_json() {
        run.out.json(&Document { schema: "attest.log-sync/v1", logs })?;
    }
    Ok(worst)
}

/// From the log, or from the first of its mirrors where it succeeds.
fn sync(source: &Source, replica: &Replica, anew: bool, http: &Http, run: &Run) -> anyhow::Result<Synced> {
    let history = run.history()?;
    let locked = replica.lock()?;
    if anew {
        locked.forget()?;
    }
    let mut first = None;
    for url in &source.urls {
        let task = run.out.task(format!("downloading {url}"));
        let synced = http.log(url).map_err(ReplicaError::from).and_then(|client| {
            let told = |here, all| run.out.detail(format_args!("{url}: {here} of {all} entries"));
            locked.sync(&client, &history, run::now(), told)
        });
        drop(task);
        match synced {
            Ok(synced) => return Ok(synced),
            Err(error @ ReplicaError::History(HistoryError::Fork { .. })) => return Err(error.into()),
            Err(error) => {
                if source.urls.len() > 1 {
                    run.out.warning(causes(&error));
                }
                first.get_or_insert(error);
            }
        }
    }
    Err(first.map_or_else(|| Failure::usage("no URL is known for it").into(), anyhow::Error::from))
}

fn line(source: &Source, replica: &Replica, synced: anyhow::Result<Synced>, run: &Run) -> (Line, Exit) {
    let mut line = Line {
        origin: source.log.name().as_str().to_owned(),
        folder: replica.folder().display().to_string(),
        size: None,
        root: None,
        new: None,
        error: None,
        exit: 0,
    };
    let exit = match synced {
        Ok(synced) => {
            let size = synced.head.size.get();
            line.size = Some(size);
            line.root = Some(synced.head.root.to_string());
            line.new = Some(size - synced.before);
            Exit::Pass
        }
        Err(error) => {
            let (exit, hint) = exit::of(&error);
            line.error = Some(causes(error.as_ref()));
            if let Some(hint) = hint {
                run.out.note(hint);
            }
            exit
        }
    };
    line.exit = exit.code();
    (line, exit)
}

fn print(line: &Line, run: &Run) -> std::io::Result<()> {
    if run.out.is_json() {
        return Ok(());
    }
    run.out.line(format_args!("{}  {}", run.out.paint(Style::Strong, &line.origin), line.folder))?;
    if let Some(error) = &line.error {
        return run.out.line(format_args!("  {} {error}", run.out.paint(Style::Bad, "x")));
    }
    let (size, new) = (line.size.unwrap_or(0), line.new.unwrap_or(0));
    run.out.line(format_args!("  {size} entries held, {new} of them new; every hash is derived from them"))
}
