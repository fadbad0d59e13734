//! Whole attacks: somebody wants a file accepted, or an accusation gone.
use crate::world::*;
use attest_core::{
    envelope::{Envelope, EnvelopeError, Signature},
    policy::{Policy, PolicyErrorKind},
    verify::{Reason, Severity, Verdict},
    votes::{Counts, NotCounted},
};
use base64::{Engine, prelude::BASE64_STANDARD};

fn vote(name: &str) -> Signed {
    signer(name).sign(&reproduced(|_| {}))
}

fn bytes(text: String) -> Vec<u8> {
    text.into_bytes()
}

/// A rebuilder withdrew its vote. Somebody logs the vote again in other bytes, so that it looks like a new one.
#[test]
fn a_withdrawn_vote_comes_back_in_no_other_byte_form() {
    let (one, two) = (vote("deb-1"), vote("nix-1"));
    let back = signer("nix-1").sign(&withdrawal(two.id));
    let envelope = Envelope::parse(&two.bytes).unwrap();
    let text = String::from_utf8(two.bytes.clone()).unwrap();
    let payload = String::from_utf8(envelope.payload().to_vec()).unwrap();
    let Signature::Ed25519(signature) = envelope.signature() else {
        panic!("expected Ed25519");
    };
    // S + L: the same point equation, other bytes.
    let mut malleated = *signature;
    add_group_order(&mut malleated);
    let resigned =
        |payload: String| Envelope::new(payload.into_bytes(), Signature::Ed25519(*signature)).unwrap().to_bytes();
    let forms = [
        two.bytes.clone(),
        bytes(format!("{text}\n")),
        bytes(text.replace("\":", "\": ")),
        bytes(text.replace("{\"sig\"", "{\"keyid\":\"nix\",\"sig\"")),
        bytes(text.replace('=', "")),
        bytes(text.replace('/', "\\/")),
        resigned(format!("{payload} ")),
        resigned(payload.replace("\"repeat\":2", "\"repeat\":2.0")),
        Envelope::new(envelope.payload().to_vec(), Signature::Ed25519(malleated)).unwrap().to_bytes(),
    ];
    for (at, form) in forms.into_iter().enumerate() {
        let mut log = log_of(&[&one, &two, &back]);
        log.entries.push(form);
        let verdict = judge_by(&Rules::new(), &evidence(vec![log.view()]));
        assert!(!verdict.is_accepted(), "form {at}");
        let counted = verdict.findings().votes.iter().filter(|vote| vote.by.as_str() == "nix-1");
        assert_eq!(counted.count(), 0, "form {at}");
    }
}

