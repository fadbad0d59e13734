//! What is kept between runs, damaged or shared: it costs a question and never makes a pass (docs/TRUST.md 1.5, 5.2).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;

use crate::{
    fake_log::FakeLog,
    world::{WHEEL, World, statement, text},
};

/// Only one group has reproduced it.
const REFUSED: &str = "refused-1.0-py3-none-any.whl";

/// A policy that wants two groups, and a data folder of runs about both files.
struct Warm {
    world: World,
    log: FakeLog,
    policy: String,
    kept: BTreeMap<PathBuf, Vec<u8>>,
}

impl Warm {
    fn new() -> Self {
        let world = World::new();
        world.write(REFUSED, "other bytes");
        let refused = ArtifactDigest::of(b"other bytes");
        let entries = vec![
            statement(1, WHEEL, &world.digest()),
            statement(2, WHEEL, &world.digest()),
            statement(1, REFUSED, &refused),
        ];
        let log = FakeLog::start(entries);
        let policy = text(&world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&log.url])).to_owned();
        let mut warm = Self { world, log, policy, kept: BTreeMap::new() };
        assert_eq!((warm.verify(WHEEL, &[]), warm.verify(REFUSED, &[])), (0, 1));
        warm.kept = files(&warm.world.path("data")).into_iter().map(|path| (path.clone(), read(&path))).collect();
        warm
    }

    /// The exit code.
    fn verify(&self, file: &str, more: &[&str]) -> i32 {
        let done = self.world.attest(&[&["verify", file, "--policy", &self.policy], more].concat());
        assert!((0..4).contains(&done.code), "{done:?}");
        done.code
    }

    /// Everything as it was, but for one file.
    fn with(&self, damaged: &Path, bytes: &[u8]) {
        fs::remove_dir_all(self.world.path("data")).unwrap();
        for (path, whole) in &self.kept {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if path == damaged { bytes } else { whole }).unwrap();
        }
    }

    /// Every way to damage a file, by name: its own bytes in part or altered, and the bytes of each other file.
    fn damages(&self, path: &Path) -> Vec<(String, Vec<u8>)> {
        let whole = &self.kept[path];
        let mut damages = vec![("emptied".to_owned(), Vec::new())];
        if !whole.is_empty() {
            damages.push(("cut".to_owned(), whole[..whole.len() / 2].to_vec()));
            damages.push(("zeroed".to_owned(), vec![0; whole.len()]));
            for at in [0, whole.len() / 3, whole.len() - 1] {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                damages.push((format!("bit {at} flipped"), bytes));
            }
        }
        let others = self.kept.iter().filter(|(other, _)| *other != path);
        damages.extend(others.map(|(other, bytes)| (format!("swapped with {}", other.display()), bytes.clone())));
        damages.retain(|(_, bytes)| bytes != whole);
        damages
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_damage_to_what_is_kept_is_a_pass_or_an_alarm_and_that_to_evidence_costs_one_question() {
    let warm = Warm::new();
    let is_evidence = |path: &Path| path.extension().is_some_and(|extension| extension == "evidence");
    assert_eq!(warm.kept.keys().filter(|path| is_evidence(path)).count(), 2, "{:?}", warm.kept.keys());
    for path in warm.kept.keys() {
        for (how, bytes) in warm.damages(path) {
            let case = format!("{} {how}", path.display());
            warm.with(path, &bytes);
            // Nobody is asked, so what is kept is all there is.
            assert_ne!(warm.verify(REFUSED, &["--offline"]), 0, "{case}");
            assert_ne!(warm.verify(REFUSED, &["--asked-within", "10m"]), 0, "{case}");
            if is_evidence(path) {
                let before = warm.log.lookups();
                assert_eq!((warm.verify(WHEEL, &[]), warm.verify(WHEEL, &["--offline"])), (0, 0), "{case}");
                assert!(warm.log.lookups() <= before + 1, "{case}");
            }
        }
    }
}

#[test]
fn runs_at_once_share_what_is_kept_and_leave_it_whole() {
    let warm = Warm::new();
    fs::remove_dir_all(warm.world.path("data")).unwrap();
    let questions: [(&[&str], i32); 3] = [(&[WHEEL], 0), (&[REFUSED], 1), (&[WHEEL, REFUSED], 1)];
    let verify = |files: &[&str], more: &[&str]| {
        let mut command = warm.world.command();
        command.arg("verify").args(files).args(["--policy", &warm.policy]).args(more);
        command
    };
    for round in 0..2 {
        let running: Vec<_> = (0..4)
            .flat_map(|_| questions)
            .map(|(files, code)| {
                let mut command = verify(files, &[]);
                (command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap(), code)
            })
            .collect();
        // What they remember of the log grows under their hands.
        warm.log.append(statement(1, REFUSED, &ArtifactDigest::of(&[round])));
        for (mut child, code) in running {
            assert_eq!(child.wait().unwrap().code(), Some(code), "round {round}");
        }
    }
    let kept = warm.world.listing("data/evidence");
    assert!(kept.len() == 3 && kept.iter().all(|name| name.ends_with(".evidence")), "{kept:?}");
    for (files, code) in questions {
        assert_eq!(verify(files, &["--offline"]).output().unwrap().status.code(), Some(code), "{files:?}");
    }
}
