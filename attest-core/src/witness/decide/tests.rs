use super::*;
use crate::merkle::{Frontier, LeafHash};
use crate::note::{KeyName, KeyType, NoteSignature};
use crate::witness::{AddCheckpoint, RequestError, ResponseError, parse_cosignatures, parse_size, print_size};

const ORIGIN: &str = "log.test/a";
const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn signer(name: &str, kind: KeyType, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
}

fn log() -> SignerKey {
    signer(ORIGIN, KeyType::Ed25519, 1)
}

fn witness() -> SignerKey {
    signer("w.test", KeyType::CosignatureV1, 2)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn leaf(history: u8, index: u8) -> LeafHash {
    LeafHash::of(&[history, index])
}

fn head(history: u8, size: u8) -> TreeHead {
    let mut tree = Frontier::new();
    (0..size).for_each(|index| tree.append(leaf(history, index)));
    tree.head()
}

/// RFC 6962 section 2.1.2, straight from its text.
fn proof(history: u8, old: u8, new: u8) -> Vec<NodeHash> {
    fn root(leaves: &[NodeHash]) -> NodeHash {
        if let [one] = leaves {
            return *one;
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        NodeHash::of_children(&root(left), &root(right))
    }
    fn subproof(old: usize, leaves: &[NodeHash], whole: bool) -> Vec<NodeHash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, end) = if old <= left.len() {
            (subproof(old, left, whole), root(right))
        } else {
            (subproof(old - left.len(), right, false), root(left))
        };
        path.push(end);
        path
    }
    if old == 0 || old > new {
        return Vec::new();
    }
    let leaves: Vec<NodeHash> = (0..new).map(|index| leaf(history, index).into()).collect();
    subproof(usize::from(old), &leaves, true)
}

fn text(head: TreeHead) -> String {
    Checkpoint { origin: ORIGIN.to_owned(), head }.to_string()
}

/// A request as it comes over the wire, signed by the log whatever it says.
fn request(old: u64, proof: &[NodeHash], text: &str, more: &[NoteSignature]) -> AddCheckpoint {
    let lines = [vec![log().sign(text).unwrap()], more.to_vec()].concat();
    let note = Note::new(text.to_owned(), lines).unwrap();
    let proof = proof.iter().fold(String::new(), |lines, hash| lines + &format!("{hash}\n"));
    AddCheckpoint::parse(format!("old {old}\n{proof}\n{note}").as_bytes()).unwrap()
}

fn honest(history: u8, old: u8, new: u8) -> AddCheckpoint {
    request(u64::from(old), &proof(history, old, new), &text(head(history, new)), &[])
}

fn cosigned(size: u8, time: u64) -> Cosigned {
    let key = log();
    decide(Some(key.verifier()), None, honest(0, 0, size)).unwrap().cosign(&witness(), at(time)).unwrap()
}

fn status(latest: Option<&Cosigned>, request: AddCheckpoint) -> u16 {
    decide(Some(log().verifier()), latest, request).map_or_else(|refusal| refusal.status(), |_| 200)
}

#[test]
fn every_status_of_the_specification_comes_in_its_order() {
    let held = cosigned(5, 100);
    let other_log = signer("log.test/b", KeyType::Ed25519, 1);
    // Wrong in every way but the one that is refused first.
    let all_wrong = || request(9, &proof(1, 3, 7), &text(head(1, 7)), &[log().sign("else\n").unwrap()]);
    let decided = |log: Option<&VerifierKey>| decide(log, Some(&held), all_wrong()).unwrap_err().status();
    assert_eq!(decided(None), 404);
    assert_eq!(decided(Some(other_log.verifier())), 404);
    assert_eq!(decided(Some(log().verifier())), 403);
    assert_eq!(status(Some(&held), request(9, &proof(1, 3, 7), &text(head(1, 7)), &[])), 400);
    assert_eq!(status(Some(&held), request(3, &proof(1, 3, 7), &text(head(1, 7)), &[])), 409);
    assert_eq!(status(Some(&held), request(5, &proof(1, 5, 7), &text(head(1, 7)), &[])), 422);
    assert_eq!(status(Some(&held), honest(0, 5, 7)), 200);
}

