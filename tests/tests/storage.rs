//! What can be wrong with a data folder when a log is started on it, against the running program. Either it refuses, in words,
//! or it is the whole log; it never goes on from an older tree in silence.
//!
//! The other rows of the same list: `syscalls.rs` (a start that is killed, or runs out of space, at any of its calls),
//! `faults.rs` (a full disk), `power.rs` and `replay.rs` (power cuts), `attest-server/src/recover/tests.rs` (each refusal by its
//! error variant).

use std::{
    fs::{self, OpenOptions},
    os::unix::{fs::FileExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_tests::{
    command::{self, Outcome},
    effort,
    fault::{Attached, Fault, Place},
    http::block_on,
    promise::Ledger,
    random::Random,
    replica::Replica,
    server::Server,
    small_disk::SmallDisk,
    specimen::{self, Specimen},
    tool, trace,
};

/// One bundle is sealed, the rest is pending.
const ENTRIES: u64 = 300;
const FLIPPED_BITS: u64 = 20;

/// Starts a log that has to refuse; it is never ready.
fn refused(run: &mut Command) -> Result<Outcome> {
    // timeout: one that does start would run for ever.
    let mut limited = Command::new("timeout");
    limited.args(["--signal=KILL", "30"]).arg(run.get_program()).args(run.get_args());
    if let Some(folder) = run.get_current_dir() {
        limited.current_dir(folder);
    }
    let outcome = command::run(&mut limited)?;
    ensure!(!outcome.stdout.contains("listening"), "started: {}", outcome.text());
    Ok(outcome)
}

fn replace(specimen: &Specimen, part: &str, from: &str) -> Result<()> {
    let (to, from) = (specimen.data().join(part), specimen.scene.path(from).join(part));
    if from.is_dir() {
        specimen::remove(&to)?;
        return specimen::copy(&from, &to);
    }
    fs::copy(from, to)?;
    Ok(())
}

type Spoil<'a> = &'a dyn Fn(&Specimen) -> Result<()>;

#[test]
fn a_folder_that_is_not_the_newest_state_of_the_log_is_refused() -> Result<()> {
    let mut specimen = Specimen::new(ENTRIES)?;
    specimen.keep("older")?;
    specimen.grow(2 * ENTRIES)?;
    let spoil: [(&str, Spoil<'_>, &str); 6] = [
        ("an emptied database", &|it| Ok(fs::write(it.data().join("db/db"), b"")?), "database is empty"),
        ("no database", &|it| specimen::remove(&it.data().join("db")), "database is empty"),
        ("a file in blobs", &|it| Ok(fs::write(it.data().join("db/blobs/17"), b"x")?), "expected an empty folder"),
        ("an older database", &|it| replace(it, "db", "older"), "a tree of 600 was signed"),
        ("older tiles", &|it| replace(it, "tile", "older"), "tile/0/001"),
        ("an older highwater mark", &|it| replace(it, "highwater", "older"), "only knows of 300"),
    ];
    for (what, spoil, words) in spoil {
        specimen.copy()?;
        spoil(&specimen).context(what)?;
        let mut run = specimen.scene.log_command("log", &specimen.rebuilders);
        for _ in 0..2 {
            refused(&mut run)?.expect(2)?.expect_words(words).context(what)?;
        }
    }
    specimen.copy()?;
    specimen.audit(specimen.ledger.clone())
}

/// Nothing in it contradicts anything else in it: whether there was more can be known only by those who saw it, so the witnesses
/// are asked. docs/DURABILITY.md
#[test]
fn a_whole_older_folder_is_a_whole_log_and_only_others_can_tell() -> Result<()> {
    let mut specimen = Specimen::new(ENTRIES)?;
    specimen.keep("log")?;
    let older = specimen.ledger.clone();
    specimen.grow(2 * ENTRIES)?;
    let server = specimen.start()?;
    let replica = block_on(Replica::read(server.url(), &specimen.log))?;
    older.check(&replica)?;
    ensure!(specimen.ledger.check(&replica).is_err(), "whoever saw the newer log notices");
    Ok(())
}

#[test]
fn a_flipped_bit_is_refused_or_harmless_and_is_not_made_worse() -> Result<()> {
    let specimen = Specimen::new(ENTRIES)?;
    let (mut random, mut refusals) = (Random::new(0xB17), 0);
    let flips = effort::times(FLIPPED_BITS);
    for _ in 0..flips {
        specimen.copy()?;
        let file = flipped_file(&specimen.data(), &mut random)?;
        let length = fs::metadata(&file)?.len();
        let bit = random.below(length * 8);
        flip_bit(&file, bit)?;
        let at = format!("bit {bit} of {}", file.display());
        let Ok(server) = Server::spawn(&mut specimen.scene.log_command("log", &specimen.rebuilders)) else {
            refusals += 1;
            // The database tried to repair itself. With the bit as it was, everything is there.
            let found = specimen.data().join("db.found");
            let found = found.join(file.file_name().context("no name")?);
            flip_bit(if found.exists() { &found } else { &file }, bit)?;
            specimen.audit(specimen.ledger.clone()).with_context(|| format!("after a refusal for {at}"))?;
            continue;
        };
        let mut ledger = specimen.ledger.clone();
        block_on(ledger.audit(server.url(), &specimen.log)).with_context(|| format!("started in spite of {at}"))?;
        server.kill()?;
    }
    println!("{flips} flipped bits: {refusals} refused, the others harmless");
    Ok(())
}

/// A file of the database.
fn flipped_file(data: &Path, random: &mut Random) -> Result<PathBuf> {
    let mut files = Vec::new();
    for file in fs::read_dir(data.join("db"))? {
        let file = file?;
        if file.metadata()?.is_file() {
            files.push(file.path());
        }
    }
    files.sort();
    // Most of it is in `db`.
    let others = usize::try_from(random.below(4 * files.len() as u64))?;
    Ok(files.get(others).cloned().unwrap_or_else(|| data.join("db/db")))
}

fn flip_bit(file: &Path, bit: u64) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8)?;
    byte[0] ^= 1 << (bit % 8);
    Ok(file.write_all_at(&byte, bit / 8)?)
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() -> Result<()> {
    let specimen = Specimen::new(3)?;
    specimen.copy()?;
    let server = specimen.start()?;
    refused(&mut specimen.scene.log_command("log", &specimen.rebuilders))?
        .expect(2)?
        .expect_words("in use by another process")?;
    let mut ledger = specimen.ledger.clone();
    specimen.submit(&server, 0, &mut ledger)?;
    ensure!(ledger.promises.len() == 4, "the first one goes on");
    Ok(())
}

#[test]
fn a_clock_before_the_last_checkpoint_refuses_to_start() -> Result<()> {
    let specimen = Specimen::new(3)?;
    specimen.copy()?;
    sign_tomorrow(&specimen.data().join("highwater"))?;
    let mut run = specimen.scene.log_command("log", &specimen.rebuilders);
    refused(&mut run)?.expect(2)?.expect_words("hint: set the clock")?;
    Ok(())
}

/// Writes a mark like the newest one, made tomorrow. The layout is in `attest-server/src/store/highwater.rs`.
fn sign_tomorrow(highwater: &Path) -> Result<()> {
    let mut bytes = fs::read(highwater)?;
    let number = |record: &[u8]| -> Result<u64> { Ok(u64::from_be_bytes(record.try_into()?)) };
    let newest = if number(&bytes[8..16])? > number(&bytes[4096 + 8..4096 + 16])? { 0 } else { 4096 };
    let mut record = bytes[newest..newest + 72].to_vec();
    let (sequence, time) = (number(&record[8..16])? + 1, number(&record[64..72])? + 86_400);
    record[8..16].copy_from_slice(&sequence.to_be_bytes());
    record[64..72].copy_from_slice(&time.to_be_bytes());
    let checksum = ArtifactDigest::of(&record);
    record.extend_from_slice(checksum.as_bytes());
    let other = 4096 - newest;
    bytes[other..other + record.len()].copy_from_slice(&record);
    Ok(fs::write(highwater, bytes)?)
}

#[test]
fn a_failed_sync_stops_the_log_at_once_and_is_never_tried_again() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let specimen = Specimen::new(3)?;
    for file in ["db/db", "highwater"] {
        specimen.copy()?;
        let place = Place::new("fdatasync", specimen.data().join(file), 1);
        let output = specimen.scene.path("trace");
        let mut server = specimen.start()?;
        let attached = Attached::attach(server.pid(), &place.options(Fault::Eio), &output)?;
        let mut ledger = specimen.ledger.clone();
        specimen.submit(&server, 0, &mut ledger)?;
        ensure!(ledger.promises.len() == 3, "acknowledged, and {file} was not synced");
        let status = server.wait()?;
        ensure!(status.signal() == Some(6), "expected an abort, found {status}");
        let calls = trace::parse(&attached.detach()?)?;
        ensure!(calls.len() == 1 && calls[0].result == -1, "expected one failed sync, found {calls:?}");
        specimen.audit(ledger)?;
    }
    Ok(())
}

#[test]
fn a_full_disk_does_not_keep_a_log_from_starting() -> Result<()> {
    let mut specimen = Specimen::new(ENTRIES)?;
    let Some(disk) = SmallDisk::mount(specimen.data())? else {
        return Ok(());
    };
    let data = specimen.data().join("log");
    specimen.keep("log/log")?;
    let mut run = specimen.scene.log_command("log/log", &specimen.rebuilders);
    // Makes the reserve, while there is room.
    ensure!(Server::spawn(&mut run)?.stop()?.success() && data.join("reserve").exists(), "an orderly end");
    disk.fill(u64::MAX)?;
    let server = Server::spawn(&mut run)?;
    let mut ledger = Ledger { unanswered: Vec::new(), ..specimen.ledger.clone() };
    block_on(async { ledger.check(&Replica::read(server.url(), &specimen.log).await?) })?;
    specimen.submit(&server, 0, &mut ledger)?;
    ensure!(ledger.promises.len() as u64 == ENTRIES, "accepted on a full disk");
    server.kill()?;
    disk.empty()?;
    let server = Server::spawn(&mut run)?;
    block_on(ledger.audit(server.url(), &specimen.log))?;
    specimen.ledger = ledger;
    Ok(())
}
