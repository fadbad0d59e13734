//! An inclusion proof step by step, for people who look at it.

use super::{LeafHash, LeafIndex, NodeHash, ProofError, TreeHead, subtree::inclusion_path, verify_inclusion};

/// A hash of an inclusion proof, and what it makes together with the one below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether it is of leaves before those of the running hash, and so on its left.
    pub is_left: bool,
    /// The sibling.
    pub sibling: NodeHash,
    /// First leaf below the sibling.
    pub first: u64,
    /// The leaf after the last one below the sibling.
    pub end: u64,
    /// The hash of both.
    pub parent: NodeHash,
}

/// The way from `leaf` to the root of `head`; the last step's parent is that root.
///
/// # Errors
/// As [`verify_inclusion`]: no step is shown of a proof that does not hold.
pub fn climb(leaf: LeafHash, index: LeafIndex, head: TreeHead, proof: &[NodeHash]) -> Result<Vec<Step>, ProofError> {
    verify_inclusion(leaf, index, head, proof)?;
    let mut running = NodeHash::from(leaf);
    let siblings = inclusion_path(index, head.size).into_iter().zip(proof);
    let steps = siblings.map(|(subtree, sibling)| {
        let is_left = subtree.start() < index.get();
        running =
            if is_left { NodeHash::of_children(sibling, &running) } else { NodeHash::of_children(&running, sibling) };
        Step { is_left, sibling: *sibling, first: subtree.start(), end: subtree.end(), parent: running }
    });
    Ok(steps.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{RootHash, TreeSize};

    /// RFC 6962 section 2.1, word by word.
    fn root(leaves: &[NodeHash]) -> NodeHash {
        if let [leaf] = leaves {
            return *leaf;
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        NodeHash::of_children(&root(left), &root(right))
    }

    /// The siblings from the leaf up.
    fn path(index: usize, leaves: &[NodeHash]) -> Vec<NodeHash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut below, sibling) =
            if index < left.len() { (path(index, left), right) } else { (path(index - left.len(), right), left) };
        below.push(root(sibling));
        below
    }

    #[test]
    fn every_step_is_the_hash_of_the_leaves_that_it_names_and_the_last_one_is_the_root() {
        for size in 1..40_usize {
            let leaves: Vec<LeafHash> = (0..size).map(|n| LeafHash::of(&n.to_be_bytes())).collect();
            let nodes: Vec<NodeHash> = leaves.iter().copied().map(NodeHash::from).collect();
            let head = TreeHead { size: TreeSize::new(size as u64), root: RootHash::of_top(root(&nodes)) };
            for (index, leaf) in leaves.iter().enumerate() {
                let steps = climb(*leaf, LeafIndex::new(index as u64), head, &path(index, &nodes)).unwrap();
                for step in &steps {
                    let (first, end) = (usize::try_from(step.first).unwrap(), usize::try_from(step.end).unwrap());
                    assert_eq!(step.sibling, root(&nodes[first..end]));
                    assert_eq!(step.is_left, end <= index);
                }
                let last = steps.last().map_or(nodes[index], |step| step.parent);
                assert_eq!(RootHash::of_top(last), head.root);
            }
        }
    }

    #[test]
    fn nothing_is_shown_of_a_proof_that_does_not_hold() {
        let leaf = LeafHash::of(b"leaf");
        let head = TreeHead { size: TreeSize::new(2), root: RootHash::of_empty() };
        climb(leaf, LeafIndex::new(0), head, &[NodeHash::from(leaf)]).unwrap_err();
    }
}
