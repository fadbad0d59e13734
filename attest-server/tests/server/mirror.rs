//! Mirrors, against logs that grow, go away, lie, and contradict themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    fork::ForkEvidence,
    merkle::{TreeHead, TreeSize},
    note::{Note, SignerKey, VerifierKey},
};
use reqwest::StatusCode;

use crate::{
    client::{get, submit},
    fake::{Content, FakeLog, Served, gzip, head, key, signed},
    process::{Log, Server, attest_server, until},
    statement::{Rebuilder, digest_of},
};

/// A fake log and the folder of a mirror of it.
struct Scene {
    folder: tempfile::TempDir,
    key: SignerKey,
    log: FakeLog,
}

impl Scene {
    fn new(content: impl FnOnce(&SignerKey) -> Content) -> Self {
        let key = key("log.example/fake");
        let log = FakeLog::serve(content(&key));
        let folder = tempfile::tempdir().unwrap();
        Self { folder, key, log }
    }

    fn of(entries: &[Vec<u8>]) -> Self {
        Self::new(|key| Content::honest(key, entries))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    fn command(&self) -> Command {
        mirror(&self.data(), self.log.url(), self.key.verifier())
    }

    fn show(&self, entries: &[Vec<u8>]) {
        self.log.show(Content::honest(&self.key, entries));
    }

    fn once(&self) -> Output {
        self.command().arg("--once").output().unwrap()
    }

    #[track_caller]
    fn once_ends_with(&self, code: i32) -> String {
        let output = self.once();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{log}");
        log
    }

    fn serve(&self) -> Server {
        Server::spawn(self.command().args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]))
    }

    /// What the mirror serves, verified, with its own cosignature.
    fn served(&self) -> LogCheckpoint {
        checkpoint(&self.serve(), self.key.verifier())
    }

    fn evidence(&self) -> Vec<PathBuf> {
        let Ok(folder) = fs::read_dir(self.data().join("evidence")) else {
            return vec![];
        };
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn mirror(data: &Path, upstream: &str, log: &VerifierKey) -> Command {
    let mut command = attest_server();
    command.arg("mirror").arg("--data").arg(data);
    command.args(["--upstream", upstream, "--vkey", &log.to_string()]);
    command
}

fn checkpoint(server: &Server, log: &VerifierKey) -> LogCheckpoint {
    let answer = get(&format!("{}/checkpoint", server.url()));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    UnverifiedCheckpoint::parse(&answer.body).unwrap().verify(log).unwrap()
}

fn ready(server: &Server) -> (StatusCode, serde_json::Value) {
    let answer = get(&format!("{}/readyz", server.url()));
    (answer.status, answer.json())
}

fn entries(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("{name} {n}").into_bytes()).collect()
}

#[test]
fn a_mirror_serves_all_that_the_log_serves_and_cosigns_it() {
    for size in [0, 1, 255, 256, 257, 700] {
        let entries = entries("e", size);
        let scene = Scene::of(&entries);
        scene.once_ends_with(0);
        let server = scene.serve();
        let note = checkpoint(&server, scene.key.verifier());
        assert_eq!(note.head(), head(&entries), "{size}");
        assert_eq!(note.note().signatures().len(), 2, "{size}");
        let page = get(&format!("{}/", server.url()));
        let cosigner = page.text().lines().filter_map(|line| line.strip_prefix("verifier key  ")).nth(1);
        let cosigner: VerifierKey = cosigner.unwrap().parse().unwrap();
        assert_eq!(note.cosignatures(&[cosigner]).unwrap().len(), 1, "{size}");
        let honest = Content::honest(&scene.key, &entries);
        for path in honest.paths().iter().filter(|path| *path != "checkpoint") {
            let (ours, theirs) =
                (get(&format!("{}/{path}", server.url())), get(&format!("{}/{path}", scene.log.url())));
            assert_eq!(ours.status, StatusCode::OK, "{path}");
            assert_eq!(plain(&ours.body, path), plain(&theirs.body, path), "{path}");
        }
    }
}

