//! What every format promises: it parses to what it prints, it prints back what it parsed, and nothing that was changed
//! passes for something else.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use attest_core::checkpoint::{Checkpoint, LogCheckpoint, UnverifiedCheckpoint};
use attest_core::cosignature::cosign;
use attest_core::merkle::{Frontier, LeafHash, LeafIndex, NodeHash, RootHash, TreeHead, TreeSize};
use attest_core::note::{KeyName, KeyType, Note, NoteSignature, SignerKey, VerifierKey};
use attest_core::proof::TlogProof;
use attest_core::tile::{
    BundleId, Entry, Resource, TileError, TileId, decode_bundle, decode_tile, encode_bundle, encode_tile,
    prove_inclusion,
};
use attest_core::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

fn signer(name: &str, kind: KeyType, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
}

fn log() -> SignerKey {
    signer("log.example/a", KeyType::Ed25519, 1)
}

fn witnesses() -> [SignerKey; 2] {
    [signer("w1.example", KeyType::CosignatureV1, 2), signer("w2.example", KeyType::CosignatureV1, 3)]
}

fn cosigned(head: TreeHead) -> LogCheckpoint {
    let log = log();
    let mut checkpoint = Checkpoint { origin: log.verifier().name().to_string(), head }.sign(&log).unwrap();
    for (i, witness) in (0..).zip(&witnesses()) {
        let line = cosign(&checkpoint, witness, Timestamp::from_secs(1_790_000_000 + i)).unwrap();
        checkpoint = checkpoint.with_cosignature(line).unwrap();
    }
    checkpoint
}

/// A proof of leaf `i` of `n` <= 256, whose entries are single bytes.
fn tlog_proof(i: u8, n: u8) -> TlogProof {
    let mut tree = Frontier::new();
    let leaves: Vec<LeafHash> = (0..n).map(|i| LeafHash::of(&[i])).collect();
    for leaf in &leaves {
        tree.append(*leaf);
    }
    let hashes: Vec<NodeHash> = leaves.into_iter().map(NodeHash::from).collect();
    let index = LeafIndex::new(i.into());
    let path = prove_inclusion::<TileError>(index, tree.size(), |_| Ok(hashes.clone())).unwrap();
    TlogProof { extra: None, index, path, checkpoint: cosigned(tree.head()).into() }
}

fn prints_back<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fn parses_back<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(value: &T) {
    assert_eq!(&value.to_string().parse::<T>().unwrap(), value);
}

