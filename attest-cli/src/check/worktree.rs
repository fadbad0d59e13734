//! A working tree as somebody else would get it: what git tracks or would track, with `.git` beside it so that tools that
//! ask git for a version get one. Without git: everything but what earlier builds left.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::host;

/// What builds and tools leave at the top of a tree that git does not look after.
const LEFTOVERS: [&str; 8] = ["dist", "wheelhouse", ".tox", ".nox", ".venv", "venv", ".mypy_cache", ".pytest_cache"];

/// A tree could not be read or copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkTreeError {
    /// Not a folder.
    #[error("expected a project folder at {}, found none", path.display())]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
    /// It is a git repository, and git does not read it.
    #[error("expected git to list {}, found: {said}", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// Git's last words.
        said: String,
    },
    /// A file.
    #[error("cannot copy {}", path.display())]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Paths of a tree, relative to its top.
#[derive(Debug)]
pub(crate) struct WorkTree {
    top: PathBuf,
    /// The folder to build in, below the top.
    below: PathBuf,
    paths: BTreeSet<PathBuf>,
    git: Option<GitFolders>,
    left_out: Vec<String>,
}

/// Where git keeps a repository: two places in a linked worktree.
#[derive(Debug)]
struct GitFolders {
    own: PathBuf,
    common: PathBuf,
}

impl WorkTree {
    /// Lists a tree. Nothing is copied yet.
    pub(crate) fn read(folder: &Path) -> Result<Self, WorkTreeError> {
        let found = fs::canonicalize(folder).ok().filter(|path| path.is_dir());
        let folder = found.ok_or_else(|| WorkTreeError::NotAFolder { path: folder.to_owned() })?;
        let repository = folder.ancestors().any(|parent| parent.join(".git").exists());
        if repository && let Some(tree) = Self::of_git(&folder)? {
            return Ok(tree);
        }
        let mut tree = Self::empty(&folder);
        tree.walk(&folder, Path::new(""))?;
        Ok(tree)
    }

    fn empty(top: &Path) -> Self {
        Self { top: top.to_owned(), below: PathBuf::new(), paths: BTreeSet::new(), git: None, left_out: Vec::new() }
    }

    /// Nothing where the folder lies in a repository that ignores it.
    fn of_git(folder: &Path) -> Result<Option<Self>, WorkTreeError> {
        let ask = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir"];
        let answer = git(folder, &ask)?;
        let lines: Vec<_> = answer.split(|byte| *byte == b'\n').map(host::path_of).collect();
        let [top, own, common, ..] = lines.as_slice() else {
            return Err(WorkTreeError::Git { path: folder.to_owned(), said: "no folders".to_owned() });
        };
        let below = folder.strip_prefix(top).unwrap_or(Path::new("")).to_owned();
        if !below.as_os_str().is_empty() && git(folder, &["check-ignore", "--quiet", "."]).is_ok() {
            return Ok(None);
        }
        let mut tree = Self::empty(top);
        tree.below = below;
        tree.git = Some(GitFolders { own: own.clone(), common: common.clone() });
        tree.list(Path::new(""))?;
        Ok(Some(tree))
    }

    /// What git lists below a folder; a submodule is listed by its own git.
    fn list(&mut self, below: &Path) -> Result<(), WorkTreeError> {
        let folder = self.top.join(below);
        let listed = git(&folder, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        for path in listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let path = below.join(host::path_of(path));
            match fs::symlink_metadata(self.top.join(&path)) {
                // A gitlink, or a repository that nobody added: only one with a `.git` of its own has files to list.
                Ok(data) if data.is_dir() && self.top.join(&path).join(".git").exists() => {
                    self.keep_git_file(&path);
                    self.list(&path)?;
                }
                Ok(data) if (data.is_file() || data.is_symlink()) && !self.lies_behind_link(&path) => {
                    self.paths.insert(path);
                }
                // Deleted but still tracked, or nothing that could be copied.
                _ => {}
            }
        }
        Ok(())
    }

    /// A tracked folder that was moved away, with a link in its place: git still lists what was in it, and sees that it is gone.
    fn lies_behind_link(&self, path: &Path) -> bool {
        let mut folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        folders.any(|folder| fs::symlink_metadata(self.top.join(folder)).is_ok_and(|data| data.is_symlink()))
    }

    /// A submodule's `.git` is a line that leads into the repository's own folder, which is copied.
    fn keep_git_file(&mut self, submodule: &Path) {
        let file = submodule.join(".git");
        let text = fs::read_to_string(self.top.join(&file)).unwrap_or_default();
        if text.strip_prefix("gitdir: ").is_some_and(|path| Path::new(path.trim()).is_relative()) {
            self.paths.insert(file);
        }
    }

