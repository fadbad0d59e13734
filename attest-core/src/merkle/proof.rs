//! Checking inclusion and consistency proofs.

use super::{LeafHash, LeafIndex, NodeHash, RootHash, TreeHead, TreeSize};

/// Why a proof does not hold. The party at fault is whoever handed out the proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Two trees of one size with different roots: never explained by growth, so both cannot come from one honest log.
    #[error("expected one root for size {size}, found {old} and {new}")]
    Conflict {
        /// The common size.
        size: TreeSize,
        /// Root of the older head.
        old: RootHash,
        /// Root of the newer head.
        new: RootHash,
    },
    /// A consistency proof with another number of hashes than those two sizes need.
    #[error("expected a consistency proof of {expected} hashes from size {old} to {new}, found {found}")]
    ConsistencyLength {
        /// The smaller tree.
        old: TreeSize,
        /// The larger tree.
        new: TreeSize,
        /// Hashes needed.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The empty tree has only one root.
    #[error("expected the root of the empty tree to be SHA-256 of nothing, found {found}")]
    EmptyRoot {
        /// The root claimed for size 0.
        found: RootHash,
    },
    /// An inclusion proof with another number of hashes than that index and size need.
    #[error(
        "expected an inclusion proof of {expected} hashes for index {index} in a tree of size {size}, found {found}"
    )]
    InclusionLength {
        /// The leaf.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
        /// Hashes needed.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("expected the inclusion proof to lead to the root {expected}, found {found}")]
    InclusionRoot {
        /// Root of the tree head.
        expected: RootHash,
        /// Root that leaf and proof give.
        found: RootHash,
    },
    /// There is no such leaf.
    #[error("expected an index below the tree size {size}, found {index}")]
    IndexNotInTree {
        /// The leaf.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// The hashes lead to another new root.
    #[error("expected the consistency proof to lead to the new root {expected}, found {found}")]
    NewRoot {
        /// Root of the newer head.
        expected: RootHash,
        /// Root that the proof gives.
        found: RootHash,
    },
    /// The hashes lead to another old root.
    #[error("expected the consistency proof to lead to the old root {expected}, found {found}")]
    OldRoot {
        /// Root of the older head.
        expected: RootHash,
        /// Root that the proof gives.
        found: RootHash,
    },
    /// The older tree is larger than the newer one.
    #[error("expected a tree at least as large as the known {old}, found {new}")]
    Shrunk {
        /// The known size.
        old: TreeSize,
        /// The smaller size that followed.
        new: TreeSize,
    },
}

/// Checks that `leaf` is at `index` in the tree of `head`: RFC 9162 section 2.1.3.2, with the length checked first.
///
/// The head must come from a signed checkpoint: its signature is what binds the size to the root. A proof by itself also
/// fits any other size in whose tree the path to `index` takes the same turns.
pub fn verify_inclusion(
    leaf: LeafHash,
    index: LeafIndex,
    head: TreeHead,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    let size = head.size;
    // RFC 9162 section 2.1.3.2 step 1.
    if !size.contains(index) {
        return Err(ProofError::IndexNotInTree { index, size });
    }
    // Steps 4.a and 5 say the same by the way; here the length is known before anything is hashed.
    let expected = inclusion_len(index.get(), size.get());
    if proof.len() != expected {
        return Err(ProofError::InclusionLength { index, size, expected, found: proof.len() });
    }
    let (mut f, mut s) = (index.get(), size.get() - 1);
    let mut root = NodeHash::from(leaf);
    for sibling in proof {
        if f & 1 == 1 || f == s {
            root = NodeHash::of_children(sibling, &root);
            // A node without a right sibling moves up unchanged.
            let skip = if f == 0 { 0 } else { f.trailing_zeros() };
            (f, s) = (f >> skip, s >> skip);
        } else {
            root = NodeHash::of_children(&root, sibling);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    let found = RootHash::of_top(root);
    if s != 0 || found != head.root {
        return Err(ProofError::InclusionRoot { expected: head.root, found });
    }
    Ok(())
}

/// Checks that the tree of `new` begins with the tree of `old`: RFC 9162 section 2.1.4.2, with the length checked first.
///
/// From size 0, and between equal sizes, the proof is empty: anything grows from the empty tree, and nothing from itself.
pub fn verify_consistency(old: TreeHead, new: TreeHead, proof: &[NodeHash]) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk { old: old.size, new: new.size });
    }
    for head in [old, new] {
        if head.size == TreeSize::ZERO && head.root != RootHash::of_empty() {
            return Err(ProofError::EmptyRoot { found: head.root });
        }
    }
    let expected = consistency_len(old.size.get(), new.size.get());
    if proof.len() != expected {
        let found = proof.len();
        return Err(ProofError::ConsistencyLength { old: old.size, new: new.size, expected, found });
    }
    if old.size == new.size {
        return if old.root == new.root {
            Ok(())
        } else {
            Err(ProofError::Conflict { size: old.size, old: old.root, new: new.root })
        };
    }
    if old.size == TreeSize::ZERO {
        return Ok(());
    }
    let (old_root, new_root) = consistency_roots(old, new.size, proof);
    if old_root != old.root {
        return Err(ProofError::OldRoot { expected: old.root, found: old_root });
    }
    if new_root != new.root {
        return Err(ProofError::NewRoot { expected: new.root, found: new_root });
    }
    Ok(())
}