#[test]
fn a_signature_that_is_missing_by_another_key_or_wrong_is_403() {
    let stranger = signer(ORIGIN, KeyType::Ed25519, 9);
    let text = text(head(0, 5));
    let by = |line| {
        let note = Note::new(text.clone(), vec![line]).unwrap();
        AddCheckpoint::parse(format!("old 0\n\n{note}").as_bytes()).unwrap()
    };
    let refused = |request| decide(Some(log().verifier()), None, request).unwrap_err();
    assert_eq!(refused(by(stranger.sign(&text).unwrap())), Refusal::Signature(NoteError::NoKnownSignature));
    let wrong = refused(by(log().sign("else\n").unwrap()));
    assert!(matches!(wrong, Refusal::Signature(NoteError::BadSignature { .. })));
    // A good line first does not make up for a bad one (tlog-witness: "such a note is malformed").
    let both = request(0, &[], &text, &[log().sign("else\n").unwrap()]);
    assert!(matches!(refused(both), Refusal::Signature(NoteError::BadSignature { .. })));
}

#[test]
fn any_tree_follows_nothing_but_only_with_an_empty_proof() {
    assert_eq!(status(None, honest(0, 0, 5)), 200);
    assert_eq!(status(None, request(0, &proof(0, 3, 5), &text(head(0, 5)), &[])), 422);
    assert_eq!(status(None, honest(0, 3, 5)), 409);
}

#[test]
fn size_zero_is_the_empty_tree_and_nothing_else() {
    let empty = head(0, 0);
    assert_eq!(empty.root.to_string(), EMPTY);
    assert_eq!(status(None, request(0, &[], &text(empty), &[])), 200);
    let wrong = TreeHead { root: head(0, 5).root, ..empty };
    assert_eq!(status(None, request(0, &[], &text(wrong), &[])), 422);
    // In its order: the signature, the old size and the conflict come first.
    assert_eq!(status(None, request(1, &[], &text(wrong), &[])), 400);
    assert_eq!(status(Some(&cosigned(5, 100)), request(0, &[], &text(wrong), &[])), 409);
    // Cosigned while it was empty, it has grown.
    let held = decide(Some(log().verifier()), None, request(0, &[], &text(empty), &[])).unwrap();
    let held = held.cosign(&witness(), at(7)).unwrap();
    assert_eq!(status(Some(&held), honest(0, 0, 5)), 200);
    assert_eq!(status(Some(&held), request(0, &[], &text(empty), &[])), 200);
}

#[test]
fn the_same_size_is_cosigned_again_with_the_same_root_only() {
    let held = cosigned(5, 100);
    let again = decide(Some(log().verifier()), Some(&held), honest(0, 5, 5)).unwrap();
    assert_eq!(again.cosign(&witness(), at(700)).unwrap().time(), at(700));
    let other = decide(Some(log().verifier()), Some(&held), honest(1, 5, 5)).unwrap_err();
    assert!(matches!(other, Refusal::Inconsistent(ProofError::Conflict { .. })), "{other}");
    let surplus = request(5, &proof(0, 3, 5), &text(head(0, 5)), &[]);
    assert_eq!(status(Some(&held), surplus), 422);
}

#[test]
fn a_rollback_is_a_conflict_whatever_old_size_it_names() {
    let held = cosigned(5, 100);
    for old in 0..=3 {
        let refused = decide(Some(log().verifier()), Some(&held), honest(0, old, 3)).unwrap_err();
        assert!(matches!(refused, Refusal::Conflict { latest, .. } if latest.get() == 5), "{old}: {refused}");
    }
    assert_eq!(status(Some(&held), honest(0, 5, 3)), 400);
}

#[test]
fn the_slower_of_two_requests_with_one_old_size_gets_a_conflict() {
    let held = cosigned(3, 100);
    let (a, b) = (honest(0, 3, 5), honest(0, 3, 7));
    let b = decide(Some(log().verifier()), Some(&held), b).unwrap().cosign(&witness(), at(101)).unwrap();
    assert_eq!(status(Some(&b), a), 409);
}

#[test]
fn a_proof_that_is_short_long_or_of_another_tree_is_422() {
    let held = cosigned(5, 100);
    let right = proof(0, 5, 7);
    for end in 0..right.len() {
        assert_eq!(status(Some(&held), request(5, &right[..end], &text(head(0, 7)), &[])), 422, "{end}");
    }
    let long = [right.clone(), vec![right[0]]].concat();
    assert_eq!(status(Some(&held), request(5, &long, &text(head(0, 7)), &[])), 422);
    assert_eq!(status(Some(&held), honest(1, 5, 7)), 422);
}

