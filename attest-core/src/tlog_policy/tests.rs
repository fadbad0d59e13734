use std::fmt::Write as _;

use super::*;
use crate::note::{KeyName, SignerKey};

fn key(name: &str, kind: KeyType, seed: u8) -> VerifierKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32]).verifier().clone()
}

fn witness(seed: u8) -> String {
    key(&format!("w{seed}.test"), KeyType::CosignatureV1, seed).to_string()
}

fn log(seed: u8) -> String {
    key(&format!("l{seed}.test"), KeyType::Ed25519, seed).to_string()
}

fn parsed(text: &str) -> TlogPolicy {
    let policy = TlogPolicy::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let printed = policy.to_bytes();
    assert_eq!(TlogPolicy::parse(&printed).unwrap(), policy, "what it prints is the same policy");
    assert_eq!(TlogPolicy::parse(&printed).unwrap().to_bytes(), printed);
    policy
}

fn refused(text: impl AsRef<[u8]>) -> (usize, TlogPolicyRule) {
    let error = TlogPolicy::parse(text.as_ref()).unwrap_err();
    (error.line, error.rule)
}

/// Whether the witnesses with these seeds meet the quorum.
fn met(policy: &TlogPolicy, seeds: &[u8]) -> bool {
    let keys: Vec<_> = seeds.iter().map(|seed| *key("x", KeyType::CosignatureV1, *seed).public()).collect();
    policy.is_met(|key| keys.contains(key.public()))
}

#[test]
fn the_example_of_the_specification_needs_two_of_three_and_one_of_three() {
    let w: Vec<String> = (0..7).map(witness).collect();
    let text = format!(
        "log {}\n\nwitness X1 {}\nwitness X2 {}\nwitness X3 {}\ngroup X-witnesses 2 X1 X2 X3\n\nwitness Y1 {}\nwitness Y2 \
         {}\nwitness Y3 {}\ngroup Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log(9),
        w[1],
        w[2],
        w[3],
        w[4],
        w[5],
        w[6]
    );
    let policy = parsed(&text);
    for (seeds, expected) in [
        (vec![], false),
        (vec![1, 2], false),
        (vec![1, 4], false),
        (vec![4, 5, 6], false),
        (vec![1, 3, 6], true),
        (vec![1, 2, 3, 4, 5, 6], true),
    ] {
        assert_eq!(met(&policy, &seeds), expected, "{seeds:?}");
    }
    assert!(policy.has_quorum());
    assert_eq!(policy.logs().len(), 1);
}

#[test]
fn a_quorum_can_be_one_witness_or_none() {
    let policy = parsed(&format!("witness w {}\nquorum w\n", witness(1)));
    assert!(!met(&policy, &[2]) && met(&policy, &[1]));
    let policy = parsed("quorum none\n");
    assert!(!policy.has_quorum() && met(&policy, &[]));
    // A witness beside the quorum does not count for it.
    let policy = parsed(&format!("witness a {}\nwitness b {}\nquorum a\n", witness(1), witness(2)));
    assert!(!met(&policy, &[2]) && met(&policy, &[1]));
}

#[test]
fn one_key_under_two_names_counts_once() {
    let policy = parsed(&format!("witness a {}\nwitness b {}\ngroup g 2 a b\nquorum g\n", witness(1), witness(2)));
    assert!(!met(&policy, &[1, 1]));
}

#[test]
fn words_are_separated_by_spaces_and_tabs_and_comments_are_lines() {
    let w = witness(1);
    let policy = parsed(&format!("# c\n \t# c\n\n \t \n\twitness \t w#1  {w}   https://w.test#x \t\nquorum w#1\n"));
    let [witness] = policy.witnesses() else { panic!() };
    assert_eq!(
        (witness.name().as_bytes(), witness.url().unwrap().as_str()),
        (b"w#1".as_slice(), Some("https://w.test#x"))
    );
    // Tessera cuts at every `#`; by the specification this is a third word.
    assert_eq!(
        refused(format!("witness w {w} u # c\nquorum w\n")).1,
        TlogPolicyRule::Words { expected: "witness <name> <vkey> [<url>]" }
    );
}

#[test]
fn names_are_octets_whatever_they_look_like() {
    let (a, b) = (witness(1), witness(2));
    let mut text = format!("witness K {a}\nwitness \u{212a} {b}\n").into_bytes();
    text.extend(b"group \xff\xfe 1 K \xe2\x84\xaa\nquorum \xff\xfe\n");
    let policy = TlogPolicy::parse(&text).unwrap();
    assert_eq!(TlogPolicy::parse(&policy.to_bytes()).unwrap(), policy);
    assert!(met(&policy, &[2]));
    // U+00A0 is white space in Unicode, and not here.
    assert_eq!(parsed(&format!("witness a\u{a0}b {a}\nquorum a\u{a0}b\n")).witnesses().len(), 1);
}

