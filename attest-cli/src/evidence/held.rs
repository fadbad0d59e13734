//! Asks the replica of a log: nobody learns which files the question is about, and nobody can leave anything out.
//!
//! Where the user keeps one, the log's lookup is never asked, whatever goes wrong: that would tell after all.

use attest_core::{artifact::ArtifactDigest, verify::Connection};

use super::{
    Asked, Asking, Means, Source,
    ask::{self, Answer, Reply, Silence},
    is_within,
};
use crate::{
    client::Http,
    history::HistoryError,
    output::causes,
    replica::{Locked, Replica, ReplicaError},
    run,
};

/// Whether the user keeps this log.
pub(super) fn replica(source: &Source, means: &Means<'_>) -> Option<Replica> {
    Some(Replica::new(means.data, &source.log)).filter(Replica::is_kept)
}

/// The answer of a replica that needs no bringing up to date: it was, a short while ago, or nobody may be asked.
pub(super) fn recall(
    replica: &Replica,
    source: &Source,
    digests: &[ArtifactDigest],
    means: &Means<'_>,
) -> Option<Reply> {
    let answer = || {
        let locked = replica.lock()?;
        let shown_at = locked.shown_at()?;
        let recent = match (means.connection, means.asking) {
            (Connection::Offline, _) => true,
            (Connection::Online, Asking::Anew) => false,
            (Connection::Online, Asking::Sparing { within }) => {
                shown_at.is_some_and(|shown_at| is_within(shown_at, within, run::now()))
            }
        };
        if recent { found(&locked, source, digests, true) } else { Ok(None) }
    };
    match (answer(), means.connection) {
        (Ok(Some(answer)), _) => Some((Ok(answer), Vec::new())),
        (_, Connection::Online) => None,
        (Ok(None), Connection::Offline) => {
            Some(silent(source, "its replica was never brought up to date: `attest log sync`"))
        }
        (Err(error), Connection::Offline) => Some(silent(source, &causes(&error))),
    }
}

/// Brings the replica up to date first: at the log, or at the first of its mirrors where that succeeds.
pub(super) fn ask(
    http: &Http,
    replica: &Replica,
    source: &Source,
    digests: &[ArtifactDigest],
    means: &Means<'_>,
) -> Reply {
    let locked = match replica.lock() {
        Ok(locked) => locked,
        Err(error) => return silent(source, &causes(&error)),
    };
    let mut why = Vec::new();
    for url in &source.urls {
        let synced = http.log(url).map_err(ReplicaError::from).and_then(|client| {
            locked.sync(&client, means.history, run::now(), |_, _| ())?;
            found(&locked, source, digests, false)
        });
        match synced {
            Ok(Some(answer)) => return (Ok(answer), Vec::new()),
            Ok(None) => why.push(format!("{url}: nothing is held after a synchronisation")),
            Err(ReplicaError::History(error @ HistoryError::Fork { .. })) => {
                return (Err(Silence::Alarm(Box::new(error))), Vec::new());
            }
            Err(error) => why.push(causes(&error)),
        }
    }
    if why.is_empty() {
        why.push("no URL is known for it".to_owned());
    }
    silent(source, &format!("its replica cannot be brought up to date: {}", why.join("; ")))
}

fn found(
    locked: &Locked<'_>,
    source: &Source,
    digests: &[ArtifactDigest],
    recalled: bool,
) -> Result<Option<Answer>, ReplicaError> {
    let Some(found) = locked.lookup(digests)? else { return Ok(None) };
    let origin = source.log.name().as_str().to_owned();
    let asked = Asked {
        origin,
        size: found.head.size.get(),
        url: source.urls.first().cloned().unwrap_or_default(),
        stands_in: None,
    };
    Ok(Some(Answer { asked, views: vec![found.view], held: Some(found.head), recalled }))
}

fn silent(source: &Source, why: &str) -> Reply {
    ask::silent(ask::unreachable(source, why))
}
