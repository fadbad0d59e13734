//! Lists of negatives: what a log signs, what a mirror makes of it, and what it does when the log's is wrong.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Output};

use attest_core::{
    api::{FoundNegatives, NEGATIVES},
    artifact::ArtifactDigest,
    merkle::LeafIndex,
    negatives::{Edition, Listing, Opened, Record, ShardDigest, ShardId, Table},
    note::{KeyName, SignerKey, VerifierKey},
};
use reqwest::StatusCode;

use crate::{
    client::{get, submit},
    fake::{Content, FakeLog, Served, head, key, signed},
    process::{Log, Server, attest_server, until},
    statement::Rebuilder,
};

const ORIGIN: &str = "log.example/fake";

fn of(server: &str) -> Option<Opened> {
    let answer = get(&format!("{server}{NEGATIVES}"));
    if answer.status == StatusCode::NOT_FOUND {
        return None;
    }
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    Some(answer.json::<FoundNegatives>().into_edition().unwrap().open().unwrap())
}

#[test]
fn a_log_signs_the_list_of_what_it_published() {
    let rebuilder = Rebuilder::new("alice", 1);
    let log = Log::start(&[&rebuilder], &[]);
    let url = log.server.url();
    for n in 0..3 {
        assert_eq!(submit(url, rebuilder.reproduced("six", n)).status, StatusCode::CREATED);
        assert_eq!(submit(url, rebuilder.withdrawn("six", n)).status, StatusCode::CREATED);
    }
    until("the list is about all entries", || {
        of(url).is_some_and(|opened| opened.note().listing().head().size.get() == 6)
    });
    let opened = of(url).unwrap();
    assert_eq!(opened.note().listing().count(), 3);
    for shard in opened.table().occupied() {
        let digest = opened.table().get(shard);
        let answer = get(&format!("{url}/negatives/{digest}"));
        assert_eq!((answer.status, ShardDigest::of(&answer.body)), (StatusCode::OK, digest));
    }
    for path in ["/negatives/00", "/negatives/", &format!("/negatives/{}", "0".repeat(64)), "/api/v1/negatives?size=5"]
    {
        assert_eq!(get(&format!("{url}{path}")).status, StatusCode::NOT_FOUND, "{path}");
    }
    for query in ["shards=0", "shards=0100", "size=06", "x=1", "shards=%30%30"] {
        assert_eq!(get(&format!("{url}{NEGATIVES}?{query}")).status, StatusCode::BAD_REQUEST, "{query}");
    }
    let empty = get(&format!("{url}/negatives/{}", ShardDigest::EMPTY));
    assert_eq!((empty.status, empty.body.len()), (StatusCode::OK, 0));
}

// ---- a mirror of a log that may lie

struct Scene {
    folder: tempfile::TempDir,
    key: SignerKey,
    log: FakeLog,
}

/// Entries that are no statements: the right list is the empty one.
fn entries(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("entry {n}").into_bytes()).collect()
}

/// A signed list of the first entries, with these records.
fn list(key: &SignerKey, count: usize, records: &[Record]) -> Served {
    let head = head(&entries(count));
    let mut table = Table::empty();
    for record in records {
        table.set(ShardId::of(&record.subject), ShardDigest::of(&record.to_bytes()));
    }
    let listing = Listing::new(KeyName::new(ORIGIN).unwrap(), head, records.len() as u64, &table).unwrap();
    let note = listing.sign(key).unwrap().to_string().into_bytes();
    let checkpoints = vec![signed(key, head).into_bytes()];
    let edition = Edition { note, table: table.to_bytes(), shards: Vec::new(), checkpoints };
    Served::ok(serde_json::to_vec(&FoundNegatives::of(&edition)).unwrap())
}

fn invented() -> Record {
    Record { subject: ArtifactDigest::of(b"never built"), index: LeafIndex::new(1) }
}

impl Scene {
    fn new(served: impl FnOnce(&SignerKey) -> Option<Served>) -> Self {
        let key = key(ORIGIN);
        let log = FakeLog::serve(Content::default());
        let scene = Self { folder: tempfile::tempdir().unwrap(), key, log };
        let served = served(&scene.key);
        scene.show(5, served);
        scene
    }

    fn show(&self, count: usize, list: Option<Served>) {
        let mut content = Content::honest(&self.key, &entries(count));
        if let Some(list) = list {
            content.put(NEGATIVES.trim_start_matches('/'), list);
        }
        self.log.show(content);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    fn command(&self) -> std::process::Command {
        let mut command = attest_server();
        command.arg("mirror").arg("--data").arg(self.data());
        command.args(["--upstream", self.log.url(), "--vkey", &self.key.verifier().to_string()]);
        command
    }

    #[track_caller]
    fn once_ends_with(&self, code: i32) -> Output {
        let output = self.command().arg("--once").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn serve(&self) -> Server {
        Server::spawn(self.command().args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]))
    }

