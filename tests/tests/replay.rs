//! Power cuts, everywhere: what the log does to its files is recorded while it is made, filled, ended, started again and
//! filled further; then its folder is put together as a power cut at one of many moments could leave it, with what was not
//! synced kept in different parts, and the log is started on that. Every statement acknowledged before the cut is there.
//!
//! `recording.rs` has the rules of what is durable; they are stricter than any file system.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use attest_core::note::VerifierKey;
use attest_tests::{
    command, effort,
    fault::{Fault, Place},
    forge::Forge,
    http::{Connection, block_on},
    promise::{Ledger, Submitters},
    random::Random,
    recording::{self, Cut, Kept, Recording},
    scene::{Member, Scene},
    server::Server,
    specimen::{self, Specimen},
    tool, trace,
};
use hyper::body::Bytes;

const IMAGES: u64 = 42;
const CLIENTS: usize = 16;
/// Statements of each of two runs: each seals a bundle.
const STATEMENTS: u64 = 300;
const IMAGES_OF_A_START: u64 = 21;
/// Statements after a start that takes another one back.
const AFTERWARDS: u64 = 5;
/// What survives of contents, and of names.
const MIXES: [(Kept, Kept); 7] = [
    (Kept::None, Kept::None),
    (Kept::None, Kept::All),
    (Kept::All, Kept::None),
    (Kept::Half, Kept::Half),
    (Kept::Pages, Kept::Half),
    (Kept::Overwrites, Kept::All),
    (Kept::All, Kept::All),
];

/// A log whose every change of a file is known.
struct Recorded {
    scene: Scene,
    log: VerifierKey,
    forge: Arc<Forge>,
    rebuilders: PathBuf,
    recording: Recording,
    /// Line at which `init` had ended.
    made: usize,
    /// Entries that were acknowledged before the recording.
    before: u64,
    ledger: Ledger,
}

/// The command line under strace, with a trace from which a recording can be made.
fn recorded(run: &Command, trace: &Path) -> Command {
    trace::traced(run, recording::OPTIONS.map(OsStr::new).into_iter().chain([OsStr::new("-o"), trace.as_os_str()]))
}

impl Recorded {
    /// From `init` on, over two runs.
    fn life() -> Result<Self> {
        let scene = Scene::new()?;
        let forge = Arc::new(Forge::new()?);
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
        let root = scene.path("recorded");
        fs::create_dir(&root)?;
        let start = Recording::start(&root)?;
        let trace = scene.path("trace");

        let mut init = scene.attest_server();
        init.arg("init").arg("--data").arg(root.join("log")).args(["--origin", "replay.example"]);
        let log = command::run(&mut recorded(&init, &trace))?.expect(0)?.stdout.trim().parse()?;
        let mut traces = vec![trace::finished(&trace)?];

        let mut ledger = Ledger::default();
        for run in 1..=2 {
            let submitters = Submitters {
                next: Arc::new((STATEMENTS * (run - 1)).into()),
                end: STATEMENTS * run,
                ..Submitters::endless(Arc::clone(&forge), CLIENTS)
            };
            let server = Server::spawn(&mut recorded(&scene.log_command("recorded/log", &rebuilders), &trace))?;
            block_on(async { ledger.collect(submitters.start(server.url(), &log)).await })?;
            if run == 1 {
                ensure!(server.stop()?.success(), "an orderly end");
            } else {
                server.kill()?;
            }
            traces.push(trace::finished(&trace)?);
        }
        ensure!(ledger.promises.len() as u64 == 2 * STATEMENTS, "not everything was acknowledged");
        ledger.promises.sort_by_key(|promise| promise.index);
        let recording = start.read(&traces)?;
        let made = recording.lines().start + traces[0].lines().count();
        Ok(Self { scene, log, forge, rebuilders, recording, made, before: 0, ledger })
    }

    /// The start after a start that was killed when it had opened the database and not yet trusted it.
    fn second_start() -> Result<Self> {
        let specimen = Specimen::new(STATEMENTS)?;
        specimen.keep("recorded")?;
        let data = specimen.scene.path("recorded");
        let trace = specimen.scene.path("trace");
        let run = specimen.scene.log_command("recorded", &specimen.rebuilders);
        let kill = Place::new("rename", data.join("db.found"), 1).options(Fault::Kill);
        let killed =
            Server::spawn(&mut trace::traced(&run, kill.into_iter().chain(["-o".into(), trace.clone().into()])));
        ensure!(killed.is_err() && data.join("db.found").exists(), "it was not killed where it should have been");

        // One folder below the root, as the other recording.
        let root = specimen.scene.path("root");
        fs::create_dir(&root)?;
        fs::rename(&data, root.join("log"))?;
        let start = Recording::start(&root)?;
        let run = specimen.scene.log_command("root/log", &specimen.rebuilders);
        let server = Server::spawn(&mut recorded(&run, &trace))?;
        let mut ledger = specimen.ledger.clone();
        for number in 0..AFTERWARDS {
            specimen.submit(&server, number, &mut ledger)?;
        }
        server.kill()?;
        ensure!(ledger.promises.len() as u64 == STATEMENTS + AFTERWARDS, "not everything was acknowledged");
        ledger.promises.sort_by_key(|promise| promise.index);
        let recording = start.read(&[trace::finished(&trace)?])?;
        let Specimen { scene, log, forge, rebuilders, .. } = specimen;
        Ok(Self { scene, log, forge, rebuilders, recording, made: 0, before: STATEMENTS, ledger })
    }

