//! What holds for any bytes given to a parser: no panic, and what is accepted prints back exactly as it was.
//!
//! One function for each parser that reads what others wrote. tests/properties.rs holds them to the seeds and to small
//! changes of the seeds; fuzz/ gives them to libFuzzer. Each returns whether the bytes were accepted, so that a target
//! whose seeds are all refused is noticed.

use attest_core::{
    artifact::{WheelName, file_name_from_url},
    checkpoint::{Checkpoint, UnverifiedCheckpoint},
    envelope::Envelope,
    ijson,
    key::{PublicKey, openpgp},
    negatives::{Listing, ListingNote, Shard, ShardId, Table},
    note::{Note, NoteSignature, SignerKey, VerifierKey},
    policy::Policy,
    proof::TlogProof,
    recipe::Recipe,
    statement::Statement,
    tile::{BundleId, Resource, decode_bundle, decode_tile, encode_bundle, encode_tile},
    time::Timestamp,
    tlog_policy::TlogPolicy,
    witness::{AddCheckpoint, parse_size, print_size},
};
use serde_json::Value;

/// A parser under test.
pub struct Target {
    /// Name, also of its corpus.
    pub name: &'static str,
    /// The property; whether the bytes were accepted.
    pub holds: fn(&[u8]) -> bool,
}

/// Every parser.
pub const TARGETS: &[Target] = &[
    Target { name: "note", holds: note },
    Target { name: "checkpoint", holds: checkpoint },
    Target { name: "keys", holds: keys },
    Target { name: "tlog_proof", holds: tlog_proof },
    Target { name: "resource", holds: resource },
    Target { name: "tile", holds: tile },
    Target { name: "bundle", holds: bundle },
    Target { name: "policy", holds: policy },
    Target { name: "add_checkpoint", holds: add_checkpoint },
    Target { name: "tlog_policy", holds: tlog_policy },
    Target { name: "negatives_note", holds: negatives_note },
    Target { name: "negatives_shard", holds: negatives_shard },
    Target { name: "envelope", holds: envelope },
    Target { name: "statement", holds: statement },
    Target { name: "recipe", holds: recipe },
    Target { name: "json", holds: json },
    Target { name: "openpgp_signature", holds: openpgp_signature },
    Target { name: "openpgp_certificate", holds: openpgp_certificate },
    Target { name: "names", holds: names },
];

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Requests to a witness, and the body of its conflicts.
pub fn add_checkpoint(bytes: &[u8]) -> bool {
    if let Ok(size) = parse_size(bytes) {
        assert_eq!(print_size(size).as_bytes(), bytes);
    }
    AddCheckpoint::parse(bytes).is_ok_and(|request| {
        assert_eq!(request.to_string().as_bytes(), bytes);
        true
    })
}

/// A policy has comments and white space, so what it prints is the same policy in one form.
pub fn tlog_policy(bytes: &[u8]) -> bool {
    TlogPolicy::parse(bytes).is_ok_and(|policy| {
        let printed = policy.to_bytes();
        assert_eq!(TlogPolicy::parse(&printed).as_ref(), Ok(&policy));
        assert!(policy.is_met(|_| true), "everybody is a quorum");
        assert!(!policy.has_quorum() || !policy.is_met(|_| false), "nobody is none");
        true
    })
}

/// Accepted as a `T`, and then printed as it was.
fn prints_back<T: std::str::FromStr + std::fmt::Display>(text: &str) -> bool {
    text.parse::<T>().is_ok_and(|value| {
        assert_eq!(value.to_string(), text);
        true
    })
}

/// Signed notes.
pub fn note(bytes: &[u8]) -> bool {
    Note::parse(bytes).is_ok_and(|note| {
        assert_eq!(note.to_string().as_bytes(), bytes);
        true
    })
}

/// Checkpoints, as a text and in a note.
pub fn checkpoint(bytes: &[u8]) -> bool {
    if let Some(text) = text(bytes) {
        prints_back::<Checkpoint>(text);
    }
    UnverifiedCheckpoint::parse(bytes).is_ok_and(|checkpoint| {
        assert_eq!(checkpoint.note().to_string().as_bytes(), bytes);
        // Extension lines may follow; the three lines are the beginning of the text.
        assert!(checkpoint.note().text().starts_with(&checkpoint.claim().to_string()));
        true
    })
}

/// Verifier, signer and rebuilder keys, and signature lines.
pub fn keys(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let signer = text.parse::<SignerKey>().is_ok_and(|key| {
        assert_eq!(key.to_secret_string(), text);
        true
    });
    let public = PublicKey::parse(text).is_ok_and(|key| {
        if let PublicKey::Ed25519(key) = key {
            assert_eq!(key.to_string(), text);
        }
        true
    });
    prints_back::<VerifierKey>(text) | prints_back::<NoteSignature>(text) | signer | public
}

/// `.tlog-proof` files.
pub fn tlog_proof(bytes: &[u8]) -> bool {
    TlogProof::parse(bytes).is_ok_and(|proof| {
        assert_eq!(proof.to_string().as_bytes(), bytes);
        true
    })
}

/// Paths of the read API, and times.
pub fn resource(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(|text| prints_back::<Resource>(text) | prints_back::<Timestamp>(text))
}

