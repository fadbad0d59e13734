//! Runs every case of tests/vectors/tlog.json, which was made by other implementations (its `generated_by` names them).
//! Each case's `expect` decides; where it is `either`, the stricter reading that the module docs promise does.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "memory/tiles.rs"]
mod tiles;

use attest_core::checkpoint::{Checkpoint, CheckpointError, LogCheckpoint, UnverifiedCheckpoint};
use attest_core::cosignature::{cosign, signed_message};
use attest_core::merkle::{
    LeafHash, LeafIndex, NodeHash, RootHash, TreeHead, TreeSize, verify_consistency, verify_inclusion,
};
use attest_core::note::{KeyName, KeyType, Note, NoteError, SignerKey, VerifierKey};
use attest_core::tile::{
    BundleId, Entry, Prover, Resource, TileError, TileId, decode_bundle, edge_tiles, encode_bundle, encode_tile,
    new_tiles,
};
use attest_core::time::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tiles::Tiles;

const LARGEST_TREE: u64 = 70_000;

/// The cases of a section; their number is part of the test, so that none gets lost.
fn cases(path: [&str; 2], count: usize) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/tlog.json")).unwrap();
    let cases = vectors[path[0]][path[1]].as_array().unwrap().clone();
    assert_eq!(cases.len(), count, "{path:?}");
    cases
}

fn text<'v>(case: &'v Value, field: &str) -> &'v str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} of {case}"))
}

fn texts<'v>(case: &'v Value, field: &str) -> Vec<&'v str> {
    case[field].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

fn number(case: &Value, field: &str) -> u64 {
    case[field].as_u64().unwrap_or_else(|| panic!("{field} of {case}"))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(text(case, field)).unwrap()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
}

fn root(case: &Value, field: &str) -> RootHash {
    text(case, field).parse().unwrap()
}

fn proof(case: &Value) -> Vec<NodeHash> {
    texts(case, "proof").iter().map(|h| h.parse().unwrap()).collect()
}

fn key(vkey: &str) -> VerifierKey {
    let key: VerifierKey = vkey.parse().unwrap();
    assert_eq!(key.to_string(), vkey);
    key
}

/// Leaf i of the vectors' trees is the ASCII decimal of i.
fn entry(i: u64) -> Entry {
    Entry::new(i.to_string().into_bytes()).unwrap()
}

/// The sections of the file are exactly those that this file runs.
#[test]
fn no_section_is_left_out() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/tlog.json")).unwrap();
    let mut sections = Vec::new();
    for (name, section) in vectors.as_object().unwrap() {
        for (sub, cases) in section.as_object().into_iter().flatten() {
            if cases.is_array() {
                sections.push(format!("{name}/{sub}"));
            }
        }
    }
    let expected = "checkpoints/either checkpoints/reject checkpoints/valid cosignatures/either cosignatures/keys \
        cosignatures/mldsa44 cosignatures/reject cosignatures/valid merkle/reject_consistency merkle/reject_inclusion \
        merkle/trees notes/either notes/keys notes/lenient_vkeys notes/reject notes/reject_vkeys notes/valid tiles/content \
        tiles/paths tiles/reject tiles/sets";
    assert_eq!(sections.join(" "), expected);
}

