mod fake;

use std::{fs, sync::Arc, time::Duration};

use attest_core::{
    checkpoint::{Checkpoint, UnverifiedCheckpoint},
    merkle::{RootHash, TreeHead, TreeSize},
    note::{SignerKey, VerifierKey},
    proof::TlogProof,
    tlog_policy::TlogPolicy,
};
pub(in crate::sequencer) use fake::{Fake, Mood};

use super::EVIDENCE;
use crate::{
    fixtures::{NOW, TestLog, options, submission},
    reader::Reader,
    sequencer::{Ack, Options, Sequencer, SubmitError},
    store::evidence,
    witnesses::{Fail, Patience, Settings},
};

/// Short enough for tests; nothing is asserted about how long anything takes.
pub(in crate::sequencer) fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience {
        request: ms(400),
        round: ms(700),
        open: ms(600),
        start: ms(900),
        pause: ms(20),
        max_pause: ms(100),
        refresh: Duration::from_secs(600),
        end: ms(300),
    }
}

/// A quorum of `threshold` of these.
pub(in crate::sequencer) fn of_fakes(witnesses: &[Fake], threshold: &str, fail: Fail, log: &VerifierKey) -> Settings {
    let mut text = String::new();
    let mut names = String::new();
    for (n, witness) in witnesses.iter().enumerate() {
        text.push_str(&witness.line(&format!("w{n}")));
        names = format!("{names} w{n}");
    }
    let policy = TlogPolicy::parse(format!("{text}group g {threshold}{names}\nquorum g\n").as_bytes()).unwrap();
    Settings::new(policy, fail, log).unwrap()
}

struct Scene {
    log: TestLog,
    witnesses: Vec<Fake>,
}

impl Scene {
    fn new(count: u8) -> Self {
        let log = TestLog::new();
        let witnesses = (1..=count).map(|n| Fake::new(&format!("w{n}.example"), n, &log.vkey)).collect();
        Self { log, witnesses }
    }

    /// `threshold` of all witnesses.
    fn options(&self, threshold: &str, fail: Fail) -> Options {
        let settings = of_fakes(&self.witnesses, threshold, fail, &self.log.vkey);
        Options { witnesses: Some(settings), patience: patience(), ..options() }
    }

    fn open(&self, threshold: &str, fail: Fail) -> (Sequencer, Reader) {
        Sequencer::open(&self.log.data(), self.options(threshold, fail)).unwrap()
    }

    fn keys(&self) -> Vec<VerifierKey> {
        self.witnesses.iter().map(|witness| witness.vkey.clone()).collect()
    }

    /// Who cosigned what is published.
    fn lines(&self, reader: &Reader) -> usize {
        self.count(&reader.published().note)
    }

    /// Every line in a note is one that verifies: the log's, and those of distinct witnesses.
    fn count(&self, note: &str) -> usize {
        let checkpoint = UnverifiedCheckpoint::parse(note.as_bytes()).unwrap().verify(&self.log.vkey).unwrap();
        let found = checkpoint.cosignatures(&self.keys()).unwrap();
        assert_eq!(checkpoint.note().signatures().len(), 1 + found.len(), "{note}");
        found.len()
    }

    fn proof_lines(&self, ack: &Ack) -> usize {
        self.count(&TlogProof::parse(ack.proof.as_bytes()).unwrap().checkpoint.note().to_string())
    }

    fn log_key(&self) -> SignerKey {
        fs::read_to_string(self.log.data().join("log.key")).unwrap().trim().parse().unwrap()
    }

    fn signed(&self, size: u64) -> String {
        let head = TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([7; 32]) };
        let origin = self.log.vkey.name().as_str().to_owned();
        Checkpoint { origin, head }.sign(&self.log_key()).unwrap().note().to_string()
    }
}

