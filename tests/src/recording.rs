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
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    random::Random,
    trace::{self, Call},
};

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
        let mut reader = Reader::new(root);
        reader.found(ROOT, root)?;
        let inodes = 0..reader.next;
        reader.steps.extend(inodes.map(|inode| Step { began: 1, ended: 1, change: Change::Sync { inode } }));
        reader.base = FIRST;
        Ok(Start { reader })
    }
}

/// A folder whose changes are going to be recorded.
#[derive(Debug)]
pub struct Start {
    reader: Reader,
}

impl Start {
    /// Reads the traces of programs that ran one after the other, and changed nothing below the root but what is in them.
    ///
    /// # Errors
    /// When one did something to a file below the root that is not understood here.
    pub fn read(self, traces: &[String]) -> Result<Recording> {
        let Self { mut reader } = self;
        for text in traces {
            reader.descriptors.clear();
            let mut calls = trace::parse(text)?;
            // What depends on another call begins after that has returned, so it also returns after it.
            calls.sort_by_key(|call| call.ended);
            for call in &calls {
                reader.take(call).with_context(|| shown(call))?;
            }
            reader.base += text.lines().count();
        }
        let Reader { steps, sent, base: lines, directories, ever: names, .. } = reader;
        Ok(Recording { steps, sent, lines, directories, names })
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

/// Follows names and descriptors through a trace.
#[derive(Debug)]
struct Reader {
    root: PathBuf,
    steps: Vec<Step>,
    sent: Vec<Sent>,
    /// Lines of the traces before this one.
    base: usize,
    /// The names as the program sees them, synced or not.
    names: BTreeMap<PathBuf, Inode>,
    ever: BTreeMap<PathBuf, BTreeSet<Inode>>,
    directories: BTreeSet<Inode>,
    next: Inode,
    descriptors: BTreeMap<i64, Descriptor>,
    lengths: BTreeMap<Inode, u64>,
}

#[derive(Debug)]
struct Descriptor {
    offset: u64,
    append: bool,
}

impl Reader {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            steps: Vec::new(),
            sent: Vec::new(),
            base: 0,
            names: BTreeMap::from([(root.to_owned(), ROOT)]),
            ever: BTreeMap::new(),
            directories: BTreeSet::from([ROOT]),
            next: ROOT + 1,
            descriptors: BTreeMap::new(),
            lengths: BTreeMap::new(),
        }
    }

    /// What is there before anything is recorded.
    fn found(&mut self, directory: Inode, path: &Path) -> Result<()> {
        for file in fs::read_dir(path)? {
            let file = file?;
            let (path, inode) = (file.path(), self.next);
            self.next += 1;
            self.name(&path, inode)?;
            let name = file.file_name().into_string().ok().context("a name that is not UTF-8")?;
            let mut changes = vec![Change::Link { directory, name, inode }];
            if file.file_type()?.is_dir() {
                self.directories.insert(inode);
                self.found(inode, &path)?;
            } else {
                let bytes = fs::read(&path)?;
                self.lengths.insert(inode, bytes.len() as u64);
                changes.push(Change::Write { inode, offset: 0, bytes });
            }
            self.steps.extend(changes.into_iter().map(|change| Step { began: 0, ended: 0, change }));
        }
        Ok(())
    }

    fn take(&mut self, call: &Call) -> Result<()> {
        if call.result < 0 {
            return Ok(());
        }
        let arguments = split(&call.arguments);
        match call.name.as_str() {
            "openat" => self.open(call, &arguments),
            "mkdir" | "mkdirat" => {
                let path = path_of(&arguments)?;
                self.create(call, &path, true).map(drop)
            }
            "unlink" | "unlinkat" | "rmdir" => self.unlink(call, &path_of(&arguments)?),
            "rename" | "renameat" | "renameat2" => self.rename(call, &arguments),
            "lseek" => {
                if let Some(descriptor) = self.descriptors.get_mut(&number(arguments[0])?) {
                    descriptor.offset = u64::try_from(call.result)?;
                }
                Ok(())
            }
            "write" | "writev" | "pwrite64" | "pwritev" | "ftruncate" | "fallocate" | "fsync" | "fdatasync" => {
                self.file(call, &arguments)
            }
            "sendto" | "sendmsg" => self.send(call),
            // What is mapped privately or read only changes no file.
            "mmap" if !(arguments[2].contains("PROT_WRITE") && arguments[3].contains("MAP_SHARED")) => Ok(()),
            name => {
                let below = arguments.iter().filter_map(|argument| annotated(argument)).any(|path| self.below(&path));
                ensure!(!below && name != "io_uring_setup", "{name} on a file below the root is not understood");
                Ok(())
            }
        }
    }

