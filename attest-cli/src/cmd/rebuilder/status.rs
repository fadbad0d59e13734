//! `attest rebuilder status`

use serde_json::json;

use super::Data;
use super::queue::state;
use crate::exit::Exit;
use crate::rebuilder::folder::FolderError;
use crate::rebuilder::inbox;
use crate::rebuilder::settings::Settings;
use crate::rebuilder::status::Status;
use crate::run::Run;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    let settings = Settings::read(&folder.settings())?;
    let status = Status::of(&state(&folder)?, settings.logs.len());
    let runs = match folder.lock() {
        Ok(_) => false,
        Err(FolderError::Taken { .. }) => true,
        Err(error) => return Err(error.into()),
    };
    let (requests, free) = (inbox::count(&folder)?, folder.free()?);
    if run.out.is_json() {
        let mut document = serde_json::to_value(&status)?;
        document["coordinatorRuns"] = json!(runs);
        document["requests"] = json!(requests);
        document["freeBytes"] = json!(free);
        run.out.json(&document)?;
        return Ok(Exit::Pass);
    }
    let rows = [
        ("coordinator", if runs { "runs".to_owned() } else { "does not run".to_owned() }),
        ("waiting", status.waiting.to_string()),
        ("running", status.running.to_string()),
        ("done", status.done.to_string()),
        ("given up", status.failed.to_string()),
        ("to review", status.to_review.to_string()),
        ("logged", status.logged.to_string()),
        ("to be logged", status.to_log.to_string()),
        ("free disk", format!("{} MB", free >> 20)),
    ];
    for (what, value) in rows {
        run.out.line(format_args!("{what:>14}  {value}"))?;
    }
    if status.to_review > 0 {
        run.out.hint("`attest rebuilder review` shows what waits for your word");
    }
    Ok(Exit::Pass)
}