#[test]
fn notes() {
    let open = |case: &Value| -> Result<(Note, Vec<String>), NoteError> {
        let keys: Vec<VerifierKey> = texts(case, "vkeys").into_iter().map(key).collect();
        let note = Note::parse(&bytes(case, "note_base64"))?;
        let signers = note.verify(&keys.iter().collect::<Vec<_>>())?;
        let ids = signers.iter().map(|k| format!("{}+{}", k.name(), k.id())).collect();
        Ok((note, ids))
    };
    let accepted = |case: &Value| {
        let (note, mut signers) = open(case).unwrap_or_else(|e| panic!("{}: {e}", text(case, "id")));
        assert_eq!(note.text(), text(&case["go_result"], "text"));
        assert_eq!(note.to_string().into_bytes(), bytes(case, "note_base64"));
        let verified = case["go_result"]["verified"].as_array().unwrap();
        let mut expected: Vec<_> =
            verified.iter().map(|v| format!("{}+{}", text(v, "name"), text(v, "key_id_hex"))).collect();
        signers.sort();
        expected.sort();
        assert_eq!(signers, expected, "{}", text(case, "id"));
    };
    for case in cases(["notes", "valid"], 15) {
        assert_eq!(text(&case, "expect"), "accept");
        accepted(&case);
    }
    for case in cases(["notes", "reject"], 50) {
        assert_eq!(text(&case, "expect"), "reject");
        assert!(open(&case).is_err(), "{}: {}", text(&case, "id"), text(&case, "reason"));
    }
    for case in cases(["notes", "either"], 6) {
        if text(&case, "expect") == "accept" {
            accepted(&case);
            continue;
        }
        let error = open(&case).unwrap_err();
        match text(&case, "id") {
            "base64-noncanonical" => assert!(matches!(error, NoteError::NotBase64 { .. })),
            "duplicate-line" => assert!(matches!(error, NoteError::RepeatedLine { .. })),
            "good-then-bad" => assert!(matches!(error, NoteError::BadSignature { .. })),
            "over-100-sigs" => assert_eq!(error, NoteError::TooManySignatures { found: 102 }),
            other => panic!("no verdict for {other}"),
        }
    }
}

#[test]
fn keys() {
    let keys = cases(["notes", "keys"], 3).into_iter().chain(cases(["cosignatures", "keys"], 2));
    for case in keys {
        let log: SignerKey = text(&case, "skey").parse().unwrap();
        assert_eq!(log.to_secret_string(), text(&case, "skey"));
        assert_eq!(*log.verifier(), key(text(&case, "vkey")));
        assert_eq!(log.verifier().id().to_string(), text(&case, "key_id_hex"));
        assert_eq!(hex(log.verifier().public()), text(&case, "public_hex"));
        assert_eq!(log.verifier().name().as_str(), text(&case, "name"));
        let cosigner = cosigner(&case);
        assert_eq!(*cosigner.verifier(), key(text(&case, "cosignature_v1_vkey")));
        assert_eq!(cosigner.verifier().id().to_string(), text(&case, "cosignature_v1_key_id_hex"));
        let secret = cosigner.to_secret_string();
        assert_eq!(secret.parse::<SignerKey>().unwrap().verifier(), cosigner.verifier());
    }
    for case in cases(["notes", "reject_vkeys"], 19) {
        assert!(text(&case, "vkey").parse::<VerifierKey>().is_err(), "{}", text(&case, "id"));
    }
    // Go takes these; one key has one spelling here.
    for case in cases(["notes", "lenient_vkeys"], 3) {
        let found = text(&case, "vkey").parse::<VerifierKey>();
        match text(&case, "id") {
            "vk-upper-id" => assert_eq!(found, Err(NoteError::KeyForm)),
            "vk-trailing-newline" => assert!(matches!(found, Err(NoteError::NotBase64 { .. }))),
            // 33 bytes are 44 characters with no bits to spare: what the case holds is the canonical spelling.
            "vk-base64-noncanonical" => assert_eq!(found.unwrap().to_string(), text(&case, "vkey")),
            other => panic!("no verdict for {other}"),
        }
    }
}

fn cosigner(case: &Value) -> SignerKey {
    let seed = text(case, "seed_hex");
    let seed: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).unwrap()).collect();
    SignerKey::from_seed(KeyName::new(text(case, "name")).unwrap(), KeyType::CosignatureV1, seed.try_into().unwrap())
}

fn open(note: &[u8], vkey: &str) -> Result<LogCheckpoint, CheckpointError> {
    let checkpoint = UnverifiedCheckpoint::parse(note)?;
    let origin = checkpoint.claim().origin.clone();
    checkpoint.verify_origin(&origin, &key(vkey))
}