    fn walk(&mut self, folder: &Path, below: &Path) -> Result<(), WorkTreeError> {
        let failed = |source| WorkTreeError::Copy { path: folder.to_owned(), source };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                if is_left_over(&entry.path(), &path) {
                    self.left_out.push(path.display().to_string());
                } else {
                    self.walk(&entry.path(), &path)?;
                }
            } else if kind.is_file() || kind.is_symlink() {
                self.paths.insert(path);
            }
        }
        Ok(())
    }

    /// The folder that was named.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder_in(&self.top)
    }

    /// The same folder in a copy at `place`.
    pub(crate) fn folder_in(&self, place: &Path) -> PathBuf {
        // Joining nothing would add a slash, and a compiler's own folder has none.
        if self.below.as_os_str().is_empty() { place.to_owned() } else { place.join(&self.below) }
    }

    /// Whether a file below the folder to build in is part of the tree.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.paths.contains(&self.below.join(path))
    }

    /// Whether a commit says what this is.
    pub(crate) fn is_git(&self) -> bool {
        self.git.is_some()
    }

    /// Folders that were left out as an earlier build's, where there is no git to ask.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Links to what is not in the tree: nobody else can follow them.
    pub(crate) fn links_out(&self) -> Vec<String> {
        let out = |path: &&PathBuf| fs::read_link(self.top.join(path)).is_ok_and(|target| leaves(path, &target));
        self.paths.iter().filter(out).map(|path| path.display().to_string()).collect()
    }

    /// Copies all of it to a new folder. Files are new ones, with the time of the copy and the modes that a checkout
    /// under this umask gives them; `backwards` creates them in the other order.
    pub(crate) fn copy(&self, place: &Path, umask: u32, backwards: bool) -> Result<(), WorkTreeError> {
        make_folder(place, umask)?;
        if let Some(git) = &self.git {
            git.copy(&place.join(".git"))?;
        }
        let forwards = self.paths.iter();
        let paths: Vec<_> = if backwards { forwards.rev().collect() } else { forwards.collect() };
        for path in paths {
            let (from, to) = (self.top.join(path), place.join(path));
            if let Some(parent) = to.parent() {
                make_folder(parent, umask)?;
            }
            self.copy_file(path, &from, &to, umask)
                .map_err(|source| WorkTreeError::Copy { path: from.clone(), source })?;
        }
        make_folder(&self.folder_in(place), umask)
    }

    fn copy_file(&self, path: &Path, from: &Path, to: &Path, umask: u32) -> io::Result<()> {
        let data = fs::symlink_metadata(from)?;
        if data.is_symlink() {
            let target = fs::read_link(from)?;
            // What leads out by a relative way would lead elsewhere from here.
            let outside = target.is_relative() && leaves(path, &target);
            let target = if outside { self.top.join(path).with_file_name("").join(&target) } else { target };
            return host::symlink(&target, to);
        }
        // Only ever a new file: whatever a tree looks like by now, nothing of the user's is written over.
        let mut copy = File::options().write(true).create_new(true).open(to)?;
        io::copy(&mut File::open(from)?, &mut copy)?;
        let all = if host::mode(&data) & 0o100 == 0 { 0o666 } else { 0o777 };
        host::set_mode(to, all & !umask)
    }
}

impl GitFolders {
    /// One `.git` of what may be two folders.
    fn copy(&self, to: &Path) -> Result<(), WorkTreeError> {
        copy_git(&self.common, to, &mut |name| name == "worktrees" || name == "hooks", false)?;
        // A submodule's own says where the submodule is: seen from the copy, elsewhere. In any other it fails, and is right.
        if let Some(config) = to.join("config").to_str() {
            let _none = git(Path::new("/"), &["config", "--file", config, "--unset-all", "core.worktree"]);
        }
        if self.own != self.common {
            for name in ["HEAD", "index"] {
                let from = self.own.join(name);
                fs::copy(&from, to.join(name)).map_err(|source| WorkTreeError::Copy { path: from.clone(), source })?;
            }
        }
        Ok(())
    }
}