/// Hash tiles. The first two bytes are the width that is asked for.
pub fn tile(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = bytes.split_first_chunk() else { return false };
    let id = attest_core::tile::TileId::new(0, 0, u16::from_be_bytes(*width));
    id.is_ok_and(|id| {
        decode_tile(id, bytes).is_ok_and(|hashes| {
            assert_eq!(encode_tile(&hashes), bytes);
            true
        })
    })
}

/// Entry bundles. The first two bytes are the width that is asked for.
pub fn bundle(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = bytes.split_first_chunk() else { return false };
    BundleId::new(0, u16::from_be_bytes(*width)).is_ok_and(|id| {
        decode_bundle(id, bytes).is_ok_and(|entries| {
            assert_eq!(entries.len(), usize::from(id.width()));
            assert_eq!(encode_bundle(&entries), bytes);
            true
        })
    })
}

/// A policy is not printed by anybody: it is only read.
pub fn policy(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(|text| Policy::parse(text).is_ok())
}

/// Notes of lists of negatives, and their texts.
pub fn negatives_note(bytes: &[u8]) -> bool {
    let listing = text(bytes).is_some_and(prints_back::<Listing>);
    let note = ListingNote::parse(bytes).is_ok_and(|note| {
        assert_eq!(note.to_string().as_bytes(), bytes);
        true
    });
    listing | note
}

/// Shards of lists of negatives, and their tables. The first byte of a shard's records is its number.
pub fn negatives_shard(bytes: &[u8]) -> bool {
    let number = bytes.first().copied().unwrap_or_default();
    let id: ShardId = format!("{number:02x}").parse().expect("two digits");
    let shard = Shard::parse(id, bytes).is_ok_and(|shard| {
        assert_eq!(shard.to_bytes(), bytes);
        assert!(shard.records().is_sorted());
        true
    });
    let table = Table::parse(bytes).is_ok_and(|table| {
        assert_eq!(table.to_bytes(), bytes);
        true
    });
    shard | table
}

/// Canonical envelopes.
pub fn envelope(bytes: &[u8]) -> bool {
    Envelope::parse(bytes).is_ok_and(|envelope| {
        assert_eq!(envelope.to_bytes(), bytes);
        true
    })
}

/// Unknown members of a predicate are ignored, so what prints back is what was understood.
pub fn statement(bytes: &[u8]) -> bool {
    Statement::parse(bytes).is_ok_and(|statement| {
        assert_eq!(Statement::parse(&statement.to_bytes()).as_ref(), Ok(&statement));
        true
    })
}

/// Recipes.
pub fn recipe(bytes: &[u8]) -> bool {
    let recipe = text(bytes).and_then(|text| Recipe::parse(text).ok());
    recipe.is_some_and(|recipe| {
        let _ = recipe.knobs_only();
        let printed = recipe.to_toml().expect("a parsed recipe has a form in TOML");
        let again = Recipe::parse(&printed).expect("what is printed is a recipe");
        assert_eq!(again.to_toml().expect("as above"), printed);
        true
    })
}

/// What we accept serde_json accepts, and its canonical form is a fixed point. (It need not be I-JSON: RFC 8785 writes
/// doubles up to 1e21 as integers, which RFC 7493 has readers refuse from 2^53 on.)
pub fn json(bytes: &[u8]) -> bool {
    ijson::check(bytes).is_ok_and(|text| {
        let value: Value = serde_json::from_str(text).expect("serde_json accepts what the stricter check does");
        let canonical = ijson::to_canonical(&value);
        let again: Value = serde_json::from_slice(&canonical).expect("canonical JSON is JSON");
        assert_eq!(ijson::to_canonical(&again), canonical);
        true
    })
}

/// Detached signatures, armored or binary.
pub fn openpgp_signature(bytes: &[u8]) -> bool {
    let kept = openpgp::check_form(bytes).is_ok();
    openpgp::packet(bytes).is_ok_and(|normal| {
        assert_eq!(openpgp::check_form(&normal), Ok(()));
        assert_eq!(openpgp::packet(&normal).as_ref(), Ok(&normal));
        if kept {
            assert_eq!(normal, bytes, "what is in the one form is changed by nothing");
        }
        true
    })
}

/// Armored certificates.
pub fn openpgp_certificate(bytes: &[u8]) -> bool {
    const SIGNATURE: &[u8] = include_bytes!("../vectors/openpgp/ed25519.gpg.sig");
    let certificate = text(bytes).and_then(|text| openpgp::Certificate::parse(text).ok());
    certificate.is_some_and(|certificate| {
        if let Ok(packet) = openpgp::packet(SIGNATURE) {
            assert!(certificate.verify(b"no vector signs this", &packet).is_err());
        }
        true
    })
}

/// File names of wheels, purls and addresses.
pub fn names(bytes: &[u8]) -> bool {
    let wheel = text(bytes).and_then(|text| WheelName::parse(text).ok().map(|wheel| (wheel, text)));
    wheel.is_some_and(|(wheel, text)| {
        assert_eq!(wheel.as_str(), text);
        let purl = wheel.purl();
        let file = purl.rsplit_once('=').expect("a purl names the file").1;
        assert_eq!(file_name_from_url(&format!("https://files.example/{file}")).as_deref(), Ok(text));
        true
    })
}