    fn below(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    fn push(&mut self, call: &Call, change: Change) {
        self.steps.push(Step { began: self.base + call.began, ended: self.base + call.ended, change });
    }

    fn send(&mut self, call: &Call) -> Result<()> {
        let bytes = quoted(&call.arguments)?;
        self.sent.push(Sent { began: self.base + call.began, bytes });
        Ok(())
    }

    fn open(&mut self, call: &Call, arguments: &[&str]) -> Result<()> {
        let path = path_of(arguments)?;
        if !self.below(&path) {
            return Ok(());
        }
        let flags = arguments.get(2).context("no flags")?;
        let inode = match self.names.get(&path) {
            Some(inode) => *inode,
            None if flags.contains("O_CREAT") => self.create(call, &path, false)?,
            None => bail!("opened, and never created"),
        };
        if flags.contains("O_TRUNC") && self.lengths.get(&inode).is_some_and(|length| *length > 0) {
            self.lengths.insert(inode, 0);
            self.push(call, Change::Resize { inode, length: 0 });
        }
        self.descriptors.insert(call.result, Descriptor { offset: 0, append: flags.contains("O_APPEND") });
        Ok(())
    }

    fn create(&mut self, call: &Call, path: &Path, is_directory: bool) -> Result<Inode> {
        if !self.below(path) {
            return Ok(ROOT);
        }
        let inode = self.next;
        self.next += 1;
        let (directory, name) = self.place(path)?;
        self.name(path, inode)?;
        if is_directory {
            self.directories.insert(inode);
        }
        self.push(call, Change::Link { directory, name, inode });
        Ok(inode)
    }

    fn unlink(&mut self, call: &Call, path: &Path) -> Result<()> {
        if !self.below(path) {
            return Ok(());
        }
        let (directory, name) = self.place(path)?;
        self.names.remove(path).context("deleted, and never created")?;
        self.push(call, Change::Unlink { directory, name });
        Ok(())
    }

    fn rename(&mut self, call: &Call, arguments: &[&str]) -> Result<()> {
        let (from, to) = match arguments {
            [from, to] => (path_of(&[from])?, path_of(&[to])?),
            [at, from, to_at, to, ..] => (path_of(&[at, from])?, path_of(&[to_at, to])?),
            _ => bail!("expected two names"),
        };
        if !self.below(&from) && !self.below(&to) {
            return Ok(());
        }
        let ((directory, old), (other, new)) = (self.place(&from)?, self.place(&to)?);
        ensure!(directory == other, "a rename between two directories is not understood");
        let inode = self.names.remove(&from).context("renamed, and never created")?;
        // Of a directory, everything in it has another path now.
        let moved: Vec<PathBuf> = self.names.keys().filter(|path| path.starts_with(&from)).cloned().collect();
        for path in moved {
            if let Some(inode) = self.names.remove(&path) {
                self.name(&to.join(path.strip_prefix(&from)?), inode)?;
            }
        }
        self.name(&to, inode)?;
        self.push(call, Change::Rename { directory, from: old, to: new, inode });
        Ok(())
    }

    fn name(&mut self, path: &Path, inode: Inode) -> Result<()> {
        self.names.insert(path.to_owned(), inode);
        self.ever.entry(path.strip_prefix(&self.root)?.to_owned()).or_default().insert(inode);
        Ok(())
    }

    /// The directory that a name is in.
    fn place(&self, path: &Path) -> Result<(Inode, String)> {
        let parent = path.parent().context("no parent")?;
        let directory = *self.names.get(parent).with_context(|| format!("{} was never made", parent.display()))?;
        let name = path.file_name().and_then(|name| name.to_str()).context("no name")?;
        Ok((directory, name.to_owned()))
    }

    /// Calls whose first argument is a descriptor.
    fn file(&mut self, call: &Call, arguments: &[&str]) -> Result<()> {
        let Some(path) = annotated(arguments[0]) else { return Ok(()) };
        if !self.below(&path) {
            return if call.name.contains("write") { self.send(call) } else { Ok(()) };
        }
        // What happens to a deleted file leaves nothing.
        if arguments[0].ends_with("(deleted)") {
            return Ok(());
        }
        let Some(inode) = self.names.get(&path).copied() else { return Ok(()) };
        let known = self.lengths.get(&inode).copied().unwrap_or(0);
        let change = match call.name.as_str() {
            "fsync" | "fdatasync" => Change::Sync { inode },
            "ftruncate" => Change::Resize { inode, length: arguments[1].parse()? },
            "fallocate" => {
                ensure!(arguments[1] == "0", "fallocate with a mode is not understood");
                Change::Extend { inode, length: arguments[2].parse::<u64>()? + arguments[3].parse::<u64>()? }
            }
            "pwrite64" => {
                let offset = arguments.last().context("no offset")?.parse()?;
                Change::Write { inode, offset, bytes: written(call)? }
            }
            "write" | "writev" => {
                let bytes = written(call)?;
                let descriptor = self.descriptors.get_mut(&number(arguments[0])?).context("never opened")?;
                let offset = if descriptor.append { known } else { descriptor.offset };
                descriptor.offset = offset + bytes.len() as u64;
                Change::Write { inode, offset, bytes }
            }
            name => bail!("{name} on a file is not understood"),
        };
        match &change {
            Change::Write { offset, bytes, .. } => {
                self.lengths.insert(inode, known.max(offset + bytes.len() as u64));
            }
            Change::Resize { length, .. } => drop(self.lengths.insert(inode, *length)),
            Change::Extend { length, .. } => drop(self.lengths.insert(inode, known.max(*length))),
            _ => {}
        }
        self.push(call, change);
        Ok(())
    }
}

/// The arguments of a call; with `-xx` no text in them has a comma.
fn split(arguments: &str) -> Vec<&str> {
    arguments.split(", ").collect()
}

/// `3<PATH>`.
fn number(argument: &str) -> Result<i64> {
    argument.split('<').next().and_then(|number| number.parse().ok()).context("no descriptor")
}

/// The path that `-y` adds to a descriptor.
fn annotated(argument: &str) -> Option<PathBuf> {
    let (_, rest) = argument.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    String::from_utf8(unescape(path)?).ok().map(PathBuf::from)
}

/// The path that a call names: `"PATH"`, or a directory's descriptor and a name in it.
fn path_of(arguments: &[&str]) -> Result<PathBuf> {
    let (at, name) = match arguments {
        [name, ..] if name.starts_with('"') => (None, name),
        [at, name, ..] => (annotated(at), name),
        _ => bail!("expected a path"),
    };
    let name = PathBuf::from(String::from_utf8(quoted(name)?)?);
    let path = at.map_or(name.clone(), |at| at.join(name));
    // `DIR/`, `DIR/.` and `DIR` are the same; `..` does not occur.
    Ok(path.components().filter(|part| *part != Component::CurDir).collect())
}

/// All quoted text of the arguments, one after the other.
fn quoted(arguments: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for text in arguments.split('"').skip(1).step_by(2) {
        bytes.extend(unescape(text).with_context(|| format!("not in the form of -xx: {text:?}"))?);
    }
    Ok(bytes)
}

/// What of the text was written.
fn written(call: &Call) -> Result<Vec<u8>> {
    let mut bytes = quoted(&call.arguments)?;
    let count = usize::try_from(call.result)?;
    ensure!(bytes.len() >= count, "{} bytes in the trace, {count} were written", bytes.len());
    bytes.truncate(count);
    Ok(bytes)
}

/// `\x41\x42`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (escapes, rest) = text.as_bytes().as_chunks::<4>();
    let bytes = escapes.iter().map(|[backslash, x, high, low]| {
        (*backslash == b'\\' && *x == b'x').then_some(())?;
        Some(digit(*high)? << 4 | digit(*low)?)
    });
    if rest.is_empty() { bytes.collect() } else { None }
}

fn shown(call: &Call) -> String {
    format!("{}({:.400}) = {}, line {}", call.name, call.arguments, call.result, call.ended + 1)
}
