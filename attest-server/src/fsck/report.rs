//! The result, for people and for programs.

use std::io::{self, Write};

use attest_core::merkle::TreeHead;
use serde::Serialize;

use super::{
    finding::{Fault, Findings},
    walk::Walked,
};

/// What was checked, and what came of it.
#[derive(Debug)]
pub struct Report {
    /// The folder or URL.
    pub(crate) place: String,
    pub(crate) origin: Option<String>,
    /// The largest tree that was checked; `None` when it could not be looked at.
    pub(crate) tree: Option<TreeHead>,
    pub(crate) walked: Walked,
    pub(crate) findings: Findings,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ok: bool,
    place: &'a str,
    origin: Option<&'a str>,
    size: Option<u64>,
    root: Option<String>,
    bundles: u64,
    tiles: u64,
    #[serde(flatten)]
    counts: super::inspect::Counts,
    fault_count: u64,
    faults: &'a [Fault],
    notes: &'a [String],
}

impl Report {
    /// Whether all holds.
    pub fn is_whole(&self) -> bool {
        self.findings.total() == 0 && self.tree.is_some()
    }

    /// What was found.
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// One JSON object.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let json = Json {
            ok: self.is_whole(),
            place: &self.place,
            origin: self.origin.as_deref(),
            size: self.tree.map(|tree| tree.size.get()),
            root: self.tree.map(|tree| tree.root.to_string()),
            bundles: self.walked.bundles,
            tiles: self.walked.tiles,
            counts: self.walked.counts,
            fault_count: self.findings.total(),
            faults: self.findings.faults(),
            notes: self.findings.notes(),
        };
        serde_json::to_writer(&mut *out, &json)?;
        writeln!(out)
    }

    /// Lines for a person.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for note in self.findings.notes() {
            writeln!(out, "note: {note}")?;
        }
        for fault in self.findings.faults() {
            writeln!(out, "fault: {fault}")?;
        }
        let (shown, all) = (self.findings.faults().len() as u64, self.findings.total());
        if shown < all {
            writeln!(out, "fault: and {} more", all - shown)?;
        }
        let place = &self.place;
        let Some(tree) = self.tree else {
            return writeln!(out, "{place}: the tree could not be looked at");
        };
        let origin = self.origin.as_deref().unwrap_or("a log without a name");
        writeln!(out, "{place}: {origin}, {} entries, root {}", tree.size, tree.root)?;
        let counts = self.walked.counts;
        write!(
            out,
            "{} bundles and {} tiles; {} statements",
            self.walked.bundles, self.walked.tiles, counts.statements
        )?;
        if counts.by_listed + counts.by_others > 0 {
            write!(out, " ({} signed by listed rebuilders, {} by others)", counts.by_listed, counts.by_others)?;
        }
        writeln!(out, ", {} other entries", counts.not_statements)?;
        if all == 0 {
            writeln!(out, "every hash and signature holds")
        } else {
            writeln!(out, "{all} {}", if all == 1 { "fault" } else { "faults" })
        }
    }
}
