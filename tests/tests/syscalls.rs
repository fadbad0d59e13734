//! System calls that fail: every call on the log's files from the arrival of one statement to its answer and to the sealing
//! of the bundle that it fills, and every call of a start, is failed once with EIO, once with ENOSPC, and once by SIGKILL.
//! Whatever the log does then, it acknowledges nothing that is not there after the next start.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_tests::{
    effort,
    fault::{self, Attached, Fault, Place},
    server::Server,
    specimen::Specimen,
    tool, trace,
};

/// Injections of each of the two tests; all that there are when `ATTEST_EFFORT` is large enough.
const INJECTIONS: u64 = 36;
/// One less than a bundle: the next statement fills it.
const LOGGED: u64 = 255;
/// How long a fault is waited for that comes after the answer, in the sealing.
const SEAL_LIMIT: Duration = Duration::from_secs(2);

#[test]
fn no_failing_call_of_a_submission_or_a_seal_loses_what_was_acknowledged() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let specimen = Specimen::new(LOGGED)?;
    specimen.copy()?;
    let server = specimen.start()?;
    let dry = Attached::attach(server.pid(), &fault::dry_run(), &specimen.scene.path("trace"))?;
    let mut ledger = specimen.ledger.clone();
    specimen.submit(&server, 0, &mut ledger)?;
    ensure!(ledger.promises.len() as u64 > LOGGED, "it fails without a fault");
    // The last that a seal does is to tell the database; that is not awaited by anybody.
    wait(|| Ok(specimen.data().join("tile/0/000").exists()))?;
    thread::sleep(Duration::from_millis(300));
    let places = Place::all(&dry.detach()?, &specimen.data())?;
    server.kill()?;
    ensure!(places.len() > 10, "hardly any call was seen: {places:?}");

    let tally = each(&places, |place, fault| {
        specimen.copy()?;
        let server = specimen.start()?;
        let trace = specimen.scene.path("trace");
        let attached = Attached::attach(server.pid(), &place.options(fault), &trace)?;
        let mut ledger = specimen.ledger.clone();
        specimen.submit(&server, 0, &mut ledger)?;
        wait(|| Ok(fault::happened(&attached.output()?)))?;
        // Still there or not: an answer is a promise.
        specimen.submit(&server, 1, &mut ledger)?;
        server.kill()?;
        let happened = fault::happened(&attached.detach()?);
        specimen.audit(ledger)?;
        Ok(happened)
    })?;
    println!("one submission and one seal, {tally}: nothing acknowledged was lost");
    Ok(())
}

#[test]
fn no_failing_call_of_a_start_loses_what_was_acknowledged() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let specimen = Specimen::new(LOGGED + 50)?;
    let trace = specimen.scene.path("trace");
    let under = |options: Vec<std::ffi::OsString>| {
        let options = options.into_iter().chain(["-o".into(), trace.clone().into()]);
        trace::traced(&specimen.scene.log_command("log", &specimen.rebuilders), options)
    };
    specimen.copy()?;
    Server::spawn(&mut under(fault::dry_run()))?.kill()?;
    let places = Place::all(&trace::finished(&trace)?, &specimen.data())?;
    ensure!(places.len() > 10, "hardly any call was seen: {places:?}");

    let tally = each(&places, |place, fault| {
        specimen.copy()?;
        let mut ledger = specimen.ledger.clone();
        // It starts, or it does not.
        if let Ok(server) = Server::spawn(&mut under(place.options(fault))) {
            specimen.submit(&server, 0, &mut ledger)?;
            server.kill()?;
        }
        let happened = fault::happened(&trace::finished(&trace)?);
        specimen.audit(ledger)?;
        Ok(happened)
    })?;
    println!("one start, {tally}: nothing acknowledged was lost");
    Ok(())
}

/// Injects each fault at each place, or as many as the effort allows, evenly.
fn each(places: &[Place], mut inject: impl FnMut(&Place, Fault) -> Result<bool>) -> Result<String> {
    let all: Vec<(&Place, Fault)> =
        Fault::ALL.iter().flat_map(|fault| places.iter().map(|place| (place, *fault))).collect();
    let limit = usize::try_from(effort::times(INJECTIONS))?.min(all.len());
    let mut happened = 0;
    for number in 0..limit {
        let (place, fault) = all[number * all.len() / limit];
        happened += usize::from(inject(place, fault).with_context(|| format!("after {fault:?} at {place}"))?);
    }
    ensure!(happened * 2 > limit, "only {happened} of {limit} faults happened");
    Ok(format!("{happened} faults in {limit} runs of {} possible at {} places", all.len(), places.len()))
}

/// Waits a little for something that need not come.
fn wait(mut come: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < SEAL_LIMIT && !come()? {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
