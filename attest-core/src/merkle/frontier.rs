//! The growing right edge of a tree.

use super::{LeafHash, NodeHash, RootHash, TreeHead, TreeSize};

/// The roots of the perfect subtrees of a tree, largest first: enough to append and to compute the root.
///
/// A tree of size n has one such subtree for every bit set in n, so a log of a million entries is twenty hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: TreeSize,
    nodes: Vec<NodeHash>,
}

/// Why hashes are not the frontier of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// A tree of that size has another number of perfect subtrees.
    #[error("expected {expected} subtree hashes for a tree of size {size}, found {found}")]
    Count {
        /// Size of the tree.
        size: TreeSize,
        /// Bits set in it.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// Above [`TreeSize::MAX`].
    #[error("expected a tree size of at most {max}, found {found}", max = TreeSize::MAX)]
    Size {
        /// The size given.
        found: TreeSize,
    },
}

impl Frontier {
    /// The empty tree.
    pub const fn new() -> Self {
        Self { size: TreeSize::ZERO, nodes: Vec::new() }
    }

    /// The frontier of a tree of `size` from the roots of its perfect subtrees, largest first, as [`nodes`](Self::nodes)
    /// gave them. From tiles: [`Frontier::from_tiles`].
    pub fn from_nodes(size: TreeSize, nodes: Vec<NodeHash>) -> Result<Self, FrontierError> {
        if size > TreeSize::MAX {
            return Err(FrontierError::Size { found: size });
        }
        let expected = size.get().count_ones() as usize;
        if nodes.len() != expected {
            return Err(FrontierError::Count { size, expected, found: nodes.len() });
        }
        Ok(Self { size, nodes })
    }

    /// Number of leaves so far, which is the index of the next one.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn nodes(&self) -> &[NodeHash] {
        &self.nodes
    }

    /// Appends one leaf: one hash on average, as many as there are levels at worst.
    pub fn append(&mut self, leaf: LeafHash) {
        self.append_with(leaf, |_, _| ());
    }

    /// Appends one leaf and tells of every perfect subtree that it completes, with its height, lowest first; the leaf
    /// itself is the first, of height 0. The hashes are the ones that tiles are made of, so nothing is hashed twice.
    pub fn append_with(&mut self, leaf: LeafHash, mut completed: impl FnMut(u32, NodeHash)) {
        let mut node = NodeHash::from(leaf);
        completed(0, node);
        // Like adding one to a binary number: every trailing 1 of the size is a subtree as large as the one just made.
        for height in 1..=self.size.get().trailing_ones() {
            let Some(left) = self.nodes.pop() else { break };
            node = NodeHash::of_children(&left, &node);
            completed(height, node);
        }
        self.nodes.push(node);
        self.size = TreeSize::new(self.size.get() + 1);
    }

    /// Size and root of the tree so far.
    pub fn head(&self) -> TreeHead {
        let top = self.nodes.iter().rev().copied().reduce(|right, left| NodeHash::of_children(&left, &right));
        TreeHead { size: self.size, root: top.map_or_else(RootHash::of_empty, RootHash::of_top) }
    }
}

// Not a decision about trust: the empty tree is the only tree that is known without evidence.
impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontier_with_a_hash_too_few_is_refused() {
        let node = NodeHash::from_bytes([1; 32]);
        assert_eq!(
            Frontier::from_nodes(TreeSize::new(7), vec![node; 2]),
            Err(FrontierError::Count { size: TreeSize::new(7), expected: 3, found: 2 })
        );
        let too_large = TreeSize::new(1 << 63);
        assert_eq!(Frontier::from_nodes(too_large, vec![node]), Err(FrontierError::Size { found: too_large }));
    }

    #[test]
    fn a_frontier_carries_on_where_it_was_stored() {
        let mut whole = Frontier::new();
        for i in 0..100_u64 {
            let mut resumed = Frontier::from_nodes(whole.size(), whole.nodes().to_vec()).unwrap();
            whole.append(LeafHash::of(&i.to_be_bytes()));
            resumed.append(LeafHash::of(&i.to_be_bytes()));
            assert_eq!(resumed, whole);
        }
    }
}
