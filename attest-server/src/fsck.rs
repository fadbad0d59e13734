//! `attest-server fsck`: does all of it hold? Every hash of a log is derived again from its entries, and every signature
//! and index is checked, in a data folder that no server uses or at the URL of any
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) log.
//!
//! Nothing is repaired or changed. Only outages end it early: damage is counted, and the check goes on. Memory is flat:
//! one bundle for each piece in flight and at most 255 hashes for each level of the tree.

pub(crate) mod ahead;
pub(crate) mod block;
mod data;
mod files;
mod finding;
mod inspect;
mod levels;
pub(crate) mod progress;
mod report;
mod scratch;
pub(crate) mod source;
pub(crate) mod walk;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::TreeHead,
    note::{KeyType, VerifierKey},
    time::Timestamp,
};

pub use self::source::SourceError;
pub use self::{
    data::DataError,
    finding::{Fault, Findings},
    report::Report,
};
pub(crate) use self::{data::DataFolder, source::Source};
use self::{
    inspect::Inspector,
    walk::{Milestone, WalkError, Walked, walk},
};
use crate::{
    clock::Clock,
    command::Outcome,
    config::{FsckArgs, OutputFormat},
    fetch::Upstream,
    rebuilders::Rebuilders,
    run::stop_signal,
    store::index::audit::Audit,
};

/// Why nothing can be said. Never a finding about the log.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The folder cannot be looked at.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Something could not be had.
    #[error("undecided: {0}")]
    Undecided(String),
    /// A task of this process ended early.
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl From<WalkError> for FsckError {
    fn from(error: WalkError) -> Self {
        Self::Undecided(crate::logging::chain(&error))
    }
}

/// `attest-server fsck`. The result goes to standard output, also when it is not good.
pub async fn command(args: FsckArgs) -> anyhow::Result<Outcome> {
    let rebuilders = args
        .rebuilders
        .as_deref()
        .map(|path| Rebuilders::read(path).with_context(|| format!("{} cannot be used", path.display())));
    let rebuilders = rebuilders.transpose()?;
    let stop = stop_signal()?;
    let check = async {
        match (args.data, args.url, args.vkey) {
            (Some(data), None, _) => Ok(check_data(&data, rebuilders, Clock::system().now()).await),
            (None, Some(url), Some(vkey)) => {
                Ok(check_url(&Upstream::new(&url, None)?, &log_key(&vkey)?, rebuilders).await)
            }
            _ => anyhow::bail!("expected --data DIR, or --url URL and --vkey VKEY"),
        }
    };
    let checked = tokio::select! {
        checked = check => checked?,
        () = stop => anyhow::bail!("interrupted: nothing is known, and nothing was changed"),
    };
    let report = match checked {
        Ok(report) => report,
        Err(error @ FsckError::Undecided(_)) => {
            writeln!(io::stderr(), "{error}")?;
            return Ok(Outcome::Undecided);
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = io::stdout().lock();
    match args.output_format {
        OutputFormat::Text => report.write_text(&mut out)?,
        OutputFormat::Json => report.write_json(&mut out)?,
    }
    Ok(if report.is_whole() { Outcome::Done } else { Outcome::Alarm })
}

/// Checks the folder of a log or mirror that no process uses. With `rebuilders`, counts whose signatures there are.
pub async fn check_data(data: &Path, rebuilders: Option<Rebuilders>, now: Timestamp) -> Result<Report, FsckError> {
    let path = data.to_owned();
    let examine = move || {
        let mut findings = Findings::default();
        DataFolder::examine(&path, now, &mut findings).map(|folder| (folder, findings))
    };
    let (folder, mut findings) = tokio::task::spawn_blocking(examine).await??;
    let place = data.display().to_string();
    let Some(DataFolder { identity, head, files, milestones, index, held: _held, .. }) = folder else {
        return Ok(Report { place, origin: None, tree: None, walked: Walked::default(), findings });
    };
    let source = Source::Data(Arc::new(files));
    let inspector = Inspector { index: index.clone(), rebuilders };
    let walked = walk(&source, milestones, inspector, &mut findings).await?;
    if let Some((index, _)) = index
        && findings.total() == 0
    {
        nothing_else(index, walked, &mut findings).await?;
    }
    let origin = Some(identity.log().name().as_str().to_owned());
    Ok(Report { place, origin, tree: Some(head.tree), walked, findings })
}

/// The index finds what the entries have, which the walk has shown, and nothing beyond.
async fn nothing_else(index: Arc<Audit>, walked: Walked, findings: &mut Findings) -> Result<(), FsckError> {
    let counted = tokio::task::spawn_blocking(move || index.postings()).await?;
    let expected = walked.counts.indexed;
    let words = |[statements, artifacts, projects]: [u64; 3]| {
        format!("{statements} statements, {artifacts} artifacts and {projects} projects")
    };
    match counted {
        Ok(found) if found == expected => {}
        Ok(found) => findings.fault(Fault::new("index", words(expected), words(found))),
        Err(error) => findings.fault(Fault::new("index", words(expected), crate::logging::chain(&error))),
    }
    Ok(())
}

/// Checks anything that serves C2SP tlog-tiles, as [`check_data`].
pub async fn check_url(
    upstream: &Upstream,
    log: &VerifierKey,
    rebuilders: Option<Rebuilders>,
) -> Result<Report, FsckError> {
    let mut findings = Findings::default();
    let place = upstream.url().to_owned();
    let origin = Some(log.name().as_str().to_owned());
    let note = match upstream.checkpoint().await {
        Ok(note) => note,
        Err(error) => return Err(FsckError::Undecided(crate::logging::chain(&error))),
    };
    let checkpoint = match UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(log)) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            let expected = format!("a checkpoint signed by {log}");
            findings.fault(Fault::new("checkpoint", expected, crate::logging::chain(&error)));
            return Ok(Report { place, origin, tree: None, walked: Walked::default(), findings });
        }
    };
    let tree: TreeHead = checkpoint.head();
    let milestones = vec![Milestone { path: PathBuf::from("checkpoint"), head: tree }];
    let inspector = Inspector { index: None, rebuilders };
    let walked = walk(&Source::Url(upstream.clone()), milestones, inspector, &mut findings).await?;
    Ok(Report { place, origin, tree: Some(tree), walked, findings })
}

/// The key of a log, as given on a command line.
pub(crate) fn log_key(vkey: &str) -> anyhow::Result<VerifierKey> {
    let log: VerifierKey = vkey.parse().with_context(|| format!("--vkey: expected a verifier key, found {vkey:?}"))?;
    anyhow::ensure!(
        log.kind() == KeyType::Ed25519,
        "--vkey: expected the key of a log (Ed25519, type 0x01), found {log}"
    );
    Ok(log)
}

#[cfg(test)]
mod tests;
