//! What the parts of a data folder take on the disk.

use std::{fmt::Write as _, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use crate::to_f64;

/// Bytes by part.
pub(crate) struct Usage {
    bundles: Size,
    tiles: Size,
    index: Size,
    database: Size,
}

/// Of all files of a folder: what they hold, and what the file system gave them.
#[derive(Clone, Copy, Default)]
struct Size {
    files: u64,
    bytes: u64,
    allocated: u64,
}

impl Usage {
    pub(crate) fn of(data: &Path) -> io::Result<Self> {
        let all = size(&data.join("tile"))?;
        let bundles = size(&data.join("tile/entries"))?;
        let tiles = Size {
            files: all.files - bundles.files,
            bytes: all.bytes - bundles.bytes,
            allocated: all.allocated - bundles.allocated,
        };
        Ok(Self { bundles, tiles, index: size(&data.join("index"))?, database: size(&data.join("db"))? })
    }

    pub(crate) fn report(&self, entries: u64) -> String {
        let mut report = String::new();
        for (name, part) in
            [("entries", self.bundles), ("hashes", self.tiles), ("index", self.index), ("db", self.database)]
        {
            // Writing to a String does not fail.
            let _ = writeln!(
                report,
                "  disk: {name:<24} {:.1} bytes per entry ({:.1} allocated), {} files",
                to_f64(part.bytes) / to_f64(entries),
                to_f64(part.allocated) / to_f64(entries),
                part.files
            );
        }
        let all = self.bundles.allocated + self.tiles.allocated + self.index.allocated + self.database.allocated;
        let allowed = 1.3 * to_f64(self.bundles.bytes) + 100.0 * to_f64(entries);
        let _ = writeln!(report, "  disk: all, of what is allowed  {:.0} %", 100.0 * to_f64(all) / allowed);
        report
    }
}

fn size(folder: &Path) -> io::Result<Size> {
    let mut sum = Size::default();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            let inner = size(&file.path())?;
            sum.files += inner.files;
            sum.bytes += inner.bytes;
            sum.allocated += inner.allocated;
        } else {
            sum.files += 1;
            sum.bytes += metadata.len();
            sum.allocated += metadata.blocks() * 512;
        }
    }
    Ok(sum)
}
