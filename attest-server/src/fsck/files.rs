//! The names in a data folder: every file has a meaning, or is reported.

use std::{fs, io, path::Path};

use attest_core::{
    merkle::TreeSize,
    tile::{Resource, TILE_WIDTH},
};

use super::{
    data::exists,
    finding::{Fault, Findings},
    source::DataFiles,
};
use crate::{logging::chain, store::identity::Kind};

const WIDTH: u64 = TILE_WIDTH as u64;

/// What a data folder may hold, and nothing else.
const NAMES: [&str; 19] = [
    "lock",
    "log.id",
    "log.key",
    "auditor.key",
    "db",
    "db.found",
    "db.found.new",
    "db.found.old",
    "tile",
    "index",
    "highwater",
    "reserve",
    "pending",
    "evidence",
    "frozen",
    "negatives",
    // Derived, and looked at by nobody here: a damaged one is made anew.
    "record.db",
    "record.db-wal",
    "record.db-shm",
];

/// Reports what does not belong here, and sealed files that the database does not count.
pub(super) fn examine(data: &Path, kind: Kind, size: TreeSize, files: &DataFiles, findings: &mut Findings) {
    if exists(&data.join("evidence")) {
        findings.note("evidence/: this mirror's log was found to contradict itself".to_owned());
    }
    if exists(&data.join("frozen")) {
        findings.note("frozen: nothing new is accepted or signed".to_owned());
    }
    let mut looking = |path: &str, look: io::Result<()>| {
        if let Err(error) = look {
            findings.fault(Fault::new(path, "a readable folder", chain(&error)));
        }
    };
    let mut unknown = Vec::new();
    looking(".", top(data, &mut unknown));
    let mut resources = Vec::new();
    looking("tile", below(data, "tile", &mut |path| resources.push(path)));
    for path in unknown {
        findings.note(format!("{path}: not a file of this program"));
    }
    for path in resources {
        match path.parse::<Resource>() {
            Ok(resource) => sealed(resource, kind, size, files, findings),
            Err(_) if Path::new(&path).extension().is_some_and(|end| end == "tmp") => {
                findings.note(format!("{path}: left by an interrupted write; it can be deleted"));
            }
            Err(_) => findings.note(format!("{path}: not a file of this program")),
        }
    }
}

fn top(data: &Path, unknown: &mut Vec<String>) -> io::Result<()> {
    for item in fs::read_dir(data)? {
        let path = item?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !NAMES.contains(&name.as_str()) {
            unknown.push(name);
        }
    }
    Ok(())
}

/// Every file below `folder`, as a path relative to `data`.
fn below(data: &Path, folder: &str, found: &mut impl FnMut(String)) -> io::Result<()> {
    for item in fs::read_dir(data.join(folder))? {
        let item = item?;
        let path = format!("{folder}/{}", item.file_name().to_string_lossy());
        if item.file_type()?.is_dir() {
            below(data, &path, found)?;
        } else {
            found(path);
        }
    }
    Ok(())
}

/// A file in the layout of tlog-tiles: is it one that this tree has?
fn sealed(resource: Resource, kind: Kind, size: TreeSize, files: &DataFiles, findings: &mut Findings) {
    let (level, index, full) = match resource {
        Resource::Checkpoint => return,
        Resource::Tile(id) => (id.level(), id.index(), id.is_full()),
        Resource::Bundle(id) => (0, id.index(), id.is_full()),
    };
    if !full {
        findings.note(format!("{resource}: not a file of this program, which keeps full tiles only"));
        return;
    }
    let leaves = |size: TreeSize| size.get().checked_shr(8 * u32::from(level)).unwrap_or(0) / WIDTH;
    if index >= leaves(size) {
        // A mirror stores entries before the checkpoint that they are under; a log commits first.
        match kind {
            Kind::Mirror => findings.note(format!("{resource}: stored ahead of the database")),
            Kind::Log => {
                findings.fault(Fault::new(&resource, format!("nothing: the log has {size} entries"), "a sealed file"));
            }
        }
    } else if index >= leaves(files.sealed) {
        // Written before the crash that kept it from being counted; the next start compares it and goes on.
        let same = match resource {
            Resource::Bundle(id) => files.uncounted(id),
            // The walk looks at every tile that is there.
            Resource::Tile(_) | Resource::Checkpoint => Ok(true),
        };
        match same {
            Ok(true) => findings.note(format!("{resource}: sealed, and not counted as such yet")),
            Ok(false) => findings.fault(Fault::new(&resource, "the entries that the database has", "others")),
            Err(error) => findings.fault(Fault::new(&resource, "the entries that the database has", chain(&error))),
        }
    }
}
