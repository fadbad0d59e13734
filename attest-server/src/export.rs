//! `attest-server export`: a copy of what a log published, as files that any static server or object store can serve and
//! any [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) client can verify.
//!
//! Everything is verified on the way: tiles are not copied but computed from the entries, and the checkpoint follows only
//! when they end in its root. Everything else is durable before it. A second export reads and writes only what is new.
//!
//! A log that runs is exported from its URL (its folder is in use, and what it serves is exactly what it published); one
//! that is stopped, from its folder.

pub(crate) mod copy;
pub(crate) mod files;
mod negatives;
pub(crate) mod replicate;
mod site;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{RootHash, TreeSize},
    note::VerifierKey,
    tile::Edge,
};

use self::{
    copy::{Copy, CopyError},
    files::{Files, Form},
    negatives::Negatives,
    replicate::{Partial, ReplicateError, replicate},
};
use crate::{
    clock::Clock,
    command::Outcome,
    config::ExportArgs,
    fetch::{FetchError, Upstream},
    fsck::{DataFolder, Findings, Source, log_key},
    logging::chain,
    run::stop_signal,
};

/// What one export did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) from: TreeSize,
    pub(crate) to: TreeSize,
}

/// Why nothing newer is there than before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Replicate(#[from] ReplicateError),
    /// The place shows less than the copy has: it is behind.
    #[error("a checkpoint of {found} entries was shown, and the copy has {held}: it stays as it is")]
    Older { found: TreeSize, held: TreeSize },
    /// Two roots of one size, both signed.
    #[error(
        "the log signed two trees of {size} entries: with the root {held}, which the copy has, and with the root {shown}\n\
         hint: this is a fork; keep the copy and the log's checkpoint as evidence"
    )]
    Forked { size: TreeSize, held: RootHash, shown: RootHash },
}

/// Where to export from.
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) log: VerifierKey,
    pub(crate) checkpoint: LogCheckpoint,
    /// Keeps the folder from being used meanwhile.
    _folder: Option<Box<dyn std::any::Any + Send>>,
}

