//! Applying the layers of an image to a folder, without trusting them
//! ([OCI layers](https://github.com/opencontainers/image-spec/blob/main/layer.md)).
//!
//! Nothing is ever written or removed through a symbolic link: they mean something only inside the room. Devices are left
//! out, and so are owners and set-user-ID bits; the room has none of its own.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::host;

const MAX_ENTRIES: u64 = 2_000_000;
const MAX_UNPACKED: u64 = 32 << 30;
/// Marks a folder whose lower layers are hidden.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// In front of the name of what is removed.
const WHITEOUT: &[u8] = b".wh.";

/// Why a layer was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// Not a tar, cut short, or the disk is full.
    #[error("expected a tar that can be unpacked: {0}")]
    Io(#[from] io::Error),
    /// Too much.
    #[error("expected at most {MAX_UNPACKED} bytes in {MAX_ENTRIES} entries, found more at {path:?}")]
    TooLarge {
        /// Where the limit was passed.
        path: PathBuf,
    },
    /// Absolute, or climbing out.
    #[error("expected paths below the image's root, found {path:?}")]
    Path {
        /// As given.
        path: PathBuf,
    },
    /// A place below something that is no folder, such as a link.
    #[error("expected folders above {path:?}, found something else")]
    Parent {
        /// As given.
        path: PathBuf,
    },
    /// A hard link to what is no file of the image.
    #[error("expected {path:?} to link to a file of the image, found {target:?}")]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// A kind of entry that no layer has.
    #[error("expected files, folders, links and devices, found that {path:?} is a {kind:?}")]
    Kind {
        /// The entry.
        path: PathBuf,
        /// Its tar type.
        kind: tar::EntryType,
    },
}

/// A folder that layers are applied to.
#[derive(Debug)]
pub(crate) struct Unpacker {
    root: PathBuf,
    entries: u64,
    unpacked: u64,
}

impl Unpacker {
    /// An empty folder.
    pub(crate) fn new(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self { root, entries: 0, unpacked: 0 })
    }

    /// Applies one layer.
    pub(crate) fn apply(&mut self, layer: &mut dyn Read) -> Result<(), UnpackError> {
        let mut archive = tar::Archive::new(layer);
        // What this layer brings stays, wherever its whiteouts stand.
        let mut ours = HashSet::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            self.count(entry.size(), &path)?;
            if entry.header().entry_type() == tar::EntryType::XGlobalHeader {
                continue;
            }
            let below = below(&path)?;
            let Some(name) = below.file_name().map(OsStr::to_owned) else {
                // The root itself.
                continue;
            };
            let place = self.place(&below, &path)?;
            match name.as_encoded_bytes().strip_prefix(WHITEOUT) {
                Some(_) if name.as_encoded_bytes() == OPAQUE => {
                    let folder = place.parent().unwrap_or(&self.root).to_owned();
                    self.prune(&folder, &ours)?;
                }
                Some(hidden) => {
                    if matches!(hidden, b"" | b"." | b"..") {
                        return Err(UnpackError::Path { path });
                    }
                    let hidden = host::path_of(hidden);
                    if !ours.contains(&below.with_file_name(&hidden)) {
                        remove(&place.with_file_name(hidden))?;
                    }
                }
                None => {
                    self.add(&mut entry, &place, &path)?;
                    ours.extend(below.ancestors().map(Path::to_owned));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, size: u64, path: &Path) -> Result<(), UnpackError> {
        self.entries += 1;
        self.unpacked = self.unpacked.saturating_add(size);
        if self.entries > MAX_ENTRIES || self.unpacked > MAX_UNPACKED {
            return Err(UnpackError::TooLarge { path: path.to_owned() });
        }
        Ok(())
    }

    /// Where a path is on disk. Its folders are made where they are missing, and are folders.
    fn place(&self, below: &Path, path: &Path) -> Result<PathBuf, UnpackError> {
        let mut place = self.root.clone();
        for part in below.parent().into_iter().flat_map(Path::components) {
            place.push(part);
            match fs::symlink_metadata(&place) {
                Ok(data) if data.is_dir() => {}
                Ok(_) => return Err(UnpackError::Parent { path: path.to_owned() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place)?,
                Err(error) => return Err(error.into()),
            }
        }
        place.extend(below.file_name());
        Ok(place)
    }

    fn add(&self, entry: &mut tar::Entry<'_, impl Read>, place: &Path, path: &Path) -> Result<(), UnpackError> {
        let mode = entry.header().mode()? & 0o777;
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                if !fs::symlink_metadata(place).is_ok_and(|data| data.is_dir()) {
                    remove(place)?;
                    fs::create_dir(place)?;
                }
                // Later layers write below it, as we do.
                host::set_mode(place, mode | 0o700)?;
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                remove(place)?;
                let mut file = File::create_new(place)?;
                io::copy(entry, &mut file)?;
                host::set_mode(place, mode | 0o600)?;
                // Python believes compiled files by the time of their source.
                let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.header().mtime()?));
                if let Some(time) = time {
                    file.set_times(FileTimes::new().set_modified(time))?;
                }
            }
            tar::EntryType::Symlink => {
                remove(place)?;
                host::symlink(&entry.link_name()?.unwrap_or_default(), place)?;
            }
            tar::EntryType::Link => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                let refused = || UnpackError::Link { path: path.to_owned(), target: target.clone() };
                let from = self.place(&below(&target).map_err(|_| refused())?, path)?;
                if from == *place || !fs::symlink_metadata(&from).is_ok_and(|data| data.is_file()) {
                    return Err(refused());
                }
                remove(place)?;
                fs::hard_link(from, place)?;
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => remove(place)?,
            kind => return Err(UnpackError::Kind { path: path.to_owned(), kind }),
        }
        Ok(())
    }

    /// Removes all in a folder that this layer did not bring.
    fn prune(&self, folder: &Path, ours: &HashSet<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let below = path.strip_prefix(&self.root).unwrap_or(&path);
            if !ours.contains(below) {
                remove(&path)?;
            } else if fs::symlink_metadata(&path)?.is_dir() {
                self.prune(&path, ours)?;
            }
        }
        Ok(())
    }
}

fn below(path: &Path) -> Result<PathBuf, UnpackError> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let part = |part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(UnpackError::Path { path: path.to_owned() }),
    };
    parts.map(part).collect()
}

/// Whatever is there, but not what it points to.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
