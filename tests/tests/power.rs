//! Power cuts, for real: the log's folder is on a disk of its own, whose image is copied while statements are being
//! acknowledged, and mounted as after a power cut. Every acknowledged statement is there.
//!
//! Two controls show that a loss would be seen: a file that is written beside the log and not synced, and a log whose syncs
//! are taken away.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::note::VerifierKey;
use attest_tests::{
    effort,
    forge::Forge,
    http::block_on,
    loop_disk::{LoopDisk, Ordering},
    promise::{Ledger, Submitters},
    random::Random,
    scene::{Member, Scene},
    server::Server,
    tool, trace,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time;

const CUTS: u64 = 10;
const CLIENTS: usize = 16;
const UNSYNCED: &[u8] = b"written, and never synced";

/// A log on a disk whose power is cut again and again.
struct Victim {
    scene: Scene,
    log: VerifierKey,
    submitters: Submitters,
    command: Command,
    random: Random,
}

impl Victim {
    /// `None` where the machine does not allow it.
    fn new() -> Result<Option<Self>> {
        let scene = Scene::new()?;
        if !LoopDisk::is_allowed(&scene.path("")) {
            return Ok(None);
        }
        let forge = Arc::new(Forge::new()?);
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
        let image = scene.path("disk.img");
        LoopDisk::format(&image)?;
        let disk = LoopDisk::mount(&image, &scene.path("disk"), Ordering::Ordered)?;
        let log = scene.init_log("disk/log", "power.example")?;
        // init has promised a log: it is there after a power cut as well.
        disk.cut_power(&scene.path("next.img"))?;
        drop(disk);
        fs::rename(scene.path("next.img"), image)?;
        let command = scene.log_command("disk/log", &rebuilders);
        let submitters = Submitters::endless(forge, CLIENTS);
        Ok(Some(Self { scene, log, submitters, command, random: Random::new(0xC07) }))
    }

    /// Finds what the last cut left, checks it, and cuts the power again while statements are being acknowledged.
    fn round(&mut self, ledger: &mut Ledger, ordering: Ordering) -> Result<()> {
        let Self { scene, log, submitters, command, random } = self;
        let (image, next) = (scene.path("disk.img"), scene.path("next.img"));
        // A new name each time: ext4 syncs a file that replaces another.
        let control = scene.path(&format!("disk/control-{}", ledger.seen.len()));
        let disk = LoopDisk::mount(&image, &scene.path("disk"), ordering).context("after the power cut")?;
        let server = Server::spawn(command).context("the log does not start after the power cut")?;
        block_on(async {
            ledger.audit(server.url(), log).await.context("after the power cut")?;
            fs::write(&control, UNSYNCED)?;
            let load = submitters.start(server.url(), log);
            time::sleep(Duration::from_millis(30 + random.below(400))).await;
            stand_still(server.pid())?;
            disk.cut_power(&next)?;
            server.kill()?;
            ledger.collect(load).await
        })?;
        drop(disk);
        fs::rename(next, &image)?;

        let disk = LoopDisk::mount(&image, &scene.path("disk"), ordering)?;
        ensure!(
            fs::read(control).unwrap_or_default() != UNSYNCED,
            "a file that was not synced survived: this is no power cut"
        );
        disk.unmount()
    }

    /// What the last cut left, as it lies.
    fn fsck(&self) -> Result<()> {
        let disk = LoopDisk::mount(&self.scene.path("disk.img"), &self.scene.path("disk"), Ordering::Ordered)?;
        self.scene.fsck("disk/log")?;
        disk.unmount()
    }
}

#[test]
fn whatever_was_acknowledged_survives_power_cuts() -> Result<()> {
    let cuts = effort::times(CUTS);
    let Some(mut victim) = Victim::new()? else { return Ok(()) };
    let mut ledger = Ledger::default();
    for cut in 0..=cuts {
        let ordering = if cut % 2 == 0 { Ordering::Ordered } else { Ordering::Writeback };
        victim.round(&mut ledger, ordering).with_context(|| format!("round {cut}"))?;
    }
    victim.fsck()?;
    let statements = ledger.promises.len();
    ensure!(statements as u64 > cuts, "hardly anything was submitted: {statements} entries");
    println!("{cuts} power cuts, {statements} acknowledged statements, {} checkpoints: none lost", ledger.seen.len());
    Ok(())
}

/// sled's own `flush` ends in `sync_file_range` (spacejam/sled#1452): this is what is left with that alone.
#[test]
fn a_log_whose_syncs_do_nothing_is_caught_by_this_test() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let Some(mut victim) = Victim::new()? else { return Ok(()) };
    // The calls return success and are not made.
    let lie = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0", "-o", "/dev/null"];
    victim.command = trace::traced(&victim.command, lie.map(OsStr::new));
    let mut ledger = Ledger::default();
    victim.round(&mut ledger, Ordering::Ordered)?;
    ensure!(!ledger.promises.is_empty(), "nothing was acknowledged");
    let Err(error) = victim.round(&mut ledger, Ordering::Ordered) else {
        bail!("{} statements were never synced, and nothing was missed", ledger.promises.len());
    };
    println!("{} acknowledged statements that were not synced; found as: {error:#}", ledger.promises.len());
    Ok(())
}

/// Stops the process where it is. What it had begun in the kernel is ended, nothing more is begun.
fn stand_still(pid: u32) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no such process id")?;
    kill_process(process, Signal::STOP)?;
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(20) {
        if all_stopped(&Path::new("/proc").join(pid.to_string()).join("task"))? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    bail!("the process still runs, 20 seconds after SIGSTOP")
}

fn all_stopped(tasks: &Path) -> Result<bool> {
    for task in fs::read_dir(tasks)? {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else { continue };
        let (_, fields) = stat.rsplit_once(") ").context("no program name in /proc/PID/task/TID/stat")?;
        // T: stopped by a signal; t: the same, under a tracer.
        if !fields.starts_with(['T', 't']) {
            return Ok(false);
        }
    }
    Ok(true)
}