    fn evidence(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.data().join("evidence"));
        files.map(|files| files.map(|file| file.unwrap().path()).collect()).unwrap_or_default()
    }
}

fn auditor(server: &Server) -> VerifierKey {
    let page = get(&format!("{}/", server.url()));
    let key = page.text().lines().filter_map(|line| line.strip_prefix("verifier key  ")).nth(2).unwrap().parse();
    key.unwrap()
}

fn listed(server: &Server, size: u64) -> Opened {
    until("the mirror signs", || {
        of(server.url()).is_some_and(|opened| opened.note().listing().head().size.get() == size)
    });
    of(server.url()).unwrap()
}

#[test]
fn a_mirror_signs_the_logs_list_where_it_is_right_with_a_key_of_its_own() {
    let scene = Scene::new(|key| Some(list(key, 5, &[])));
    scene.once_ends_with(0);
    let secret = scene.data().join("auditor.key");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&secret).unwrap();
    assert_ne!(text, fs::read_to_string(scene.data().join("log.key")).unwrap());
    let server = scene.serve();
    let opened = listed(&server, 5);
    assert!(opened.note().is_signed_by(scene.key.verifier()).unwrap());
    assert!(opened.note().is_signed_by(&auditor(&server)).unwrap());
    assert_eq!(fs::read_to_string(&secret).unwrap(), text);
    assert_eq!(get(&format!("{}/readyz", server.url())).status, StatusCode::OK);
    // A larger list when there is one; one that is ahead of the checkpoint waits.
    scene.show(5, Some(list(&scene.key, 6, &[])));
    scene.show(7, Some(list(&scene.key, 6, &[])));
    listed(&server, 6);
}

#[test]
fn a_wrong_list_of_the_log_is_an_alarm_with_evidence_and_the_mirror_signs_the_right_one() {
    let scene = Scene::new(|key| Some(list(key, 5, &[invented()])));
    scene.once_ends_with(4);
    let evidence = scene.evidence();
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    let finding: serde_json::Value = serde_json::from_slice(&fs::read(&evidence[0]).unwrap()).unwrap();
    let note = attest_core::negatives::ListingNote::parse(finding["signed"].as_str().unwrap().as_bytes()).unwrap();
    assert!(note.is_signed_by(scene.key.verifier()).unwrap());
    assert_eq!(note.listing().count(), 1);
    assert_eq!(finding["expected"].as_str().unwrap().parse::<Listing>().unwrap().count(), 0);
    assert_eq!(finding["shards"][0].as_str().unwrap(), ShardId::of(&invented().subject).to_string());

    // Running, it serves on, signs the right list alone, and says so.
    let server = scene.serve();
    let opened = listed(&server, 5);
    assert_eq!(opened.note().listing().count(), 0);
    assert!(!opened.note().is_signed_by(scene.key.verifier()).unwrap());
    assert!(opened.note().is_signed_by(&auditor(&server)).unwrap());
    until("it says so", || get(&format!("{}/readyz", server.url())).json::<serde_json::Value>()["status"] == "alarm");
    assert_eq!(scene.evidence(), evidence);
    // And it goes on when the log does better.
    scene.show(6, Some(list(&scene.key, 6, &[])));
    listed(&server, 6);
    assert_eq!(get(&format!("{}/readyz", server.url())).status, StatusCode::OK);
}

#[test]
fn a_list_with_another_root_than_the_tree_is_wrong_too() {
    let scene = Scene::new(|key| {
        let other: Vec<_> = (0..4).map(|n| format!("other {n}").into_bytes()).collect();
        let listing = Listing::new(KeyName::new(ORIGIN).unwrap(), head(&other), 0, &Table::empty()).unwrap();
        let note = listing.sign(key).unwrap().to_string().into_bytes();
        let table = Table::empty().to_bytes();
        let edition = Edition { note, table, shards: Vec::new(), checkpoints: Vec::new() };
        Some(Served::ok(serde_json::to_vec(&FoundNegatives::of(&edition)).unwrap()))
    });
    scene.once_ends_with(4);
    assert_eq!(scene.evidence().len(), 1);
}

#[test]
fn no_list_garbage_and_lists_of_others_are_no_alarm_and_the_mirror_signs_what_it_serves() {
    let stranger = SignerKey::from_seed(KeyName::new(ORIGIN).unwrap(), attest_core::note::KeyType::Ed25519, [77; 32]);
    for served in [
        None,
        Some(Served::status(500)),
        Some(Served::ok("hello")),
        Some(Served::ok(vec![b' '; 2 << 20])),
        Some(list(&stranger, 5, &[invented()])),
    ] {
        let scene = Scene::new(|_| served);
        scene.once_ends_with(0);
        assert!(scene.evidence().is_empty());
        let server = scene.serve();
        let opened = listed(&server, 5);
        assert!(opened.note().is_signed_by(&auditor(&server)).unwrap());
        assert_eq!(opened.note().listing().count(), 0);
    }
}
