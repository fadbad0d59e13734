//! What a program did to its files, in order, from what strace wrote; and what a power cut at any moment would leave of it.
//!
//! The rules of what is durable are those of POSIX and no kinder, whatever a file system promises beyond:
//!
//! - What was written to a file is durable once a later fsync or fdatasync of that file has returned; before, any part of
//!   it may be, in any order.
//! - That a name exists, is gone, or leads to another file is durable once a later fsync of its directory has returned.
//! - `sync_file_range` makes nothing durable.
//! - A call that had begun and not returned at the cut may have happened or not; a sync that had not returned did not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::random::Random;

mod reader;

pub use reader::Start;

/// Options of strace for a trace that can be read here, to be followed by `-o FILE`.
pub const OPTIONS: [&str; 6] = ["-y", "-xx", "-s", "16777216", "-e", CALLS];
/// Everything that changes files, and what answers clients.
const CALLS: &str = "trace=creat,open,openat,openat2,lseek,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,\
    fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    copy_file_range,sendfile,splice,mmap,io_uring_setup,sync,syncfs,sendto,sendmsg";
/// What the kernel writes at once or not at all.
const PAGE: u64 = 4096;

/// A file or directory, whatever its names.
type Inode = usize;

/// One change, or one sync.
#[derive(Clone, Debug)]
enum Change {
    Write { inode: Inode, offset: u64, bytes: Vec<u8> },
    Resize { inode: Inode, length: u64 },
    Extend { inode: Inode, length: u64 },
    Link { directory: Inode, name: String, inode: Inode },
    Unlink { directory: Inode, name: String },
    Rename { directory: Inode, from: String, to: String, inode: Inode },
    Sync { inode: Inode },
}

impl Change {
    /// What has to be synced for this to be durable.
    const fn owner(&self) -> Inode {
        match self {
            Self::Write { inode, .. }
            | Self::Resize { inode, .. }
            | Self::Extend { inode, .. }
            | Self::Sync { inode } => *inode,
            Self::Link { directory, .. } | Self::Unlink { directory, .. } | Self::Rename { directory, .. } => {
                *directory
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    began: usize,
    ended: usize,
    change: Change,
}

/// Something that was sent to a client.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Line of the trace where sending began.
    pub began: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How much of what was not synced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it: a killed process.
    All,
    /// None of it.
    None,
    /// Each change with a chance of a half.
    Half,
    /// Of each page of a file, some version between the synced one and the last; of names, half.
    Pages,
    /// What did not make the file longer; of names, half.
    Overwrites,
}

/// A moment, and what survives it.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Lines of the trace before this happened.
    pub line: usize,
    /// Of the contents of files.
    pub files: Kept,
    /// Of names.
    pub names: Kept,
}

/// Everything that happened below one folder, beginning with what was in it.
#[derive(Clone, Debug)]
pub struct Recording {
    steps: Vec<Step>,
    sent: Vec<Sent>,
    lines: usize,
    directories: BTreeSet<Inode>,
    /// Everything that ever had this name, below the root.
    names: BTreeMap<PathBuf, BTreeSet<Inode>>,
}

const ROOT: Inode = 0;
/// The first line of the traces; on the lines before is what was found, and that it is durable.
const FIRST: usize = 2;

impl Recording {
    /// What is in `root` now, durably.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn start(root: &Path) -> Result<Start> {
        Start::of(root)
    }
}

impl Recording {
    /// The same as if syncs of this file or directory below the root had never been made: what depends on them shows.
    #[must_use]
    pub fn without_syncs_of(&self, path: &Path) -> Self {
        let inodes = self.names.get(path).cloned().unwrap_or_default();
        let lost = |step: &Step| matches!(step.change, Change::Sync { inode } if inodes.contains(&inode));
        let steps = self.steps.iter().filter(|step| !lost(step)).cloned().collect();
        Self { steps, ..self.clone() }
    }

    /// What was sent to clients, in order.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// The lines at which it can be cut.
    pub const fn lines(&self) -> Range<usize> {
        FIRST..self.lines
    }

    /// The moments right before and right after each sync returned.
    pub fn boundaries(&self) -> Vec<usize> {
        let recorded = self.steps.iter().filter(|step| step.began >= FIRST);
        let syncs = recorded.filter(|step| matches!(step.change, Change::Sync { .. }));
        let mut lines: Vec<usize> = syncs.flat_map(|step| [step.ended, step.ended + 1]).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    /// Makes the folder `to` what is left after the cut.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn restore(&self, cut: Cut, random: &mut Random, to: &Path) -> Result<()> {
        let mut kept: BTreeMap<Inode, Vec<&Change>> = BTreeMap::new();
        let mut pending: BTreeMap<Inode, Vec<&Step>> = BTreeMap::new();
        let synced = self.synced(cut.line);
        for step in self.steps.iter().filter(|step| step.began < cut.line) {
            let owner = step.change.owner();
            if matches!(step.change, Change::Sync { .. }) {
                continue;
            }
            if synced.get(&owner).is_some_and(|began| step.ended < *began) {
                kept.entry(owner).or_default().push(&step.change);
            } else {
                pending.entry(owner).or_default().push(step);
            }
        }
        let mut pieces: BTreeMap<Inode, Vec<Change>> = BTreeMap::new();
        for (owner, steps) in pending {
            let changes: Vec<&Change> = steps.iter().map(|step| &step.change).collect();
            let durable = kept.get(&owner).map_or(&[][..], Vec::as_slice);
            let survive = if self.directories.contains(&owner) {
                names_kept(&changes, cut.names, random)
            } else {
                contents_kept(&changes, length(durable), cut.files, random)
            };
            pieces.insert(owner, survive);
        }
        for (owner, survive) in &pieces {
            kept.entry(*owner).or_default().extend(survive);
        }
        write_directory(ROOT, to, &kept, &self.directories)
    }

