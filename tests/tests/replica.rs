//! A whole log kept by a user: nobody hears what is asked, and nothing that is wrong with it becomes a pass.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use attest_core::note::VerifierKey;
use attest_tests::{
    command::{self, Outcome},
    door::Door,
    forge::Forge,
    http::{Connection, block_on},
    quorum::Quorum,
    scene::Scene,
    stub::Reply,
    wheel::Wheel,
};

const FILE: &str = "demo-1.0-py3-none-any.whl";

/// A log with two votes for a wheel, and a server before it that the test listens to.
struct Kept {
    quorum: Quorum,
    wheel: Wheel,
    door: Door,
}

impl Kept {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let wheel = Wheel::new("demo", "1.0", "GOOD = True\n")?;
        ensure!(wheel.name() == FILE, "{}", wheel.name());
        quorum.scene.write(FILE, wheel.bytes())?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
        let door = Door::before(quorum.log.url())?;
        let kept = Self { quorum, wheel, door };
        kept.policy(&kept.door.url())?;
        Ok(kept)
    }

    fn policy(&self, url: &str) -> Result<()> {
        self.quorum.scene.write("policy.toml", self.quorum.policy_at(url).text()?).map(drop)
    }

    fn sync(&self, more: &[&str]) -> Result<Outcome> {
        let mut sync = self.quorum.scene.attest();
        command::run(sync.args(["log", "sync", "--policy", "policy.toml"]).args(more))
    }

    fn verify(&self, more: &[&str]) -> Result<Outcome> {
        command::run(self.quorum.verification(FILE).args(more))
    }

    fn fill(&self, count: u64) -> Result<()> {
        fill(&self.quorum.alice, self.quorum.log.url(), "filler", count)
    }

    /// Alice says that from Carol's inputs she got another file.
    fn contradict(&self) -> Result<()> {
        let quorum = &self.quorum;
        let vote = quorum.carol.vote_on(self.wheel.subject(), self.wheel.record_digest())?;
        let dissent = quorum.alice.contradiction(
            self.wheel.subject(),
            Forge::build_of(&self.wheel.subject().name),
            vote.statement_id(),
        )?;
        quorum.submit(&dissent).map(drop)
    }

    fn folder(&self) -> PathBuf {
        self.quorum.scene.path("data/replicas")
    }
}

fn fill(forge: &Forge, url: &str, project: &str, count: u64) -> Result<()> {
    block_on(async {
        let mut connection = Connection::open(url).await?;
        for n in 0..count {
            connection.submit(forge.reproduced(project, n)?.to_bytes().into()).await?;
        }
        Ok(())
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

#[test]
fn who_keeps_the_log_is_answered_and_no_server_hears_what_was_asked() -> Result<()> {
    let kept = Kept::new()?;
    kept.fill(300)?;
    kept.sync(&[])?.expect(0)?.expect_words("302 entries held, 302 of them new")?;
    kept.verify(&[])?.expect(0)?.expect_words("1 ok")?;
    // What is new since then is fetched whole as well.
    kept.contradict()?;
    kept.verify(&[])?.expect(1)?;
    kept.sync(&[])?.expect(0)?.expect_words("303 entries held, 0 of them new")?;
    let heard = kept.door.heard();
    let digest = kept.wheel.digest().to_string();
    ensure!(heard.iter().all(|path| path.starts_with("GET ") && !path.contains("/api/")), "{heard:?}");
    ensure!(!heard.iter().any(|path| path.contains(&digest[..8])), "{heard:?}");
    Ok(())
}

#[test]
fn a_pass_is_not_asked_for_again_for_a_while_and_offline_not_at_all() -> Result<()> {
    let kept = Kept::new()?;
    kept.sync(&[])?.expect(0)?;
    kept.door.heard();
    kept.verify(&["--asked-within", "10m"])?.expect(0)?;
    kept.verify(&["--offline"])?.expect(0)?;
    ensure!(kept.door.heard().is_empty(), "somebody was asked");
    // A no is never from memory.
    let unknown = Wheel::new("unknown", "1.0", "")?;
    kept.quorum.scene.write(unknown.name(), unknown.bytes())?;
    command::run(kept.quorum.verification(unknown.name()).args(["--asked-within", "10m"]))?.expect(1)?;
    ensure!(kept.door.heard() == ["GET /checkpoint"], "only the checkpoint is asked for");
    Ok(())
}

#[test]
fn a_server_that_is_down_or_gone_is_no_answer_and_its_lookup_is_not_asked_instead() -> Result<()> {
    let kept = Kept::new()?;
    kept.sync(&[])?.expect(0)?;
    let down = Door::changing(
        kept.quorum.log.url(),
        |path, reply| {
            if path == "/checkpoint" { Reply::status(503) } else { reply }
        },
    )?;
    kept.policy(&down.url())?;
    kept.verify(&[])?.expect(3)?.expect_words("its replica cannot be brought up to date")?;
    ensure!(down.heard().iter().all(|path| path.ends_with("/checkpoint")), "more was asked");
    Ok(())
}

#[test]
fn a_synchronisation_killed_again_and_again_carries_on() -> Result<()> {
    let kept = Kept::new()?;
    kept.fill(1_100)?;
    let sync = || {
        let mut sync = kept.quorum.scene.attest();
        sync.args(["log", "sync", "--policy", "policy.toml"]).stdout(Stdio::null()).stderr(Stdio::null());
        sync
    };
    for kill_after in [10, 20, 40, 60, 80, 120, 160] {
        let mut child = Command::spawn(&mut sync())?;
        thread::sleep(Duration::from_millis(kill_after));
        child.kill()?;
        child.wait()?;
    }
    kept.sync(&[])?.expect(0)?.expect_words("1102 entries held")?;
    kept.verify(&["--offline"])?.expect(0)?;
    Ok(())
}

#[test]
fn entries_that_are_not_those_of_the_tree_are_not_kept() -> Result<()> {
    let kept = Kept::new()?;
    kept.fill(300)?;
    let lies = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&lies);
    // Another entry in place of one, in a bundle of the right form.
    let other = kept.quorum.bob.reproduced("other", 1)?.to_bytes();
    let liar = Door::changing(kept.quorum.log.url(), move |path, reply| {
        if switch.load(Ordering::SeqCst) && path == "/tile/entries/000" {
            let [.., high, low] = other.len().to_be_bytes();
            let bundle: Vec<u8> = (0..256).flat_map(|_| [&[high, low][..], &other].concat()).collect();
            return Reply::ok("application/octet-stream", bundle);
        }
        reply
    })?;
    kept.policy(&liar.url())?;
    kept.sync(&[])?.expect(3)?.expect_words("none of them is kept")?;
    kept.verify(&["--offline"])?.expect(3)?;
    lies.store(false, Ordering::SeqCst);
    kept.sync(&[])?.expect(0)?.expect_words("302 entries held, 302 of them new")?;
    kept.verify(&["--offline"])?.expect(0)?;
    Ok(())
}

#[test]
fn a_log_that_shows_another_history_is_an_alarm() -> Result<()> {
    let (scene, forge) = (Scene::new()?, Forge::new()?);
    let key = scene.init_log("honest", "kept.example")?;
    copy(&scene.path("honest"), &scene.path("twin"))?;
    let member = attest_tests::scene::Member::new("r", "r", &forge.public_key());
    let list = scene.rebuilders("rebuilders.toml", &[member])?;
    let (honest, twin) = (scene.run_log("honest", &list)?, scene.run_log("twin", &list)?);
    fill(&forge, honest.url(), "honest", 3)?;
    fill(&forge, twin.url(), "twin", 5)?;
    let sync = |url: &str, vkey: &VerifierKey| {
        let mut sync = scene.attest();
        command::run(sync.args(["log", "sync", "--log", url, "--vkey", &vkey.to_string()]))
    };
    sync(honest.url(), &key)?.expect(0)?;
    sync(twin.url(), &key)?.expect(4)?.expect_words("shows two histories")?;
    sync(honest.url(), &key)?.expect(0)?.expect_words("3 entries held, 0 of them new")?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&file, target)?;
    }
    Ok(())
}

