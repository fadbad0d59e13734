//! What a watch remembers, and what it has to tell: nothing is told twice or lost, whenever it is killed.
//!
//! ```text
//! state        how far each log was read, what lasts, how far each sink was told, and how many bytes of `events` count
//! events       a line for each event, in the order in which they were noticed; only ever appended to
//! entries/     the entries that events are about, by the SHA-256 of their bytes, for the commands that events name
//! lock         one watch at a time
//! ```
//!
//! | we crash | what is on disk | what opening does |
//! |---|---|---|
//! | while events are appended, or before `state` is replaced | bytes that do not count | cuts them off; the same entries are read again and give events with the same ids |
//! | after `state` was replaced | events and how far the log was read, both or neither | tells them |
//! | after an event was sent, before its mark | the old mark | sends it again, with the same id |

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::event::{Event, EventId};
use crate::{
    files::{self, FileError, Mode},
    host,
};

const SCHEMA: &str = "watch-state/v1";
/// A few hundred logs with their witnesses, and the files of some locks.
const MAX_STATE: u64 = 64 << 20;
/// Events that are handed to a sink at once, and in memory for it.
pub(crate) const BATCH: usize = 64;
/// Longest line: an event has a dozen texts of bounded length.
const MAX_LINE: u64 = 64 << 10;

/// All that is remembered. Replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    schema: String,
    /// Bytes of the events that count.
    events: u64,
    /// By verifier key.
    pub(crate) logs: BTreeMap<String, LogState>,
    /// What lasts, by name: what it was that began.
    pub(crate) lasting: BTreeMap<String, String>,
    /// Files of the locks that were accepted when last judged, and when that was.
    pub(crate) accepted: BTreeMap<String, u64>,
    /// By name of the sink: bytes of the events that it was told.
    sinks: BTreeMap<String, u64>,
}

/// What is remembered of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogState {
    /// The checkpoint of the tree that was read last, signed by the log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) note: Option<String>,
    /// The first entry that was not read.
    pub(crate) next: u64,
    /// When something fresh came from it last, in seconds since 1970.
    pub(crate) fresh: u64,
    /// When each witness cosigned last, by verifier key.
    pub(crate) cosigned: BTreeMap<String, u64>,
}

impl State {
    fn new() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            events: 0,
            logs: BTreeMap::new(),
            lasting: BTreeMap::new(),
            accepted: BTreeMap::new(),
            sinks: BTreeMap::new(),
        }
    }
}

/// The memory of a watch, held by one process.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    state: State,
    /// Of all events: what is noticed again is not told again.
    known: HashSet<EventId>,
    events: File,
    _lock: File,
}

/// The memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("another `attest log watch` is at it: {} is locked", .path.display())]
    Busy { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot keep events in {}", .path.display())]
    Events { path: PathBuf, source: io::Error },
    #[error("{} is not as it was written: expected {expected}", .path.display())]
    Damaged { path: PathBuf, expected: &'static str },
}

impl StoreError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { path, .. } => {
                let folder = path.parent().unwrap_or(path).display();
                Some(format!("move {folder} away to begin anew; --from-start then looks at everything again"))
            }
            Self::Busy { .. } => Some("end it first, or give this one a place of its own: --state DIR".to_owned()),
            _ => None,
        }
    }
}

/// Events for a sink, and how far it is told with each.
pub(crate) type Waiting = Vec<(Event, u64)>;

impl Store {
    /// Opens or begins it.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        host::make_private(folder).map_err(|source| FileError::Write { path: folder.to_owned(), source })?;
        let lock = lock(&folder.join("lock"))?;
        let path = folder.join("events");
        let failed = |source| StoreError::Events { path: path.clone(), source };
        let state = read_state(&folder.join("state"))?;
        let is_new = !path.exists();
        let events = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        if is_new {
            host::sync_folder(folder).map_err(failed)?;
        }
        let state = state.unwrap_or_else(State::new);
        if events.metadata().map_err(failed)?.len() < state.events {
            return Err(StoreError::Damaged { path, expected: "the events that were noticed" });
        }
        // Noticed, and never confirmed: it is noticed again.
        events.set_len(state.events).map_err(failed)?;
        let mut store = Self { folder: folder.to_owned(), state, known: HashSet::new(), events, _lock: lock };
        let mut at = 0;
        while let (Some((event, end)), _) = store.line(at)? {
            store.known.insert(event.id);
            at = end;
        }
        Ok(store)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// A sink that is new is told what is noticed from now on.
    pub(crate) fn add_sink(&mut self, name: &str) -> Result<(), StoreError> {
        if self.state.sinks.contains_key(name) {
            return Ok(());
        }
        let end = self.state.events;
        self.change(|state| {
            state.sinks.insert(name.to_owned(), end);
        })
    }

