//! `attest rebuilder review`: accusations, which nobody but a person makes.

use attest_core::envelope::StatementId;
use serde_json::json;

use super::Data;
use super::queue::{request, state};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::Style;
use crate::rebuild::record::Verdict;
use crate::rebuilder::inbox::Request;
use crate::rebuilder::intake;
use crate::rebuilder::job::{Answer, Decision, Job, JobId};
use crate::run::Run;

/// Differences that are shown; the report has all.
const SHOWN: usize = 20;
/// A report names every member of a wheel.
const MAX_REPORT: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    data: Data,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show what differs
    Show {
        /// Number, as the list shows it
        job: JobId,
    },
    /// Have it signed and published
    Approve {
        /// Number, as the list shows it
        job: JobId,
        /// Why you are sure
        #[arg(long)]
        reason: String,
        /// The statement of others that it contradicts
        #[arg(long, value_name = "STATEMENT_ID")]
        contradicts: Option<StatementId>,
    },
    /// Leave it unsaid
    Dismiss {
        /// Number, as the list shows it
        job: JobId,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let decision = match &args.what {
        None => return list(args, run),
        Some(What::Show { job }) => return show(args, *job, run),
        Some(What::Approve { job, reason, contradicts }) => {
            (*job, Decision { approved: true, reason: reason.clone(), contradicts: *contradicts })
        }
        Some(What::Dismiss { job, reason }) => {
            (*job, Decision { approved: false, reason: reason.clone(), contradicts: None })
        }
    };
    let (job, decision) = decision;
    let folder = args.data.folder();
    let state = state(&folder)?;
    to_review(state.job(job)?)?;
    request(&folder, &Request::Decide(job, decision.clone()), run)?;
    let word = if decision.approved { "approved: it will be signed and published" } else { "dismissed" };
    if run.out.is_json() {
        run.out.json(&json!({ "schema": "attest.rebuilder-review/v1", "job": job, "approved": decision.approved }))?;
    } else {
        run.out.line(format_args!("job {job} {word}"))?;
    }
    Ok(Exit::Pass)
}

fn to_review(job: &Job) -> Result<&Answer, Failure> {
    job.to_review().ok_or_else(|| {
        Failure::usage(format!("expected a job that waits for review, found {}: {}", job.id, job.phase.word()))
            .hint("`attest rebuilder review` lists those that do")
    })
}

fn list(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let state = state(&args.data.folder())?;
    let waiting = state.jobs().filter_map(|job| job.to_review().map(|answer| (job.id, answer)));
    if run.out.is_json() {
        let waiting: Vec<_> = waiting.map(|(job, answer)| json!({ "job": job, "answer": answer })).collect();
        run.out.json(&json!({ "schema": "attest.rebuilder-reviews/v1", "waiting": waiting }))?;
        return Ok(Exit::Pass);
    }
    for (job, answer) in waiting {
        run.out.line(format_args!("{job:>6}  {} {} sha256:{}", answer.verdict, answer.name, answer.subject))?;
    }
    Ok(Exit::Pass)
}

fn show(args: &Args, job: JobId, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    let state = state(&folder)?;
    let answer = to_review(state.job(job)?)?;
    let result = intake::open(&folder, answer.build)?;
    let report = files::read(&result.path().join("report.json"), MAX_REPORT)?;
    let report: serde_json::Value = serde_json::from_slice(&report)?;
    if run.out.is_json() {
        let document = json!({
            "schema": "attest.rebuilder-accusation/v1",
            "job": job,
            "folder": result.path(),
            "record": result.record(),
            "report": report,
        });
        run.out.json(&document)?;
        return Ok(Exit::Pass);
    }
    let record = result.record();
    let verdict =
        run.out.paint(if record.verdict == Verdict::Different { Style::Bad } else { Style::Caution }, record.verdict);
    run.out.line(format_args!("{verdict} {} sha256:{}", record.subject.name, record.subject.sha256))?;
    if let Some(other) = record.contradicts {
        run.out.line(format_args!("    contradicts statement {other}: the same inputs gave other bytes here"))?;
    }
    let words = report["explanation"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    for line in words.take(SHOWN) {
        run.out.line(format_args!("    {line}"))?;
    }
    for one in record.differences.iter().take(SHOWN) {
        run.out.line(format_args!("    {:?}: {}", one.kind, one.path))?;
    }
    run.out.line(format_args!(
        "    {} differences; everything is in {}",
        record.differences_total,
        result.path().display()
    ))?;
    Ok(Exit::Pass)
}
