//! `attest explain` and `attest verify` as people see them: `screens.txt` is the text that was reviewed.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    world::{Done, WHEEL, World, contradiction, statement, text},
};

/// A log with these entries about the wheel, and a policy of three groups that wants two.
fn scene(entries: &[&str]) -> (World, FakeLog, String) {
    let world = World::new();
    let digest = world.digest();
    let entry = |name: &&str| match *name {
        "r1" => statement(1, WHEEL, &digest),
        "r2" => statement(2, WHEEL, &digest),
        "stranger" => statement(9, WHEEL, &digest),
        _ => contradiction(3, WHEEL, &digest, &statement(1, WHEEL, &digest)),
    };
    let log = FakeLog::start(entries.iter().map(entry).collect());
    let policy = world.quorum(2, &[1, 2, 3], &FakeLog::vkey(), &[&log.url]);
    fs::rename(policy, world.path("policy.toml")).ok();
    (world, log, "policy.toml".to_owned())
}

/// Without what is another in each run: the port, and how long it took.
fn steady(done: &Done, url: &str) -> String {
    let text = format!("{}{}", done.out, done.err).replace(url, "https://log.test");
    let lines = text.lines().map(|line| match line.rsplit_once(") in ") {
        Some((before, took)) if took.ends_with(" s") => format!("{before}) in 0.00 s"),
        _ => line.to_owned(),
    });
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

#[test]
fn screens_read_as_they_were_reviewed() {
    let mut screens = String::new();
    let mut screen = |title: &str, done: &Done, url: &str| {
        write!(screens, "=== {title} [exit {}]\n{}\n", done.code, steady(done, url)).unwrap();
    };
    for (title, entries) in [
        ("accepted", &["r1", "r2"][..]),
        ("below threshold", &["r1", "stranger"]),
        ("contradicted", &["r1", "r2", "contradiction"]),
        ("unknown", &[]),
    ] {
        let (world, log, policy) = scene(entries);
        screen(&format!("explain: {title}"), &world.attest(&["explain", WHEEL, "--policy", &policy]), &log.url);
        screen(&format!("verify: {title}"), &world.attest(&["verify", WHEEL, "--policy", &policy]), &log.url);
    }
    let (world, log, policy) = scene(&["r1", "r2"]);
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "1 ok");
    log.behave(Conduct::Shows(1));
    screen("explain: stale log", &world.attest(&["explain", WHEEL, "--policy", &policy]), &log.url);

    let world = World::new();
    let url = nobody();
    world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&url]);
    let done = world.attest(&["explain", WHEEL, "--policy", "policy.toml"]);
    screen("explain: undecided", &done, &url);

    let (world, log, policy) = scene(&["r1", "r2"]);
    let good = world.digest();
    world.write(
        "requirements.txt",
        format!(
            "demo==1.0 --hash=sha256:{good}\none==1.0 --hash=sha256:{}\ntwo==2.0 --hash=sha256:{}\nbare==3.0\n\
             win==1 ; sys_platform == 'win32' --hash=sha256:{good}\n./{WHEEL} --hash=sha256:{}\n",
            "1".repeat(64),
            "2".repeat(64),
            "3".repeat(64)
        ),
    );
    screen("verify: a lock with everything", &world.attest(&["verify", "--policy", &policy]), &log.url);

    let mut many = format!("demo==1.0 --hash=sha256:{good}\n");
    (0..30).for_each(|n| writeln!(many, "demo==1.{n} --hash=sha256:{n:064}").unwrap());
    world.write("requirements.txt", many);
    screen("verify: many alike", &world.attest(&["verify", "--policy", &policy]), &log.url);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/screens.txt");
    if std::env::var_os("ATTEST_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &screens).unwrap();
    }
    let reviewed = fs::read_to_string(text(&path)).unwrap();
    assert!(screens == reviewed, "run with ATTEST_UPDATE_SNAPSHOTS=1, and review what changed:\n{screens}");
}
