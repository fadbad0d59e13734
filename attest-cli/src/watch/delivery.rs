//! Telling: each sink from its own mark on, in order. A mark is kept once the sink took the events, so whoever is killed between
//! the two sends them again with the same ids; a sink that fails is asked again after a while, and holds up nobody else.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Shared,
    event::Event,
    sinks::{Sink, SinkError, Told, atom},
    store::StoreError,
};
use crate::{
    interrupt,
    output::{Output, causes},
};

/// Before a sink that failed is asked again; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// How often `--once` asks a sink before it leaves the rest to the next run.
const ATTEMPTS: u32 = 3;
/// How late a sink hears that there is something.
const TICK: Duration = Duration::from_millis(100);

/// How it stands with a sink.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) sink: String,
    /// In this run.
    pub(crate) told: u64,
    /// Left for later.
    pub(crate) waiting: u64,
    pub(crate) error: Option<String>,
}

/// Why a sink is behind.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tells every sink, all at once, what waits for it; what cannot be told in a few attempts waits for the next run.
pub(crate) fn once(sinks: &[Sink], store: &Shared, out: &Output) -> Result<Vec<Delivered>, StoreError> {
    let told: Vec<(u64, Option<DeliveryError>)> = thread::scope(|scope| {
        let telling: Vec<_> = sinks.iter().map(|sink| scope.spawn(|| patiently(sink, store, out))).collect();
        telling.into_iter().map(|thread| thread.join().unwrap_or((0, None))).collect()
    });
    let delivered = sinks.iter().zip(told).map(|(sink, (told, error))| {
        let waiting = store.lock().backlog(&sink.name, |event| sink.wants(event))?;
        let error = error.map(|error| causes(&error));
        Ok(Delivered { sink: sink.name.clone(), told, waiting, error })
    });
    delivered.collect()
}

fn patiently(sink: &Sink, store: &Shared, out: &Output) -> (u64, Option<DeliveryError>) {
    let (mut told, mut pause) = (0, FIRST_PAUSE);
    for attempt in 1.. {
        let (more, error) = drain(sink, store, out);
        told += more;
        let Some(error) = error else { return (told, None) };
        if attempt >= ATTEMPTS || !rest(pause) {
            return (told, Some(error));
        }
        pause *= 2;
    }
    (told, None)
}

/// Tells a sink all that waits, until it fails. Says how many it was told.
fn drain(sink: &Sink, store: &Shared, out: &Output) -> (u64, Option<DeliveryError>) {
    let mut told = 0;
    loop {
        match batch(sink, store, out, &mut told) {
            Ok(true) => {}
            Ok(false) => return (told, None),
            Err(error) => return (told, Some(error)),
        }
    }
}

/// Whether anything waited.
fn batch(sink: &Sink, store: &Shared, out: &Output, count: &mut u64) -> Result<bool, DeliveryError> {
    if sink.shows_newest() {
        return show_newest(sink, store, out, count);
    }
    let waiting = store.lock().waiting(&sink.name, sink.at_once())?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let (events, ends): (Vec<Event>, Vec<u64>) = waiting.into_iter().unzip();
    // Not while the memory is held: the others go on.
    let Told { events: told, error } = sink.tell(&events, &[], out);
    *count += events[..told].iter().filter(|event| sink.wants(event)).count() as u64;
    if let Some(end) = told.checked_sub(1).and_then(|last| ends.get(last)) {
        // If we crash before this, they are told again, with the same ids.
        store.lock().mark(&sink.name, *end)?;
    }
    error.map_or(Ok(true), |error| Err(error.into()))
}

/// A feed is written once, however many events wait.
fn show_newest(sink: &Sink, store: &Shared, out: &Output, count: &mut u64) -> Result<bool, DeliveryError> {
    let (waiting, end, newest) = {
        let mut store = store.lock();
        if store.waiting(&sink.name, 1)?.is_empty() {
            return Ok(false);
        }
        let waiting = store.backlog(&sink.name, |event| sink.wants(event))?;
        (waiting, store.end(), store.newest(atom::SHOWN, |event| sink.wants(event))?)
    };
    if let Some(error) = sink.tell(&[], &newest, out).error {
        return Err(error.into());
    }
    *count += waiting;
    store.lock().mark(&sink.name, end)?;
    Ok(true)
}

/// Tells one sink as long as the watch runs.
pub(crate) fn always(sink: &Sink, store: &Shared, out: &Output) {
    let mut pause = FIRST_PAUSE;
    while !interrupt::requested() {
        match drain(sink, store, out).1 {
            None => {
                pause = FIRST_PAUSE;
                rest(TICK);
            }
            Some(error) => {
                out.warning(format_args!(
                    "{}: {}; asked again in {} s, and nothing is lost",
                    sink.name,
                    causes(&error),
                    pause.as_secs()
                ));
                rest(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Waits, unless somebody asks us to end.
pub(crate) fn rest(pause: Duration) -> bool {
    let end = Instant::now() + pause;
    while Instant::now() < end {
        if interrupt::requested() {
            return false;
        }
        thread::sleep(TICK.min(end.saturating_duration_since(Instant::now())));
    }
    true
}