#[test]
fn checkpoints() {
    for case in cases(["checkpoints", "valid"], 19) {
        let note = text(&case, "checkpoint");
        let checkpoint = open(note.as_bytes(), text(&case, "vkey")).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(checkpoint.note().to_string(), note);
        assert_eq!(checkpoint.checkpoint().origin, text(&case, "origin"));
        assert_eq!(checkpoint.head().size.to_string(), text(&case, "size_string"));
        assert_eq!(checkpoint.head().root, root(&case, "root"));
        assert_eq!(checkpoint.extension(), text(&case, "extension"));
        let three_lines = checkpoint.note().text().parse::<Checkpoint>();
        if checkpoint.extension().is_empty() {
            assert_eq!(three_lines.unwrap().to_string(), checkpoint.note().text());
        } else {
            assert!(matches!(three_lines, Err(CheckpointError::Extension { .. })));
        }
        // Ed25519 is deterministic: signing what was read gives the very note.
        if text(&case, "origin") == "log.test/a" && checkpoint.extension().is_empty() {
            let log: SignerKey = text(&cases(["notes", "keys"], 3)[0], "skey").parse().unwrap();
            assert_eq!(checkpoint.checkpoint().sign(&log), Ok(checkpoint));
        }
    }
    for case in cases(["checkpoints", "reject"], 37) {
        assert!(open(&bytes(&case, "signed_base64"), text(&case, "vkey")).is_err(), "{}", text(&case, "id"));
        let body = String::from_utf8(bytes(&case, "text_base64")).unwrap();
        assert!(body.parse::<Checkpoint>().is_err(), "{}", text(&case, "id"));
    }
    for case in cases(["checkpoints", "either"], 4) {
        let error = open(&bytes(&case, "signed_base64"), text(&case, "vkey")).unwrap_err();
        match text(&case, "id") {
            "size-2^63" | "size-2^64-1" => assert!(matches!(error, CheckpointError::Size(_))),
            "root-noncanonical" => assert!(matches!(error, CheckpointError::Root(_))),
            "empty-tree-wrong-root" => {
                assert!(matches!(error, CheckpointError::EmptyTreeRoot { .. }));
            }
            other => panic!("no verdict for {other}"),
        }
    }
}

#[test]
fn cosignatures() {
    let witnesses: Vec<SignerKey> = cases(["cosignatures", "keys"], 2).iter().map(cosigner).collect();
    for case in cases(["cosignatures", "valid"], 6) {
        let checkpoint = open(text(&case, "checkpoint").as_bytes(), text(&case, "log_vkey")).unwrap();
        let cosigners: Vec<VerifierKey> = texts(&case, "cosigner_vkeys").into_iter().map(key).collect();
        let time = Timestamp::from_secs(text(&case, "timestamp_string").parse().unwrap());
        let found = checkpoint.cosignatures(&cosigners).unwrap();
        let expected: Vec<_> = cosigners.iter().map(|k| (k.clone(), time)).collect();
        assert_eq!(found, expected, "{}", text(&case, "id"));
        for message in texts(&case, "signed_messages") {
            assert_eq!(signed_message(checkpoint.note().text(), time), message);
        }
        let mut again = checkpoint.clone().log_signed_only();
        assert_eq!(again.cosignatures(&cosigners), Ok(Vec::new()));
        for cosigner in witnesses.iter().filter(|w| cosigners.contains(w.verifier())) {
            match cosign(&again, cosigner, time) {
                Ok(line) => again = again.with_cosignature(line).unwrap(),
                Err(error) => {
                    assert!(matches!(error, NoteError::ExtensionLines { .. }));
                    again = checkpoint.clone();
                }
            }
        }
        assert_eq!(again, checkpoint);
    }
    for case in cases(["cosignatures", "reject"], 13) {
        let checkpoint = open(text(&case, "checkpoint").as_bytes(), text(&case, "log_vkey")).unwrap();
        let found = checkpoint.cosignatures(&[key(text(&case, "cosigner_vkey"))]);
        // By a known key: the note is rejected. By an unknown one: the line does not count.
        if text(&case, "note_open") == "accept" {
            assert_eq!(found, Ok(Vec::new()), "{}", text(&case, "id"));
        } else {
            assert!(
                matches!(found, Err(CheckpointError::Note(NoteError::BadSignature { .. }))),
                "{}",
                text(&case, "id")
            );
        }
    }
    for case in cases(["cosignatures", "either"], 1) {
        let checkpoint = open(text(&case, "checkpoint").as_bytes(), text(&case, "log_vkey")).unwrap();
        let found = checkpoint.cosignatures(&[key(text(&case, "cosigner_vkey"))]);
        assert_eq!(found, Err(CheckpointError::Note(NoteError::Time { found: 1 << 63 })));
    }
    let ml_dsa = cases(["cosignatures", "mldsa44"], 3);
    println!("skipped: {} ML-DSA-44 cosignatures, which attest does not verify", ml_dsa.len());
    for case in ml_dsa {
        // They must not be in the way: lines by unknown keys.
        let checkpoint = open(text(&case, "checkpoint").as_bytes(), text(&case, "log_vkey")).unwrap();
        assert_eq!(checkpoint.head().size.get(), number(&case, "size"));
        assert_eq!(checkpoint.note().signatures().len(), 2);
        assert_eq!(checkpoint.note().to_string(), text(&case, "checkpoint"));
    }
}

