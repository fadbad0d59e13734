//! `attest verify [PATHS...]`

use std::path::PathBuf;

use attest_core::{api, artifact::ArtifactDigest};
use serde::Serialize;

use crate::{
    buildtools::BuildTools,
    client::Http,
    exit::{self, Exit},
    gate::{self, document::Document, verdicts},
    input,
    item::{Item, Question},
    layers::LayerError,
    output::{causes, plural},
    platform::find::Selection,
    run::Run,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Locks (uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock), requirements with hashes, pip reports, wheels,
    /// folders of wheels, - for standard input [default: the project's lock].
    paths: Vec<PathBuf>,
    /// Every file of a lock counts, not only what may be installed on this machine.
    #[arg(long)]
    all_files: bool,
    /// The Python that will install: which files of a lock count depends on it [default: of the project's environment, or
    /// python3].
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// Without a policy: a log to ask what it has about the files. Nothing of its answer is checked.
    #[arg(long, value_name = "URL")]
    log: Vec<String>,
    /// Ask the same question about everything that the rebuilders built with, and show how much of it is attested. Does
    /// not change which files pass; an alarm about a build tool is one.
    #[arg(long)]
    build_deps: bool,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let selection = Selection { all_files: args.all_files, python: args.python.clone() };
    let items = input::items(&args.paths, &selection, run)?;
    let layers = match run.layers() {
        Err(error @ LayerError::None { .. }) => return coverage(&items, &args.log, error, run),
        layers => layers?,
    };
    if !args.log.is_empty() {
        run.out.note("the logs of the policy are asked: --log is for a look without one");
    }
    let judged = gate::judge(&items, &layers, run)?;
    let tools = args.build_deps.then(|| BuildTools::ask(&judged, &layers, run)).transpose()?;
    let alarm = if tools.as_ref().is_some_and(BuildTools::alarm) { Exit::Alarm } else { Exit::Pass };
    let exit = judged.exit().worst(alarm);
    if run.out.is_json() {
        let mut document = serde_json::to_value(Document::new(&judged, &layers))?;
        if let Some(tools) = &tools {
            document["buildTools"] = serde_json::to_value(tools.document(&judged))?;
            document["exit"] = exit.code().into();
        }
        run.out.json(&document)?;
    } else {
        verdicts::print(&judged, &run.out)?;
        if let Some(tools) = &tools {
            tools.print(&judged, &run.out)?;
        }
    }
    Ok(exit)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Coverage<'a> {
    schema: &'static str,
    error: String,
    hint: Option<String>,
    files: usize,
    can_be_asked_about: usize,
    logs: Vec<Known<'a>>,
    exit: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Known<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_with_statements: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// docs/TRUST.md 1.1: without a policy nothing passes; but what there would be to judge by is said.
fn coverage(items: &[Item], logs: &[String], missing: LayerError, run: &Run) -> anyhow::Result<Exit> {
    let mut digests: Vec<ArtifactDigest> = items
        .iter()
        .filter_map(|item| match &item.question {
            Question::File { wanted, .. } => Some(wanted.digest),
            _ => None,
        })
        .collect();
    digests.sort_unstable();
    digests.dedup();
    let logs: Vec<Known<'_>> = logs.iter().map(|url| known(url, &digests, run)).collect();
    let missing = anyhow::Error::from(missing);
    if !run.out.is_json() {
        run.out.line(format_args!(
            "{}: {} can be asked about, none was judged",
            plural(items.len(), "file"),
            digests.len()
        ))?;
        for log in &logs {
            match (&log.files_with_statements, &log.error) {
                (Some(count), _) => {
                    run.out.line(format_args!("{} has statements about {count} of them (unchecked)", log.url))?;
                }
                (None, error) => {
                    run.out.line(format_args!("{} says nothing: {}", log.url, error.as_deref().unwrap_or_default()))?;
                }
            }
        }
        return Err(missing);
    }
    let (exit, hint) = exit::of(&missing);
    run.out.json(&Coverage {
        schema: "attest.coverage/v1",
        error: missing.to_string(),
        hint,
        files: items.len(),
        can_be_asked_about: digests.len(),
        logs,
        exit: exit.code(),
    })?;
    Ok(exit)
}

fn known<'a>(url: &'a str, digests: &[ArtifactDigest], run: &Run) -> Known<'a> {
    let _task = run.out.task(format!("asking {url}"));
    let count = || -> anyhow::Result<usize> {
        let client = Http::new()?.log(url)?;
        let mut count = 0;
        for chunk in digests.chunks(api::MAX_LOOKUP) {
            count += client.lookup(chunk)?.artifacts.iter().filter(|artifact| !artifact.entries.is_empty()).count();
        }
        Ok(count)
    };
    match count() {
        Ok(count) => Known { url, files_with_statements: Some(count), error: None },
        Err(error) => Known { url, files_with_statements: None, error: Some(causes(error.as_ref())) },
    }
}
