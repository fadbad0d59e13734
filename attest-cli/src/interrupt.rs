//! Ctrl-C and SIGTERM: remembered, so that whoever runs children ends them, and temporary folders are removed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::host::Ending;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on the first signal is only remembered. A second one ends the program at once.
pub(crate) fn watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut ending = {
        let _inside = runtime.enter();
        Ending::watch()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let _asked = ending.next().await;
                if REQUESTED.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
            }
        });
    })?;
    Ok(())
}

/// Asks ourselves to end, as a signal would.
pub(crate) fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether somebody asked us to end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
