//! `DIR/evidence`: what proves that a log contradicted itself, one JSON file for each finding.
//!
//! A file is there whole or not at all, and is never changed or overwritten. As long as one of a kind is there, whoever
//! found it goes no further (docs/TRUST.md 5.4): an operator reads it, publishes it, and moves it away to go on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use attest_core::time::Timestamp;

use super::durable;

const FOLDER: &str = "evidence";
/// How a finished file ends; one that a crash cut off ends otherwise.
const SUFFIX: &str = ".json";
/// Evidence is there to be shown.
const MODE: u32 = 0o644;

/// Writes a finding to a file of its own, `PREFIX` and the time, with a number behind it where that is taken. Durable on
/// return: the name has to survive a power cut, since it is what stops the next start.
pub(crate) fn keep(data: &Path, prefix: &str, now: Timestamp, finding: &[u8]) -> io::Result<PathBuf> {
    let time = now.to_string().replace(':', "");
    let numbered = (2..=u32::MAX).map(|number| format!("{prefix}{time}-{number}"));
    for stem in std::iter::once(format!("{prefix}{time}")).chain(numbered) {
        if let (path, true) = keep_as(data, &stem, finding)? {
            return Ok(path);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes a finding under this name, as [`keep`]; gives the path, and whether it was written: what is there stays.
pub(crate) fn keep_as(data: &Path, stem: &str, finding: &[u8]) -> io::Result<(PathBuf, bool)> {
    let folder = data.join(FOLDER);
    let path = folder.join(format!("{stem}{SUFFIX}"));
    if path.try_exists()? {
        return Ok((path, false));
    }
    fs::create_dir_all(&folder)?;
    durable::replace(&path, finding, MODE)?;
    durable::sync_dir(data)?;
    Ok((path, true))
}

/// The first finding whose name begins with `prefix`: left by an earlier run, and not moved away yet.
///
/// # Errors
/// The folder could not be read: then it is not known whether there is any, and nothing may be signed.
pub(crate) fn found(data: &Path, prefix: &str) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut first: Option<PathBuf> = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let matches = name.starts_with(prefix) && name.ends_with(SUFFIX);
        if matches && first.as_ref().is_none_or(|first| entry.path() < *first) {
            first = Some(entry.path());
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    #[test]
    fn evidence_is_never_overwritten_and_found_again() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(found(data.path(), "fork-").unwrap(), None);
        let first = keep(data.path(), "fork-", NOW, b"one").unwrap();
        let second = keep(data.path(), "fork-", NOW, b"two").unwrap();
        assert_ne!(first, second);
        assert_eq!((fs::read(&first).unwrap(), fs::read(&second).unwrap()), (b"one".to_vec(), b"two".to_vec()));
        assert!(!first.to_string_lossy().contains(':'), "{}", first.display());
        assert_eq!(found(data.path(), "other-").unwrap(), None);
        assert!(found(data.path(), "fork-").unwrap().is_some());
        fs::remove_file(first).unwrap();
        assert_eq!(found(data.path(), "fork-").unwrap(), Some(second));
    }

    #[test]
    fn what_a_crash_cut_off_is_no_evidence_and_is_written_again() {
        let data = tempfile::tempdir().unwrap();
        let (path, _) = keep_as(data.path(), "fork-1", b"whole").unwrap();
        fs::rename(&path, path.with_extension("tmp")).unwrap();
        assert_eq!(found(data.path(), "fork-").unwrap(), None);
        assert_eq!(keep_as(data.path(), "fork-1", b"whole").unwrap(), (path.clone(), true));
        assert_eq!(keep_as(data.path(), "fork-1", b"other").unwrap(), (path.clone(), false));
        assert_eq!(fs::read(path).unwrap(), b"whole");
    }
}
