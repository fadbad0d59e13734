//! A log, looked at once: proven, judged, read on.

use std::{collections::BTreeMap, path::PathBuf};

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    dissent,
    envelope::{Envelope, StatementId},
    key::PublicKey,
    statement::{Predicate, Statement},
    tile::{Entry, TILE_WIDTH},
};

use super::{
    Followed, Looked, Shared, Watch,
    event::Event,
    findings::{Claim, Judge, New, Past},
    health::{self, Expected, Seen},
    keys::{Keyring, Signed, SignedError},
    store::StoreError,
};
use crate::{
    cores, exit,
    exit::Exit,
    files::{self, FileError, Mode},
    history::HistoryError,
    interrupt,
    output::causes,
    replica::{Replica, ReplicaError},
    run,
};

/// Bundles that are read before what they gave is kept: two thousand entries are in memory.
const STEP: u64 = 8;
const WIDTH: u64 = TILE_WIDTH as u64;

/// A look at a log ends early.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error(transparent)]
    Signed(#[from] SignedError),
    #[error("the statement that an event is about cannot be kept")]
    Entry(#[source] FileError),
    /// Of the memory: no log has anything to do with it.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{origin}: what was read of it before is no checkpoint of it: move {} away to begin anew", .folder.display())]
    Remembered { origin: String, folder: PathBuf },
}

/// Entries of a log that concern us.
struct Step {
    /// The tree that they are of.
    held: LogCheckpoint,
    /// The first entry that was not read.
    end: u64,
    hits: Vec<Hit>,
}

struct Hit {
    new: New,
    /// A key of ours signed it.
    by_us: bool,
}

impl Watch<'_> {
    /// Looks at one log, and says what is new.
    pub(super) fn follow(
        &self,
        log: &Followed,
        keyring: &Keyring,
        signed: &mut Signed,
        store: &Shared,
    ) -> Result<(Looked, Vec<Event>), StoreError> {
        let mut looked = Looked {
            origin: log.origin().to_owned(),
            url: log.source.urls.first().cloned().unwrap_or_default(),
            size: None,
            read: 0,
            error: None,
            exit: Exit::Pass,
        };
        let synced = self.sync(log, store);
        let mut events = health(log, &synced, store)?;
        let read = synced.and_then(|_| self.read_on(log, keyring, signed, store, &mut looked, &mut events));
        match read {
            Ok(()) => {}
            Err(FollowError::Store(error)) => return Err(error),
            Err(error) => {
                // As itself: by that its exit code is known.
                let error = match error {
                    FollowError::Replica(error) => anyhow::Error::from(error),
                    error => anyhow::Error::from(error),
                };
                looked.exit = exit::of(&error).0;
                looked.error = Some(error);
            }
        }
        Ok((looked, events))
    }

    /// Brings the copy up to date and holds everything that the log shows anywhere to one history.
    fn sync(&self, log: &Followed, store: &Shared) -> Result<LogCheckpoint, FollowError> {
        let replica = self.replica(log);
        let shown = self.sync_from(log, &replica)?;
        // A history that somebody removed from this machine is still ours: what was read before was of it.
        let before = store.lock().state().logs.get(&log.key().to_string()).and_then(|log| log.note.clone());
        if let Some(note) = before {
            let kept = UnverifiedCheckpoint::parse(note.as_bytes()).and_then(|note| note.verify(log.key()));
            let folder = store.lock().folder().to_owned();
            let kept = kept.map_err(|_| FollowError::Remembered { origin: log.origin().to_owned(), folder })?;
            self.hold(log, &kept)?;
        }
        for url in log.source.urls.iter().skip(1) {
            self.hold_other(log, url)?;
        }
        Ok(shown)
    }

    /// From the log, or from the first of its mirrors where it succeeds.
    fn sync_from(&self, log: &Followed, replica: &Replica) -> Result<LogCheckpoint, FollowError> {
        let _task = self.run.out.task(format!("reading {}", log.origin()));
        let mut first = None;
        for url in &log.source.urls {
            let synced = self.http.log(url).map_err(ReplicaError::from).and_then(|client| {
                let locked = replica.lock()?;
                locked.sync(&client, &self.history, run::now(), |here, all| {
                    self.run.out.detail(format_args!("{url}: {here} of {all} entries"));
                })?;
                locked.checkpoint()
            });
            match synced {
                Ok(Some(shown)) => return Ok(shown),
                Ok(None) => {}
                Err(error @ ReplicaError::History(HistoryError::Fork { .. })) => return Err(error.into()),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        let none = || {
            ReplicaError::from(crate::client::ClientError::Url {
                url: log.origin().to_owned(),
                reason: "it has no URL that answers".to_owned(),
            })
        };
        Err(first.unwrap_or_else(none).into())
    }

    /// Only a contradiction counts: another URL may be behind or down.
    fn hold_other(&self, log: &Followed, url: &str) -> Result<(), FollowError> {
        let held = self.http.log(url).map_err(ReplicaError::from).and_then(|client| {
            let shown = UnverifiedCheckpoint::parse(&client.checkpoint()?).and_then(|note| note.verify(log.key()));
            let shown = shown.map_err(|source| ReplicaError::Checkpoint {
                url: url.to_owned(),
                origin: log.origin().to_owned(),
                source,
            })?;
            Ok(self.history.hold(log.key(), &shown, |id| client.tile(id))?)
        });
        match held {
            Err(error @ ReplicaError::History(HistoryError::Fork { .. })) => Err(error.into()),
            Err(error) => {
                self.run.out.detail(format_args!("{url} was not compared: {}", causes(&error)));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn hold(&self, log: &Followed, kept: &LogCheckpoint) -> Result<(), FollowError> {
        let mut why = None;
        for url in &log.source.urls {
            let held = self
                .http
                .log(url)
                .map_err(ReplicaError::from)
                .and_then(|client| Ok(self.history.hold(log.key(), kept, |id| client.tile(id))?));
            match held {
                Ok(()) => return Ok(()),
                Err(error @ ReplicaError::History(HistoryError::Fork { .. })) => return Err(error.into()),
                Err(error) => why = why.or(Some(error)),
            }
        }
        why.map_or(Ok(()), |why| Err(why.into()))
    }

    /// Reads what is new, step by step: each is kept before the next one is begun.
    fn read_on(
        &self,
        log: &Followed,
        keyring: &Keyring,
        signed: &mut Signed,
        store: &Shared,
        looked: &mut Looked,
        events: &mut Vec<Event>,
    ) -> Result<(), FollowError> {
        let key = log.key().to_string();
        let replica = self.replica(log);
        signed.age();
        loop {
            let before = store.lock().state().logs.get(&key).cloned().unwrap_or_default();
            let is_first = before.note.is_none();
            let Some(step) = self.step(&replica, before.next, is_first)? else { return Ok(()) };
            let entries = store.lock().folder().join("entries");
            let judge =
                Judge { origin: log.origin(), interest: &self.interest, keyring, entries: &entries, now: run::now() };
            let found = self.found(&judge, log, &step, signed, store)?;
            let note = step.held.clone().log_signed_only().note().to_string();
            let new = store.lock().record(found, |state| {
                let log = state.logs.entry(key.clone()).or_default();
                log.next = step.end;
                log.note = Some(note);
            })?;
            events.extend(new);
            let size = step.held.head().size.get();
            looked.size = Some(size);
            looked.read += if is_first && !self.from_start { 0 } else { step.end - before.next };
            if step.end >= size || interrupt::requested() {
                return Ok(());
            }
        }
    }

    /// The next entries, as far as they concern us. A first look begins at the end, unless it is told otherwise.
    fn step(&self, replica: &Replica, next: u64, is_first: bool) -> Result<Option<Step>, FollowError> {
        let locked = replica.lock()?;
        let Some(held) = locked.checkpoint()? else { return Ok(None) };
        let tree = held.head();
        let size = tree.size.get();
        if is_first && !self.from_start || next >= size {
            // Never back: whoever removed the copy, and then got an old checkpoint, holds a smaller tree than was read.
            return Ok(Some(Step { held, end: size.max(next), hits: Vec::new() }));
        }
        let mut entries = Vec::new();
        let mut end = next;
        for number in next / WIDTH..(next / WIDTH + STEP).min(size.div_ceil(WIDTH)) {
            let numbered = (number * WIDTH..).zip(locked.bundle(tree, number)?);
            entries.extend(numbered.filter(|(index, _)| *index >= next));
            end = entries.last().map_or(next, |(index, _)| index + 1);
        }
        drop(locked);
        let keys: Vec<&PublicKey> = self.own.iter().map(|own| &own.key).collect();
        let hits = cores::map(&entries, |(index, entry)| self.hit(*index, entry, &keys));
        Ok(Some(Step { held, end, hits: hits.into_iter().flatten().collect() }))
    }

    /// An entry that concerns us. Bytes that are no statement are about nothing.
    fn hit(&self, index: u64, entry: &Entry, keys: &[&PublicKey]) -> Option<Hit> {
        let envelope = Envelope::parse(entry.as_bytes()).ok()?;
        let statement = Statement::parse(envelope.payload()).ok()?;
        let by_us = keys.iter().any(|key| envelope.verify(key).is_ok());
        // What a withdrawal takes back may be from a repository that is watched.
        let is_withdrawal = matches!(statement.predicate(), Predicate::Withdrawn(_));
        let may_concern = is_withdrawal && !self.interest.repositories.is_empty();
        (by_us || may_concern || !self.interest.of(&statement, None).is_empty())
            .then_some(Hit { new: New { index, envelope, statement }, by_us })
    }

    /// What there is to tell of a step.
    fn found(
        &self,
        judge: &Judge<'_>,
        log: &Followed,
        step: &Step,
        signed: &mut Signed,
        store: &Shared,
    ) -> Result<Vec<Event>, FollowError> {
        let mut by_file: BTreeMap<ArtifactDigest, Vec<&New>> = BTreeMap::new();
        for hit in &step.hits {
            by_file.entry(hit.new.statement.subject().digest).or_default().push(&hit.new);
        }
        let mut pasts: BTreeMap<ArtifactDigest, Past> = BTreeMap::new();
        for (digest, news) in by_file {
            pasts.insert(digest, self.past(digest, &news, log, step.end, store)?);
        }
        let mut events = Vec::new();
        for Hit { new, by_us } in &step.hits {
            let mut found = Vec::new();
            if *by_us && !signed.contains(new.id(), &self.own, &self.run.out)? {
                found.push(judge.not_mine(new));
            }
            found.extend(pasts.get(&new.statement.subject().digest).and_then(|past| judge.judge(new, past)));
            if !found.is_empty() {
                // Before the event that names it.
                let path = judge.entries.join(format!("{}.json", new.entry()));
                files::replace(&path, &new.envelope.to_bytes(), Mode::Private).map_err(FollowError::Entry)?;
            }
            events.extend(found);
        }
        Ok(events)
    }

    /// What all logs hold about a file, as far as it was read of them.
    fn past(
        &self,
        digest: ArtifactDigest,
        news: &[&New],
        log: &Followed,
        end: u64,
        store: &Shared,
    ) -> Result<Past, FollowError> {
        let named: Vec<StatementId> = news.iter().filter_map(|new| new.names()).collect();
        let inputs: Vec<ArtifactDigest> = news.iter().filter_map(|new| new.inputs()).collect();
        let mut past = Past::default();
        if named.is_empty() && inputs.is_empty() {
            return Ok(past);
        }
        let read: Vec<u64> = {
            let store = store.lock();
            let next = |other: &Followed| store.state().logs.get(&other.key().to_string()).map_or(0, |log| log.next);
            self.logs.iter().map(next).collect()
        };
        // The log that is read first: an earlier statement of its own is the better one to name.
        let this = std::iter::once((log, end));
        let others = self.logs.iter().zip(read).filter(|(other, _)| other.key() != log.key());
        for (other, end) in this.chain(others) {
            let is_this = other.key() == log.key();
            let replica = self.replica(other);
            let locked = replica.lock()?;
            locked.about(digest, |index, entry| {
                if index < end {
                    add(&mut past, is_this.then_some(index), entry, &named, &inputs);
                }
            })?;
        }
        Ok(past)
    }
}

/// What the look says about the log itself.
fn health(
    log: &Followed,
    synced: &Result<LogCheckpoint, FollowError>,
    store: &Shared,
) -> Result<Vec<Event>, StoreError> {
    let expected = Expected {
        log: log.key().clone(),
        url: log.source.urls.first().cloned().unwrap_or_default(),
        witnesses: log.witnesses.clone(),
        stall_after: log.stall_after.get(),
        witness_after: log.witness_after.get(),
    };
    let seen = match synced {
        Ok(shown) => Seen::Continues(shown),
        Err(FollowError::Replica(ReplicaError::History(error @ HistoryError::Fork { .. }))) => {
            let notes = error.proven_fork().map(|fork| fork.notes).unwrap_or_default();
            let which = ArtifactDigest::of(notes.concat().as_bytes()).to_string();
            Seen::Forked { which, told: error.to_string() }
        }
        Err(_) => Seen::Nothing,
    };
    let mut store = store.lock();
    let key = log.key().to_string();
    let before = store.state().logs.get(&key).cloned().unwrap_or_default();
    let judged = health::judge(&expected, &seen, &before, &store.state().lasting, run::now());
    store.record(judged.events, |state| {
        state.logs.insert(key, judged.state);
        state.lasting = judged.lasting;
    })
}

fn add(past: &mut Past, index: Option<u64>, entry: &[u8], named: &[StatementId], inputs: &[ArtifactDigest]) {
    let Ok(envelope) = Envelope::parse(entry) else { return };
    let Ok(statement) = Statement::parse(envelope.payload()) else { return };
    let id = envelope.statement_id();
    if let Some((inputs, output)) = dissent::result(&statement).filter(|(found, _)| inputs.contains(found)) {
        past.claim(Claim { index, id, inputs, output });
    }
    if named.contains(&id) {
        past.name(statement, envelope);
    }
}
