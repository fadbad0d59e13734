//! Events as lines of JSON: appended to a file, or on standard output.
//!
//! A file is ours to read back, so that an event which was appended before we were killed is not appended again: only the end of
//! the file can hold what is not marked yet. A line that was torn is completed by nobody, and is cut off.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::super::{event::Event, store::BATCH};

/// Bytes at the end of a file that can hold the last batch.
const TAIL: u64 = BATCH as u64 * 32 * 1024;
/// What each of our lines begins with.
const BEGINNING: &[u8] = b"{\"schema\":\"attest.watch-event/v1\",\"id\":\"";

/// Lines could not be appended.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to {}", .path.display())]
pub(crate) struct LinesError {
    path: PathBuf,
    source: io::Error,
}

/// Appends what is not there yet, and makes it last.
pub(crate) fn append(path: &Path, events: &[&Event]) -> Result<(), LinesError> {
    append_to(path, events).map_err(|source| LinesError { path: path.to_owned(), source })
}

fn append_to(path: &Path, events: &[&Event]) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    // A pipe or a device has no end to look at.
    let is_file = file.metadata()?.is_file();
    let Ending { end, is_open, whole } = if is_file { ending(&mut file)? } else { Ending::default() };
    let mut bytes = Vec::new();
    for event in events {
        // Ids are 64 hex digits behind this key, which no text of an event can imitate: quotes in texts are escaped.
        if !whole.contains(&format!("\"id\":\"{}\"", event.id)) {
            serde_json::to_writer(&mut bytes, event)?;
            bytes.push(b'\n');
        }
    }
    if !is_file {
        return file.write_all(&bytes);
    }
    if is_open && !bytes.is_empty() {
        bytes.insert(0, b'\n');
    }
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&bytes)?;
    file.sync_data()
}

/// How a file ends.
#[derive(Default)]
struct Ending {
    /// Where to go on.
    end: u64,
    /// In the middle of a line that is not ours, which is not cut.
    is_open: bool,
    /// The last whole lines.
    whole: String,
}

fn ending(file: &mut File) -> io::Result<Ending> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(TAIL).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rest = tail.split_off(whole);
    let shorter = rest.len().min(BEGINNING.len());
    let torn = rest[..shorter] == BEGINNING[..shorter];
    let end = if torn { start + whole as u64 } else { length };
    Ok(Ending { end, is_open: !torn, whole: String::from_utf8_lossy(&tail).into_owned() })
}

/// Writes to standard output.
pub(crate) fn print(events: &[&Event]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for event in events {
        serde_json::to_writer(&mut bytes, event)?;
        bytes.push(b'\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(&bytes)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use attest_core::time::Timestamp;

    use super::super::super::event::{Kind, Phase};
    use super::*;

    fn event(n: u64) -> Event {
        Event::new(Kind::Stall, Phase::Began, &[&n.to_string()], Timestamp::from_secs(n))
    }

    #[test]
    fn cut_off_anywhere_a_file_gets_each_event_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let [one, two, three] = [event(1), event(2), event(3)];
        append(&path, &[&one]).unwrap();
        append(&path, &[&two, &three]).unwrap();
        let whole = fs::read(&path).unwrap();
        let before = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in before..=whole.len() {
            // Killed while two and three were written: they are told again.
            fs::write(&path, &whole[..cut]).unwrap();
            append(&path, &[&two, &three]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "{cut}");
        }
        // Of the very first line, too.
        for cut in 0..before {
            fs::write(&path, &whole[..cut]).unwrap();
            append(&path, &[&one]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), &whole[..before], "{cut}");
        }
    }

    #[test]
    fn what_others_wrote_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "no line end").unwrap();
        append(&path, &[&event(1)]).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("no line end\n{"));
    }
}
