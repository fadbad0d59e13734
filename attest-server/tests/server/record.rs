//! The public record beside a log that runs and is killed.

use rustix::process::Signal;

use crate::{
    client::{get, submit},
    process::{Log, Server, attest_server, run_command, until},
    statement::Rebuilder,
};

/// Of a sample of /metrics.
fn sample(server: &Server, name: &str) -> Option<String> {
    let text = get(&format!("{}/metrics", server.url())).text().to_owned();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(ToOwned::to_owned))
}

fn is(server: &Server, name: &str, value: &str) -> bool {
    sample(server, name).is_some_and(|found| found.trim_end_matches(".0") == value)
}

#[test]
fn a_killed_server_goes_on_with_its_record_and_a_deleted_one_is_made_again() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let (data, list) = (log.folder.path().join("log"), log.folder.path().join("rebuilders.toml"));
    for n in 0..5 {
        submit(log.server.url(), alice.reproduced("six", n));
    }
    until("five are recorded", || is(&log.server, "attest_record_size", "5"));
    submit(log.server.url(), alice.reproduced("six", 5));
    log.server.signal(Signal::KILL);
    log.server.wait();
    let again = Server::spawn(&mut run_command(&data, &list, &[]));
    until("six are recorded", || is(&again, "attest_record_size", "6"));
    assert!(is(&again, "attest_record_lag_entries", "0") && is(&again, "attest_record_stopped", "0"));
    again.terminate();
    again.wait();
    let fsck = attest_server().args(["fsck", "--data"]).arg(&data).output().unwrap();
    assert!(fsck.status.success(), "{fsck:?}");
    assert!(!String::from_utf8_lossy(&fsck.stdout).contains("record.db"), "{fsck:?}");
    std::fs::write(data.join("record.db"), "damaged").unwrap();
    let anew = Server::spawn(&mut run_command(&data, &list, &[]));
    until("all are recorded anew", || is(&anew, "attest_record_size", "6"));
}

#[test]
fn a_server_that_keeps_no_record_has_no_file_and_no_metric() {
    let log = Log::start(&[&Rebuilder::new("alice", 1)], &["--no-record"]);
    assert_eq!(sample(&log.server, "attest_record_size"), None);
    assert!(!log.folder.path().join("log/record.db").exists());
}
