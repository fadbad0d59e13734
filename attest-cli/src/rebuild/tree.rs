//! A source tree in memory, with the times and modes that show in wheels, and how it is laid out for a build.
//!
//! Times and modes are kept because they show: without `SOURCE_DATE_EPOCH` a backend copies a file's modification time
//! into the zip, and setuptools copies some modes too.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use attest_core::recipe::{Modes, Umask};

use crate::host;

/// A file below the top folder.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Its bytes.
    pub(crate) content: Vec<u8>,
    /// Permission bits as archived.
    pub(crate) mode: u32,
    /// Since 1970.
    pub(crate) modified: Duration,
}

/// A source tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<PathBuf, SourceFile>,
    folders: BTreeMap<PathBuf, u32>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Tree {
    /// Adds a file; false where the path was one already.
    pub(crate) fn add_file(&mut self, path: PathBuf, file: SourceFile) -> bool {
        self.files.insert(path, file).is_none()
    }

    /// Adds a folder, or gives one another mode.
    pub(crate) fn add_folder(&mut self, path: PathBuf, mode: u32) {
        self.folders.insert(path, mode);
    }

    /// Adds a symbolic link; false where the path was one already. The caller has seen that it points inside.
    pub(crate) fn add_link(&mut self, path: PathBuf, target: PathBuf) -> bool {
        self.links.insert(path, target).is_none()
    }

    /// One path is one thing, and nothing lies below a file or a link.
    ///
    /// # Errors
    /// The path that is two things.
    pub(crate) fn check_kinds(&self) -> Result<(), PathBuf> {
        let leaf = |path: &Path| self.files.contains_key(path) || self.links.contains_key(path);
        let twice = |path: &PathBuf| Err(path.clone());
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

    /// All files, by the last part of their path: so that tens of thousands can be looked for among as many.
    pub(crate) fn by_file_name(&self) -> HashMap<&OsStr, Vec<(&Path, &SourceFile)>> {
        let mut named: HashMap<_, Vec<_>> = HashMap::new();
        for (path, file) in self.files() {
            named.entry(path.file_name().unwrap_or_default()).or_default().push((path, file));
        }
        named
    }

    /// A file by its path below the top folder.
    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.get(Path::new(path))
    }

    /// A file by its path, however that is encoded.
    pub(crate) fn file_at(&self, path: &Path) -> Option<&SourceFile> {
        self.files.get(path)
    }

    /// Where a symbolic link points.
    pub(crate) fn link_at(&self, path: &Path) -> Option<&Path> {
        self.links.get(path).map(PathBuf::as_path)
    }

    /// All symbolic links and where they point.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.links.iter().map(|(path, target)| (path.as_path(), target.as_path()))
    }

    /// Lays it out below `folder`. `order` is what a second build varies: it changes the order in which folders list.
    pub(crate) fn lay_out(&self, folder: &Path, modes: Modes, order: Order) -> io::Result<()> {
        self.lay_out_with(folder, |mode| modes.apply(mode), order)
    }

    /// The same for a tree of which only the executable bits are known: modes as somebody with this umask makes them.
    pub(crate) fn lay_out_under(&self, folder: &Path, umask: Umask, order: Order) -> io::Result<()> {
        let mode = |mode: u32| if mode & 0o100 == 0 { 0o666 } else { 0o777 } & !umask.bits();
        self.lay_out_with(folder, mode, order)
    }

    fn lay_out_with(&self, folder: &Path, mode_of: impl Fn(u32) -> u32, order: Order) -> io::Result<()> {
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
            host::set_mode(&path, mode_of(file.mode))?;
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
            host::symlink(target, &path)?;
        }
        for (path, mode) in &self.folders {
            // Owner bits stay, or nothing could be built in there.
            host::set_mode(&folder.join(path), mode_of(*mode) | 0o700)?;
        }
        Ok(())
    }
}

/// Whether a link stays inside, by its text alone. A chain of links can still lead out; then it leads the build out, into its room, and not us, who
/// never follow one.
pub(crate) fn points_inside(link: &Path, target: &Path) -> bool {
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

/// In which order files are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By path.
    Forward,
    /// By path, backwards.
    Reversed,
}
