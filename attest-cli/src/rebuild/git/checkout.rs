//! One commit as a source: its files, and a `.git` with its history for projects that ask git for their version.
//!
//! The `.git` that a build sees has one pack with the commit's history and all tags in that history, a detached HEAD, and
//! the repository's URL as `origin`. No branch, no later tag, no reflog, no path of this machine: it is the same whenever
//! somebody fetches. Files have the commit's time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use attest_core::recipe::Umask;
use attest_core::statement::{self, GitDigest, Sha256};

use super::CommitId;
use super::address::RepositoryUrl;
use super::command::Git;
use super::error::GitError;
use super::listing::{Contents, Listing};
use super::repository::{Found, Repository};
use crate::host;
use crate::rebuild::tree::{Order, SourceFile, Tree};
use crate::temporary::Temporary;

const DOT_GIT: &str = ".git";
/// The index is written here and read in the room, where the same files have other inodes and were changed just now.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
                      \tlogallrefupdates = false\n\tcheckstat = minimal\n\ttrustctime = false\n";
/// How many names are listed where there may be many.
const MAX_NAMED: usize = 3;

/// A commit, ready to be laid out.
#[derive(Debug)]
pub(crate) struct Checkout {
    url: RepositoryUrl,
    found: Found,
    time: u64,
    digest: Sha256,
    tree: Tree,
    notes: Vec<String>,
    /// Holds `.git`.
    folder: Temporary,
}

impl Checkout {
    /// Takes a commit out of a repository. All of its objects are hashed again on the way.
    pub(crate) fn new(repository: &Repository<'_>, found: Found) -> Result<Self, GitError> {
        let git = repository.git();
        let folder = Temporary::new("git")?;
        let dot_git = folder.path().join(DOT_GIT);
        make_dot_git(repository, &found.commit, &dot_git)?;
        let time = committer_time(git, &dot_git, &found.commit)?;
        let contents = read_contents(git, &dot_git, &found.commit, time)?;
        let digest = contents.digest();
        let mut notes = Vec::new();
        if !contents.pointers.is_empty() {
            let shown: Vec<_> =
                contents.pointers.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
            notes.push(format!(
                "{} files are kept by git-lfs, and only their pointers are in the commit: {}",
                contents.pointers.len(),
                shown.join(", ")
            ));
        }
        let mut tree = contents.tree;
        let converted = check_out(git, &dot_git, (&found.commit, time), &mut tree)?;
        if converted > 0 {
            notes.push(format!("{converted} files have other line ends on checkout, as .gitattributes says"));
        }
        Ok(Self { url: repository.url().clone(), found, time, digest, tree, notes, folder })
    }

    /// `git+https://github.com/psf/requests@v2.34.2`
    pub(crate) fn name(&self) -> String {
        let name = &self.found.name;
        let short = name.strip_prefix("refs/tags/").or_else(|| name.strip_prefix("refs/heads/")).unwrap_or(name);
        format!("{}@{short}", self.url.uri())
    }

    /// The commit.
    pub(crate) fn commit(&self) -> &CommitId {
        &self.found.commit
    }

    /// Where it is from.
    pub(crate) fn url(&self) -> &RepositoryUrl {
        &self.url
    }

    /// When it was committed, seconds since 1970.
    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// Its files as a build finds them.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What a reader of the result should know about it.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// For the statement.
    pub(crate) fn statement(&self) -> statement::Source {
        statement::Source::Git {
            uri: self.url.uri(),
            r#ref: self.found.name.clone(),
            digest: GitDigest { git_commit: self.found.commit.to_string() },
            tree_sha256: self.digest,
        }
    }

    /// Lays it out as a checkout under `umask` would.
    pub(crate) fn lay_out(&self, folder: &Path, umask: Umask, order: Order) -> io::Result<()> {
        self.tree.lay_out_under(folder, umask, order)?;
        for (path, _) in self.tree.links() {
            host::set_link_time(&folder.join(path), SystemTime::UNIX_EPOCH + Duration::from_secs(self.time))?;
        }
        copy_folder(&self.folder.path().join(DOT_GIT), &folder.join(DOT_GIT))
    }
}