    /// Takes events and what follows from them over in one step, and says which of the events are new. Where this fails,
    /// nothing has changed.
    pub(crate) fn record(
        &mut self,
        events: Vec<Event>,
        change: impl FnOnce(&mut State),
    ) -> Result<Vec<Event>, StoreError> {
        let mut new: Vec<Event> = Vec::new();
        for event in events {
            if !self.known.contains(&event.id) && new.iter().all(|other| other.id != event.id) {
                new.push(event);
            }
        }
        let mut state = self.state.clone();
        change(&mut state);
        if !new.is_empty() {
            state.events = self.append(&new)?;
        }
        if state != self.state {
            // If we crash before this, the events do not count, and the log is read again from the same entry.
            write_state(&self.folder, &state)?;
            self.state = state;
        }
        self.known.extend(new.iter().map(|event| event.id));
        Ok(new)
    }

    fn append(&mut self, events: &[Event]) -> Result<u64, StoreError> {
        let mut bytes = Vec::new();
        for event in events {
            // Plain texts and numbers always serialize.
            let _always = serde_json::to_writer(&mut bytes, event);
            bytes.push(b'\n');
        }
        let start = self.state.events;
        let written = self
            .events
            .set_len(start)
            .and_then(|()| self.events.seek(SeekFrom::Start(start)))
            .and_then(|_| self.events.write_all(&bytes))
            .and_then(|()| self.events.sync_data());
        written.map_err(|source| self.failed(source))?;
        Ok(start + bytes.len() as u64)
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), StoreError> {
        self.record(Vec::new(), change).map(drop)
    }

    /// What a sink was not told yet, from its mark on, at most so many.
    pub(crate) fn waiting(&mut self, sink: &str, most: usize) -> Result<Waiting, StoreError> {
        let Some(mut at) = self.state.sinks.get(sink).copied() else { return Ok(Vec::new()) };
        let mut waiting = Vec::new();
        while waiting.len() < most
            && let (Some((event, end)), _) = self.line(at)?
        {
            waiting.push((event, end));
            at = end;
        }
        Ok(waiting)
    }

    /// How many events that it wants a sink was not told yet.
    pub(crate) fn backlog(&mut self, sink: &str, is_wanted: impl Fn(&Event) -> bool) -> Result<u64, StoreError> {
        let Some(mut at) = self.state.sinks.get(sink).copied() else { return Ok(0) };
        let mut count = 0;
        while let (Some((event, _)), end) = self.line(at)? {
            (count, at) = (count + u64::from(is_wanted(&event)), end);
        }
        Ok(count)
    }

    /// Behind the last event.
    pub(crate) fn end(&self) -> u64 {
        self.state.events
    }

    /// That a sink was told all up to here. Where it cannot be kept, it holds as long as we run, and is kept later.
    pub(crate) fn mark(&mut self, sink: &str, end: u64) -> Result<(), StoreError> {
        self.state.sinks.insert(sink.to_owned(), end);
        Ok(write_state(&self.folder, &self.state)?)
    }

    /// The newest events, oldest first.
    pub(crate) fn newest(&mut self, most: usize, is_wanted: impl Fn(&Event) -> bool) -> Result<Vec<Event>, StoreError> {
        let (mut newest, mut at) = (std::collections::VecDeque::new(), 0);
        while let (Some((event, end)), _) = self.line(at)? {
            at = end;
            if is_wanted(&event) {
                newest.push_back(event);
            }
            if newest.len() > most {
                newest.pop_front();
            }
        }
        Ok(newest.into())
    }

    /// The event that begins at a byte, and where the next one does.
    fn line(&mut self, at: u64) -> Result<(Option<(Event, u64)>, u64), StoreError> {
        if at >= self.state.events {
            return Ok((None, at));
        }
        let mut line = Vec::new();
        let end = self.state.events;
        let events = &mut self.events;
        let read = events.seek(SeekFrom::Start(at)).and_then(|_| {
            BufReader::with_capacity(4096, events.take(MAX_LINE.min(end - at))).read_until(b'\n', &mut line)
        });
        read.map_err(|source| self.failed(source))?;
        let next = at + line.len() as u64;
        let event = line.ends_with(b"\n").then(|| serde_json::from_slice(&line).ok()).flatten();
        let damaged = || StoreError::Damaged { path: self.folder.join("events"), expected: "an event in each line" };
        let event = event.ok_or_else(damaged)?;
        Ok((Some((event, next)), next))
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Events { path: self.folder.join("events"), source }
    }
}

/// Two watches would tell everything twice.
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source).into()),
    }
}

