//! How often `attest verify` asks for the lock of a large project, and that it waits for at most two answers, one after the
//! other. Who waits for another is shown by holding answers back until all of a round are asked for.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use attest_core::{
    api,
    artifact::{ArtifactDigest, WheelName},
    note::{KeyName, KeyType, SignerKey},
    statement::Subject,
};
use attest_tests::{
    command::{self, Outcome},
    door::Door,
    http::{Connection, block_on},
    quorum::Quorum,
    stub::Reply,
};

/// Files of a lock: what a project with a notebook, a web server and scikit-learn comes to.
const FILES: u64 = 112;
/// Longer than any client takes to send what it sends without waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log with two votes for every file of `requirements.txt`.
struct Lock {
    quorum: Quorum,
}

impl Lock {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let mut requirements = String::new();
        block_on(async {
            let mut connection = Connection::open(quorum.log.url()).await?;
            for n in 0..FILES {
                let name = WheelName::parse(&format!("locked_{n}-1-py3-none-any.whl"))?;
                let digest = ArtifactDigest::of(name.as_str().as_bytes());
                writeln!(requirements, "locked-{n}==1 --hash=sha256:{digest}")?;
                for voter in [&quorum.alice, &quorum.carol] {
                    let subject = Subject { name: name.clone(), digest };
                    connection.submit(voter.vote(subject)?.to_bytes().into()).await?;
                }
            }
            Ok(())
        })?;
        quorum.scene.write("requirements.txt", requirements)?;
        Ok(Self { quorum })
    }

    /// The log is asked at this door.
    fn ask_at(&self, door: &Door) -> Result<()> {
        self.quorum.scene.write("policy.toml", self.quorum.policy_at(&door.url()).text()?).map(drop)
    }

    fn verify(&self) -> Result<Outcome> {
        command::run(&mut self.quorum.verification("requirements.txt"))
    }

    fn grow(&self) -> Result<()> {
        (0..3).try_for_each(|n| self.quorum.submit(&self.quorum.bob.reproduced("other", n)?).map(drop))
    }
}

/// Holds whoever comes until all have come.
struct Together {
    missing: Mutex<Vec<&'static str>>,
    changed: Condvar,
}

impl Together {
    /// The beginnings of the paths that are waited for.
    fn new(paths: &[&'static str]) -> Self {
        Self { missing: Mutex::new(paths.to_vec()), changed: Condvar::new() }
    }

    /// The answer, once every path was asked for; an error if that does not happen.
    fn hold(&self, path: &str, reply: Reply) -> Reply {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|begin| !path.starts_with(begin));
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(missing, PATIENCE, |missing| !missing.is_empty());
        let late = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if late { Reply::status(500) } else { reply }
    }
}

#[test]
fn first_use_is_one_question_about_all_files_and_the_next_one_names_none() -> Result<()> {
    let lock = Lock::new()?;
    let door = Door::before(lock.quorum.log.url())?;
    lock.ask_at(&door)?;
    lock.verify()?.expect(0)?;
    let first = door.heard();
    ensure!(first == [format!("POST {}", api::LOOKUP)], "{first:?}");
    lock.verify()?.expect(0)?;
    let next = door.heard();
    ensure!(next == ["GET /checkpoint"], "{next:?}");
    Ok(())
}

#[test]
fn the_list_of_negatives_is_asked_for_beside_the_lookup() -> Result<()> {
    let lock = Lock::new()?;
    let both = Together::new(&[api::LOOKUP, api::NEGATIVES]);
    let door = Door::changing(lock.quorum.log.url(), move |path, reply| both.hold(path, reply))?;
    lock.ask_at(&door)?;
    // Nobody of that key has signed a list yet: what is asked does not depend on it.
    let auditor = SignerKey::from_seed(KeyName::new("auditor.example")?, KeyType::Ed25519, [9; 32]);
    let policy = lock.quorum.policy_at(&door.url()).text()?;
    let auditor =
        format!("\n[[auditor]]\nname = \"auditor\"\ngroup = \"auditor\"\nvkey = \"{}\"\n", auditor.verifier());
    lock.quorum.scene.write("policy.toml", policy + &auditor)?;
    lock.verify()?.expect(0)?;
    let heard = door.heard();
    ensure!(heard.len() == 2, "{heard:?}");
    Ok(())
}

#[test]
fn a_log_that_has_grown_is_two_round_trips() -> Result<()> {
    let lock = Lock::new()?;
    // The checkpoint is answered at once, and then nothing before both are asked for: the files, and what proves that the
    // log only grew.
    let (both, grown) = (Together::new(&[api::LOOKUP, "/tile/"]), Arc::new(AtomicBool::new(false)));
    let hold = Arc::clone(&grown);
    let door = Door::changing(lock.quorum.log.url(), move |path, reply| {
        let at_once = path == "/checkpoint" || !hold.load(Ordering::SeqCst);
        if at_once { reply } else { both.hold(path, reply) }
    })?;
    lock.ask_at(&door)?;
    lock.verify()?.expect(0)?;
    door.heard();
    lock.grow()?;
    grown.store(true, Ordering::SeqCst);
    lock.verify()?.expect(0)?;
    let heard = door.heard();
    ensure!(heard[0] == "GET /checkpoint", "{heard:?}");
    ensure!(heard.iter().filter(|asked| asked.starts_with("POST ")).count() == 1, "{heard:?}");
    Ok(())
}
