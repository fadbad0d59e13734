//! Source distributions: reading a `.tar.gz` without trusting it ([PEP 625](https://peps.python.org/pep-0625/)).

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::read::MultiGzDecoder;

use super::tree::{SourceFile, Tree, points_inside};

/// The biggest sdist that is downloaded or read.
pub(crate) const MAX_FILE: u64 = 512 << 20;
const MAX_UNPACKED: u64 = 2 << 30;
const MAX_ENTRIES: usize = 100_000;

/// Why a source distribution was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SdistError {
    /// Not gzip, not tar, or cut short.
    #[error("expected a .tar.gz, found one that does not read: {0}")]
    Unreadable(#[from] io::Error),
    /// Too much in it.
    #[error("expected at most {MAX_UNPACKED} bytes in {MAX_ENTRIES} entries, found more at {path:?}")]
    TooLarge {
        /// Where the limit was passed.
        path: PathBuf,
    },
    /// A path that is absolute or climbs out.
    #[error("expected paths below one folder, found {path:?}")]
    Path {
        /// The path as given.
        path: PathBuf,
    },
    /// A device, a hard link or the like.
    #[error("expected files, folders and symbolic links, found that {path:?} is a {kind:?}")]
    Special {
        /// The entry.
        path: PathBuf,
        /// Its tar type.
        kind: tar::EntryType,
    },
    /// A symbolic link that is absolute or climbs out.
    #[error("expected links to point into the sdist, found that {path:?} points to {target:?}")]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// The same path twice: which one is built depends on the unpacker.
    #[error("expected every path once, found {path:?} twice")]
    Duplicate {
        /// The path.
        path: PathBuf,
    },
    /// Python's tarfile, which unpacks for whoever installs it, would find something else in it.
    #[error("expected {path:?} to be the same to every unpacker, found {what}")]
    Ambiguous {
        /// The entry.
        path: PathBuf,
        /// Why it is not.
        what: &'static str,
    },
    /// A modification time that is not a number.
    #[error("expected a modification time in seconds for {path:?}, found {found:?}")]
    Time {
        /// The entry.
        path: PathBuf,
        /// The PAX record.
        found: String,
    },
}

/// Reads the whole archive into memory, refusing what could not be laid out in one way only.
pub(crate) fn read(bytes: &[u8]) -> Result<Tree, SdistError> {
    // Of several gzip members one after the other Python reads all.
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes).take(MAX_UNPACKED + 1));
    let mut sdist = Tree::default();
    let mut tops = HashSet::new();
    let mut unpacked = 0;
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        unpacked = u64::saturating_add(unpacked, entry.size());
        if unpacked > MAX_UNPACKED || count >= MAX_ENTRIES {
            return Err(SdistError::TooLarge { path });
        }
        check_one_reading(&mut entry, &path)?;
        let kind = entry.header().entry_type();
        if kind == tar::EntryType::XGlobalHeader {
            continue;
        }
        let (top, below) = split_top(&path)?;
        tops.insert(top);
        if tops.len() > 1 {
            return Err(SdistError::Path { path });
        }
        let first = match kind {
            tar::EntryType::Directory => {
                sdist.add_folder(below, entry.header().mode()?);
                true
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let modified = modified(&mut entry, &path)?;
                let mode = entry.header().mode()?;
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                sdist.add_file(below, SourceFile { content, mode, modified })
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                if !points_inside(&below, &target) {
                    return Err(SdistError::Link { path, target });
                }
                sdist.add_link(below, target)
            }
            kind => return Err(SdistError::Special { path, kind }),
        };
        if !first {
            return Err(SdistError::Duplicate { path });
        }
    }
    sdist.check_kinds().map_err(|path| SdistError::Duplicate { path })?;
    Ok(sdist)
}

/// Refuses what this reader and Python's tarfile take for different archives: in an sdist that is what its commit gives,
/// there would be another one for pip.
fn check_one_reading(entry: &mut tar::Entry<'_, impl io::Read>, path: &Path) -> Result<(), SdistError> {
    let refuse = |what| Err(SdistError::Ambiguous { path: path.to_owned(), what });
    let kind = entry.header().entry_type();
    let (is_file, is_global) = (kind.is_file() || kind.is_contiguous(), kind.is_pax_global_extensions());
    // tarfile looks for the next header right behind a folder or a link, and takes an old kind of file with a
    // slash for one, even where its real name is elsewhere; of other files a name may be cut off there.
    if !is_file && !is_global && entry.size() > 0 {
        return refuse("data behind something that is no file");
    }
    let old_folder = entry.header().as_old().linkflag == [0] && entry.header().path_bytes().ends_with(b"/");
    if is_file && (old_folder || entry.path_bytes().ends_with(b"/")) {
        return refuse("a file with the name of a folder");
    }
    let (name, link) = (entry.path_bytes().into_owned(), entry.link_name_bytes().map(Cow::into_owned));
    let mut seen = HashSet::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let (key, value) = (extension.key_bytes(), extension.value_bytes());
        // A GNU long name beside the record: which one counts depends on which comes first.
        let is_other = match key {
            b"path" => value != name,
            b"linkpath" => Some(value) != link.as_deref(),
            _ => false,
        };
        if key.starts_with(b"GNU.sparse.") {
            return refuse("a sparse file");
        }
        if is_global && matches!(key, b"path" | b"linkpath" | b"size") {
            return refuse("one name or size for all entries");
        }
        if is_other || !seen.insert(key.to_owned()) {
            return refuse("two names or sizes of one entry");
        }
    }
    Ok(())
}

fn split_top(path: &Path) -> Result<(PathBuf, PathBuf), SdistError> {
    let refuse = || SdistError::Path { path: path.to_owned() };
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    let Some(Component::Normal(top)) = parts.next() else {
        return Err(refuse());
    };
    let below: PathBuf = parts
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(refuse()),
        })
        .collect::<Result<_, _>>()?;
    Ok((PathBuf::from(top), below))
}

/// The PAX record where there is one, since Python rounds the header's field and not this.
fn modified(entry: &mut tar::Entry<'_, impl io::Read>, path: &Path) -> Result<Duration, SdistError> {
    // A time that no clock can show is refused here: adding it to 1970 would panic.
    let shown = |time: &Duration| SystemTime::UNIX_EPOCH.checked_add(*time).is_some();
    let refuse = |found: String| SdistError::Time { path: path.to_owned(), found };
    let header = entry.header().mtime()?;
    let header = Some(Duration::from_secs(header)).filter(shown).ok_or_else(|| refuse(header.to_string()));
    let Some(extensions) = entry.pax_extensions()? else {
        return header;
    };
    for extension in extensions {
        let extension = extension?;
        if extension.key_bytes() == b"mtime" {
            let found = String::from_utf8_lossy(extension.value_bytes()).into_owned();
            let seconds =
                found.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(shown);
            return seconds.ok_or_else(|| refuse(found));
        }
    }
    header
}

#[cfg(test)]
mod tests;
