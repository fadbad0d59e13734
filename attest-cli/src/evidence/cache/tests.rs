use attest_core::{
    checkpoint::Checkpoint,
    merkle::{LeafIndex, NodeHash, RootHash, TreeHead, TreeSize},
    negatives::{Edition, ShardId},
    note::{KeyName, KeyType, SignerKey},
    time::Timestamp,
    verify::LoggedEntry,
};

use super::*;
use crate::client::ClientError;

const NOW: u64 = 1_800_000_000;

struct World {
    folder: tempfile::TempDir,
    key: SignerKey,
    cache: Cache,
    history: History,
}

impl World {
    /// A log of two entries, seen before.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [7; 32]);
        let (cache, history) = (Cache::new(folder.path()), History::new(folder.path()));
        let world = Self { folder, key, cache, history };
        world.see(2);
        world
    }

    fn note(&self, size: u64, root: u8) -> String {
        let head = TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([root; 32]) };
        Checkpoint { origin: "log.test".to_owned(), head }.sign(&self.key).unwrap().note().to_string()
    }

    /// The memory of the log, as another run would have left it.
    fn see(&self, size: u64) {
        let logs = self.folder.path().join("logs");
        if let Ok(found) = fs::read_dir(&logs) {
            found.for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
        }
        let shown = UnverifiedCheckpoint::parse(self.note(size, 1).as_bytes()).unwrap().verify(self.log()).unwrap();
        let read = |_| -> Result<Vec<NodeHash>, ClientError> { unreachable!("the first checkpoint needs no tiles") };
        self.history.admit(self.log(), &shown, read).unwrap();
    }

    fn log(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn kept(&self, names: &[&str]) -> Kept {
        let entry = LoggedEntry {
            index: LeafIndex::new(1),
            envelope: b"an envelope".to_vec(),
            path: vec![NodeHash::from_bytes([3; 32])],
        };
        let list = Edition {
            note: b"a note".to_vec(),
            table: vec![9; 40],
            shards: ShardId::all().take(2).map(|id| (id, vec![1, 2])).collect(),
            checkpoints: vec![b"a checkpoint".to_vec()],
        };
        Kept {
            asked_at: Timestamp::from_secs(NOW),
            log: self.log().clone(),
            url: "https://log.test".to_owned(),
            digests: digests(names).into_iter().collect(),
            views: vec![LogView { checkpoint: self.note(2, 1).into_bytes(), entries: vec![entry] }],
            lists: vec![list],
        }
    }

    fn online(&self, names: &[&str]) -> Option<Kept> {
        self.cache.recall(&self.source("https://log.test"), &digests(names), &self.history)
    }

    fn offline(&self, names: &[&str]) -> Option<Kept> {
        self.cache.recall_parts(&self.source("https://log.test"), &digests(names), &self.history)
    }

    fn source(&self, url: &str) -> Source {
        Source { log: self.log().clone(), urls: vec![url.to_owned()], audited: false }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.cache.files().unwrap().into_iter().map(|(_, path)| path).collect()
    }
}

fn digests(names: &[&str]) -> Vec<ArtifactDigest> {
    names.iter().map(|name| ArtifactDigest::of(name.as_bytes())).collect()
}

#[test]
fn an_answer_with_any_byte_changed_cut_off_or_added_is_none() {
    let world = World::new();
    let kept = world.kept(&["a", "b"]);
    world.cache.keep(&kept).unwrap();
    let path = world.files().remove(0);
    let whole = fs::read(&path).unwrap();
    assert_eq!(world.online(&["a", "b"]).unwrap().to_bytes(), whole);
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            assert!(Kept::parse(&bytes).is_none(), "byte {at} flipped");
        }
        assert!(Kept::parse(&whole[..at]).is_none(), "cut off at {at}");
    }
    for bytes in [[&whole[..], b"\n"].concat(), Vec::new(), vec![0; 1000]] {
        fs::write(&path, bytes).unwrap();
        assert!(world.online(&["a", "b"]).is_none());
        assert!(world.offline(&["a", "b"]).is_none());
    }
}

#[test]
fn a_file_with_a_right_checksum_over_nonsense_is_no_answer_either() {
    let world = World::new();
    let whole = world.kept(&["a"]).to_bytes();
    let (header, body) = (b"attest evidence 1\n", &whole[18 + 32..]);
    for at in 0..body.len() {
        let mut body = body.to_vec();
        body[at] = 0xff;
        // Whatever it reads as, it is read without a panic and printed back the same.
        let bytes = [&header[..], ArtifactDigest::of(&body).as_bytes(), &body].concat();
        if let Some(kept) = Kept::parse(&bytes) {
            assert_eq!(kept.to_bytes(), bytes, "byte {at}");
        }
    }
}

