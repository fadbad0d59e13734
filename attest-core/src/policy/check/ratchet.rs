//! `[ratchet]`
use super::Text;
use crate::policy::{
    Lined, PolicyError, PolicyErrorKind, Ratchet,
    file::RatchetTable,
    ratchet::{Entries, NoEntry, RatchetEntry},
};
use toml::Spanned;

pub(super) fn ratchet(at: Text<'_>, table: RatchetTable) -> Result<Ratchet, PolicyError> {
    let mut ratchet = Ratchet {
        expires: at.time("expires", &table.expires)?,
        pins: Entries::default(),
        attested: Entries::default(),
    };
    // One line is looked up after the other: from the start of the file each time, a lock's thousands would take seconds.
    let mut lines = Lines { at, seen: 0, line: 1 };
    for (written, pins) in [(table.pins, true), (table.attested, false)] {
        for text in written.into_inner() {
            let value: RatchetEntry = text.get_ref().parse().map_err(|NoEntry| {
                let found = text.get_ref().clone();
                at.error(&text.span(), PolicyErrorKind::RatchetEntry { found })
            })?;
            // A file is pinned or attested, and once.
            if let Some(first) = ratchet.pins.same(&value).or_else(|| ratchet.attested.same(&value)) {
                let kind = PolicyErrorKind::DuplicateEntry { name: value.name().to_owned(), first_line: first.line };
                return Err(at.error(&text.span(), kind));
            }
            let entry = Lined { line: lines.of(&text), value };
            if pins { ratchet.pins.push(entry) } else { ratchet.attested.push(entry) }
        }
    }
    Ok(ratchet)
}

/// Lines of places that mostly come in the order of the file.
struct Lines<'a> {
    at: Text<'a>,
    seen: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, value: &Spanned<String>) -> usize {
        let start = value.span().start;
        match self.at.0.get(self.seen..start) {
            Some(between) => self.line += between.bytes().filter(|b| *b == b'\n').count(),
            None => self.line = self.at.line(&value.span()),
        }
        self.seen = start;
        self.line
    }
}