/// Why there is nothing to export from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginError {
    /// Outage, or garbage: nothing is known.
    #[error("{url} gave no checkpoint of the log")]
    Url {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Client(FetchError),
    #[error(transparent)]
    Data(#[from] crate::fsck::DataError),
    #[error("{faults} faults were found in it first\nhint: `attest-server fsck --data DIR` names them")]
    Damaged { faults: u64 },
    #[error("it has published nothing yet")]
    Unpublished,
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl Origin {
    /// What the server at `url` has published.
    pub(crate) async fn url(url: &str, log: VerifierKey) -> Result<Self, OriginError> {
        let upstream = Upstream::new(url, None).map_err(OriginError::Client)?;
        let failed = |source| OriginError::Url { url: url.to_owned(), source };
        let note = upstream.checkpoint().await.map_err(|error| failed(error.into()))?;
        let checkpoint = UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(&log));
        let checkpoint = checkpoint.map_err(|error| failed(error.into()))?;
        Ok(Self { source: Source::Url(upstream), log, checkpoint, _folder: None })
    }

    /// What the log in `data`, which no server uses, has published.
    pub(crate) async fn data(data: &Path) -> Result<Self, OriginError> {
        let data = data.to_owned();
        let examine = move || {
            let mut findings = Findings::default();
            let folder = DataFolder::examine(&data, Clock::system().now(), &mut findings)?;
            match (folder, findings.total()) {
                (Some(folder), 0) => Ok(folder),
                (_, faults) => Err(OriginError::Damaged { faults }),
            }
        };
        let folder = tokio::task::spawn_blocking(examine).await??;
        let DataFolder { identity, files, published, held, .. } = folder;
        let checkpoint = published.ok_or(OriginError::Unpublished)?;
        let source = Source::Data(Arc::new(files));
        Ok(Self { source, log: identity.log().clone(), checkpoint, _folder: Some(Box::new(held)) })
    }
}

/// Brings the copy in `to` up to the checkpoint of `origin`.
pub(crate) async fn export(origin: &Origin, to: &Path, form: Option<Form>) -> Result<Exported, ExportError> {
    let copy = Copy::open(to, &origin.log, form)?;
    let new = origin.checkpoint.head();
    let (held, mut edge) = match copy.published()? {
        None => (None, Edge::new()),
        Some((checkpoint, edge)) => (Some(checkpoint), edge),
    };
    if let Some(held) = held.as_ref().map(LogCheckpoint::head) {
        if held.size > new.size {
            return Err(ExportError::Older { found: new.size, held: held.size });
        }
        if held.size == new.size && held.root != new.root {
            return Err(ExportError::Forked { size: new.size, held: held.root, shown: new.root });
        }
    }
    let from = edge.size();
    let files = Arc::new(Files::new(to, copy.files().form()));
    replicate(&origin.source, &mut edge, &[new], &files, Partial::Write).await?;
    copy.publish(&origin.checkpoint)?;
    copy.prune(from, new.size)?;
    Ok(Exported { from, to: new.size })
}

/// Nothing is copied into the folder of the log itself: a start deletes what it does not know there, and a backup that lies
/// beside what it is of goes with it. Symbolic links count as where they lead.
pub(crate) fn refuse_inside(to: &Path, data: &Path) -> anyhow::Result<()> {
    let data = fs::canonicalize(data).with_context(|| format!("{} cannot be read", data.display()))?;
    // Of a path that is not there yet, the part that is.
    let there = to.ancestors().map(|part| if part == Path::new("") { Path::new(".") } else { part });
    let inside = there.into_iter().find_map(|part| fs::canonicalize(part).ok()).is_some_and(|to| to.starts_with(&data));
    ensure!(!inside, "{} is inside the log's own folder; expected a place outside of it", to.display());
    Ok(())
}

/// `attest-server export`.
pub(crate) async fn command(args: ExportArgs) -> anyhow::Result<Outcome> {
    if let (Some(data), Some(to)) = (&args.data, args.to.as_ref().or(args.site.as_ref())) {
        refuse_inside(to, data)?;
    }
    if let (Some(data), Some(to)) = (&args.data, &args.site) {
        let settings = site::Settings {
            rebuilders: args.rebuilders.clone(),
            coverage: args.coverage.clone(),
            public_url: args.public_url.clone(),
        };
        return site::command(data, to, settings).await;
    }
    let log = args.vkey.as_deref().map(log_key).transpose()?;
    let stop = stop_signal()?;
    let work = async {
        loop {
            let outcome = once(&args, log.as_ref()).await?;
            let Some(pause) = args.every.filter(|_| outcome != Outcome::Alarm) else {
                return Ok(outcome);
            };
            tokio::time::sleep(Duration::from_secs(pause.get())).await;
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = stop => match args.every {
            Some(_) => Ok(Outcome::Done),
            None => bail!("interrupted: the copy is what it was before"),
        },
    }
}

async fn once(args: &ExportArgs, log: Option<&VerifierKey>) -> anyhow::Result<Outcome> {
    // Before the checkpoint, so that the list is not of more than the copy will have.
    let listed = match (&args.url, log) {
        (Some(url), Some(log)) => Negatives::fetch(&Upstream::new(url, None)?, log).await,
        _ => Ok(None),
    };
    let origin = match (&args.data, &args.url, log) {
        (Some(data), None, _) => Origin::data(data).await,
        (None, Some(url), Some(log)) => Origin::url(url, log.clone()).await,
        _ => bail!("expected --data DIR, or --url URL and --vkey VKEY"),
    };
    let origin = match origin {
        Ok(origin) => origin,
        Err(error @ OriginError::Url { .. }) => return undecided(&error),
        Err(error) => return Err(error.into()),
    };
    let folder = args.to.as_deref().context("expected --to DIR or --site DIR")?;
    let to = folder.display();
    match export(&origin, folder, args.bundles).await {
        Ok(Exported { from, to: size }) => {
            let log = origin.log.clone();
            // The folder is free again for who makes the list of it.
            drop(origin);
            let listed = match &args.data {
                Some(data) => Negatives::make(data).await,
                None => listed,
            };
            let written = listed.and_then(|listed| listed.map(|listed| listed.write(folder, &log, size)).transpose());
            let list = match written {
                Ok(Some(())) => "with its list of negatives".to_owned(),
                Ok(None) => "without a list of negatives".to_owned(),
                Err(error) => {
                    writeln!(io::stderr(), "warning: no new list of negatives: {}", chain(&error))?;
                    "without a new list of negatives".to_owned()
                }
            };
            writeln!(io::stdout(), "{to}: {size} entries, {} of them new, {list}", size.get() - from.get())?;
            Ok(Outcome::Done)
        }
        Err(error) => judge(error).with_context(|| format!("{to} is what it was before")),
    }
}

/// Which end an export that failed has.
pub(crate) fn judge(error: ExportError) -> anyhow::Result<Outcome> {
    match error {
        ExportError::Forked { .. } => {
            writeln!(io::stderr(), "alarm: {error}")?;
            Ok(Outcome::Alarm)
        }
        // Outage or garbage: from here it cannot be told from a fork.
        ExportError::Older { .. }
        | ExportError::Replicate(
            ReplicateError::Read { .. } | ReplicateError::Root { .. } | ReplicateError::Changed { .. },
        ) => undecided(&error),
        ExportError::Copy(_) | ExportError::Replicate(_) => Err(error.into()),
    }
}

pub(crate) fn undecided(error: &dyn std::error::Error) -> anyhow::Result<Outcome> {
    writeln!(io::stderr(), "undecided: {}", chain(error))?;
    Ok(Outcome::Undecided)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_into_the_log_by_whatever_path() {
        let dir = tempfile::tempdir().unwrap();
        let (data, link) = (dir.path().join("log"), dir.path().join("link"));
        fs::create_dir_all(data.join("tile")).unwrap();
        std::os::unix::fs::symlink(data.join("tile"), &link).unwrap();
        for inside in
            [data.clone(), data.join("tile"), data.join("new/copy"), link.clone(), link.join("new"), link.join("..")]
        {
            refuse_inside(&inside, &data).unwrap_err();
        }
        for outside in [dir.path().join("log2"), dir.path().join("new/copy"), dir.path().to_owned()] {
            refuse_inside(&outside, &data).unwrap();
        }
        refuse_inside(Path::new("new"), &data).unwrap();
    }
}
