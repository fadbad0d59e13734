//! Ctrl-C and SIGTERM: what ends the program, and what is done before that.
//!
//! A program that made a temporary folder takes it away and ends ([`clean_up`]). One that has more to bring to an end only
//! remembers the first signal ([`watch`]), or answers signals itself for a while ([`answer`]).

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::host::{Asked, Ending};
use crate::temporary;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// The first signal is remembered.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// Who answers signals. One thread takes them all, so that each has one effect.
static ANSWERED: Mutex<Option<UnboundedSender<Asked>>> = Mutex::new(None);

/// From now on a signal ends the program only after its temporary folders are gone.
pub(crate) fn clean_up() -> io::Result<()> {
    static LISTENS: Mutex<bool> = Mutex::new(false);
    let mut listens = LISTENS.lock().unwrap_or_else(PoisonError::into_inner);
    if !*listens {
        listen()?;
        *listens = true;
    }
    Ok(())
}

/// From now on the first signal is only remembered. A second one ends the program at once.
pub(crate) fn watch() -> io::Result<()> {
    WATCHED.store(true, Ordering::SeqCst);
    clean_up()
}

/// Signals are for the caller, until what is returned is dropped.
pub(crate) fn answer() -> io::Result<Answering> {
    clean_up()?;
    let (told, signals) = unbounded_channel();
    *answered() = Some(told);
    Ok(Answering(signals))
}

/// Who answers signals.
#[derive(Debug)]
pub(crate) struct Answering(UnboundedReceiver<Asked>);

impl Answering {
    /// The next one.
    pub(crate) async fn next(&mut self) -> Asked {
        match self.0.recv().await {
            Some(asked) => asked,
            // Somebody else answers now.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *answered() = None;
    }
}

fn answered() -> MutexGuard<'static, Option<UnboundedSender<Asked>>> {
    ANSWERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks ourselves to end, as a signal would.
pub(crate) fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether somebody asked us to end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

fn listen() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut ending = {
        let _inside = runtime.enter();
        Ending::watch()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let asked = ending.next().await;
                if answered().as_ref().is_some_and(|told| told.send(asked).is_ok()) {
                    continue;
                }
                let is_first = WATCHED.load(Ordering::SeqCst) && !REQUESTED.swap(true, Ordering::SeqCst);
                if !is_first {
                    temporary::remove_all();
                    process::exit(asked.code());
                }
            }
        });
    })?;
    Ok(())
}
