use attest_core::envelope::Signature;

use super::{super::samples::view, *};

/// The view of a statement of the shared vectors.
fn told(name: &str, standing: Standing) -> Account {
    let path = format!("{}/../attest-core/tests/vectors/statements/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let envelope = Envelope::new(std::fs::read(path).unwrap(), Signature::Ed25519([7; 64])).unwrap();
    let mut view = view(0, 1);
    view.row.standing = standing;
    view.envelope = Some(String::from_utf8(envelope.to_bytes()).unwrap());
    Account::of(&view).unwrap()
}

fn value<'a>(account: &'a Account, name: &str) -> Option<&'a str> {
    account.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
}

#[test]
fn every_kind_of_statement_is_told_in_its_own_words() {
    for (name, standing, words) in [
        ("reproduced", Standing::Reproduced, "got the very same bytes"),
        ("equivalent", Standing::Equivalent, "got the same content"),
        ("not-reproduced-different", Standing::Contradicted, "Both cannot be right"),
        ("not-reproduced-different", Standing::ForeignCode, "has code in it that the rebuilt one has not"),
        ("not-reproduced-different", Standing::Abstained, "proves nothing against the file"),
        ("not-reproduced-build-failed", Standing::Abstained, "the build failed."),
        ("not-reproduced-source-not-found", Standing::Abstained, "no source was found"),
        ("withdrawn", Standing::Withdrawal, "takes an earlier statement about six-1.16.0"),
        // Whatever it claims.
        ("reproduced", Standing::Other, "counts for nobody"),
    ] {
        let account = told(name, standing);
        assert!(account.headline.contains(words), "{name}: {}", account.headline);
    }
}

#[test]
fn what_it_was_built_from_and_with_is_told() {
    let account = told("reproduced-from-git", Standing::Reproduced);
    assert_eq!(value(&account, "Built from"), Some("a commit of a git repository"));
    assert!(value(&account, "Commit").is_some_and(|commit| commit.len() == 40));

    let account = told("reproduced", Standing::Reproduced);
    assert!(account.environment.iter().any(|fact| fact.name == "Network" && fact.value.starts_with("None")));
    assert!(value(&account, "Source distribution, where from").is_some_and(|words| words.starts_with("Nobody")));
    assert!(account.recipe.is_some_and(|recipe| recipe.contains("setuptools.build_meta")));
    assert_eq!(account.dependencies.len(), 2);
    assert!(account.variables.iter().any(|(name, value)| name == "TZ" && value == "UTC"));
}

#[test]
fn differences_are_sentences_and_those_that_are_only_counted_are_counted() {
    let account = told("not-reproduced-different", Standing::Contradicted);
    assert_eq!(
        account.differences,
        ["six.py: its bytes differ.", "evil\\u{202e}.py: it is only in the published file."]
    );
    assert!(account.contradicts.is_some() && account.withdraws.is_none());
    let account = told("not-reproduced-many-differences", Standing::Abstained);
    assert_eq!((account.differences.len(), account.unlisted_differences), (32, 4711 - 32));
}

#[test]
fn what_is_no_statement_is_not_told_as_one() {
    assert!(Account::of(&view(0, 1)).is_none());
    for envelope in ["", "{}", "<script>"] {
        let view = EntryView { envelope: Some(envelope.to_owned()), ..view(0, 1) };
        assert!(Account::of(&view).is_none());
    }
}

#[test]
fn lines_stay_lines_and_hide_nothing() {
    assert_eq!(visible_lines("a\r\nb\u{202e}c\u{0}\n"), "a\nb\\u{202e}c\\u{0}\n");
}