/// The two roots that a consistency proof of the right length leads to, for 0 < old < new (RFC 9162 section 2.1.4.2,
/// steps 2 to 6).
fn consistency_roots(old: TreeHead, new: TreeSize, proof: &[NodeHash]) -> (RootHash, RootHash) {
    // Step 2: a perfect old tree is itself the first node of the path.
    let (start, rest) = match proof.split_first() {
        Some((first, rest)) if !old.size.get().is_power_of_two() => (*first, rest),
        _ => (NodeHash::from_bytes(*old.root.as_bytes()), proof),
    };
    let (mut f, mut s) = (old.size.get() - 1, new.get() - 1);
    // Step 4.
    let skip = f.trailing_ones();
    (f, s) = (f >> skip, s >> skip);
    let (mut old_root, mut new_root) = (start, start);
    for node in rest {
        if f & 1 == 1 || f == s {
            old_root = NodeHash::of_children(node, &old_root);
            new_root = NodeHash::of_children(node, &new_root);
            let skip = if f == 0 { 0 } else { f.trailing_zeros() };
            (f, s) = (f >> skip, s >> skip);
        } else {
            new_root = NodeHash::of_children(&new_root, node);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    (RootHash::of_top(old_root), RootHash::of_top(new_root))
}

/// Hashes in the inclusion proof of leaf `index` in a tree of `size` > `index`.
///
/// Below the level where the path joins the right edge every level has a sibling; above it only those where the path
/// turns right.
fn inclusion_len(index: u64, size: u64) -> usize {
    let joins = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let above = index.checked_shr(joins).unwrap_or(0).count_ones();
    (joins + above) as usize
}

/// Hashes in the consistency proof between trees of sizes `old` <= `new`.
fn consistency_len(old: u64, new: u64) -> usize {
    if old == 0 || old == new {
        return 0;
    }
    // The path of the old tree's last leaf, from the largest perfect subtree that ends there; that subtree's root itself
    // is left out when it is the whole old tree.
    let first = usize::from(!old.is_power_of_two());
    inclusion_len(old - 1, new) - old.trailing_zeros() as usize + first
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeHash = NodeHash::from_bytes([7; 32]);

    fn head(size: u64) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([9; 32]) }
    }

    #[test]
    fn an_index_outside_the_tree_is_refused_whatever_the_proof() {
        let leaf = LeafHash::of(b"x");
        for (index, size) in [(0, 0), (1, 1), (7, 7), (u64::MAX, 3), (u64::MAX, u64::MAX)] {
            let (index, head) = (LeafIndex::new(index), head(size));
            let expected = ProofError::IndexNotInTree { index, size: head.size };
            assert_eq!(verify_inclusion(leaf, index, head, &[]), Err(expected));
        }
    }

    #[test]
    fn a_proof_with_trailing_hashes_is_refused() {
        // The one leaf of a tree is its root; a longer path to it exists nowhere.
        let leaf = LeafHash::of(b"x");
        let tree = TreeHead { size: TreeSize::new(1), root: RootHash::from_bytes(*leaf.as_bytes()) };
        assert_eq!(verify_inclusion(leaf, LeafIndex::new(0), tree, &[]), Ok(()));
        assert!(matches!(
            verify_inclusion(leaf, LeafIndex::new(0), tree, &[NODE]),
            Err(ProofError::InclusionLength { expected: 0, found: 1, .. })
        ));
    }

    #[test]
    fn the_largest_sizes_neither_overflow_nor_verify() {
        let leaf = LeafHash::of(b"x");
        let (index, tree) = (LeafIndex::new(u64::MAX - 1), head(u64::MAX));
        for len in 0..70 {
            assert!(verify_inclusion(leaf, index, tree, &vec![NODE; len]).is_err());
            assert!(verify_consistency(head(u64::MAX - 1), tree, &vec![NODE; len]).is_err());
            assert!(verify_consistency(head(1 << 63), tree, &vec![NODE; len]).is_err());
        }
    }

    #[test]
    fn a_tree_never_shrinks_and_has_one_root_for_each_size() {
        let other = TreeHead { root: RootHash::from_bytes([8; 32]), ..head(4) };
        assert_eq!(
            verify_consistency(head(5), head(4), &[]),
            Err(ProofError::Shrunk { old: TreeSize::new(5), new: TreeSize::new(4) })
        );
        assert_eq!(
            verify_consistency(head(4), other, &[]),
            Err(ProofError::Conflict { size: TreeSize::new(4), old: head(4).root, new: other.root })
        );
        assert!(matches!(
            verify_consistency(head(4), head(4), &[NODE]),
            Err(ProofError::ConsistencyLength { expected: 0, found: 1, .. })
        ));
    }

    #[test]
    fn the_empty_tree_is_a_beginning_only_with_its_own_root() {
        let empty = TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() };
        assert_eq!(verify_consistency(empty, head(4), &[]), Ok(()));
        assert_eq!(verify_consistency(head(0), head(4), &[]), Err(ProofError::EmptyRoot { found: head(0).root }));
        assert_eq!(verify_consistency(empty, head(0), &[]), Err(ProofError::EmptyRoot { found: head(0).root }));
        assert!(verify_consistency(empty, head(4), &[NODE]).is_err());
    }
}
