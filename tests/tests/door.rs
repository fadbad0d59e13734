//! What the log does not let in: each with the status that says whose fault it is, and none of it in the tree.

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{self, Problem},
    envelope::{Envelope, Signature, pae},
    key::ed25519::SecretKey,
    tile::Entry,
};
use attest_tests::{
    forge::Forge,
    http::{self, Answer, ENVELOPE, block_on},
    quorum::Quorum,
    replica::Replica,
};
use base64::{Engine, prelude::BASE64_STANDARD};

const SEED: [u8; 32] = [7; 32];

/// Signs any bytes, statement or not.
fn signed(payload: &[u8]) -> Result<Vec<u8>> {
    let signature = Signature::Ed25519(SecretKey::from_seed(SEED).sign(&pae(payload)));
    Ok(Envelope::new(payload.to_vec(), signature)?.to_bytes())
}

/// Every way to break one good envelope that a log must notice, by name.
fn broken(good: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let text = String::from_utf8(good.to_vec())?;
    let envelope = Envelope::parse(good)?;
    let payload = String::from_utf8(envelope.payload().to_vec())?;
    let (_, signature) = text.split_once("\"signatures\":[").context("no signatures")?;
    let signature = signature.trim_end_matches("]}").to_owned();
    let replaced = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let said = |from: &str, to: &str| signed(payload.replacen(from, to, 1).as_bytes());
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    Ok(vec![
        ("nothing", Vec::new()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("a byte too many", [good, b"\n"].concat()),
        ("a space in it", replaced("\"signatures\":", "\"signatures\": ")),
        ("another order of keys", {
            let encoded = BASE64_STANDARD.encode(&payload);
            format!(
                r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{encoded}","signatures":[{signature}]}}"#
            )
            .into_bytes()
        }),
        ("a lying keyid", replaced("{\"sig\"", "{\"keyid\":\"alice\",\"sig\"")),
        ("two signatures", replaced(&signature, &format!("{signature},{signature}"))),
        ("no signature", replaced(&signature, "")),
        ("a key twice", replaced("\"signatures\"", "\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\"")),
        ("another payload type", replaced("in-toto+json", "in-toto+yaml")),
        ("base64 without padding or with other letters", replaced("\"sig\":\"", "\"sig\":\"-_")),
        ("a payload that is no JSON", signed(b"hello")?),
        ("a payload with a key twice", said("\"subject\":", "\"subject\":[],\"subject\":")?),
        ("a deeply nested payload", said("\"predicate\":{", &format!("\"predicate\":{{\"x\":{deep},"))?),
        ("no subject", {
            let (before, rest) = payload.split_once("\"subject\":[").context("no subject")?;
            let (_, after) = rest.split_once("}]").context("no end of subject")?;
            signed(format!("{before}\"subject\":[{after}").as_bytes())?
        }),
        ("the right digest under another name", said("\"door-1-py3-none-any.whl\"", "\"other-1-py3-none-any.whl\"")?),
        ("a digest in capitals", said("\"sha256\":\"", "\"sha256\":\"ABCDEF")?),
        ("an unknown field outside the predicate", said("\"predicateType\"", "\"extra\":1,\"predicateType\"")?),
    ])
}

#[test]
fn what_is_not_exactly_a_statement_in_its_one_form_is_refused_with_a_reason() -> Result<()> {
    let quorum = at_the_door()?;
    let forge = Forge::with_key(SecretKey::from_seed(SEED));
    let good = forge.reproduced("door", 1)?.to_bytes();
    for (what, bytes) in broken(&good)? {
        let answer = post(&quorum, &bytes)?;
        ensure!(answer.status == 400 || answer.status == 422, "{what}: answered {}", answer.status);
        let problem: Problem = answer.json().context(what)?;
        ensure!(!problem.detail.is_empty() && problem.status == answer.status.as_u16(), "{what}: {problem:?}");
    }
    let oversized = vec![b'a'; Entry::MAX_LEN + 1];
    post(&quorum, &oversized)?.expect(413)?;
    http::post(quorum.log.url(), api::STATEMENTS, "text/plain", good.clone())?.expect(415)?;
    ensure!(size(&quorum)? == 0, "something of that was logged");

    post(&quorum, &good)?.expect(201)?;
    post(&quorum, &good)?.expect(200)?;
    ensure!(size(&quorum)? == 1, "a statement is logged once");
    Ok(())
}

#[test]
fn a_key_that_is_not_listed_gets_403_and_is_told_so() -> Result<()> {
    let quorum = at_the_door()?;
    let stranger = Forge::new()?;
    let answer = post(&quorum, &stranger.reproduced("door", 1)?.to_bytes())?.expect(403)?;
    let problem: Problem = answer.json()?;
    let words = format!("{} {}", problem.detail, problem.hint.unwrap_or_default());
    ensure!(words.contains("listed rebuilders"), "says not who may submit: {words}");
    ensure!(size(&quorum)? == 0, "a stranger's statement was logged");
    Ok(())
}

#[test]
fn a_signature_over_another_statement_is_refused() -> Result<()> {
    let quorum = at_the_door()?;
    let forge = Forge::with_key(SecretKey::from_seed(SEED));
    let (one, two) = (forge.reproduced("door", 1)?, forge.reproduced("door", 2)?);
    let swapped = Envelope::new(one.payload().to_vec(), two.signature().clone())?;
    let answer = post(&quorum, &swapped.to_bytes())?;
    ensure!(answer.status.is_client_error(), "answered {}", answer.status);
    // A small-order R with a zero S: some verifiers accept it for some keys, so that two readers would disagree.
    let mut weak = [0; 64];
    weak[0] = 1;
    let weak = Envelope::new(one.payload().to_vec(), Signature::Ed25519(weak))?;
    ensure!(post(&quorum, &weak.to_bytes())?.status.is_client_error(), "a weak signature was accepted");
    ensure!(size(&quorum)? == 0, "something of that was logged");
    Ok(())
}

/// A log at which the key of [`SEED`] is listed.
fn at_the_door() -> Result<Quorum> {
    Quorum::with_alice(Forge::with_key(SecretKey::from_seed(SEED)))
}

fn post(quorum: &Quorum, bytes: &[u8]) -> Result<Answer> {
    http::post(quorum.log.url(), api::STATEMENTS, ENVELOPE, bytes.to_vec())
}

fn size(quorum: &Quorum) -> Result<usize> {
    Ok(block_on(Replica::read(quorum.log.url(), &quorum.vkey))?.entries().len())
}