    /// What had been promised before a line of the trace.
    fn promised_before(&self, line: usize) -> Result<Ledger> {
        let before = self.ledger.promises.iter().filter(|promise| promise.index < self.before);
        let mut ledger = Ledger { promises: before.cloned().collect(), ..Ledger::default() };
        for sent in self.recording.sent().iter().filter(|sent| sent.began < line) {
            let text = String::from_utf8_lossy(&sent.bytes);
            if !text.starts_with("HTTP/1.1 201") {
                continue;
            }
            let (_, index) = text.split_once("\"index\":").context("no index in an acknowledgement")?;
            let index: usize = index.split([',', '}']).next().context("no index")?.trim().parse()?;
            let promise = self.ledger.promises.get(index).context("an acknowledgement that nobody got")?;
            ledger.seen.push(promise.head);
            ledger.promises.push(promise.clone());
        }
        Ok(ledger)
    }

    /// Puts the folder together, starts the log on it, and checks.
    fn check(&self, recording: &Recording, cut: Cut, random: &mut Random) -> Result<usize> {
        let image = &self.scene.path("image");
        specimen::remove(image)?;
        recording.restore(cut, random, image)?;
        if cut.line <= self.made && !image.join("log/log.id").exists() {
            return Ok(0);
        }
        let mut ledger = self.promised_before(cut.line)?;
        let mut command = self.scene.log_command("image/log", &self.rebuilders);
        let server = Server::spawn(&mut command)?;
        block_on(async {
            ledger.audit(server.url(), &self.log).await?;
            // And it goes on.
            let envelope = self.forge.reproduced("afterwards", 0)?.to_bytes();
            Connection::open(server.url()).await?.submit(Bytes::from(envelope)).await?;
            anyhow::Ok(())
        })?;
        server.kill()?;
        self.scene.fsck("image/log")?;
        Ok(ledger.promises.len())
    }

    /// Without the sync of any of these, something acknowledged is lost when everything that was not synced is.
    fn check_that_missing_syncs_are_caught(&self) -> Result<()> {
        let cut = Cut { line: self.recording.lines().end, files: Kept::None, names: Kept::None };
        let mut random = Random::new(1);
        self.check(&self.recording, cut, &mut random).context("at the end of the recording")?;
        for path in ["log/db/db", "log/highwater", "log/tile/0", "log/tile/entries", "log/tile", "log"] {
            let without = self.recording.without_syncs_of(Path::new(path));
            ensure!(self.check(&without, cut, &mut random).is_err(), "without syncs of {path} nothing is missed");
        }
        Ok(())
    }

    /// Checks images of cuts at every so many syncs and between.
    fn check_images(&self, images: u64) -> Result<String> {
        let (lines, boundaries) = (self.recording.lines(), self.recording.boundaries());
        let (mut random, mut promises) = (Random::new(0xCA7), 0);
        for number in 0..images {
            // Two of three at a sync, all over the recording; the others anywhere.
            let line = if number % 3 == 2 {
                lines.start + usize::try_from(random.below(lines.len() as u64))?
            } else {
                let step = number * boundaries.len() as u64 / images;
                boundaries[usize::try_from(step)?]
            };
            let (files, names) = MIXES[usize::try_from(number)? % MIXES.len()];
            let cut = Cut { line, files, names };
            let checked = self.check(&self.recording, cut, &mut random);
            promises += checked.with_context(|| format!("image {number}: {cut:?}"))?;
        }
        let syncs = boundaries.len() / 2;
        Ok(format!("{images} images of power cuts at {syncs} syncs and between, {promises} promises checked: all kept"))
    }
}

#[test]
fn whatever_was_acknowledged_is_in_every_image_that_a_power_cut_can_leave() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let recorded = Recorded::life()?;
    recorded.check_that_missing_syncs_are_caught()?;
    println!("{}", recorded.check_images(effort::times(IMAGES))?);
    Ok(())
}

#[test]
fn a_power_cut_while_a_start_takes_back_another_start_loses_nothing() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    println!("{}", Recorded::second_start()?.check_images(effort::times(IMAGES_OF_A_START))?);
    Ok(())
}
