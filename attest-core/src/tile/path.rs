//! Names of a log's resources, relative to its prefix.

use std::fmt;

use super::{BundleId, MAX_LEVEL, TILE_WIDTH, TileError, TileId};
use crate::merkle::parse_decimal;

/// Longest path: `tile/entries/` (13), the seven groups of the largest u64 (6 x 5 + 3), `.p/255` (6).
const MAX_PATH_LEN: usize = 52;
/// An index is written in groups of three digits.
const GROUP: u64 = 1000;

/// What a path of the read API names. Display and FromStr: `checkpoint`, `tile/0/x001/067.p/3`, `tile/entries/000`;
/// what parses prints back identically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The latest checkpoint.
    Checkpoint,
    /// A hash tile.
    Tile(TileId),
    /// An entry bundle.
    Bundle(BundleId),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(tile) => {
                write!(f, "tile/{}/", tile.level())?;
                write_index(f, tile.index(), tile.width())
            }
            Self::Bundle(bundle) => {
                f.write_str("tile/entries/")?;
                write_index(f, bundle.index(), bundle.width())
            }
        }
    }
}

impl std::str::FromStr for Resource {
    type Err = TileError;

    fn from_str(s: &str) -> Result<Self, TileError> {
        let refused = || TileError::Path { found: s.chars().take(MAX_PATH_LEN).collect() };
        if s.len() > MAX_PATH_LEN {
            return Err(refused());
        }
        parse(s).ok_or_else(refused)
    }
}

fn parse(s: &str) -> Option<Resource> {
    if s == "checkpoint" {
        return Some(Resource::Checkpoint);
    }
    let (level, place) = s.strip_prefix("tile/")?.split_once('/')?;
    let (index, width) = match place.split_once(".p/") {
        // tlog-tiles: the width of a partial tile is between 1 and 255, so 256 has one spelling only.
        Some((index, width)) => {
            let width = u16::try_from(parse_decimal(width, u64::from(TILE_WIDTH) - 1).ok()?).ok()?;
            (parse_index(index)?, width)
        }
        None => (parse_index(place)?, TILE_WIDTH),
    };
    if level == "entries" {
        return BundleId::new(index, width).ok().map(Resource::Bundle);
    }
    let level = u8::try_from(parse_decimal(level, u64::from(MAX_LEVEL)).ok()?).ok()?;
    TileId::new(level, index, width).ok().map(Resource::Tile)
}

/// `x001/x234/067` is 1234067: zero-padded groups of three digits, all but the last behind an `x` (tlog-tiles).
fn parse_index(s: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut groups = s.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let digits = if last { group } else { group.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        // A first group x000 would be a second spelling.
        if first && !last && value == 0 {
            return None;
        }
        index = index.checked_mul(GROUP)?.checked_add(value)?;
        first = false;
    }
    Some(index)
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut above = 1;
    while index / above >= GROUP {
        above *= GROUP;
    }
    while above >= GROUP {
        write!(f, "x{:03}/", index / above % GROUP)?;
        above /= GROUP;
    }
    write!(f, "{:03}", index % GROUP)?;
    if width < TILE_WIDTH {
        write!(f, ".p/{width}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_prints_back_and_anything_longer_is_cut_short() {
        let longest = "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255";
        assert_eq!(longest.len(), MAX_PATH_LEN);
        assert_eq!(longest.parse::<Resource>().unwrap().to_string(), longest);
        let Err(TileError::Path { found }) = "x".repeat(1 << 20).parse::<Resource>() else { panic!("accepted") };
        assert_eq!(found.len(), MAX_PATH_LEN);
        // One more than u64::MAX.
        assert!("tile/0/x018/x446/x744/x073/x709/x551/616".parse::<Resource>().is_err());
    }

    #[test]
    fn a_path_with_a_second_spelling_is_refused() {
        for path in [
            "",
            "/checkpoint",
            "checkpoint/",
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/x001",
            "tile/0/001/002",
            "tile/00/000",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/1.p/1",
            "tile/0/000.p/1/",
            "tile/data/000",
            "tile/0/../000",
        ] {
            assert_eq!(path.parse::<Resource>(), Err(TileError::Path { found: path.to_owned() }));
        }
    }
}