/// A repository with one commit's history and the tags in it.
fn make_dot_git(repository: &Repository<'_>, commit: &CommitId, dot_git: &Path) -> Result<(), GitError> {
    let git = repository.git();
    let mut command = Git::in_repository(repository.folder());
    command.args(["for-each-ref", "--format=%(objectname) %(refname)"]).arg(format!("--merged={commit}"));
    command.arg("refs/tags/");
    let tags = git.run("list a commit's tags", command, &[])?;
    let packs = dot_git.join("objects/pack");
    fs::create_dir_all(&packs)?;
    fs::create_dir_all(dot_git.join("refs"))?;
    let remote = format!("[remote \"origin\"]\n\turl = {}\n", repository.url());
    let remote = if repository.url().is_canonical() { remote } else { String::new() };
    fs::write(dot_git.join("config"), format!("{CONFIG}{remote}"))?;
    fs::write(dot_git.join("HEAD"), format!("{commit}\n"))?;
    fs::write(dot_git.join("packed-refs"), &tags)?;
    let wanted = String::from_utf8_lossy(&tags);
    let wanted: Vec<&str> = wanted.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut command = Git::in_repository(repository.folder());
    command.args(["pack-objects", "--revs", "--quiet", "--delta-base-offset"]).arg(packs.join("pack"));
    let wanted = format!("{commit}\n{}\n", wanted.join("\n"));
    let pack = git.run_watched("pack a commit's history", command, wanted.trim_end().as_bytes(), Some(dot_git))?;
    let pack = format!("pack-{}.pack", String::from_utf8_lossy(&pack).trim());
    // Packing copies compressed data as it lies in the cache; this hashes every object, and detects collisions.
    let mut command = Git::in_repository(dot_git);
    command.arg("verify-pack").arg(packs.join(pack));
    git.run("verify a commit's history", command, &[])?;
    Ok(())
}

/// When it was committed: what release tools take for `SOURCE_DATE_EPOCH`.
fn committer_time(git: &Git, dot_git: &Path, commit: &CommitId) -> Result<u64, GitError> {
    let mut command = Git::in_repository(dot_git);
    command.args(["log", "-1", "--no-show-signature", "--format=%ct"]).arg(commit.as_str());
    let what = "read a commit's time";
    let answer = String::from_utf8_lossy(&git.run(what, command, &[])?).trim().to_owned();
    let time: u64 = answer.parse().map_err(|_| GitError::Answer { what, found: answer.clone() })?;
    // A time that no clock can show cannot be given to a file.
    let shown = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time)).is_some();
    if shown { Ok(time) } else { Err(GitError::Answer { what, found: answer }) }
}

fn read_contents(git: &Git, dot_git: &Path, commit: &CommitId, time: u64) -> Result<Contents, GitError> {
    let mut command = Git::in_repository(dot_git);
    command.args(["ls-tree", "-r", "-z", "--long", "--full-tree", commit.as_str()]);
    let listing = Listing::parse(&git.run("list a commit's files", command, &[])?)?;
    let mut command = Git::in_repository(dot_git);
    command.args(["cat-file", "--batch", "--buffer"]);
    let answer = git.run("read a commit's files", command, &listing.blobs())?;
    listing.with_contents(&answer, Duration::from_secs(time))
}

/// Has git write the files that were looked at before, for the sake of its index and of line ends, which its attributes
/// convert; puts converted contents into `tree` and says how many there are.
fn check_out(git: &Git, dot_git: &Path, (commit, time): (&CommitId, u64), tree: &mut Tree) -> Result<usize, GitError> {
    let work = Temporary::new("checkout")?;
    let mut command = Git::in_repository(dot_git);
    command.arg("--work-tree").arg(work.path()).args(["read-tree", "-m", "-u", commit.as_str()]);
    git.run_watched("check a commit out", in_folder(command, work.path()), &[], Some(work.path()))?;
    let mut converted = Vec::new();
    for (path, file) in tree.files() {
        let on_disk = work.path().join(path);
        // Not through a link: git writes none in place of a file that was listed as one.
        let content = fs::read(&on_disk)?;
        if content != file.content {
            converted.push((path.to_owned(), SourceFile { content, ..file.clone() }));
        }
        host::set_link_time(&on_disk, SystemTime::UNIX_EPOCH + file.modified)?;
    }
    for (path, _) in tree.links() {
        host::set_link_time(&work.path().join(path), SystemTime::UNIX_EPOCH + Duration::from_secs(time))?;
    }
    let count = converted.len();
    for (path, file) in converted {
        tree.add_file(path, file);
    }
    let mut command = Git::in_repository(dot_git);
    command.arg("--work-tree").arg(work.path()).args(["update-index", "-q", "--really-refresh"]);
    match git.run("note the files' times", in_folder(command, work.path()), &[]) {
        // It says so with its status when a file is not as committed, such as one with odd line ends.
        Ok(_) | Err(GitError::Failed { .. }) => Ok(count),
        Err(error) => Err(error),
    }
}

fn in_folder(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder);
    command
}

/// Of a folder that git wrote for us: files and folders.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    host::set_mode(to, 0o755)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