fn plain(bytes: &[u8], path: &str) -> Vec<u8> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    if path.contains("entries") {
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(bytes);
    }
    plain
}

#[test]
fn bundles_are_served_in_the_gzip_that_they_came_in_where_everybody_reads_the_same_from_it() {
    let entries = entries("e", 768);
    let scene = Scene::of(&entries);
    let mut content = Content::honest(&scene.key, &entries);
    let kept = content.get_mut("tile/entries/000").body.clone();
    // The second one in two members, which is gzip too, and the third not compressed at all.
    let second = plain(&content.get_mut("tile/entries/001").body, "entries");
    content.get_mut("tile/entries/001").body = [gzip(&second[..1_000]), gzip(&second[1_000..])].concat();
    let third = plain(&content.get_mut("tile/entries/002").body, "entries");
    content.put("tile/entries/002", Served::ok(third.clone()));
    scene.log.show(content);
    scene.once_ends_with(0);
    let stored = |number: u8| fs::read(scene.data().join(format!("tile/entries/{number:03}"))).unwrap();
    assert_eq!(stored(0), kept);
    for (number, entries) in [(1, second), (2, third)] {
        assert_eq!(plain(&stored(number), "entries"), entries);
    }
}

#[test]
fn a_mirror_of_a_real_log_grows_with_it_and_answers_lookups() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let vkey: VerifierKey = log.vkey.parse().unwrap();
    submit(log.server.url(), alice.reproduced("demo", 0));
    let mut command = mirror(&log.folder.path().join("mirror"), log.server.url(), &vkey);
    let server = Server::spawn(command.args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]));
    until("the mirror is ready", || ready(&server).0 == StatusCode::OK);
    for n in 1..4 {
        submit(log.server.url(), alice.reproduced("demo", n));
    }
    until("the mirror has caught up", || checkpoint(&server, &vkey).head().size.get() == 4);
    let found = get(&format!("{}/api/v1/artifacts/{}", server.url(), digest_of("demo", 3)));
    let found: attest_core::api::Found = found.json();
    assert_eq!(found.artifacts[0].entries[0].index, 3);
    let refused = submit(server.url(), alice.reproduced("demo", 9));
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn growth_in_odd_steps_ends_with_the_same_tree() {
    let entries = entries("e", 1_100);
    let scene = Scene::of(&entries[..3]);
    for size in [3, 4, 255, 256, 256, 600, 1_024, 1_100] {
        scene.show(&entries[..size]);
        scene.once_ends_with(0);
        assert_eq!(scene.served().head(), head(&entries[..size]), "{size}");
    }
}

#[test]
fn entries_that_are_no_statements_do_not_stop_a_mirror() {
    let mut entries = entries("no envelope", 300);
    entries[7] = vec![];
    entries[8] = vec![0xff; 65_535];
    let scene = Scene::of(&entries);
    scene.once_ends_with(0);
    assert_eq!(scene.served().head(), head(&entries));
}

#[test]
fn two_roots_for_one_size_are_a_fork_with_evidence() {
    let ours = entries("a", 10);
    let scene = Scene::of(&ours);
    scene.once_ends_with(0);
    let theirs = entries("b", 10);
    scene.show(&theirs);
    let log = scene.once_ends_with(4);
    assert!(log.contains("fork"), "{log}");
    let [evidence] = &*scene.evidence() else { panic!("{:?}", scene.evidence()) };
    let found: serde_json::Value = serde_json::from_slice(&fs::read(evidence).unwrap()).unwrap();
    for (name, entries) in [("held", &ours), ("seen", &theirs)] {
        let note = found[name].as_str().unwrap();
        let note = UnverifiedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(note.verify(scene.key.verifier()).unwrap().head(), head(entries));
    }
}

