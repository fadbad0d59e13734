//! `--diffoscope`: what [diffoscope](https://diffoscope.org) says about two wheels that differ.
//!
//! It takes apart what strangers made, with many other programs, so it runs in the room, within limits of its own. What it
//! says decides nothing: the verdict is there already, and a run that fails costs only its own words.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::build::{end_of_log, made_folder, read_made};
use crate::exit::Failure;
use crate::pip::Interpreter;
use crate::sandbox::{Isolation, Limits, Room};
use crate::temporary::Temporary;

const TIME: Duration = Duration::from_secs(600);
/// The longest report that is kept, in bytes.
const MAX_REPORT: u64 = 8 << 20;
const RUN: &str = "diffoscope.sh";
const SAID: &str = "diffoscope.txt";
/// How much of what it complains about is repeated, in bytes.
const MAX_COMPLAINT: u64 = 1024;
/// Where programs are in a room.
const PLACES: [&str; 2] = ["/usr/bin/diffoscope", "/bin/diffoscope"];

/// Whether it is where a room has it.
///
/// # Errors
/// Said before anything is built: whoever asks for it waits for it.
pub(crate) fn check_installed() -> anyhow::Result<()> {
    if PLACES.iter().any(|place| Path::new(place).is_file()) {
        return Ok(());
    }
    let failure = Failure::usage(format!("expected diffoscope at {}, found none", PLACES[0]));
    Err(failure.hint("install your system's diffoscope, or leave out --diffoscope").into())
}

/// Its report, as text.
pub(crate) fn compare(
    (isolation, interpreter): (Isolation, &Interpreter),
    published: &[u8],
    rebuilt: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let folder = Temporary::new("room")?;
    let room = Room::new(isolation, interpreter, None, folder.path())?;
    for (name, bytes) in [("published.whl", published), ("rebuilt.whl", rebuilt)] {
        fs::write(room.outside("src").join(name), bytes)?;
    }
    let mut script = String::from("export PATH=/usr/bin:/bin LC_ALL=C.UTF-8 TZ=UTC");
    for (name, folder) in [("HOME", "home"), ("TMPDIR", "tmp"), ("OUT", "out")] {
        write!(script, " {name}='{}'", room.inside(folder).to_str().context("expected a path in UTF-8")?)?;
    }
    let max = MAX_REPORT / 2;
    writeln!(
        script,
        "\nexec diffoscope --no-progress --max-report-size={max} --text=\"$OUT/{SAID}\" published.whl rebuilt.whl"
    )?;
    fs::write(room.outside("run").join(RUN), script)?;
    let log = tempfile::NamedTempFile::new()?;
    let status = room.run_script(RUN, log.path(), &Limits { time: TIME, ..Limits::default() })?;
    // 0: no difference, 1: some, anything else: it gave up.
    let complaint = String::from_utf8_lossy(&end_of_log(log.path(), MAX_COMPLAINT)?).trim().to_owned();
    ensure!(matches!(status.code(), Some(0 | 1)), "found {status}: {complaint}");
    read_made(&made_folder(room.outside("out"))?.join(SAID), MAX_REPORT)
}