#[test]
fn tile_paths() {
    for case in cases(["tiles", "paths"], 152) {
        let index = text(&case, "index_string").parse().unwrap();
        let width = u16::try_from(number(&case, "width")).unwrap();
        let resource = match text(&case, "level") {
            "entries" => Resource::Bundle(BundleId::new(index, width).unwrap()),
            level => Resource::Tile(TileId::new(level.parse().unwrap(), index, width).unwrap()),
        };
        assert_eq!(resource.to_string(), text(&case, "path"));
        assert_eq!(text(&case, "path").parse(), Ok(resource));
    }
    for case in cases(["tiles", "reject"], 33) {
        let path = text(&case, "path");
        assert!(matches!(path.parse::<Resource>(), Err(TileError::Path { .. })), "{path}");
    }
}

#[test]
fn tile_sets() {
    for case in cases(["tiles", "sets"], 12) {
        let size = TreeSize::new(number(&case, "size"));
        let paths = |tiles: Vec<TileId>| tiles.into_iter().map(|t| Resource::Tile(t).to_string()).collect::<Vec<_>>();
        let all: Vec<TileId> = new_tiles(TreeSize::ZERO, size).collect();
        assert_eq!(all.len() as u64, number(&case, "tile_count"));
        for (level, count) in case["full_tiles_by_level"].as_object().unwrap() {
            let level: u8 = level.parse().unwrap();
            let full = all.iter().filter(|t| t.level() == level && t.is_full()).count();
            assert_eq!(full as u64, count.as_u64().unwrap());
        }
        let or_none = |field: &str| {
            if case[field].is_null() { Vec::new() } else { texts(&case, field) }
        };
        assert_eq!(paths(all.iter().copied().filter(|t| !t.is_full()).collect()), or_none("partial"));
        let levels = all.last().map_or(0, |t| t.level() + 1);
        let last_full =
            (0..levels).filter_map(|level| all.iter().copied().rfind(|t| t.level() == level && t.is_full()));
        assert_eq!(paths(last_full.collect()), or_none("last_full"));
        let edge = (0..levels).filter_map(|level| all.iter().copied().rfind(|t| t.level() == level));
        assert_eq!(edge_tiles(size), edge.collect::<Vec<_>>());
    }
}

#[test]
fn tile_contents() {
    let mut tiles = Tiles::default();
    (0..LARGEST_TREE).for_each(|i| tiles.append(entry(i).leaf_hash()));
    tiles.publish();
    for case in cases(["tiles", "content"], 11) {
        let bytes = match text(&case, "path").parse().unwrap() {
            Resource::Checkpoint => panic!("{case}"),
            Resource::Tile(tile) => encode_tile(&tiles.exact(tile)),
            Resource::Bundle(bundle) => {
                let first = bundle.index() * 256;
                let entries: Vec<Entry> = (first..first + u64::from(bundle.width())).map(entry).collect();
                let bytes = encode_bundle(&entries);
                assert_eq!(decode_bundle(bundle, &bytes), Ok(entries));
                bytes
            }
        };
        assert_eq!(bytes.len() as u64, number(&case, "bytes"));
        assert_eq!(hex(Sha256::digest(bytes)), text(&case, "sha256"), "{}", text(&case, "path"));
    }
}

