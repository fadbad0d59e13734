//! The inclusion path of an entry, drawn: the leaf below, the root on top, and at each step the hash that came from beside.
//!
//! Everything is in presentation attributes, so that the picture needs neither the stylesheet nor a style that the
//! Content-Security-Policy would have to allow, and takes the colours of the text around it. What it shows is beside it as
//! an ordered list, for those who do not see it.

use attest_core::api::record::{EntryView, PathStep, Side};

/// Characters of a hash that are shown in a box; all of it is in the list.
const SHOWN: usize = 10;
/// [`ONE_LINE`] characters and a margin: eleven pixels of a monospaced font are less than seven wide.
const BOX_WIDTH: u32 = 124;
const BOX_HEIGHT: u32 = 40;
/// From the top of a box to that of the one below.
const STEP: u32 = 62;
/// Left edges of the boxes of a row: a sibling with earlier leaves, the running hash, a sibling with later ones.
const COLUMNS: [u32; 3] = [2, 140, 278];
const WIDTH: u32 = 404;
/// Above the root, for what signs it.
const CAPTION: u32 = 34;
/// Longest range that is written on one line.
const ONE_LINE: usize = 17;

/// A picture, ready for its template.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) centre: u32,
    /// Root first.
    pub(super) nodes: Vec<Node>,
    pub(super) lines: Vec<Line>,
}

/// A hash in its box.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Middle of the box, where its text is centred.
    pub(super) middle: u32,
    pub(super) texts: Vec<Text>,
}

/// Whether a hash is made from the entry, or taken from the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeKind {
    /// The entry's own leaf.
    Leaf,
    /// Made of the two below it.
    Made,
    /// From the proof.
    Given,
}

/// A line of text in a box.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) baseline: u32,
    pub(super) words: String,
}

/// From a box up to the one that it is hashed into.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) path: String,
}

/// One step in words.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) side: &'static str,
    pub(super) hash: String,
    pub(super) range: String,
    pub(super) parent: String,
    pub(super) parent_range: String,
}

/// The leaves below a hash: the first, and the one after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    end: u64,
}

impl Range {
    fn of(step: &PathStep) -> Self {
        Self { first: step.first, end: step.end }
    }

    fn with(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), end: self.end.max(other.end) }
    }

    fn last(self) -> u64 {
        self.end.saturating_sub(1)
    }

    fn words(self) -> String {
        if self.last() == self.first {
            format!("leaf {}", self.first)
        } else {
            format!("leaves {} to {}", self.first, self.last())
        }
    }

    /// As it fits into a box.
    fn lines(self) -> Vec<String> {
        let whole = self.words();
        if whole.len() <= ONE_LINE {
            return vec![whole];
        }
        match self.last() {
            last if last == self.first => vec![last.to_string()],
            last => vec![format!("{} –", self.first), last.to_string()],
        }
    }
}

/// What the list beside the picture says, from the leaf up.
pub(super) fn steps(view: &EntryView) -> Vec<Step> {
    let mut running = Range { first: view.row.index, end: view.row.index.saturating_add(1) };
    view.path
        .iter()
        .map(|step| {
            running = running.with(Range::of(step));
            Step {
                side: match step.side {
                    Side::Left => "left",
                    Side::Right => "right",
                },
                hash: step.hash.clone(),
                range: Range::of(step).words(),
                parent: step.parent.clone(),
                parent_range: running.words(),
            }
        })
        .collect()
}

/// Draws the path of an entry.
pub(super) fn draw(view: &EntryView) -> Picture {
    let levels = u32::try_from(view.path.len()).unwrap_or(u32::MAX);
    let top_of = |level: u32| CAPTION + (levels - level) * STEP;
    let mut running = Range { first: view.row.index, end: view.row.index.saturating_add(1) };
    let mut nodes = vec![node(NodeKind::Leaf, 1, top_of(0), &view.leaf_hash, running)];
    let mut lines = Vec::new();
    for (step, level) in view.path.iter().zip(0..levels) {
        let column = match step.side {
            Side::Left => 0,
            Side::Right => 2,
        };
        nodes.push(node(NodeKind::Given, column, top_of(level), &step.hash, Range::of(step)));
        running = running.with(Range::of(step));
        nodes.push(node(NodeKind::Made, 1, top_of(level + 1), &step.parent, running));
        lines.extend(join(column, top_of(level), top_of(level + 1)));
    }
    nodes.reverse();
    let centre = COLUMNS[1] + BOX_WIDTH / 2;
    Picture { width: WIDTH, height: top_of(0) + BOX_HEIGHT + 2, centre, nodes, lines }
}

fn node(kind: NodeKind, column: usize, top: u32, hash: &str, range: Range) -> Node {
    let left = COLUMNS[column];
    let mut words = vec![short(hash)];
    words.extend(range.lines());
    // Two lines or three, in the middle of the box.
    let (first, apart) = if words.len() == 2 { (16, 15) } else { (12, 12) };
    let baselines = (0..).map(|line| top + first + line * apart);
    let texts = baselines.zip(words).map(|(baseline, words)| Text { baseline, words }).collect();
    Node { kind, left, top, width: BOX_WIDTH, height: BOX_HEIGHT, middle: left + BOX_WIDTH / 2, texts }
}

/// The running hash goes straight up, and its sibling joins it half way.
fn join(sibling: usize, below: u32, above: u32) -> [Line; 2] {
    let middle = |column: usize| COLUMNS[column] + BOX_WIDTH / 2;
    let (centre, bottom) = (middle(1), above + BOX_HEIGHT);
    let half = bottom + (below - bottom) / 2;
    [
        Line { path: format!("M{centre} {below}V{bottom}") },
        Line { path: format!("M{} {below}V{half}H{centre}", middle(sibling)) },
    ]
}

fn short(hash: &str) -> String {
    let mut text: String = hash.chars().take(SHOWN).collect();
    if text.len() < hash.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
