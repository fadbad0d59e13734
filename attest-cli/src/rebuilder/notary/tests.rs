use std::fs;

use attest_core::envelope::StatementId;
use attest_core::key::ed25519::SecretKey;

use super::*;
use crate::host;
use crate::rebuild::record::Verdict;
use crate::rebuild::result::ResultFolder;
use crate::rebuild::result::tests::written;
use crate::signer::SignerSpec;

/// A rebuilder that took one result, with other bytes than published, and signs with a key of its own.
struct Scene {
    folder: tempfile::TempDir,
    notary: Notary,
    answer: Answer,
}

impl Scene {
    fn new() -> Self {
        let (folder, path) = written(Verdict::Different);
        let result = ResultFolder::open(&path).unwrap();
        let rebuilder = Rebuilder { id: "https://alice.example".to_owned(), version: BTreeMap::new() };
        let (subject, predicate) = result.statement_parts(rebuilder).unwrap();
        let (build, weight) = (result.digest().unwrap(), Weight::of(&predicate));
        let (name, subject) = (subject.name.as_str().to_owned(), subject.digest);
        let answer = Answer { attempt: 1, build, name, subject, verdict: "DIFFERENT".to_owned(), weight };
        let own = Folder::new(folder.path());
        fs::rename(path, own.result(build)).unwrap();
        fs::create_dir(own.statements()).unwrap();
        let key = folder.path().join("signer.key");
        fs::write(&key, SecretKey::from_seed([7; 32]).to_secret_string()).unwrap();
        host::set_mode(&key, 0o600).unwrap();
        let signer = Signer::open(&SignerSpec::File(key)).unwrap();
        let id = "https://alice.example".to_owned();
        let notary = Notary::new(own, signer, id, Abstentions::Keep, Vec::new());
        Self { folder, notary, answer }
    }

    /// What is signed once a person has said that the result contradicts this statement, and where it is kept.
    fn approved(&self, contradicts: Option<StatementId>) -> (Option<StatementId>, Vec<u8>, PathBuf) {
        let decision = Some(Decision { approved: true, reason: "looked".to_owned(), contradicts });
        let due = Due { job: "1".parse().unwrap(), answer: self.answer.clone(), decision, logged: BTreeMap::new() };
        let (envelope, path) = self.notary.envelope(&due).unwrap();
        let statement = Statement::parse(envelope.payload()).unwrap();
        let Predicate::NotReproduced { refusal, .. } = statement.predicate() else { panic!("{statement:?}") };
        (refusal.contradicts, envelope.to_bytes(), path)
    }
}

#[test]
fn a_second_accusation_of_a_file_is_signed_and_the_first_one_is_never_signed_again() {
    let scene = Scene::new();
    let id = |letter: &str| Some(letter.repeat(64).parse::<StatementId>().unwrap());
    let (first, second) = (scene.approved(id("a")), scene.approved(id("b")));
    assert_eq!((first.0, second.0), (id("a"), id("b")), "each says what it contradicts");
    assert_ne!(first.2, second.2);
    // What is on disk is what everybody gets, even where a new signature would have other bytes.
    assert_eq!(scene.approved(id("a")), first);
    assert_eq!(scene.approved(id("b")), second);
    assert_eq!(fs::read_dir(first.2.parent().unwrap()).unwrap().count(), 2);
    // One that names none is yet another statement.
    assert_eq!(scene.approved(None).0, None);
}

#[test]
fn an_envelope_that_somebody_put_into_the_folder_is_not_sent() {
    let scene = Scene::new();
    let (_, _, path) = scene.approved(None);
    let other = Scene::new();
    let mut theirs = other.notary;
    let key = other.folder.path().join("other.key");
    fs::write(&key, SecretKey::from_seed([8; 32]).to_secret_string()).unwrap();
    host::set_mode(&key, 0o600).unwrap();
    theirs.signer = Signer::open(&SignerSpec::File(key)).unwrap();
    let due = |answer: &Answer| Due {
        job: "1".parse().unwrap(),
        answer: answer.clone(),
        decision: None,
        logged: BTreeMap::new(),
    };
    let (_, foreign) = theirs.envelope(&due(&other.answer)).unwrap();
    fs::copy(foreign, &path).unwrap();
    let error = scene.notary.envelope(&due(&scene.answer)).unwrap_err();
    assert!(error.to_string().contains("was not signed by this rebuilder"), "{error:#}");
}