/// What every parser makes of some bytes: a refusal, or what prints back identically.
fn every_parser_prints_back(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(checkpoint) = UnverifiedCheckpoint::parse(bytes) {
        assert_eq!(checkpoint.note().to_string().as_bytes(), bytes);
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.to_string().as_bytes(), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    prints_back::<Checkpoint>(text);
    prints_back::<LeafIndex>(text);
    prints_back::<NoteSignature>(text);
    prints_back::<Resource>(text);
    prints_back::<RootHash>(text);
    prints_back::<Timestamp>(text);
    prints_back::<TreeSize>(text);
    prints_back::<VerifierKey>(text);
    if let Ok(name) = KeyName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(key) = text.parse::<SignerKey>() {
        assert_eq!(key.to_secret_string(), text);
    }
}

/// One text of every format.
fn samples() -> Vec<String> {
    let proof = tlog_proof(3, 7);
    let with_extra = TlogProof { extra: Some(b"extra".to_vec()), ..proof.clone() };
    let [witness, _] = witnesses();
    vec![
        proof.to_string(),
        with_extra.to_string(),
        proof.checkpoint.note().to_string(),
        proof.checkpoint.note().text().to_owned(),
        proof.checkpoint.note().signatures()[1].to_string(),
        log().verifier().to_string(),
        witness.verifier().to_string(),
        witness.to_secret_string(),
        "tile/0/x001/x234/067.p/12".to_owned(),
        "tile/63/x001/067".to_owned(),
        "tile/entries/000.p/255".to_owned(),
        "checkpoint".to_owned(),
        "2026-11-21T21:00:00Z".to_owned(),
        "9223372036854775807".to_owned(),
        RootHash::of_empty().to_string(),
    ]
}

/// One small change, of the kinds that second spellings are made of.
#[derive(Clone, Debug)]
enum Edit {
    Delete(Index),
    Double(Index),
    Insert(Index, u8),
    Set(Index, u8),
    SwapLines(Index, Index),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Delete(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Double(at) => {
                let at = at.index(bytes.len());
                bytes.insert(at, bytes[at]);
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::SwapLines(a, b) => {
                let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
                *bytes = lines.join(&b'\n');
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\n\r\t +-=/.0123456789xXpAZaz_".to_vec())];
    prop_oneof![
        any::<Index>().prop_map(Edit::Delete),
        any::<Index>().prop_map(Edit::Double),
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::SwapLines(a, b)),
    ]
}

#[test]
fn every_sample_is_of_some_format_and_prints_back() {
    for sample in samples() {
        every_parser_prints_back(sample.as_bytes());
    }
    let proof = tlog_proof(3, 7);
    assert_eq!(TlogProof::parse(proof.to_string().as_bytes()), Ok(proof));
}

/// The bits of the log's own part are all signed or all checked. Those of a cosignature line may change without breaking
/// the proof, but then the cosignature is lost, or the note refused; it never turns into another one.
#[test]
fn a_proof_with_any_bit_changed_never_verifies_as_something_else() {
    let cosigners = witnesses().map(|w| w.verifier().clone());
    for (i, n) in [(0, 1), (3, 7), (99, 130)] {
        let proof = tlog_proof(i, n);
        let leaf = LeafHash::of(&[i]);
        let known = proof.verify(leaf, log().verifier()).unwrap();
        let quorum = known.cosignatures(&cosigners).unwrap();
        assert_eq!(quorum.len(), 2);
        let bytes = proof.to_string().into_bytes();
        let cosignature_lines =
            bytes.len() - known.note().signatures()[1..].iter().map(|l| l.to_string().len() + 1).sum::<usize>();
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = TlogProof::parse(&changed) else {
                continue;
            };
            let Ok(checkpoint) = changed.verify(leaf, log().verifier()) else {
                continue;
            };
            assert!(bit / 8 >= cosignature_lines, "bit {bit} of {n}");
            assert_eq!((changed.index, &changed.path, changed.extra), (proof.index, &proof.path, None));
            assert_eq!(checkpoint.note().text(), known.note().text());
            let found = checkpoint.cosignatures(&cosigners).unwrap_or_default();
            assert!(found.len() < 2 && found.iter().all(|c| quorum.contains(c)), "bit {bit} of {n}");
        }
    }
}

proptest! {
    #[test]
    fn what_parses_after_small_changes_prints_back(
        sample in prop::sample::select(samples()),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let mut bytes = sample.into_bytes();
        for edit in &edits {
            edit.apply(&mut bytes);
        }
        every_parser_prints_back(&bytes);
    }

    #[test]
    fn any_bytes_at_all_are_refused_or_print_back(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 1_u16..=256) {
        every_parser_prints_back(&bytes);
        if let Ok(hashes) = decode_tile(TileId::new(0, 0, width).unwrap(), &bytes) {
            prop_assert_eq!(encode_tile(&hashes), bytes.clone());
        }
        if let Ok(entries) = decode_bundle(BundleId::new(0, width).unwrap(), &bytes) {
            prop_assert_eq!(encode_bundle(&entries), bytes);
        }
    }

    #[test]
    fn every_resource_parses_back(level in 0_u8..64, index in any::<u64>(), shift in 0_u32..64, width in 1_u16..=256) {
        let index = index >> shift;
        for resource in [
            Resource::Tile(TileId::new(level, index, width).unwrap()),
            Resource::Bundle(BundleId::new(index, width).unwrap()),
        ] {
            prop_assert_eq!(resource.to_string().parse(), Ok(resource));
        }
    }

    #[test]
    fn every_key_and_number_and_time_parses_back(
        name in "[^\\s+\\x00-\\x1f]{1,40}", seed in any::<[u8; 32]>(), secs in 0_u64..253_402_207_200, n in 0..u64::MAX / 2,
    ) {
        for kind in [KeyType::Ed25519, KeyType::CosignatureV1] {
            let key = SignerKey::from_seed(KeyName::new(&name).unwrap(), kind, seed);
            parses_back(key.verifier());
            let again: SignerKey = key.to_secret_string().parse().unwrap();
            prop_assert_eq!(again.verifier(), key.verifier());
        }
        parses_back(&Timestamp::from_secs(secs));
        parses_back(&TreeSize::new(n));
        parses_back(&LeafIndex::new(n));
        parses_back(&LeafHash::from_bytes(seed));
        parses_back(&NodeHash::from_bytes(seed));
        parses_back(&RootHash::from_bytes(seed));
    }

    #[test]
    fn every_bundle_decodes_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..=256)) {
        let entries: Vec<Entry> = entries.into_iter().map(|e| Entry::new(e).unwrap()).collect();
        let id = BundleId::new(0, u16::try_from(entries.len()).unwrap()).unwrap();
        let bytes = encode_bundle(&entries);
        prop_assert_eq!(decode_bundle(id, &bytes[..bytes.len() - 1]).is_err(), true);
        prop_assert_eq!(decode_bundle(id, &[bytes.as_slice(), &[0]].concat()).is_err(), true);
        prop_assert_eq!(decode_bundle(id, &bytes), Ok(entries));
    }

    #[test]
    fn every_signed_note_verifies_and_no_changed_one_does(text in "[^\\x00-\\x09\\x0b-\\x1f]{0,200}", edit in edit()) {
        let text = text + "\n";
        let note = Note::new(text.clone(), vec![log().sign(&text).unwrap()]).unwrap();
        let bytes = note.to_string().into_bytes();
        prop_assert_eq!(Note::parse(&bytes), Ok(note.clone()));
        prop_assert!(note.verify(&[log().verifier()]).is_ok());
        let mut changed = bytes.clone();
        edit.apply(&mut changed);
        let verified = Note::parse(&changed).is_ok_and(|note| note.verify(&[log().verifier()]).is_ok());
        prop_assert_eq!(verified, changed == bytes);
    }
}