#[test]
fn only_verified_lines_are_stored_whatever_came_with_the_checkpoint() {
    // Sunlight stored a line that bore its own name and id and that it had not made: from then on its state did not
    // open, and the log was without that witness for good.
    let text = text(head(0, 5));
    let forged = NoteSignature::new(witness().verifier().name().clone(), witness().verifier().id(), vec![7; 72]);
    let stranger = signer("s.test", KeyType::Ed25519, 5).sign(&text).unwrap();
    let request = request(0, &[], &text, &[forged, stranger]);
    let consistent = decide(Some(log().verifier()), None, request).unwrap();
    assert_eq!(consistent.checkpoint().note().signatures().len(), 1);
    let cosigned = consistent.cosign(&witness(), at(9)).unwrap();
    assert_eq!(cosigned.note().signatures().len(), 2);
    let stored = cosigned.note().to_string();
    let read = Cosigned::parse(stored.as_bytes(), log().verifier(), witness().verifier());
    assert_eq!(read.unwrap(), cosigned);
    let line = parse_cosignatures(cosigned.body().as_bytes(), &text, witness().verifier()).unwrap();
    assert_eq!(line.time(), at(9));
}

#[test]
fn a_stored_note_with_a_line_too_few_or_too_many_is_refused() {
    let (log, own) = (log(), witness());
    let good = cosigned(5, 100);
    let lines = good.note().signatures().to_vec();
    let read = |lines: Vec<NoteSignature>| {
        let note = Note::new(good.note().text().to_owned(), lines).unwrap().to_string();
        Cosigned::parse(note.as_bytes(), log.verifier(), own.verifier())
    };
    assert_eq!(read(lines.clone()).unwrap(), good);
    assert_eq!(read(vec![lines[0].clone()]), Err(CosignedError::NotCosigned));
    assert!(matches!(read(vec![lines[1].clone()]), Err(CosignedError::Checkpoint(_))));
    let stranger = signer("s.test", KeyType::Ed25519, 5).sign(good.note().text()).unwrap();
    assert!(matches!(read([lines, vec![stranger]].concat()), Err(CosignedError::OtherLine { .. })));
}

#[test]
fn extension_lines_are_not_cosigned() {
    let text = format!("{}ext\n", text(head(0, 5)));
    assert_eq!(status(None, request(0, &[], &text, &[])), 400);
}

#[test]
fn the_time_of_a_cosignature_never_decreases_and_is_never_zero() {
    let held = cosigned(5, 1_000);
    let next = || decide(Some(log().verifier()), Some(&held), honest(0, 5, 7)).unwrap();
    assert_eq!(next().cosign(&witness(), at(1)).unwrap().time(), at(1_000));
    assert_eq!(next().cosign(&witness(), at(1_001)).unwrap().time(), at(1_001));
    let first = decide(Some(log().verifier()), None, honest(0, 0, 5)).unwrap();
    assert_eq!(first.cosign(&witness(), at(0)), Err(CosignedError::NoTime));
}