/// Objects never change, so that a second name for each is enough, as in `git clone --local`.
fn copy_git(from: &Path, to: &Path, skip: &mut dyn FnMut(&OsStr) -> bool, objects: bool) -> Result<(), WorkTreeError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| WorkTreeError::Copy { path, source }
    };
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().map_err(failed(&path))?;
        if skip(&name) || path.extension().is_some_and(|end| end == "lock") {
            continue;
        }
        let to = to.join(&name);
        if kind.is_dir() {
            copy_git(&path, &to, &mut |_| false, objects || is_object_store(from, &name))?;
        } else if kind.is_file() && (!objects || fs::hard_link(&path, &to).is_err()) {
            fs::copy(&path, &to).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// Told by what is beside it: a branch, and a folder above the repository, may have that name, too, and logs below them are
/// appended to in place.
fn is_object_store(folder: &Path, name: &OsStr) -> bool {
    name == "objects" && folder.join("HEAD").is_file() && folder.join("refs").is_dir()
}

fn make_folder(path: &Path, umask: u32) -> Result<(), WorkTreeError> {
    if path.is_dir() {
        return Ok(());
    }
    let failed = |source| WorkTreeError::Copy { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        make_folder(parent, umask)?;
    }
    fs::create_dir(path).map_err(failed)?;
    host::set_mode(path, 0o777 & !umask).map_err(failed)
}

/// Whether a link at `path` leads out of the tree that `path` is relative to.
fn leaves(path: &Path, target: &Path) -> bool {
    if target.is_absolute() {
        return true;
    }
    let mut depth = path.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

/// An earlier build's folder, in a tree without git.
fn is_left_over(folder: &Path, path: &Path) -> bool {
    let at_top = path.components().count() == 1;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // setuptools' `build` and a package of that name are told apart by what is in them.
    let of_setuptools = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name == "lib" || ["lib.", "temp.", "bdist."].iter().any(|start| name.starts_with(start))
    };
    let build = || fs::read_dir(folder).is_ok_and(|entries| entries.filter_map(Result::ok).any(of_setuptools));
    name == "__pycache__"
        || folder.join("pyvenv.cfg").exists()
        || at_top && (LEFTOVERS.contains(&name) || name == "build" && build())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, WorkTreeError> {
    let failed = |said: String| WorkTreeError::Git { path: folder.to_owned(), said };
    let mut command = Command::new("git");
    // In a hook these lead to another repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let output = command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn run(folder: &Path, words: &[&str]) {
        let mut all =
            vec!["-c", "user.name=demo", "-c", "user.email=demo@demo.example", "-c", "protocol.file.allow=always"];
        all.extend(words);
        git(folder, &all).unwrap();
    }

    fn repository(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        run(folder, &["init", "--quiet", "--initial-branch=main"]);
        fs::write(folder.join("core.py"), "x = 1\n").unwrap();
        run(folder, &["add", "core.py"]);
        run(folder, &["commit", "--quiet", "-m", "change"]);
    }

    #[test]
    fn a_folder_that_became_a_link_is_copied_as_one_and_what_it_leads_to_is_not_written_to() {
        let place = tempfile::tempdir().unwrap();
        let (tree, elsewhere) = (place.path().join("tree"), place.path().join("elsewhere"));
        repository(&tree);
        fs::create_dir(tree.join("data")).unwrap();
        fs::write(tree.join("data/precious"), "precious").unwrap();
        run(&tree, &["add", "data"]);
        fs::rename(tree.join("data"), &elsewhere).unwrap();
        symlink(&elsewhere, tree.join("data")).unwrap();
        let read = WorkTree::read(&tree).unwrap();
        for (copy, backwards) in [("first", false), ("second", true)] {
            let copy = place.path().join(copy);
            read.copy(&copy, 0o022, backwards).unwrap();
            assert_eq!(fs::read_link(copy.join("data")).unwrap(), elsewhere);
        }
        assert_eq!(fs::read_to_string(elsewhere.join("precious")).unwrap(), "precious");
    }

    #[test]
    fn a_submodule_is_a_whole_repository_where_it_is_copied_to() {
        let place = tempfile::tempdir().unwrap();
        let (part, whole, copy) = (place.path().join("part"), place.path().join("whole"), place.path().join("copy"));
        repository(&part);
        repository(&whole);
        run(&whole, &["submodule", "--quiet", "add", part.to_str().unwrap(), "part"]);
        WorkTree::read(&whole.join("part")).unwrap().copy(&copy, 0o022, false).unwrap();
        let status = git(&copy, &["status", "--porcelain"]).unwrap();
        assert_eq!(String::from_utf8(status).unwrap(), "");
    }

    #[test]
    fn only_objects_are_shared_with_the_copy_whatever_folders_and_branches_are_called() {
        let place = tempfile::tempdir().unwrap();
        let (tree, copy) = (place.path().join("objects/tree"), place.path().join("copy"));
        repository(&tree);
        run(&tree, &["branch", "objects/demo"]);
        WorkTree::read(&tree).unwrap().copy(&copy, 0o022, false).unwrap();
        let mut folders = vec![copy.join(".git")];
        let mut shared = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if entry.metadata().unwrap().nlink() > 1 {
                    assert!(path.starts_with(copy.join(".git/objects")), "{}", path.display());
                    shared += 1;
                }
            }
        }
        assert!(shared > 0);
    }
}
