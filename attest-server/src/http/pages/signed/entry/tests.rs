use attest_core::escape::is_hidden;

use super::*;

#[test]
fn the_json_that_is_shown_hides_nothing_and_is_the_same_json() {
    let statement = serde_json::json!({"a": "x\u{202e}y\u{e0041}\n", "b": ["<script>"]});
    let shown = pretty(&statement);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), statement);
    assert!(shown.contains("\\u202e") && shown.contains("\\udb40\\udc41"), "{shown}");
    assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)));
}

#[test]
fn signers_of_the_checkpoint_are_the_log_and_cosigners_with_their_times() {
    // Of the specification's own example (c2sp.org/tlog-proof).
    let proof = "c2sp.org/tlog-proof@v1\nindex 3\n\nlog.test/a\n5\ntnSPbtepnefahP2X4aO6xvq4mZ9KQ2lcq5Uoot5DEUc=\n\n\
        — log.test/a Yc+sQrQ0CYMo4U1i2snTx+9Acjy4PDPCvBFJ2fBnCPJmfCjOTWi7+BXCZ3RbfPkcwk1Xq0GKTmRjcFQOOP4b2uRbjgU=\n\
        — witness.test/w1 qZeLYwAAAABkGFDL4RnsUcyhgo2PH9IG6+IkwqvyFw1Zb4olwapALTf1FHO+IT/cAbpBggwjEiYSvNgMFINwPuY6iwzWhJ00Yt8YAA==\n";
    let signers = signers(proof, "log.test/a");
    let words: Vec<_> = signers
        .iter()
        .map(|signer| (signer.name.as_str(), signer.is_log, signer.time.map(|time| time.to_string())))
        .collect();
    assert_eq!(
        words,
        [("log.test/a", true, None), ("witness.test/w1", false, Some("2023-03-20T12:25:47Z".to_owned()))]
    );
    assert!(super::signers("no proof", "log.test/a").is_empty());
}