#[test]
fn a_request_prints_back_or_is_refused() {
    let good = honest(0, 3, 7).to_string();
    assert_eq!(AddCheckpoint::parse(good.as_bytes()).unwrap().to_string(), good);
    let built = decide(Some(log().verifier()), None, honest(0, 0, 7)).unwrap();
    let built = AddCheckpoint::new(TreeSize::new(3), proof(0, 3, 7), built.checkpoint()).unwrap();
    assert_eq!(built.to_string(), good);

    let (lines, note) = good.split_once("\n\n").unwrap();
    let hash = lines.split('\n').nth(1).unwrap();
    let refused = |text: &str| AddCheckpoint::parse(text.as_bytes()).unwrap_err();
    let with = |lines: &str| refused(&format!("{lines}\n\n{note}"));
    assert_eq!(refused(""), RequestError::NoCheckpoint);
    assert_eq!(refused(lines), RequestError::NoCheckpoint);
    assert_eq!(with(""), RequestError::NoOldSize);
    for old in ["old", "new 3", "Old 3", " old 3", "old\t3"] {
        assert_eq!(with(old), RequestError::NoOldSize, "{old:?}");
    }
    for old in ["old ", "old 03", "old +3", "old -3", "old  3", "old 3 ", "old 3\r", "old 9223372036854775808"] {
        assert!(matches!(with(old), RequestError::OldSize(_)), "{old:?}");
    }
    for line in ["", " ", &hash[1..], &format!("{hash} "), &format!("{hash}\r"), &hash.replace('=', "")] {
        let found = with(&format!("old 3\n{line}\n{hash}"));
        assert!(matches!(found, RequestError::Proof(_) | RequestError::Checkpoint(_)), "{line:?}: {found}");
    }
    let many = |n: usize| format!("old 3{}", format!("\n{hash}").repeat(n));
    assert_eq!(with(&many(64)), RequestError::ProofLength { found: 64 });
    assert!(AddCheckpoint::parse(format!("{}\n\n{note}", many(63)).as_bytes()).is_ok());
    assert!(matches!(refused(&format!("{lines}\n\nno note\n")), RequestError::Note(_)));
    assert!(matches!(refused(&format!("{lines}\n\na\n\n— k AAAAAQI=\n")), RequestError::Checkpoint(_)));
    let long = vec![b'a'; AddCheckpoint::MAX_LEN + 1];
    assert_eq!(AddCheckpoint::parse(&long), Err(RequestError::Length { found: long.len() }));
    assert_eq!(AddCheckpoint::parse(b"old 3\xff\n\n"), Err(RequestError::NotUtf8 { position: 5 }));
}

#[test]
fn the_size_in_a_conflict_has_one_form() {
    for size in [0, 5, i64::MAX as u64] {
        assert_eq!(parse_size(print_size(TreeSize::new(size)).as_bytes()), Ok(TreeSize::new(size)));
    }
    for body in ["", "5", "\n", "5\n\n", "05\n", "+5\n", "5 \n", "5\r\n", "9223372036854775808\n", "five\n"] {
        assert!(parse_size(body.as_bytes()).is_err(), "{body:?}");
    }
    let long = format!("{}\n", "1".repeat(1 << 20));
    assert_eq!(parse_size(long.as_bytes()), Err(ResponseError::SizeForm { found: long.len() }));
    assert!(parse_size(b"\xff\n").is_err());
}

#[test]
fn an_answer_counts_only_with_a_line_by_the_witness_that_verifies() {
    let (held, own) = (cosigned(5, 100), witness());
    let text = held.note().text();
    let parse = |body: &str| parse_cosignatures(body.as_bytes(), text, own.verifier());
    assert_eq!(parse(&held.body()).unwrap().time(), at(100));
    // Of another tree, by another key, by another name of the same key, altered.
    let of_another = cosigned(7, 100).body();
    assert!(matches!(parse(&of_another), Err(ResponseError::Line(NoteError::BadSignature { .. }))));
    for name in ["w.test", "w2.test"] {
        let seed = if name == "w.test" { 9 } else { 2 };
        let key = signer(name, KeyType::CosignatureV1, seed);
        let line = decide(Some(log().verifier()), None, honest(0, 0, 5)).unwrap().cosign(&key, at(100)).unwrap();
        assert!(matches!(parse(&line.body()), Err(ResponseError::NoLine { .. })), "{name}");
        // Beside the right one it is ignored.
        assert_eq!(parse(&format!("{}{}", line.body(), held.body())).unwrap().time(), at(100));
    }
    // A wrong line in its own name spoils the answer, wherever it stands.
    for body in [format!("{of_another}{}", held.body()), format!("{}{of_another}", held.body())] {
        assert!(matches!(parse(&body), Err(ResponseError::Line(_))));
    }
    assert!(matches!(parse(""), Err(ResponseError::Form { .. })));
    for body in ["\n", "ok\n", "<html>\n", &format!("{}\n", held.body()), &held.note().to_string()] {
        assert!(matches!(parse(body), Err(ResponseError::Line(_))), "{body:?}");
    }
    assert!(matches!(parse(held.body().trim_end()), Err(ResponseError::Form { .. })));
    let many = (0..101).fold(String::new(), |lines, i| lines + &format!("— k{i} AAAAAQI=\n"));
    assert_eq!(parse(&many), Err(ResponseError::TooManyLines { found: 101 }));
    let long = "a".repeat(Note::MAX_LEN + 1);
    assert_eq!(parse(&long), Err(ResponseError::Length { found: long.len() }));
}