/// `all_*_sha256`: over every proof of a tree, one byte of length and the raw hashes.
fn digest(proofs: impl Iterator<Item = Vec<NodeHash>>) -> String {
    let mut sha = Sha256::new();
    for proof in proofs {
        sha.update([u8::try_from(proof.len()).unwrap()]);
        for hash in &proof {
            sha.update(hash.as_bytes());
        }
    }
    hex(sha.finalize())
}

#[test]
fn trees() {
    let trees = cases(["merkle", "trees"], 141);
    let mut tiles = Tiles::default();
    let mut heads = vec![tiles.publish()];
    for i in 0..LARGEST_TREE {
        tiles.append(entry(i).leaf_hash());
        heads.push(tiles.publish());
    }
    let (mut included, mut consistent) = (0, 0);
    for case in trees {
        let head = heads[usize::try_from(number(&case, "size")).unwrap()];
        assert_eq!(head, TreeHead { size: TreeSize::new(number(&case, "size")), root: root(&case, "root") });
        let mut prover = Prover::new(head.size, |tile| tiles.read(tile));
        assert_eq!(prover.root(), Ok(head.root));
        for claim in case["inclusion"].as_array().unwrap() {
            let index = LeafIndex::new(number(claim, "index"));
            assert_eq!(prover.inclusion(index), Ok(proof(claim)));
            assert_eq!(verify_inclusion(entry(index.get()).leaf_hash(), index, head, &proof(claim)), Ok(()));
            included += 1;
        }
        for claim in case["consistency"].as_array().unwrap() {
            let old = heads[usize::try_from(number(claim, "old_size")).unwrap()];
            assert_eq!(prover.consistency(old.size), Ok(proof(claim)));
            assert_eq!(verify_consistency(old, head, &proof(claim)), Ok(()));
            consistent += 1;
        }
        if let Some(expected) = case["all_inclusion_sha256"].as_str() {
            let all = (0..head.size.get()).map(|i| prover.inclusion(LeafIndex::new(i)).unwrap());
            assert_eq!(digest(all), expected);
        }
        if let Some(expected) = case["all_consistency_sha256"].as_str() {
            let all = (1..head.size.get()).map(|old| prover.consistency(TreeSize::new(old)).unwrap());
            assert_eq!(digest(all), expected);
        }
    }
    assert_eq!((included, consistent), (1119, 997));
}

#[test]
fn proofs_that_must_fail() {
    let leaf = |case: &Value| -> LeafHash { text(case, "leaf_hash").parse().unwrap() };
    for case in cases(["merkle", "reject_inclusion"], 55) {
        let head = TreeHead { size: TreeSize::new(number(&case, "size")), root: root(&case, "root") };
        let index = LeafIndex::new(number(&case, "index"));
        assert!(verify_inclusion(leaf(&case), index, head, &proof(&case)).is_err(), "{case}");
    }
    for case in cases(["merkle", "reject_consistency"], 55) {
        let old = TreeHead { size: TreeSize::new(number(&case, "old_size")), root: root(&case, "old_root") };
        let new = TreeHead { size: TreeSize::new(number(&case, "size")), root: root(&case, "root") };
        assert!(verify_consistency(old, new, &proof(&case)).is_err(), "{case}");
    }
}

#[test]
fn leaf_hashes() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/tlog.json")).unwrap();
    assert_eq!(LeafHash::of(b"0").to_string(), text(&vectors["merkle"], "leaf_hash_0"));
    assert_eq!(LeafHash::of(b"").to_string(), text(&vectors["merkle"], "leaf_hash_empty_leaf"));
}
