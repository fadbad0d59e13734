//! What the fuzzers and the changed-seed tests start from: the vectors of this repository.

use std::{fs, path::Path};

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    envelope::{Envelope, Signature},
    proof::TlogProof,
    tile::{Entry, encode_bundle},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

const RECIPE: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "six-1.16.0-py2.py3-none-any.whl"
generator = "bdist_wheel (0.36.2)"
guesses = ["zone"]

[backend]
name = "setuptools.build_meta"
path = []

[requirements]
build = ["setuptools<70.1", "wheel==0.36.2"]

[time]
clock = "SOURCE_DATE_EPOCH"
source-date-epoch = 1620153600
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
"#;

const NAMES: &[&str] = &[
    "six-1.16.0-py2.py3-none-any.whl",
    "numpy-2.0.0-1a-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl",
    "a-1!2.0.post1.dev2-py3-none-any.whl",
];

const KEYS: &[&str] = &["ed25519:w2GC9b4/nnYuvcORdpMp5WYzjH+1jt/UWVI4+aIg1uU="];

/// The seeds of a target; every one that the parser should accept is among them.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "note" | "checkpoint" | "keys" | "resource" => {
            let mut seeds = tlog();
            seeds.extend(KEYS.iter().map(|key| key.as_bytes().to_vec()));
            seeds
        }
        "negatives_note" | "negatives_shard" => texts("tests/vectors/negatives.json"),
        "tlog_proof" => proofs(),
        "tile" => [1_u16, 3, 256].iter().map(|width| prefixed(*width, vec![7; usize::from(*width) * 32])).collect(),
        "bundle" => bundles(),
        "policy" => policies(),
        "add_checkpoint" => requests(),
        "tlog_policy" => witness_policies(),
        "envelope" => folder("statements").into_iter().map(enveloped).collect(),
        "statement" => folder("statements"),
        "recipe" => vec![RECIPE.into()],
        "json" => folder("statements").into_iter().chain([br#"{"a":[1,-0.5e3,"\u00f6",{}]}"#.to_vec()]).collect(),
        "openpgp_signature" => folder("openpgp").into_iter().filter(|bytes| bytes.first() != Some(&b'-')).collect(),
        "openpgp_certificate" => folder("openpgp").into_iter().filter(|bytes| bytes.first() == Some(&b'-')).collect(),
        "names" => NAMES.iter().map(|name| name.as_bytes().to_vec()).collect(),
        other => panic!("no seeds for {other}"),
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../attest-core"))
}

/// Every text of the vectors made by other implementations.
fn tlog() -> Vec<Vec<u8>> {
    texts("../tests/vectors/tlog.json")
}

/// Every text of a JSON file, as it is and decoded.
fn texts(file: &str) -> Vec<Vec<u8>> {
    fn collect(value: &Value, into: &mut Vec<Vec<u8>>) {
        match value {
            Value::String(text) => {
                into.push(text.clone().into_bytes());
                into.extend(STANDARD.decode(text));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            // Hashes of trees are no texts of their own.
            Value::Object(members) => {
                members.iter().filter(|(name, _)| *name != "merkle").for_each(|(_, value)| collect(value, into));
            }
            _ => {}
        }
    }
    let vectors = fs::read(root().join(file)).expect("the vectors");
    let mut seeds = Vec::new();
    collect(&serde_json::from_slice(&vectors).expect("JSON"), &mut seeds);
    seeds.retain(|seed| seed.len() <= 16 * 1024);
    seeds.sort();
    seeds.dedup();
    seeds
}

fn proofs() -> Vec<Vec<u8>> {
    let checkpoints = tlog().into_iter().filter_map(|seed| UnverifiedCheckpoint::parse(&seed).ok());
    let proof = |(index, checkpoint): (usize, UnverifiedCheckpoint)| {
        let hash = "9wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().expect("32 bytes");
        let extra = (index % 2 == 1).then(|| vec![1, 2, 3]);
        TlogProof {
            extra,
            index: (index as u64).to_string().parse().expect("a number"),
            path: vec![hash; index],
            checkpoint,
        }
    };
    checkpoints.take(4).enumerate().map(|seed| proof(seed).to_string().into_bytes()).collect()
}

fn requests() -> Vec<Vec<u8>> {
    let checkpoints = tlog().into_iter().filter(|seed| UnverifiedCheckpoint::parse(seed).is_ok()).take(4).enumerate();
    let request = |(index, checkpoint): (usize, Vec<u8>)| {
        let hash = "9wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(index);
        [format!("old {index}\n{hash}\n").into_bytes(), checkpoint].concat()
    };
    checkpoints.map(request).chain([b"17\n".to_vec()]).collect()
}

/// With keys of the vectors.
fn witness_policies() -> Vec<Vec<u8>> {
    const LOG: &str = "log log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk https://log.test/a\n";
    const WITNESSES: &str = "\
        witness w1 witness.test/w1+a9978b63+BLO470n/vDZO07Vjxvi6Qehj7iMMwJnnlwTBN5Wo4UFo https://witness.test\n\
        witness w2 witness.test/w2+b1bbcbae+BD0ZFVDELScoZIGaA0HY/greith7B2dewZiVjG2+T53N\n";
    let policy = |end: &str| format!("# logs\n{LOG}\n{WITNESSES}{end}").into_bytes();
    vec![
        policy("quorum none\n"),
        policy("quorum w2\n"),
        policy("group g 2 w1 w2\ngroup h any g\nquorum h\n"),
        policy("\tgroup  all all w1\n quorum all \n"),
    ]
}

fn bundles() -> Vec<Vec<u8>> {
    let entries: Vec<Entry> = [0, 1, 300].iter().map(|len| Entry::new(vec![7; *len]).expect("short")).collect();
    vec![prefixed(3, encode_bundle(&entries)), prefixed(1, encode_bundle(&entries[..1]))]
}

fn prefixed(width: u16, bytes: Vec<u8>) -> Vec<u8> {
    [width.to_be_bytes().to_vec(), bytes].concat()
}

/// The examples of the manual.
fn policies() -> Vec<Vec<u8>> {
    let manual = fs::read_to_string(root().join("../docs/policy.md")).expect("the manual");
    let blocks = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.as_bytes().to_vec()).collect()
}

fn enveloped(payload: Vec<u8>) -> Vec<u8> {
    Envelope::new(payload, Signature::Ed25519([7; 64])).expect("short").to_bytes()
}

fn folder(name: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(root().join("tests/vectors").join(name)).expect("the vectors");
    let mut paths: Vec<_> = folder.map(|file| file.expect("readable").path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.is_file()).map(|path| fs::read(path).expect("readable")).collect()
}
