//! A trace of strace, read into changes: which call did what to which file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Change, FIRST, Inode, ROOT, Recording, Sent, Step};
use crate::trace::{self, Call};

/// A folder whose changes are going to be recorded.
#[derive(Debug)]
pub struct Start {
    reader: Reader,
}

impl Start {
    /// What is in `root` now, durably.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut reader = Reader::new(root);
        reader.found(ROOT, root)?;
        let inodes = 0..reader.next;
        reader.steps.extend(inodes.map(|inode| Step { began: 1, ended: 1, change: Change::Sync { inode } }));
        reader.base = FIRST;
        Ok(Self { reader })
    }

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