#[test]
fn every_rule_has_its_error_at_its_line() {
    use TlogPolicyRule as Rule;
    let (w1, w2, l1) = (witness(1), witness(2), log(1));
    let word = |s: &str| Word(s.as_bytes().to_vec());
    let two = format!("witness a {w1}\nwitness b {w2}\n");
    let renamed = key("other.test", KeyType::CosignatureV1, 1);
    let relogged = key("other.test", KeyType::Ed25519, 1);
    let group = "group <name> all|any|<k> <name>...";
    let cases = [
        (String::new(), (0, Rule::NoQuorum)),
        ("# nothing\n".to_owned(), (1, Rule::NoQuorum)),
        (two.clone(), (2, Rule::NoQuorum)),
        ("quorum none".to_owned(), (1, Rule::NoFinalNewline)),
        ("quorum none\r\n".to_owned(), (1, Rule::Control { found: b'\r' })),
        ("quorum none\n# \x7f\n".to_owned(), (2, Rule::Control { found: 0x7f })),
        ("quorum none\n\0\n".to_owned(), (2, Rule::Control { found: 0 })),
        ("quorum none\nquorum none\n".to_owned(), (2, Rule::SecondQuorum)),
        ("quorum a\n".to_owned(), (1, Rule::Undefined { found: word("a") })),
        (format!("quorum a\nwitness a {w1}\n"), (1, Rule::Undefined { found: word("a") })),
        ("quorum\n".to_owned(), (1, Rule::Words { expected: "quorum <name>|none" })),
        ("quorum a b\n".to_owned(), (1, Rule::Words { expected: "quorum <name>|none" })),
        ("Quorum none\n".to_owned(), (1, Rule::Keyword { found: word("Quorum") })),
        ("\u{a0}quorum none\n".to_owned(), (1, Rule::Keyword { found: word("\u{a0}quorum") })),
        ("log\n".to_owned(), (1, Rule::Words { expected: "log <vkey> [<url>]" })),
        (format!("log {l1} u v\n"), (1, Rule::Words { expected: "log <vkey> [<url>]" })),
        (format!("witness a\nwitness {w1}\n"), (1, Rule::Words { expected: "witness <name> <vkey> [<url>]" })),
        (format!("witness none {w1}\n"), (1, Rule::NameNone)),
        (format!("witness a {w1}\nwitness a {w2}\n"), (2, Rule::DefinedTwice { found: word("a") })),
        (format!("{two}group a any b\n"), (3, Rule::DefinedTwice { found: word("a") })),
        (
            format!("witness a {w1}\nwitness b {renamed}\n"),
            (2, Rule::DuplicateKey { found: Box::new(renamed.clone()) }),
        ),
        (format!("log {l1}\nlog {relogged}\n"), (2, Rule::DuplicateKey { found: Box::new(relogged.clone()) })),
        (
            format!("log {w1}\n"),
            (1, Rule::KeyType { expected: KeyType::Ed25519, found: Box::new(w1.parse().unwrap()) }),
        ),
        (
            format!("witness a {l1}\n"),
            (1, Rule::KeyType { expected: KeyType::CosignatureV1, found: Box::new(l1.parse().unwrap()) }),
        ),
        ("witness a b\n".to_owned(), (1, Rule::Key(NoteError::KeyForm))),
        (format!("{two}group g any\n"), (3, Rule::Words { expected: group })),
        (format!("{two}group g\n"), (3, Rule::Words { expected: group })),
        (format!("{two}group none any a\n"), (3, Rule::NameNone)),
        (format!("{two}group g any none\n"), (3, Rule::NameNone)),
        (format!("{two}group g any c\n"), (3, Rule::Undefined { found: word("c") })),
        (format!("{two}group g any g\n"), (3, Rule::Undefined { found: word("g") })),
        (format!("{two}group g any a a\n"), (3, Rule::MemberTwice { found: word("a") })),
        (format!("{two}group g any a b\ngroup h any b\n"), (4, Rule::MemberTwice { found: word("b") })),
        (format!("{two}group g 0 a b\n"), (3, Rule::ThresholdRange { found: 0, members: 2 })),
        (format!("{two}group g 3 a b\n"), (3, Rule::ThresholdRange { found: 3, members: 2 })),
        (format!("{two}group g ANY a b\n"), (3, Rule::Threshold(DecimalError::NotDigits { found: "ANY".to_owned() }))),
        (format!("{two}group g 01 a b\n"), (3, Rule::Threshold(DecimalError::LeadingZero { found: "01".to_owned() }))),
        (format!("{two}group g +1 a b\n"), (3, Rule::Threshold(DecimalError::NotDigits { found: "+1".to_owned() }))),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(&text), expected, "{text:?}");
    }
    let ml_dsa = "witness a w.test+00000000+BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYG\n";
    assert_eq!(refused(ml_dsa).1, Rule::Key(NoteError::KeyTypeUnknown { found: 6 }));
    assert_eq!(refused(b"witness a \xff\nquorum a\n").1, Rule::Key(NoteError::NotUtf8 { position: 0 }));
}

#[test]
fn thirty_two_of_each_are_read_and_limits_hold() {
    let lines = |n: u8| {
        let mut text = String::new();
        for i in 0..n {
            let before = if i == 0 { String::new() } else { format!(" g{}", i - 1) };
            let (log, witness) = (log(i), witness(i));
            writeln!(text, "log {log}\nwitness w{i} {witness}\ngroup g{i} all w{i}{before}").unwrap();
        }
        text + &format!("quorum g{}\n", n - 1)
    };
    let policy = parsed(&lines(64));
    assert!(met(&policy, &(0..64).collect::<Vec<_>>()));
    assert!(!met(&policy, &(1..64).collect::<Vec<_>>()), "the innermost group counts through all the others");
    assert_eq!(refused(lines(65)).1, TlogPolicyRule::TooMany);
    let found = TlogPolicy::MAX_LEN + 1;
    assert_eq!(refused(vec![b'\n'; found]).1, TlogPolicyRule::Length { found });
}