fn read_state(path: &Path) -> Result<Option<State>, StoreError> {
    let bytes = match files::read(path, MAX_STATE) {
        Ok(bytes) => bytes,
        Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let state: Option<State> = serde_json::from_slice(&bytes).ok();
    let damaged = || StoreError::Damaged { path: path.to_owned(), expected: "the state that was written there last" };
    state.filter(|state| state.schema == SCHEMA).map(Some).ok_or_else(damaged)
}

fn write_state(folder: &Path, state: &State) -> Result<(), FileError> {
    let path = folder.join("state");
    let bytes = serde_json::to_vec_pretty(state)
        .map_err(|error| FileError::Write { path: path.clone(), source: error.into() })?;
    // What was killed in the middle of this left a file under another name.
    tidy(folder);
    files::replace(&path, &bytes, Mode::Private)
}

fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".attest-")) {
        let _still_there = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use attest_core::time::Timestamp;

    use super::super::event::{Kind, Phase, Plain};
    use super::*;

    fn event(n: u64) -> Event {
        let mut event =
            Event::new(Kind::Stall, Phase::Began, &[&n.to_string()], Timestamp::from_secs(1_700_000_000 + n));
        event.what = Plain::new(format_args!("event {n}"));
        event
    }

    fn read_to(next: u64) -> impl FnOnce(&mut State) {
        move |state| state.logs.entry("log".to_owned()).or_default().next = next
    }

    fn ids(waiting: &Waiting) -> Vec<EventId> {
        waiting.iter().map(|(event, _)| event.id).collect()
    }

    #[test]
    fn events_and_how_far_was_read_are_there_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        store.add_sink("a").unwrap();
        assert_eq!(store.record(vec![event(1), event(2)], read_to(2)).unwrap().len(), 2);
        let whole = fs::read(folder.path().join("events")).unwrap();
        drop(store);
        // Killed while three was appended: whatever is behind what counts.
        let three = serde_json::to_vec(&event(3)).unwrap();
        for cut in [0, 1, three.len()] {
            let tail = [&three[..cut], if cut == three.len() { b"\n" } else { b"" }].concat();
            fs::write(folder.path().join("events"), [&whole[..], &tail].concat()).unwrap();
            let mut store = Store::open(folder.path()).unwrap();
            assert_eq!(ids(&store.waiting("a", BATCH).unwrap()), [event(1).id, event(2).id], "{cut}");
            assert_eq!(store.state().logs["log"].next, 2);
        }
        let mut store = Store::open(folder.path()).unwrap();
        store.record(vec![event(3)], read_to(3)).unwrap();
        assert_eq!(store.waiting("a", BATCH).unwrap().len(), 3);
    }

    #[test]
    fn what_is_noticed_again_is_not_told_again_and_a_mark_is_a_sink_s_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        store.add_sink("up").unwrap();
        store.add_sink("down").unwrap();
        store.record(vec![event(1), event(1), event(2)], |_| ()).unwrap();
        assert!(store.record(vec![event(2)], |_| ()).unwrap().is_empty());
        let (_, end) = store.waiting("up", BATCH).unwrap().pop().unwrap();
        store.mark("up", end).unwrap();
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        assert!(store.record(vec![event(1)], |_| ()).unwrap().is_empty(), "known from before");
        assert!(store.waiting("up", BATCH).unwrap().is_empty());
        assert_eq!(ids(&store.waiting("down", BATCH).unwrap()), [event(1).id, event(2).id]);
        assert_eq!(store.backlog("down", |_| true).unwrap(), 2);
        // Who comes later is not told what was.
        store.add_sink("late").unwrap();
        assert!(store.waiting("late", BATCH).unwrap().is_empty());
    }

    #[test]
    fn a_sink_gets_its_events_in_batches_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        store.add_sink("a").unwrap();
        let all: Vec<Event> = (0..150).map(event).collect();
        store.record(all.clone(), |_| ()).unwrap();
        let mut told = Vec::new();
        loop {
            let waiting = store.waiting("a", BATCH).unwrap();
            let Some((_, end)) = waiting.last() else { break };
            store.mark("a", *end).unwrap();
            assert!(waiting.len() <= BATCH);
            told.extend(waiting.into_iter().map(|(event, _)| event));
        }
        assert_eq!(told, all);
        assert_eq!(store.newest(10, |_| true).unwrap(), &all[140..]);
    }

    #[test]
    fn two_watches_of_one_memory_and_a_memory_that_is_damaged_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Busy { .. })));
        store.record(vec![event(1)], |_| ()).unwrap();
        drop(store);
        let events = fs::read(folder.path().join("events")).unwrap();
        for damaged in [&events[..events.len() - 1], b"", &vec![b'x'; events.len()]] {
            fs::write(folder.path().join("events"), damaged).unwrap();
            assert!(matches!(Store::open(folder.path()), Err(StoreError::Damaged { .. })));
        }
        fs::write(folder.path().join("events"), &events).unwrap();
        fs::write(folder.path().join("state"), "{}").unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Damaged { .. })));
    }
}
