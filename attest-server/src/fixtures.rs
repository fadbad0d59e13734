//! Logs, mirrors and signed statements for the tests of this crate.

use std::path::{Path, PathBuf};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, StatementId, pae},
    key::{PublicKey, ed25519::SecretKey},
    merkle::LeafHash,
    note::{KeyName, VerifierKey},
    proof::TlogProof,
    statement::{Predicate, Statement, Subject, Withdrawal},
    tile::Entry,
    time::Timestamp,
};

use crate::{
    clock::Clock,
    init::init_log,
    recover::Room,
    sequencer::{Ack, Options, Submission},
    store::index::Keys,
};

/// When every test happens.
pub(crate) const NOW: u64 = 1_795_000_000;

/// A new log in a folder of its own.
pub(crate) struct TestLog {
    dir: tempfile::TempDir,
    pub(crate) vkey: VerifierKey,
}

impl TestLog {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let origin = KeyName::new("example.com/log").unwrap();
        let vkey = init_log(&dir.path().join("log"), origin, Timestamp::from_secs(NOW)).unwrap();
        Self { dir, vkey }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// A copy of the folder as it is now: what a crash at this moment leaves, as far as it was written.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy_dir(&self.data(), &to);
        to
    }

    /// Checks an answer as a client does, with the proof alone.
    pub(crate) fn check(&self, submission: &Submission, ack: &Ack) {
        let logged = ack.duplicate.clone().unwrap_or_else(|| submission.entry().as_bytes().to_vec());
        let proof = TlogProof::parse(ack.proof.as_bytes()).unwrap();
        assert_eq!(proof.index, ack.index);
        assert_eq!(proof.to_string(), ack.proof);
        proof.verify(LeafHash::of(&logged), &self.vkey).unwrap();
        let logged = Envelope::parse(&logged).unwrap();
        assert_eq!(logged.statement_id(), submission.id());
        logged.verify(submission.signer()).unwrap();
    }
}

/// Without a reserve or floor: tests share a disk with everybody.
pub(crate) fn options() -> Options {
    Options { room: ROOM, clock: clock(NOW), ..Options::default() }
}

pub(crate) const ROOM: Room = Room { floor: 0, reserve: 0 };

/// A clock that stands still.
pub(crate) fn clock(now: u64) -> Clock {
    Clock::new(move || Timestamp::from_secs(now))
}

/// A small statement that is not like any other with another number, by one of several rebuilders.
pub(crate) fn submission(number: u64, signer: u8) -> Submission {
    let digest = ArtifactDigest::of(&(number / 2).to_be_bytes());
    let name = WheelName::parse(&format!("pkg{}-1.{number}-py3-none-any.whl", number % 3)).unwrap();
    let withdrawal = Withdrawal { statement_id: StatementId::from_bytes([7; 32]), reason: format!("test {number}") };
    let statement = Statement::new(Subject { name, digest }, Predicate::Withdrawn(withdrawal)).unwrap();
    let payload = statement.to_bytes();
    let key = SecretKey::from_seed([signer; 32]);
    let signature = key.sign(&pae(&payload));
    let envelope = Envelope::new(payload, Signature::Ed25519(signature)).unwrap();
    let statement = envelope.verify(&PublicKey::Ed25519(key.public())).unwrap();
    Submission::new(Entry::new(envelope.to_bytes()).unwrap(), &statement)
}

/// The file that the statement is about.
pub(crate) fn artifact(submission: &Submission) -> ArtifactDigest {
    Keys::of_entry(submission.entry().as_bytes()).subject.unwrap().0
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_dir(&file.path(), &to);
        } else {
            // A temporary file may be renamed while this runs; a crash may lose it as well.
            let _ = std::fs::copy(file.path(), to);
        }
    }
}