#[test]
fn an_answer_spares_a_question_for_as_long_as_was_said_and_not_when_the_clock_went_back() {
    let spares = |now, within| {
        let now = Timestamp::from_secs(now);
        super::super::is_within(Timestamp::from_secs(NOW), Duration::from_secs(within), now)
    };
    assert!(spares(NOW, 1) && spares(NOW + 599, 600));
    assert!(!spares(NOW, 0) && !spares(NOW + 600, 600) && !spares(NOW - 1, 600) && !spares(0, 600));
    assert!(!spares(u64::MAX, 600));
}

#[test]
fn an_answer_to_another_question_or_of_another_log_is_none() {
    let world = World::new();
    world.cache.keep(&world.kept(&["a", "b"])).unwrap();
    assert!(world.online(&["a"]).is_none() && world.online(&["a", "b", "c"]).is_none());
    let other = SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [8; 32]);
    let other = Source { log: other.verifier().clone(), ..world.source("https://log.test") };
    let question = digests(&["a", "b"]);
    assert!(world.cache.recall(&other, &question, &world.history).is_none());
    assert!(world.cache.recall_parts(&other, &question, &world.history).is_none());
    // Under the name that the other question has.
    let path = world.files().remove(0);
    fs::rename(path, world.cache.path(world.log(), digests(&["a", "c"]).into_iter())).unwrap();
    assert!(world.online(&["a", "c"]).is_none());
}

#[test]
fn offline_the_answers_to_several_questions_answer_one_that_they_cover() {
    let world = World::new();
    world.cache.keep(&world.kept(&["a", "b"])).unwrap();
    world.cache.keep(&Kept { asked_at: Timestamp::from_secs(NOW - 50), ..world.kept(&["c"]) }).unwrap();
    assert!(world.offline(&["a"]).is_some());
    let both = world.offline(&["b", "c"]).unwrap();
    assert_eq!((both.asked_at.secs(), both.views.len(), both.lists.len()), (NOW - 50, 2, 2));
    assert!(world.offline(&["a", "d"]).is_none());
}

#[test]
fn an_answer_that_the_memory_of_the_log_does_not_know_is_none() {
    let world = World::new();
    let usable = || world.online(&["a"]).is_some();
    world.cache.keep(&world.kept(&["a"])).unwrap();
    assert!(usable());
    world.see(3);
    assert!(usable(), "the log has grown since");
    world.see(1);
    assert!(!usable(), "nobody saw that tree");
    world.see(2);
    let forked = LogView { checkpoint: world.note(2, 9).into_bytes(), entries: Vec::new() };
    world.cache.keep(&Kept { views: vec![forked], ..world.kept(&["a"]) }).unwrap();
    assert!(!usable(), "another tree of that size");
    world.cache.keep(&world.kept(&["a"])).unwrap();
    fs::remove_dir_all(world.folder.path().join("logs")).unwrap();
    assert!(!usable(), "nothing is remembered");
}

#[test]
fn only_so_many_answers_are_kept_the_newest_ones() {
    let world = World::new();
    for n in 0..MAX_FILES + 5 {
        world.cache.keep(&world.kept(&[&n.to_string()])).unwrap();
        // One second apart, without waiting for it.
        let path = world.cache.path(world.log(), digests(&[&n.to_string()]).into_iter());
        let at = SystemTime::now() - Duration::from_secs((MAX_FILES * 2 - n) as u64);
        fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }
    assert_eq!(world.files().len(), MAX_FILES);
    assert!(world.online(&["0"]).is_none());
    assert!(world.online(&[&(MAX_FILES + 4).to_string()]).is_some());
}

#[test]
fn nobody_else_reads_what_was_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.cache.keep(&world.kept(&["a"])).unwrap();
    assert_eq!(fs::metadata(&world.files()[0]).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn what_another_policys_address_said_for_the_same_log_is_no_answer() {
    let world = World::new();
    world.cache.keep(&world.kept(&["a"])).unwrap();
    let elsewhere = world.source("https://elsewhere.test");
    assert!(world.cache.recall(&elsewhere, &digests(&["a"]), &world.history).is_none());
    assert!(world.cache.recall_parts(&elsewhere, &digests(&["a"]), &world.history).is_none());
    assert!(world.online(&["a"]).is_some() && world.offline(&["a"]).is_some());
}

#[test]
fn an_answer_without_lists_is_none_for_a_policy_with_auditors() {
    let world = World::new();
    let (with, without) = (world.kept(&["a"]), Kept { lists: Vec::new(), ..world.kept(&["a"]) });
    let unaudited = world.source("https://log.test");
    let audited = Source { audited: true, ..unaudited.clone() };
    assert!(crate::evidence::has_lists(&with, &audited));
    assert!(!crate::evidence::has_lists(&without, &audited));
    assert!(crate::evidence::has_lists(&without, &unaudited));
}