#[test]
fn a_longer_tree_that_does_not_begin_with_ours_is_a_fork_proven_by_its_tiles() {
    let scene = Scene::of(&entries("a", 300));
    scene.once_ends_with(0);
    let mut theirs = entries("a", 700);
    theirs[299] = b"rewritten".to_vec();
    scene.show(&theirs);
    scene.once_ends_with(4);
    let found: serde_json::Value = serde_json::from_slice(&fs::read(&scene.evidence()[0]).unwrap()).unwrap();
    assert_eq!(found["size"], 300);
    assert_eq!(found["signedRoot"], head(&entries("a", 300)).root.to_string());
    assert_eq!(found["foundRoot"], head(&theirs[..300]).root.to_string());
    assert!(found["tiles"].as_object().unwrap().contains_key("tile/0/001"), "{}", found["tiles"]);
    // Anybody can check it, with nothing but the log's key.
    let evidence = ForkEvidence::parse(&fs::read(&scene.evidence()[0]).unwrap()).unwrap();
    evidence.check(scene.key.verifier()).unwrap();
    // It serves what it has, and does not move, whatever the log shows from now on.
    scene.show(&entries("a", 301));
    let log = scene.once_ends_with(4);
    assert!(log.contains("evidence"), "{log}");
    assert_eq!(scene.served().head(), head(&entries("a", 300)));
    assert_eq!(scene.evidence().len(), 1);
    // Until an operator took the evidence away.
    fs::remove_dir_all(scene.data().join("evidence")).unwrap();
    scene.once_ends_with(0);
    assert_eq!(scene.served().head(), head(&entries("a", 301)));
}

#[test]
fn a_shorter_tree_is_stale_when_ours_begins_with_it_and_a_fork_when_not() {
    let ours = entries("a", 600);
    for size in [0, 1, 256, 599] {
        let scene = Scene::of(&ours);
        scene.once_ends_with(0);
        scene.show(&ours[..size]);
        let log = scene.once_ends_with(3);
        assert!(log.contains("older"), "{size}: {log}");
        assert_eq!(scene.served().head(), head(&ours));
        assert!(scene.evidence().is_empty());
    }
    let scene = Scene::of(&ours);
    scene.once_ends_with(0);
    scene.show(&entries("b", 500));
    scene.once_ends_with(4);
    assert_eq!(scene.served().head(), head(&ours));
}