#[test]
fn no_byte_changed_on_disk_turns_a_no_into_a_yes_or_an_alarm() -> Result<()> {
    let kept = Kept::new()?;
    kept.contradict()?;
    kept.sync(&[])?.expect(0)?;
    kept.verify(&["--offline"])?.expect(1)?;
    let all = files(&kept.folder())?;
    ensure!(all.len() > 4, "{all:?}");
    for path in all.iter().filter(|path| path.file_name().is_some_and(|name| name != "lock")) {
        let whole = fs::read(path)?;
        let places = (0..12).map(|n| n * whole.len() / 12).chain([whole.len() - 1]);
        for at in places {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(path, bytes)?;
            let code = kept.verify(&["--offline"])?.code();
            ensure!(matches!(code, Some(1 | 3)), "{code:?} with byte {at} of {} changed", path.display());
        }
        for bytes in [&whole[..whole.len() / 2], b""] {
            fs::write(path, bytes)?;
            let code = kept.verify(&["--offline"])?.code();
            ensure!(matches!(code, Some(1 | 3)), "{code:?} with {} cut short", path.display());
        }
        fs::remove_file(path)?;
        let code = kept.verify(&["--offline"])?.code();
        ensure!(matches!(code, Some(1 | 3)), "{code:?} without {}", path.display());
        fs::write(path, whole)?;
    }
    kept.verify(&["--offline"])?.expect(1)?;
    // The way out that the error names.
    fs::write(&all[all.len() - 1], b"damaged")?;
    kept.sync(&["--anew"])?.expect(0)?;
    kept.verify(&["--offline"])?.expect(1)?;
    Ok(())
}

#[test]
fn a_log_that_is_no_longer_kept_is_asked_again() -> Result<()> {
    let kept = Kept::new()?;
    kept.sync(&[])?.expect(0)?;
    kept.sync(&["--forget"])?.expect(0)?;
    kept.door.heard();
    kept.verify(&[])?.expect(0)?;
    ensure!(kept.door.heard().iter().any(|path| path.starts_with("POST ")), "the lookup was not asked");
    Ok(())
}

#[test]
fn a_vote_is_a_vote_wherever_it_is_read() -> Result<()> {
    // The same words about the same file, by lookup and from what is kept.
    let kept = Kept::new()?;
    let json = |more: &[&str]| -> Result<serde_json::Value> {
        let told = kept.verify(&[&["--output-format", "json"], more].concat())?.expect(0)?;
        Ok(serde_json::from_str(&told.stdout)?)
    };
    let asked = json(&[])?;
    kept.sync(&[])?.expect(0)?;
    ensure!(asked["files"] == json(&[])?["files"], "another answer");
    Ok(())
}