/// The order of the group, L, added to S (the second half, little-endian).
fn add_group_order(signature: &mut [u8; 64]) {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

/// A bundle arrives with good votes and fresh checkpoint; the contradiction was taken out of it.
#[test]
fn a_bundle_without_its_contradiction_does_not_pass_where_a_complete_view_is_wanted() {
    let (one, two) = (vote("deb-1"), vote("nix-1"));
    let against = signer("acme-1").sign(&contradiction(one.id));
    let whole = log_of(&[&one, &two, &against]).view();
    let mut stripped = whole.clone();
    stripped.entries.pop();

    let auditor = Log::new("auditor.example");
    let complete = Rules::new()
        .set("negatives", r#""complete""#)
        .set("auditor-threshold", "1")
        .table(format!("[[auditor]]\nname = \"auditor\"\ngroup = \"mirror\"\nvkey = \"{}\"\n", auditor.key.verifier()));
    let verdict = judge_by(&complete, &evidence(vec![stripped.clone()]));
    assert_eq!(codes(&verdict), ["incomplete-view"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    // Nothing hides behind the missing list: what is shown decides.
    let verdict = judge_by(&complete, &evidence(vec![whole]));
    assert_eq!(verdict.severity(), Some(Severity::Refused));
    assert!(codes(&verdict).contains(&"contradicted"));
    // This is what the other choice of the policy means.
    assert!(judge_by(&Rules::new(), &evidence(vec![stripped])).is_accepted());
}

/// A rebuilder's key expired. A thief signs a vote with it and dates it back; the rebuilder's old dissent stays.
#[test]
fn an_expired_key_has_no_backdated_vote_and_its_contradiction_still_blocks() {
    let (one, two) = (vote("deb-1"), vote("nix-1"));
    let backdated = signer("acme-1").sign(&reproduced(|build| {
        build.rebuilt_at = "2020-01-01T00:00:00Z".to_owned();
    }));
    let before = |bound: u64| {
        let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = {bound} }}]\n");
        Rules::new().change_rebuilder("acme-1", "acme", "retired", &valid)
    };
    // Entry 1 of the log, whatever date is in it.
    let verdict = judge(&before(1), &[&one, &backdated]);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert!(matches!(verdict.findings().ignored[0].why, NotCounted::OutsideValidity { .. }));
    // What was logged before the bound counts for ever.
    assert!(judge(&before(2), &[&one, &backdated]).is_accepted());
    // Dissent needs no valid key.
    let against = signer("acme-1").sign(&contradiction(one.id));
    let verdict = judge(&before(1), &[&one, &two, &against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    // And a thief cannot take it back with the expired key.
    let back = signer("acme-1").sign(&withdrawal(against.id));
    let verdict = judge(&before(1), &[&one, &two, &against, &back]);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

/// A signature that some verifiers accept and others reject would let its maker show a vote to some people only.
#[test]
fn equivocating_ed25519_signatures_are_judged_alike_wherever_they_turn_up() {
    let one = vote("deb-1");
    let envelope = Envelope::parse(&vote("nix-1").bytes).unwrap();
    let Signature::Ed25519(good) = envelope.signature() else {
        panic!("expected Ed25519");
    };
    let with = |signature: [u8; 64]| {
        Envelope::new(envelope.payload().to_vec(), Signature::Ed25519(signature)).unwrap().to_bytes()
    };
    let mut high_s = *good;
    add_group_order(&mut high_s);
    // R = the identity, a point of small order, canonical and not.
    let mut small_r = *good;
    small_r[..32].fill(0);
    small_r[0] = 1;
    let mut non_canonical_r = *good;
    non_canonical_r[..32].fill(0xff);
    non_canonical_r[0] = 0xee;
    non_canonical_r[31] = 0x7f;
    for signature in [high_s, small_r, non_canonical_r, [0; 64]] {
        let bytes = with(signature);
        // As a vote in a log, alone and beside others, and from a folder for the user's own key: no vote anywhere.
        let mut log = log_of(&[&one]);
        log.entries.push(bytes.clone());
        let verdict = judge_by(&Rules::new(), &evidence(vec![log.view()]));
        assert_eq!(codes(&verdict), ["below-threshold"]);
        assert_eq!(verdict.findings().ignored[0].why, NotCounted::UnknownKey);

        let mut unlogged = evidence(vec![log_of(&[&one]).view()]);
        unlogged.unlogged.push(bytes);
        let mut own = Rules::new();
        own.tables.retain(|table| !table.contains("\"nix-1\""));
        let verdict = judge_by(&own.key("self", "nix-1"), &unlogged);
        assert_eq!(codes(&verdict), ["below-threshold"]);
    }
    // Alone and in a set: the good one counts in both.
    let mut log = log_of(&[&one]);
    log.entries.push(with(high_s));
    log.entries.push(with(*good));
    assert!(judge_by(&Rules::new(), &evidence(vec![log.view()])).is_accepted());
}

/// With a small-order public key one signature fits many messages.
#[test]
fn a_small_order_public_key_gets_into_no_policy() {
    for encoded in [[0_u8; 32], identity()] {
        let key = BASE64_STANDARD.encode(encoded);
        let text = Rules::new().table(format!("[[self]]\nname = \"weak\"\nkey = \"ed25519:{key}\"\n")).text();
        let error = Policy::parse(&text).unwrap_err();
        assert!(matches!(*error.kind, PolicyErrorKind::Key { .. }), "{error}");
    }
}

fn identity() -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = 1;
    point
}

/// An operator runs the log, a witness and two rebuilders, and hopes to be counted four times.
#[test]
fn one_key_in_two_roles_is_refused_and_both_holders_are_named() {
    let seed = *digest(LOG).as_bytes();
    let log_key = attest_core::key::ed25519::SecretKey::from_seed(seed).public();
    let as_witness = attest_core::note::SignerKey::from_seed(
        attest_core::note::KeyName::new("honest-witness.example").unwrap(),
        attest_core::note::KeyType::CosignatureV1,
        seed,
    );
    let deb = signer("deb-1").public();
    let cases = [
        (
            format!("[[rebuilder]]\nname = \"x\"\ngroup = \"x\"\nkey = \"{log_key}\"\nstatus = \"current\"\n"),
            format!("rebuilder x has the same public key as log {LOG}"),
        ),
        (
            format!("[[witness]]\nname = \"x\"\ngroup = \"x\"\nvkey = \"{}\"\n", as_witness.verifier()),
            format!("witness x has the same public key as log {LOG}"),
        ),
        (
            format!("[[rebuilder]]\nname = \"x\"\ngroup = \"x\"\nkey = \"{deb}\"\nstatus = \"current\"\n"),
            "rebuilder x has the same public key as rebuilder deb-1".to_owned(),
        ),
        (
            format!("[[self]]\nname = \"x\"\nkey = \"{deb}\"\n"),
            "self x has the same public key as rebuilder deb-1".to_owned(),
        ),
        (
            format!("[[publisher]]\nname = \"x\"\nkey = \"{deb}\"\n"),
            "publisher x has the same public key as rebuilder deb-1".to_owned(),
        ),
    ];
    for (table, expected) in cases {
        let error = Policy::parse(&Rules::new().table(table).text()).unwrap_err();
        assert!(matches!(*error.kind, PolicyErrorKind::DuplicateKey { .. }), "{error}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

/// A group votes for the good commit in public and for the evil one where it hopes to be believed.
#[test]
fn a_group_that_votes_for_two_commits_counts_for_neither() {
    const EVIL: &str = "6666666666666666666666666666666666666666";
    let evil = |name: &str| signer(name).sign(&reproduced(|build| build.source = git(EVIL)));
    // With one key, or with two keys of the group.
    for second in ["deb-1", "deb-2"] {
        let verdict = judge(&Rules::new(), &[&vote("deb-1"), &evil(second), &evil("nix-1")]);
        assert!(!verdict.is_accepted());
        for vote in &verdict.findings().votes {
            let expected = if vote.group.as_str() == "debian" { Counts::GroupSplit } else { Counts::Yes };
            assert_eq!(vote.counts, expected);
        }
    }
    // Two other groups that agree do not need it.
    let verdict = judge(&Rules::new(), &[&vote("deb-1"), &evil("deb-1"), &vote("nix-1"), &vote("acme-1")]);
    let Verdict::Accepted(acceptance) = verdict else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.groups.len(), 2);
}

/// A log shows one history to the user and another to everybody else.
#[test]
fn a_log_that_forks_is_an_alarm_even_for_files_that_only_one_side_has() {
    let (one, two) = (vote("deb-1"), vote("nix-1"));
    let against = signer("acme-1").sign(&contradiction(one.id));
    let shown = log_of(&[&one, &two]);
    let true_history = log_of(&[&one, &against]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![shown.view(), true_history.view_cosigned(&[])]));
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    assert!(matches!(verdict.reasons()[0], Reason::Fork { .. }));
}

/// Somebody logs the vote of another with its signature moved to an OpenPGP-shaped or truncated field.
#[test]
fn a_signature_of_another_length_is_no_ed25519_signature() {
    let text = String::from_utf8(vote("deb-1").bytes).unwrap();
    let cut = text.replace("==\"}]}", "\"}]}");
    assert!(Envelope::parse(cut.as_bytes()).is_err());
    let two: Result<_, EnvelopeError> = Envelope::parse(text.replace("}]}", "},{\"sig\":\"AAAA\"}]}").as_bytes());
    assert!(two.is_err());
}
