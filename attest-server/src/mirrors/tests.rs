use attest_core::{
    checkpoint::Checkpoint,
    merkle::{RootHash, TreeHead, TreeSize},
    note::SignerKey,
};
use axum::{Router, routing::get};
use tokio::net::TcpListener;

use super::*;
use crate::{
    fixtures::{TestLog, clock, options, submission},
    sequencer::Sequencer,
    store::identity::Identity,
};

const NOW: u64 = crate::fixtures::NOW;

/// A log with some entries, and a place that shows a checkpoint as a mirror would.
struct World {
    log: TestLog,
    sequencer: Sequencer,
    own: Own,
    key: SignerKey,
    shown: Arc<Mutex<String>>,
    mirrors: Mirrors,
}

impl World {
    async fn new(entries: u64) -> Self {
        let log = TestLog::new();
        let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
        for number in 0..entries {
            sequencer.submit(submission(number, 1)).await.unwrap();
        }
        let (_, key) = Identity::read(&log.data(), Kind::Log).unwrap();
        let shown = Arc::new(Mutex::new(reader.published().note.clone()));
        let answer = Arc::clone(&shown);
        let router = Router::new().route("/checkpoint", get(move || async move { answer.lock().unwrap().clone() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let own = Own { reader, log: log.vkey.clone(), data: log.data(), kind: Kind::Log, clock: clock(NOW) };
        Self { log, sequencer, own, key, shown, mirrors: Mirrors::new(&[url], None).unwrap() }
    }

    async fn look(&self) -> MirrorView {
        self.mirrors.look(&self.own).await;
        self.mirrors.views().remove(0)
    }

    fn show(&self, size: u64, root: RootHash) {
        let head = TreeHead { size: TreeSize::new(size), root };
        let origin = self.own.log.name().as_str().to_owned();
        let note = Checkpoint { origin, head }.sign(&self.key).unwrap().note().to_string();
        *self.shown.lock().unwrap() = note;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_the_same_history_is_shown_with_what_it_lacks() {
    let world = World::new(3).await;
    assert_eq!(world.mirrors.views()[0].state, MirrorState::Unknown);
    assert_eq!((world.look().await.state, world.look().await.behind), (MirrorState::Consistent, Some(0)));
    world.sequencer.submit(submission(9, 1)).await.unwrap();
    let view = world.look().await;
    assert_eq!((view.size, view.behind, view.since, view.asked), (Some(3), Some(1), Some(NOW), Some(NOW)));
    assert_eq!(world.mirrors.alarm(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_another_history_is_an_alarm_and_stays_one() {
    let world = World::new(3).await;
    let honest = world.shown.lock().unwrap().clone();
    world.show(2, RootHash::from_bytes([7; 32]));
    assert_eq!(world.look().await.state, MirrorState::Fork);
    assert!(world.mirrors.alarm().unwrap().contains("two roots of 2 entries"));
    let kept = evidence::found(&world.log.data(), EVIDENCE).unwrap().expect("evidence");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(kept.contains("\"held\"") && kept.contains(&world.shown.lock().unwrap()[..10]), "{kept}");
    assert!(freeze::is_frozen(&world.log.data()), "nothing more is signed");
    // It does not help to show something else from then on.
    *world.shown.lock().unwrap() = honest;
    assert_eq!(world.look().await.state, MirrorState::Fork);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_yet_is_compared_when_it_can_be() {
    let world = World::new(3).await;
    let honest = world.shown.lock().unwrap().clone();
    world.show(4, RootHash::from_bytes([7; 32]));
    assert_eq!(world.look().await.state, MirrorState::Ahead);
    *world.shown.lock().unwrap() = honest;
    world.sequencer.submit(submission(9, 1)).await.unwrap();
    assert_eq!(world.look().await.state, MirrorState::Fork);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_compared_is_not_forgotten_for_an_older_one_that_fits() {
    let world = World::new(3).await;
    let honest = world.shown.lock().unwrap().clone();
    world.show(4, RootHash::from_bytes([7; 32]));
    assert_eq!(world.look().await.state, MirrorState::Ahead);
    *world.shown.lock().unwrap() = honest;
    assert_eq!(world.look().await.state, MirrorState::Consistent);
    world.sequencer.submit(submission(9, 1)).await.unwrap();
    assert_eq!(world.look().await.state, MirrorState::Fork);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_always_ahead_is_compared_again_and_again() {
    let world = World::new(3).await;
    let whole = World::new(4).await;
    let fourth = whole.own.reader.published().head.root;
    world.show(4, fourth);
    assert_eq!(world.look().await.state, MirrorState::Ahead);
    world.sequencer.submit(submission(3, 1)).await.unwrap();
    assert_eq!(world.own.reader.published().head.root, fourth);
    // The first one fits by now, and the next one does not.
    world.show(5, RootHash::from_bytes([7; 32]));
    assert_eq!(world.look().await.state, MirrorState::Ahead);
    world.sequencer.submit(submission(9, 1)).await.unwrap();
    world.show(6, RootHash::from_bytes([8; 32]));
    assert_eq!(world.look().await.state, MirrorState::Fork);
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_and_garbage_are_no_alarm() {
    let world = World::new(1).await;
    for garbage in ["", "example.com/log\n1\nAAAA\n\n", "<html>"] {
        garbage.clone_into(&mut world.shown.lock().unwrap());
        let view = world.look().await;
        assert_eq!(view.state, MirrorState::Unreachable, "{garbage:?}");
        assert!(view.reason.unwrap().contains("no checkpoint of this log"));
    }
    let nobody = Mirrors::new(&["http://127.0.0.1:9".to_owned()], None).unwrap();
    nobody.look(&world.own).await;
    assert_eq!(nobody.views()[0].state, MirrorState::Unreachable);
    assert_eq!((nobody.alarm(), world.mirrors.alarm()), (None, None));
    assert_eq!(evidence::found(&world.log.data(), EVIDENCE).unwrap(), None);
}