/// What a log shows that is not true, or not there.
type Lie = (&'static str, fn(&mut Content, &SignerKey));

#[test]
fn garbage_and_lies_change_nothing_and_prove_nothing() {
    let ours = entries("a", 300);
    let more = entries("a", 900);
    let lies: [Lie; 11] = [
        ("no checkpoint", |content, _| {
            drop(content.remove("checkpoint"));
        }),
        ("HTML", |content, _| {
            content.put("checkpoint", Served::ok("<html>"));
        }),
        ("nothing", |content, _| {
            content.put("checkpoint", Served::ok(""));
        }),
        ("another log's checkpoint", |content, _| {
            let other = crate::fake::checkpoint(&key("log.example/other"), &entries("a", 900));
            content.put("checkpoint", Served::ok(other));
        }),
        ("a checkpoint with a changed root", |content, _| {
            let text = String::from_utf8(content.get_mut("checkpoint").body.clone()).unwrap();
            content.put("checkpoint", Served::ok(text.replacen("900", "901", 1)));
        }),
        ("an empty tree with another root, signed", |content, key| {
            let text = "log.example/fake\n0\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n".to_owned();
            let line = key.sign(&text).unwrap();
            content.put("checkpoint", Served::ok(Note::new(text, vec![line]).unwrap().to_string()));
        }),
        ("no edge tile", |content, _| {
            drop(content.remove("tile/0/003.p/132"));
        }),
        ("a changed edge tile", |content, _| {
            content.get_mut("tile/1/000.p/3").body[40] ^= 1;
        }),
        ("a changed full tile", |content, _| {
            content.get_mut("tile/0/001").body[40] ^= 1;
        }),
        ("a changed entry", |content, _| {
            let served = content.get_mut("tile/entries/002");
            let mut bytes = plain(&served.body, "entries");
            bytes[5] ^= 1;
            served.body = gzip(&bytes);
        }),
        ("a bundle that bursts", |content, _| {
            content.get_mut("tile/entries/002").body = gzip(&vec![0; 20 << 20]);
        }),
    ];
    for (what, lie) in lies {
        let scene = Scene::of(&ours);
        scene.once_ends_with(0);
        let mut content = Content::honest(&scene.key, &more);
        lie(&mut content, &scene.key);
        scene.log.show(content);
        scene.once_ends_with(3);
        assert!(scene.evidence().is_empty(), "{what}");
        assert_eq!(scene.served().head(), head(&ours), "{what}");
        scene.show(&more);
        scene.once_ends_with(0);
        assert_eq!(scene.served().head(), head(&more), "{what}");
    }
}

#[test]
fn a_log_that_forks_between_an_interrupted_catch_up_and_the_next_is_found_out() {
    let ours = entries("a", 2_000);
    let scene = Scene::of(&ours[..100]);
    scene.once_ends_with(0);
    // The last bundle is missing: what came before it is stored, under the pending checkpoint.
    let mut content = Content::honest(&scene.key, &ours);
    content.remove("tile/entries/007.p/208").unwrap();
    scene.log.show(content);
    // For that reason, and not because a busy machine did not get as far as the checkpoint: then nothing were pending.
    let log = scene.once_ends_with(3);
    assert!(log.contains("tile/entries/007") && log.contains("404"), "{log}");
    for size in [150, 1_500, 2_000, 2_100] {
        let mut theirs = entries("a", size);
        theirs[120] = b"rewritten".to_vec();
        scene.show(&theirs);
        scene.once_ends_with(4);
        assert_eq!(scene.evidence().len(), 1, "{size}");
        assert_eq!(scene.served().head(), head(&ours[..100]), "{size}");
        fs::remove_dir_all(scene.data().join("evidence")).unwrap();
    }
    // A log that shows less than it did, and not that it goes on to what it signed before, is not cosigned.
    for size in [101, 1_200] {
        scene.show(&ours[..size]);
        let log = scene.once_ends_with(3);
        assert!(log.contains("go together") && log.contains("404"), "{size}: {log}");
        assert_eq!(scene.served().head(), head(&ours[..100]), "{size}");
    }
    // With the tiles of what it signed before, it is caught up with as far as that goes.
    for size in [101, 1_200, 2_000] {
        let mut content = Content::honest(&scene.key, &ours);
        content.put("checkpoint", Served::ok(crate::fake::checkpoint(&scene.key, &ours[..size])));
        content.fill(&Content::honest(&scene.key, &ours[..size]));
        scene.log.show(content);
        scene.once_ends_with(0);
        assert_eq!(scene.served().head(), head(&ours[..size]), "{size}");
    }
}

#[test]
fn a_log_that_signed_a_size_without_tiles_has_to_show_them_before_it_is_cosigned_again() {
    let (ours, more) = (entries("a", 300), entries("a", 900));
    let scene = Scene::of(&ours);
    scene.once_ends_with(0);
    let mut content = Content::honest(&scene.key, &more);
    let head = TreeHead { size: TreeSize::new(1 << 40), ..head(&more) };
    content.put("checkpoint", Served::ok(signed(&scene.key, head)));
    scene.log.show(content);
    scene.once_ends_with(3);
    scene.show(&more);
    let log = scene.once_ends_with(3);
    assert!(log.contains("1099511627776") && log.contains("go together"), "{log}");
    assert_eq!(scene.served().head(), crate::fake::head(&ours));
}

#[test]
fn nothing_is_cosigned_that_is_not_in_line_with_all_that_the_log_ever_showed() {
    let ours = entries("a", 2_000);
    let mut theirs = entries("a", 2_100);
    theirs[120] = b"rewritten".to_vec();
    // The log signs 2,000 entries and shows none of them. What it shows next goes on from the 100 that the mirror has.
    for next in [1_500, 2_000, 2_100] {
        let scene = Scene::of(&ours[..100]);
        scene.once_ends_with(0);
        let mut content = Content::default();
        content.put("checkpoint", Served::ok(crate::fake::checkpoint(&scene.key, &ours)));
        scene.log.show(content);
        scene.once_ends_with(3);

        scene.show(&theirs[..next]);
        // Larger, or of the same size: that contradicts what was signed. Smaller: it cannot be known without the tiles.
        scene.once_ends_with(if next < ours.len() { 3 } else { 4 });
        assert_eq!(scene.served().head(), head(&ours[..100]), "{next}");
        if next < ours.len() {
            let mut content = Content::honest(&scene.key, &theirs[..next]);
            content.fill(&Content::honest(&scene.key, &ours));
            scene.log.show(content);
            scene.once_ends_with(4);
            assert_eq!(scene.served().head(), head(&ours[..100]), "{next}");
        }
        let found: serde_json::Value = serde_json::from_slice(&fs::read(&scene.evidence()[0]).unwrap()).unwrap();
        assert_eq!(found["size"], next.min(ours.len()), "{next}");
        assert!(found["held"].as_str().unwrap().contains("\n2000\n"), "{next}");
    }
}

#[test]
fn a_mirror_that_is_killed_at_any_time_carries_on() {
    let entries = entries("e", 3_000);
    let scene = Scene::of(&entries);
    for milliseconds in [1, 3, 6, 10, 15, 20, 30, 40, 60, 80] {
        let mut child = scene.command().arg("--once").stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    scene.once_ends_with(0);
    assert_eq!(scene.served().head(), head(&entries));
}

#[test]
fn a_mirror_whose_log_is_gone_serves_on_and_says_so() {
    let entries = entries("e", 5);
    let scene = Scene::of(&entries);
    let server = scene.serve();
    until("the mirror is ready", || ready(&server).0 == StatusCode::OK && ready(&server).1["status"] == "ready");
    scene.log.show(Content::default());
    until("the mirror is stale", || ready(&server).1["status"] == "stale");
    let (status, body) = ready(&server);
    assert_eq!(status, StatusCode::OK);
    assert!(body["reason"].as_str().unwrap().contains("404"), "{body}");
    assert_eq!(checkpoint(&server, scene.key.verifier()).head(), head(&entries));
    scene.show(&entries);
    until("the mirror is ready again", || ready(&server).1["status"] == "ready");

    // A log that answers and shows nothing new is visible, and no reason not to be asked.
    let mut command = scene.command();
    drop(server);
    command.args(["--listen", "127.0.0.1:0", "--poll-interval", "1", "--max-stale", "0"]);
    let server = Server::spawn(&mut command);
    until("the log is stalled", || ready(&server).1["status"] == "stalled");
    assert_eq!(ready(&server).0, StatusCode::OK);

    // The same with no patience.
    drop(server);
    scene.log.show(Content::default());
    let mut command = scene.command();
    command.args(["--listen", "127.0.0.1:0", "--poll-interval", "1", "--max-stale", "0"]);
    let server = Server::spawn(&mut command);
    until("the mirror is not ready", || ready(&server).0 == StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_mirror_that_meets_a_fork_while_it_serves_says_so_and_serves_what_it_had() {
    let ours = entries("a", 5);
    let scene = Scene::of(&ours);
    let server = scene.serve();
    until("the mirror is ready", || ready(&server).1["status"] == "ready");
    scene.show(&entries("b", 9));
    until("the mirror met the fork", || ready(&server).1["status"] == "forked");
    let (status, body) = ready(&server);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body["reason"].as_str().unwrap().contains("fork-"), "{body}");
    until("the fork is logged", || server.log().contains("ERROR"));
    assert_eq!(checkpoint(&server, scene.key.verifier()).head(), head(&ours));
}

#[test]
fn a_mirror_follows_one_log_for_ever() {
    let scene = Scene::of(&entries("a", 3));
    scene.once_ends_with(0);
    let other = key("log.example/other");
    let output = mirror(&scene.data(), scene.log.url(), other.verifier()).arg("--once").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let folder = tempfile::tempdir().unwrap();
    for (vkey, upstream) in [("nonsense", scene.log.url()), (&*scene.key.verifier().to_string(), "ftp://x")] {
        let output = attest_server()
            .args(["mirror", "--once", "--vkey", vkey, "--upstream", upstream, "--data"])
            .arg(folder.path().join("m"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert!(!folder.path().join("m").exists());
}