    /// For each file, when the last sync began that has returned.
    fn synced(&self, line: usize) -> BTreeMap<Inode, usize> {
        let mut synced = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.ended < line) {
            if let Change::Sync { inode } = step.change {
                let latest = synced.entry(inode).or_insert(step.began);
                *latest = step.began.max(*latest);
            }
        }
        synced
    }
}

/// Which changes of a directory survive that were not synced.
fn names_kept(changes: &[&Change], kept: Kept, random: &mut Random) -> Vec<Change> {
    let survives = |random: &mut Random| match kept {
        Kept::All => true,
        Kept::None => false,
        Kept::Half | Kept::Pages | Kept::Overwrites => random.coin(),
    };
    changes.iter().filter(|_| survives(random)).map(|change| (*change).clone()).collect()
}

/// Which changes of a file survive that were not synced.
fn contents_kept(changes: &[&Change], length: u64, kept: Kept, random: &mut Random) -> Vec<Change> {
    let cloned = |change: &&Change| (*change).clone();
    match kept {
        Kept::All => changes.iter().map(cloned).collect(),
        Kept::None => Vec::new(),
        Kept::Half => changes.iter().filter(|_| random.coin()).map(cloned).collect(),
        Kept::Overwrites => pages(changes)
            .into_iter()
            .filter(
                |piece| matches!(piece, Change::Write { offset, bytes, .. } if offset + bytes.len() as u64 <= length),
            )
            .collect(),
        Kept::Pages => {
            let pieces = pages(changes);
            // A page on disk is the page in memory as it was at some moment: of its pieces, the first few.
            let mut count: BTreeMap<Option<u64>, u64> = BTreeMap::new();
            for piece in &pieces {
                *count.entry(page(piece)).or_default() += 1;
            }
            let mut left: BTreeMap<Option<u64>, u64> =
                count.into_iter().map(|(page, count)| (page, random.below(count + 1))).collect();
            let mut survive = Vec::new();
            for piece in pieces {
                let left = left.entry(page(&piece)).or_default();
                if *left > 0 {
                    *left -= 1;
                    survive.push(piece);
                }
            }
            survive
        }
    }
}

/// The page that a piece is in; changes of the length are in none.
const fn page(piece: &Change) -> Option<u64> {
    match piece {
        Change::Write { offset, .. } => Some(*offset / PAGE),
        _ => None,
    }
}

/// The changes with every write cut where a page ends.
fn pages(changes: &[&Change]) -> Vec<Change> {
    let mut pieces = Vec::new();
    for change in changes {
        let Change::Write { inode, offset, bytes } = change else {
            pieces.push((*change).clone());
            continue;
        };
        let (mut offset, mut rest) = (*offset, &bytes[..]);
        while !rest.is_empty() {
            let room = usize::try_from(PAGE - offset % PAGE).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at(room.min(rest.len()));
            pieces.push(Change::Write { inode: *inode, offset, bytes: piece.to_vec() });
            offset += piece.len() as u64;
            rest = after;
        }
    }
    pieces
}

/// Length of a file after these changes.
fn length(changes: &[&Change]) -> u64 {
    changes.iter().fold(0, |length, change| match change {
        Change::Write { offset, bytes, .. } => length.max(offset + bytes.len() as u64),
        Change::Resize { length, .. } => *length,
        Change::Extend { length: least, .. } => length.max(*least),
        _ => length,
    })
}

fn write_directory(
    inode: Inode,
    to: &Path,
    kept: &BTreeMap<Inode, Vec<&Change>>,
    directories: &BTreeSet<Inode>,
) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut names: BTreeMap<&str, Inode> = BTreeMap::new();
    for change in kept.get(&inode).into_iter().flatten() {
        match change {
            Change::Link { name, inode, .. } => drop(names.insert(name, *inode)),
            Change::Unlink { name, .. } => drop(names.remove(name.as_str())),
            Change::Rename { from, to, inode, .. } => {
                names.remove(from.as_str());
                names.insert(to, *inode);
            }
            _ => {}
        }
    }
    for (name, inode) in names {
        let path = to.join(name);
        if directories.contains(&inode) {
            write_directory(inode, &path, kept, directories)?;
            continue;
        }
        let file = File::create(&path)?;
        for change in kept.get(&inode).into_iter().flatten() {
            match change {
                Change::Write { offset, bytes, .. } => file.write_all_at(bytes, *offset)?,
                Change::Resize { length, .. } => file.set_len(*length)?,
                Change::Extend { length, .. } => file.set_len(file.metadata()?.len().max(*length))?,
                _ => {}
            }
        }
    }
    Ok(())
}
