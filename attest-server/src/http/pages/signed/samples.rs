//! Views as the record might answer them, for tests of how they are drawn.

use attest_core::{
    api::record::{About, EntryRow, EntryView, PathStep, Side, SignedBy, Standing},
    artifact::ArtifactDigest,
    envelope::StatementId,
    merkle::{LeafHash, LeafIndex, NodeHash, RootHash, TreeHead, TreeSize, verify_inclusion},
};

/// What an attacker would put wherever there is room for a text.
pub(super) const HOSTILE: &str =
    "</title><script>alert(1)</script>\u{202e}\u{0}\u{1b}]0;x\u{7}\"'&amp;]]>--><!--\u{fffe}";

pub(super) fn row(index: u64, standing: Standing) -> EntryRow {
    EntryRow {
        index,
        standing,
        by: SignedBy { id: Some("00112233aabbccdd".to_owned()), name: "carol".to_owned(), group: Some("c".to_owned()) },
        about: Some(About {
            statement_id: StatementId::of_payload(&index.to_be_bytes()),
            project: "six".to_owned(),
            version: "1.16.0".to_owned(),
            file: "six-1.16.0-py2.py3-none-any.whl".to_owned(),
            sha256: ArtifactDigest::of(b"six"),
        }),
        no_vote: None,
        outcome: None,
        origin: None,
        method: None,
        commit: None,
        stated_time: Some(1_795_000_000 + index),
        withdrawn_by: None,
    }
}

/// A row in which every text is somebody's attack.
pub(super) fn hostile_row(index: u64) -> EntryRow {
    let mut row = row(index, Standing::Other);
    let text = HOSTILE.repeat(10_000 / HOSTILE.len());
    row.by = SignedBy { id: None, name: text.clone(), group: Some(text.clone()) };
    row.commit = Some(text.clone());
    if let Some(about) = &mut row.about {
        about.file.clone_from(&text);
        about.version = text;
    }
    row
}

/// The view of an entry in a tree in which every other hash is made up; the path is a real one.
pub(super) fn view(index: u64, size: u64) -> EntryView {
    let leaf = LeafHash::of(b"the entry");
    let (mut running, mut node) = ((index, index + 1), NodeHash::from(leaf));
    let (mut path, mut hashes) = (Vec::new(), Vec::new());
    // RFC 9162 section 2.1.3.2, upwards.
    let (mut f, mut s, mut width) = (index, size - 1, 1_u64);
    while s > 0 {
        let is_right = f & 1 == 1;
        if is_right || f < s {
            let sibling = NodeHash::from(LeafHash::of(&[u8::try_from(path.len()).unwrap()]));
            let (taken, range) = if is_right {
                node = NodeHash::of_children(&sibling, &node);
                (Side::Left, ((f - 1) * width, f * width))
            } else {
                node = NodeHash::of_children(&node, &sibling);
                (Side::Right, ((f + 1) * width, ((f + 2) * width).min(size)))
            };
            assert!(range.1 == running.0 || range.0 == running.1, "{range:?} is beside {running:?}");
            running = (running.0.min(range.0), running.1.max(range.1));
            path.push(PathStep {
                side: taken,
                hash: sibling.to_string(),
                first: range.0,
                end: range.1,
                parent: node.to_string(),
            });
            hashes.push(sibling);
        }
        (f, s, width) = (f >> 1, s >> 1, width.saturating_mul(2));
    }
    assert_eq!(running, (0, size));
    let root = RootHash::from_bytes(*node.as_bytes());
    let head = TreeHead { size: TreeSize::new(size), root };
    verify_inclusion(leaf, LeafIndex::new(index), head, &hashes).unwrap();
    EntryView {
        row: row(index, Standing::Reproduced),
        envelope: None,
        entry_base64: None,
        statement: None,
        leaf_hash: leaf.to_string(),
        path,
        root_hash: root.to_string(),
        size,
        proof: String::new(),
    }
}
