//! Which subtrees a proof consists of: RFC 6962 section 2.1.1 (PATH) and 2.1.2 (PROOF), without any hashes.

use super::{LeafIndex, TreeSize};

/// A perfect subtree: leaves `index << height` up to `(index + 1) << height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// 0 for a leaf.
    pub(crate) height: u32,
    /// Position among the nodes of that height.
    pub(crate) index: u64,
}

/// The leaves from `start` up to, not including, `end`; never empty. RFC 6962 writes D[start:end].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// The whole tree, if it has leaves.
    pub(crate) fn whole(size: TreeSize) -> Option<Self> {
        (size > TreeSize::ZERO).then_some(Self { start: 0, end: size.get() })
    }

    /// Its first leaf.
    pub(crate) const fn start(self) -> u64 {
        self.start
    }

    /// The leaf after its last one.
    pub(crate) const fn end(self) -> u64 {
        self.end
    }

    const fn len(self) -> u64 {
        self.end - self.start
    }

    /// The perfect subtrees it consists of, largest first. Its hash is theirs, folded from the right.
    pub(crate) fn nodes(self) -> impl Iterator<Item = Node> {
        let mut start = self.start;
        std::iter::from_fn(move || {
            let left = self.end - start;
            // Every subtree of a proof starts at a multiple of its length rounded up to a power of two.
            let height = left.checked_ilog2()?;
            let node = Node { height, index: start >> height };
            start += 1 << height;
            Some(node)
        })
    }

    /// Splits at k, the largest power of two smaller than the length (RFC 6962 section 2.1); a single leaf has no halves.
    fn split(self) -> Option<(Self, Self)> {
        let k = 1 << (self.len() - 1).checked_ilog2()?;
        let middle = self.start + k;
        Some((Self { start: self.start, end: middle }, Self { start: middle, end: self.end }))
    }
}

/// PATH(index, D[size]): the siblings from the leaf up. Empty when there is no such leaf.
pub(crate) fn inclusion_path(index: LeafIndex, size: TreeSize) -> Vec<Subtree> {
    let mut path = Vec::new();
    let mut inside = if size.contains(index) { Subtree::whole(size) } else { None };
    while let Some((left, right)) = inside.and_then(Subtree::split) {
        if index.get() < right.start {
            path.push(right);
            inside = Some(left);
        } else {
            path.push(left);
            inside = Some(right);
        }
    }
    path.reverse();
    path
}

/// PROOF(old, D[new]) for old <= new. Empty from size 0 and between equal sizes.
pub(crate) fn consistency_path(old: TreeSize, new: TreeSize) -> Vec<Subtree> {
    let mut path = Vec::new();
    if old == TreeSize::ZERO || old >= new {
        return path;
    }
    let mut inside = Subtree { start: 0, end: new.get() };
    // SUBPROOF(m, D[n], b): descend to where the old tree ends.
    while inside.end != old.get() {
        let Some((left, right)) = inside.split() else {
            break;
        };
        if old.get() <= right.start {
            path.push(right);
            inside = left;
        } else {
            path.push(left);
            inside = right;
        }
    }
    // b is true only while the subtree starts where the old tree does: then it is the old root, which is known.
    if inside.start != 0 {
        path.push(inside);
    }
    path.reverse();
    path
}
