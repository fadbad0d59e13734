//! Source distributions: reading a `.tar.gz` without trusting it, and laying it out with its own times and modes.
//!
//! Times and modes are kept because they show in wheels: without `SOURCE_DATE_EPOCH` a backend copies a file's
//! modification time into the zip, and setuptools copies some modes too. [PEP 625](https://peps.python.org/pep-0625/).

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;

use super::recipe::Modes;

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
    /// A modification time that is not a number.
    #[error("expected a modification time in seconds for {path:?}, found {found:?}")]
    Time {
        /// The entry.
        path: PathBuf,
        /// The PAX record.
        found: String,
    },
}

/// A file of the sdist, below the top folder.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Its bytes.
    pub(crate) content: Vec<u8>,
    /// Permission bits as archived.
    pub(crate) mode: u32,
    /// Since 1970; the PAX record where there is one, since Python rounds the header's field and not this.
    pub(crate) modified: Duration,
}

/// An unpacked source distribution.
#[derive(Clone, Debug)]
pub(crate) struct Sdist {
    files: BTreeMap<PathBuf, SourceFile>,
    folders: BTreeMap<PathBuf, u32>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Sdist {
    /// Reads the whole archive into memory, refusing what could not be laid out in one way only.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SdistError> {
        let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(MAX_UNPACKED + 1));
        let mut sdist = Self { files: BTreeMap::new(), folders: BTreeMap::new(), links: BTreeMap::new() };
        let mut tops = HashSet::new();
        let mut unpacked = 0;
        for (count, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            unpacked = u64::saturating_add(unpacked, entry.size());
            if unpacked > MAX_UNPACKED || count >= MAX_ENTRIES {
                return Err(SdistError::TooLarge { path });
            }
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
                    sdist.folders.insert(below, entry.header().mode()?);
                    true
                }
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    let modified = modified(&mut entry, &path)?;
                    let mode = entry.header().mode()?;
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    sdist.files.insert(below, SourceFile { content, mode, modified }).is_none()
                }
                tar::EntryType::Symlink => {
                    let target = entry.link_name()?.unwrap_or_default().into_owned();
                    if !points_inside(&below, &target) {
                        return Err(SdistError::Link { path, target });
                    }
                    sdist.links.insert(below, target).is_none()
                }
                kind => return Err(SdistError::Special { path, kind }),
            };
            if !first {
                return Err(SdistError::Duplicate { path });
            }
        }
        sdist.check_kinds()?;
        Ok(sdist)
    }

    /// One path is one thing, and nothing lies below a file or a link.
    fn check_kinds(&self) -> Result<(), SdistError> {
        let leaf = |path: &Path| self.files.contains_key(path) || self.links.contains_key(path);
        let twice = |path: &PathBuf| Err(SdistError::Duplicate { path: path.clone() });
        for path in self.files.keys().chain(self.folders.keys()).chain(self.links.keys()) {
            if path.ancestors().skip(1).any(leaf) {
                return twice(path);
            }
        }
        self.links.keys().find(|path| self.files.contains_key(*path)).map_or(Ok(()), twice)?;
        self.folders.keys().find(|path| leaf(path)).map_or(Ok(()), twice)
    }

    /// All files, by path below the top folder.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &SourceFile)> {
        self.files.iter().map(|(path, file)| (path.as_path(), file))
    }

    /// A file by its path below the top folder.
    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.get(Path::new(path))
    }

    /// Lays it out below `folder`. `order` is what a second build varies: it changes the order in which folders list.
    pub(crate) fn lay_out(&self, folder: &Path, modes: Modes, order: Order) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for path in self.folders.keys() {
            fs::create_dir_all(folder.join(path))?;
        }
        let mut files: Vec<_> = self.files.iter().collect();
        if order == Order::Reversed {
            files.reverse();
        }
        for (path, file) in files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, &file.content)?;
            fs::set_permissions(&path, Permissions::from_mode(modes.apply(file.mode)))?;
            let modified = SystemTime::UNIX_EPOCH + file.modified;
            File::options()
                .write(true)
                .open(&path)
                .or_else(|_| File::open(&path))?
                .set_times(FileTimes::new().set_modified(modified).set_accessed(modified))?;
        }
        // Last, so that nothing above was written through one.
        for (path, target) in &self.links {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            symlink(target, path)?;
        }
        for (path, mode) in &self.folders {
            // Owner bits stay, or nothing could be built in there.
            fs::set_permissions(folder.join(path), Permissions::from_mode(modes.apply(*mode) | 0o700))?;
        }
        Ok(())
    }
}

/// In which order files are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By path.
    Forward,
    /// By path, backwards.
    Reversed,
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

/// By its text alone. A chain of links can still lead out; then it leads the build out, into its room, and not us, who
/// never follow one.
fn points_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

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