/// Polls, because what is waited for comes from another thread; ends the test when it never comes.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_and_the_published_checkpoint_carry_the_cosignatures_of_the_quorum() {
    let scene = Scene::new(3);
    let (sequencer, reader) = scene.open("2", Fail::Closed);
    for number in 0..20 {
        let submission = submission(number, 1);
        let ack = sequencer.submit(submission.clone()).await.unwrap();
        scene.log.check(&submission, &ack);
        assert!(scene.proof_lines(&ack) >= 2);
    }
    until("the latecomer's line is added", || scene.lines(&reader) == 3).await;
    assert!(sequencer.cosigning().unwrap().quorum_met);
    let duplicate = sequencer.submit(submission(3, 1)).await.unwrap();
    assert!(duplicate.duplicate.is_some() && scene.proof_lines(&duplicate) >= 2);
    drop(reader);
    sequencer.shutdown().await;

    let (sequencer, reader) = scene.open("2", Fail::Closed);
    assert_eq!(reader.published().head.size, TreeSize::new(20));
    assert!(scene.lines(&reader) >= 2, "what was published before, as long as nothing newer is cosigned");
    sequencer.submit(submission(20, 1)).await.unwrap();
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_witness_of_three_neither_stops_nor_poisons_the_log_whatever_it_does() {
    for mood in [
        Mood::Silent,
        Mood::Dribbling,
        Mood::Status(500),
        Mood::Status(403),
        Mood::Status(404),
        Mood::Status(422),
        Mood::Status(429),
        Mood::EmptyConflict,
        Mood::Claims(0),
        Mood::Claims(7),
        Mood::Claims(i64::MAX as u64),
        Mood::OtherKey,
        Mood::OtherText,
        Mood::OtherTime,
        Mood::Replays,
        Mood::Redirects,
        Mood::Floods,
        Mood::Garbage,
    ] {
        let scene = Scene::new(3);
        let (sequencer, reader) = scene.open("2", Fail::Closed);
        sequencer.submit(submission(0, 1)).await.unwrap();
        until("the bad one has cosigned once", || scene.witnesses[0].size() == 1).await;
        scene.witnesses[0].is(mood);
        for number in 1..4 {
            let submission = submission(number, 1);
            let ack = sequencer.submit(submission.clone()).await.unwrap();
            scene.log.check(&submission, &ack);
            assert_eq!(scene.proof_lines(&ack), 2, "{mood:?}");
        }
        let error = || sequencer.cosigning().unwrap().witnesses[0].last_error.clone();
        until("its error is shown", || error().is_some()).await;
        assert_eq!(scene.lines(&reader), 2, "{mood:?}: {:?}", error());
        assert!(sequencer.is_running());
        // Back to its senses, it is asked again.
        scene.witnesses[0].is(Mood::Honest);
        until("it cosigns again", || scene.lines(&reader) == 3).await;
        assert_eq!(error(), None, "{mood:?}");
        assert_eq!(evidence::found(&scene.log.data(), EVIDENCE).unwrap(), None);
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_nobody_is_answered_and_nothing_published_without_a_quorum_and_commits_go_on() {
    let scene = Scene::new(2);
    let (sequencer, reader) = scene.open("all", Fail::Closed);
    sequencer.submit(submission(0, 1)).await.unwrap();
    scene.witnesses[1].is(Mood::Status(500));
    let mut waiting = tokio::task::JoinSet::new();
    for number in 1..30 {
        let sequencer = sequencer.clone();
        waiting.spawn(async move { (number, sequencer.submit(submission(number, 1)).await) });
    }
    until("all are committed", || sequencer.size() == TreeSize::new(30)).await;
    until("the missing quorum is shown", || !sequencer.cosigning().unwrap().quorum_met).await;
    let trouble = sequencer.cosigning().unwrap().trouble().unwrap();
    assert!(trouble.contains("w1"), "{trouble}");
    assert_eq!(reader.published().head.size, TreeSize::new(1));
    assert!(waiting.try_join_next().is_none(), "somebody was answered");
    scene.witnesses[1].is(Mood::Honest);
    while let Some(answered) = waiting.join_next().await {
        let (number, ack) = answered.unwrap();
        let ack = ack.unwrap();
        scene.log.check(&submission(number, 1), &ack);
        assert_eq!(scene.proof_lines(&ack), 2);
    }
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_it_publishes_with_the_lines_it_has_and_says_so() {
    for mood in [Mood::Status(500), Mood::Silent] {
        let scene = Scene::new(2);
        scene.witnesses[1].is(mood);
        let (sequencer, _reader) = scene.open("all", Fail::Open);
        let ack = sequencer.submit(submission(0, 1)).await.unwrap();
        assert_eq!(scene.proof_lines(&ack), 1, "{mood:?}");
        assert!(sequencer.cosigning().unwrap().trouble().is_some());
        scene.witnesses[1].is(Mood::Honest);
        until("the quorum is met again", || sequencer.cosigning().unwrap().quorum_met).await;
        assert_eq!(scene.proof_lines(&sequencer.submit(submission(1, 1)).await.unwrap()), 2);
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_an_end_without_a_quorum_loses_nothing() {
    let scene = Scene::new(1);
    let (sequencer, _reader) = scene.open("all", Fail::Closed);
    sequencer.submit(submission(0, 1)).await.unwrap();
    scene.witnesses[0].is(Mood::Silent);
    let waiting = tokio::spawn({
        let sequencer = sequencer.clone();
        async move { sequencer.submit(submission(1, 1)).await }
    });
    until("it is committed", || sequencer.size() == TreeSize::new(2)).await;
    sequencer.shutdown().await;
    assert!(matches!(waiting.await.unwrap(), Err(SubmitError::Stopped)));
    scene.witnesses[0].is(Mood::Honest);
    let (sequencer, reader) = scene.open("all", Fail::Closed);
    until("what was committed is published", || reader.published().head.size == TreeSize::new(2)).await;
    assert!(sequencer.submit(submission(1, 1)).await.unwrap().duplicate.is_some());
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_before_enough_witnesses_said_what_they_have_seen() {
    let scene = Scene::new(3);
    for witness in &scene.witnesses[1..] {
        witness.is(Mood::Status(500));
    }
    let (sequencer, reader) = scene.open("2", Fail::Closed);
    let submitting = tokio::spawn({
        let sequencer = sequencer.clone();
        async move { sequencer.submit(submission(0, 1)).await }
    });
    until("all were asked", || scene.witnesses.iter().all(|witness| witness.asked() > 1 || witness.size() == 0)).await;
    until("it is committed", || sequencer.size() == TreeSize::new(1)).await;
    until("both are known to fail", || {
        sequencer.cosigning().unwrap().witnesses[1..].iter().all(|witness| witness.last_error.is_some())
    })
    .await;
    assert!(!sequencer.cosigning().unwrap().started, "one of three is not n - q + 1");
    assert_eq!(reader.published().note, "", "a new log has published nothing yet");
    scene.witnesses[2].is(Mood::Honest);
    let ack = submitting.await.unwrap().unwrap();
    assert!(scene.proof_lines(&ack) >= 2);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_or_a_twin_signs_nothing_and_keeps_both_notes() {
    for shows in ["larger", "other root"] {
        let scene = Scene::new(3);
        let (sequencer, _reader) = scene.open("2", Fail::Closed);
        sequencer.submit(submission(0, 1)).await.unwrap();
        sequencer.shutdown().await;
        let marks = || fs::read(scene.log.data().join("highwater")).unwrap();
        let before = marks();
        scene.witnesses[1].shows(scene.signed(if shows == "larger" { 9 } else { 1 }));
        // Only this one has seen the other history, so it must be among those who answer.
        scene.witnesses[2].is(Mood::Silent);
        let (sequencer, reader) = scene.open("2", Fail::Closed);
        let alarm = sequencer.alarmed().await;
        assert!(alarm.contains("w1"), "{alarm}");
        assert!(matches!(sequencer.submit(submission(1, 1)).await, Err(SubmitError::Stopped)));
        assert_eq!(reader.published().head.size, TreeSize::new(1));
        let path = evidence::found(&scene.log.data(), EVIDENCE).unwrap().unwrap();
        let kept = fs::read_to_string(path).unwrap();
        let ours = reader.published().head.root.to_string();
        assert!(kept.contains(&RootHash::from_bytes([7; 32]).to_string()) && kept.contains(&ours), "{kept}");
        sequencer.shutdown().await;
        assert_eq!(marks(), before, "{shows}: something was signed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_shows_itself_later_stops_the_log_too() {
    let scene = Scene::new(2);
    let (sequencer, _reader) = scene.open("any", Fail::Closed);
    sequencer.submit(submission(0, 1)).await.unwrap();
    scene.witnesses[1].shows(scene.signed(1));
    // What a same-size fork is answered with, by the specification and by others.
    scene.witnesses[1].is(Mood::EmptyConflict);
    let _ = sequencer.submit(submission(1, 1)).await;
    assert!(sequencer.alarmed().await.contains("w1"));
    assert!(evidence::found(&scene.log.data(), EVIDENCE).unwrap().is_some());
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_size_without_a_signature_is_a_witness_that_does_not_answer() {
    let scene = Scene::new(3);
    scene.witnesses[0].is(Mood::Claims(1_000));
    // Not ours, garbage, and an old checkpoint without its cosignature: none of it is an alarm.
    let stranger = Fake::new("x.example", 9, &scene.log.vkey);
    scene.witnesses[0].shows(scene.signed(9).replace("example.com/log", "example.com/other"));
    scene.witnesses[1].shows("hello\n".to_owned());
    let (sequencer, _reader) = scene.open("2", Fail::Closed);
    assert_eq!(scene.proof_lines(&sequencer.submit(submission(0, 1)).await.unwrap()), 2);
    let error = sequencer.cosigning().unwrap().witnesses[0].last_error.clone().unwrap();
    assert!(error.contains("1000"), "{error}");
    drop(stranger);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_gets_newer_cosignatures_of_the_same_size() {
    let scene = Scene::new(1);
    let mut options = scene.options("all", Fail::Closed);
    options.patience.refresh = Duration::from_millis(200);
    let (sequencer, reader) = Sequencer::open(&scene.log.data(), options).unwrap();
    sequencer.submit(submission(0, 1)).await.unwrap();
    let cosigned = || {
        let note = reader.published().note.clone();
        let checkpoint = UnverifiedCheckpoint::parse(note.as_bytes()).unwrap().verify(&scene.log.vkey).unwrap();
        checkpoint.cosignatures(&scene.keys()).unwrap()[0].1.secs()
    };
    assert_eq!(cosigned(), NOW);
    // The log's clock stands still in tests; within the skew that is allowed.
    scene.witnesses[0].set_time(NOW + 60);
    until("a newer cosignature is published", || cosigned() == NOW + 60).await;
    assert_eq!(reader.published().head.size, TreeSize::new(1));
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_log_is_never_behind_its_witnesses() {
    let scene = Scene::new(2);
    let (sequencer, reader) = scene.open("all", Fail::Closed);
    for number in 0..3 {
        sequencer.submit(submission(number, 1)).await.unwrap();
    }
    // One cosigns what the other refuses: it is ahead of what was published.
    scene.witnesses[1].is(Mood::Status(500));
    let waiting = tokio::spawn({
        let sequencer = sequencer.clone();
        async move { sequencer.submit(submission(3, 1)).await }
    });
    until("one is ahead", || scene.witnesses[0].size() == 4).await;
    assert_eq!(reader.published().head.size, TreeSize::new(3));
    let crashed = scene.log.copy("crashed");
    waiting.abort();
    drop(reader);
    sequencer.shutdown().await;

    scene.witnesses[1].is(Mood::Honest);
    let (sequencer, reader) = Sequencer::open(&crashed, scene.options("all", Fail::Closed)).unwrap();
    until("it is published", || reader.published().head.size == TreeSize::new(4)).await;
    assert_eq!(scene.lines(&reader), 2);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_with_more_lines_than_one_value_may_have_is_stored() {
    let scene = Scene::new(40);
    let (sequencer, reader) = scene.open("all", Fail::Closed);
    let ack = sequencer.submit(submission(0, 1)).await.unwrap();
    assert_eq!(scene.proof_lines(&ack), 40);
    let before = Arc::clone(&reader.published());
    drop(reader);
    sequencer.shutdown().await;
    for witness in &scene.witnesses {
        witness.is(Mood::Status(500));
    }
    let (sequencer, reader) = scene.open("all", Fail::Closed);
    assert_eq!(reader.published().note, before.note);
    assert!(before.note.len() > 3 * 1024);
    sequencer.shutdown().await;
}
