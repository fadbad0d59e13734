//! A project's lock over three months, under a ratchet: what is pinned, what is refused, what is told.

use attest_core::artifact::ArtifactDigest;

use crate::{
    fake_log::{Conduct, FakeLog},
    world::{Done, World, public, statement, text},
};

/// A lock of requirements with one file for each release.
fn lock(world: &World, releases: &[(&str, &str)]) {
    let line = |(name, version): &(&str, &str)| format!("{name}=={version} --hash=sha256:{}\n", bytes(name, version));
    world.write("requirements.txt", releases.iter().map(line).collect::<String>());
}

fn bytes(name: &str, version: &str) -> ArtifactDigest {
    ArtifactDigest::of(format!("{name} {version}").as_bytes())
}

fn vote(log: &FakeLog, number: u8, name: &str, version: &str) {
    log.append(statement(number, &format!("{name}-{version}-py3-none-any.whl"), &bytes(name, version)));
}

fn both(log: &FakeLog, name: &str, version: &str) {
    for number in [1, 2] {
        vote(log, number, name, version);
    }
}

/// Two groups, and a ratchet over the first month: one attested, two native wheels that nobody reproduces.
fn started() -> (World, FakeLog) {
    let (world, log) = (World::new(), FakeLog::start(Vec::new()));
    both(&log, "idna", "3.7");
    lock(&world, &[("idna", "3.7"), ("numpy", "2.0"), ("zstd", "1.0")]);
    init(&world, &log).is(0, "2 files pinned (2 new), 1 attested");
    (world, log)
}

fn init(world: &World, log: &FakeLog) -> Done {
    let (one, two, vkey) = (format!("a={}", public(1)), format!("b={}", public(2)), FakeLog::vkey());
    let init = ["policy", "init", "--preset", "quorum", "--key", &one, "--key", &two, "--log", &vkey, &log.url];
    world.attest(&[&init[..], &["--mode", "ratchet", "requirements.txt", "-o", "p.toml"]].concat())
}

fn verify(world: &World) -> Done {
    world.attest(&["verify", "requirements.txt", "--policy", "p.toml"])
}

fn turn(world: &World, more: &[&str]) -> Done {
    world.attest(&[&["policy", "ratchet", "requirements.txt", "--to", "p.toml"], more].concat())
}

/// With what differs between runs taken out.
fn told(done: &Done) -> Vec<String> {
    let day = |text: &str| text.len() >= 10 && text.as_bytes()[4] == b'-' && text.starts_with("20");
    let word = |word: &str| if day(word.trim_start_matches('(')) { "DAY".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let short = |text: String| match text.split_once(" (1 log asked) in ") {
        Some((summary, seconds)) if seconds.ends_with(" s") => summary.to_owned(),
        _ => text,
    };
    done.out.lines().map(line).map(short).collect()
}

fn short(name: &str, version: &str) -> String {
    format!("{name}=={version} sha256:{}", &bytes(name, version).to_string()[..12])
}

/// Where the policy says it.
fn at(world: &World, words: &str) -> String {
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap();
    let line = text.lines().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {text}"));
    format!("(p.toml:{})", line + 1)
}

#[test]
fn a_file_that_two_locks_list_by_name_and_by_release_stays_one_entry() {
    let (world, log) = (World::new(), FakeLog::start(Vec::new()));
    both(&log, "idna", "3.7");
    lock(&world, &[("idna", "3.7"), ("zstd", "1.0")]);
    let package = |name: &str, version: &str| {
        let file = format!("{name}-{version}-py3-none-any.whl");
        format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"{version}\"\n[[packages.wheels]]\nname = \"{file}\"\n\
             url = \"https://files.example/{file}\"\nhashes = {{ sha256 = \"{}\" }}\n",
            bytes(name, version)
        )
    };
    let packages = package("idna", "3.7") + &package("zstd", "1.0");
    world.write("pylock.toml", format!("lock-version = \"1.0\"\ncreated-by = \"a test\"\n{packages}"));
    init(&world, &log).is(0, "1 attested");
    for _ in 0..2 {
        turn(&world, &["pylock.toml"]).is(0, "1 attested");
    }
}

#[test]
fn three_months_of_a_project_under_a_ratchet() {
    let (world, log) = started();
    // Month 1: as it was.
    let done = verify(&world);
    assert_eq!(
        told(&done),
        [
            format!("{} ok 2 of 2 (a, b)", short("idna", "3.7")),
            format!("{} pinned pinned until DAY 0 days old {}", short("numpy", "2.0"), at(&world, "numpy==2.0")),
            format!("{} pinned pinned until DAY 0 days old {}", short("zstd", "1.0"), at(&world, "zstd==1.0")),
            "3 files checked: 1 ok, 2 pinned".to_owned(),
            "2 files pinned although votes are missing, the oldest for 0 days, until DAY".to_owned(),
        ],
        "{done:?}"
    );
    assert_eq!(done.code, 0);

    // Month 2: numpy is reproduced now; idna's new version is not, and a new dependency came without votes.
    both(&log, "numpy", "2.0");
    lock(&world, &[("idna", "3.8"), ("numpy", "2.0"), ("pyfoo", "1.0"), ("zstd", "1.0")]);
    let done = verify(&world);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(
        told(&done),
        [
            format!("{} ok 2 of 2 (a, b), so its pin can go", short("numpy", "2.0")),
            format!("{} pinned pinned until DAY 0 days old {}", short("zstd", "1.0"), at(&world, "zstd==1.0")),
            format!("x {} refused (requirements.txt:1)", short("idna", "3.8")),
            format!("version 3.7 was attested, and this one is not {}", at(&world, "idna==3.7")),
            format!("nobody has reproduced it: expected 2 groups, found none {}", at(&world, "threshold = 2")),
            format!("x {} refused (requirements.txt:3)", short("pyfoo", "1.0")),
            format!("nobody has reproduced it: expected 2 groups, found none {}", at(&world, "threshold = 2")),
            "4 files checked: 1 ok, 1 pinned, 2 refused".to_owned(),
            "1 file pinned although votes are missing, the oldest for 0 days, until DAY".to_owned(),
            "1 pin not needed any more, the votes are there: `attest policy ratchet` drops what can go".to_owned(),
        ],
        "{done:?}"
    );
    // The ratchet turns one way by itself; what is new takes a word, a step back takes its name.
    let done = turn(&world, &[]);
    done.is(1, "1 file pinned (0 new), 2 attested, 1 pin dropped: attested now");
    done.is(1, "x idna==3.8  not pinned: version 3.7 was attested");
    done.is(1, "x pyfoo==1.0  not pinned: nobody has reproduced it");
    turn(&world, &["--accept-new"]).is(1, "2 files pinned (1 new)");
    turn(&world, &["--accept", "idnna"]).is(2, "--accept idnna: none of the locks has it");
    turn(&world, &["--accept", "idna"]).is(0, "3 files pinned (1 new)");
    turn(&world, &[]).is(0, "nothing to change");
    verify(&world).is(0, "4 files checked: 1 ok, 3 pinned");

    // Month 3: numpy's votes are gone, zstd is out of the lock, pyfoo has other bytes.
    let text_of = std::fs::read_to_string(world.path("p.toml")).unwrap();
    let third = text_of.replace(&format!("{} pyfoo", bytes("pyfoo", "1.0")), &format!("{} pyfoo", bytes("old", "1")));
    world.write("p.toml", third);
    let log = FakeLog::start(Vec::new());
    vote(&log, 1, "numpy", "2.0");
    let before = std::fs::read_to_string(world.path("p.toml")).unwrap();
    let url = before.lines().find(|line| line.starts_with("urls")).unwrap();
    world.write("p.toml", before.replace(url, &format!("urls = [\"{}\"]", log.url)));
    std::fs::remove_dir_all(world.path("data/logs")).unwrap();
    lock(&world, &[("idna", "3.8"), ("numpy", "2.0"), ("pyfoo", "1.0")]);
    let done = verify(&world);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(
        told(&done)[1..4],
        [
            format!("x {} refused (requirements.txt:2)", short("numpy", "2.0")),
            format!(
                "it lost its attestation: on DAY enough groups had reproduced this very file {}",
                at(&world, "numpy==2.0")
            ),
            format!("expected 2 groups that reproduced it, found 1 (a) {}", at(&world, "threshold = 2")),
        ],
        "{done:?}"
    );
    let done = turn(&world, &["--accept-new", "--accept", "numpy"]);
    done.is(1, "x numpy==2.0  not pinned: it lost its attestation");
    done.is(1, "2 pins dropped: not in the lock");
    // And the next time it is told again.
    turn(&world, &["--accept-new", "--accept", "numpy"]).is(1, "it lost its attestation");
}

#[test]
fn in_an_outage_nothing_is_pinned() {
    let (world, log) = started();
    let before = std::fs::read_to_string(world.path("p.toml")).unwrap();
    log.behave(Conduct::Overloaded);
    turn(&world, &["--accept-new"]).is(3, "what is attested cannot be told now");
    // What the log said before would do offline.
    std::fs::remove_dir_all(world.path("data/evidence")).unwrap();
    world
        .attest(&["policy", "ratchet", "requirements.txt", "--to", "p.toml", "--offline"])
        .is(3, "nothing was changed");
    assert_eq!(std::fs::read_to_string(world.path("p.toml")).unwrap(), before);
    std::fs::remove_file(world.path("p.toml")).unwrap();
    init(&world, &log).is(3, "what is attested cannot be told now");
    assert!(!world.path("p.toml").exists());
    // Nor does a pin let anything through then.
    world.write("p.toml", before);
    verify(&world).is(3, "undecided");
}

#[test]
fn a_stricter_layer_refuses_what_another_one_pins() {
    let (world, log) = started();
    let strict = world.quorum(2, &[3, 4], &FakeLog::vkey(), &[&log.url]);
    let verify = world.attest(&["verify", "requirements.txt", "--policy", "p.toml", "--policy", text(&strict)]);
    verify.is(1, "3 files checked: 3 refused");
}

#[test]
fn the_pins_of_a_clone_loosen_nothing() {
    let (world, _log) = started();
    std::fs::rename(world.path("p.toml"), world.path("attest-policy.toml")).unwrap();
    world.attest(&["verify", "requirements.txt"]).is(2, "no policy");
    let mine = world.own("mine.toml", 5, 1);
    world.attest(&["verify", "requirements.txt", "--policy", text(&mine)]).is(1, "3 refused");
}

#[test]
fn pins_end_on_their_day_and_only_a_word_moves_it() {
    let (world, _log) = started();
    let policy = std::fs::read_to_string(world.path("p.toml")).unwrap();
    let (head, ratchet) = policy.split_once("[ratchet]\nexpires = ").unwrap();
    let over = format!("{head}[ratchet]\nexpires = 2026-01-01{}", &ratchet[10..]);
    world.write("p.toml", over);
    verify(&world).is(1, "its pin ran out at 2026-01-01");
    turn(&world, &[]).is(1, "0 files pinned");
    world.write("p.toml", policy.replace("serial = 1", "serial = 5"));
    turn(&world, &["--expires", "10d"]).is(0, "2 files pinned (0 new)");
    verify(&world).is(0, "2 pinned");
    turn(&world, &["--expires", "2020-01-01"]).is(2, "a time to come");
}

#[test]
fn a_ratchet_is_started_with_locks_and_never_by_accident() {
    let world = World::new();
    let key = world.key_file(1);
    let init = ["policy", "init", "--preset", "self", "--key", text(&key), "-o", "p.toml"];
    world.attest(&[&init[..], &["requirements.txt"]].concat()).is(2, "with --mode ratchet only");
    world.attest(&[&init[..], &["--mode", "ratchet"]].concat()).is(2, "nothing to verify");
    lock(&world, &[("idna", "3.7")]);
    world.attest(&[&init[..], &["--mode", "ratchet"]].concat()).is(0, "1 file pinned (1 new), 0 attested");
    let done = world.attest(&["verify", "--policy", "p.toml", "--output-format", "json"]);
    let document = done.json();
    assert_eq!(document["files"][0]["outcome"], "pinned");
    assert_eq!(document["files"][0]["judgements"][0]["pin"]["decides"], true);
    assert_eq!(document["summary"]["pinned"], 1);
    assert_eq!(document["aged"]["pinned"]["files"], 1);
    world.attest(&["explain", "--policy", "p.toml", "sha256:00"]).is(2, "");
}

#[test]
fn a_pinned_file_stays_in_a_pruned_lock() {
    let (world, _log) = started();
    world.attest(&["lock", "requirements.txt", "--policy", "p.toml"]).is(0, "");
    let lock = std::fs::read_to_string(world.path("requirements.txt")).unwrap();
    for (name, version) in [("idna", "3.7"), ("numpy", "2.0"), ("zstd", "1.0")] {
        assert!(lock.contains(&bytes(name, version).to_string()), "{lock}");
    }
    verify(&world).is(0, "2 pinned");
}

#[test]
fn a_turn_that_refuses_forgets_nothing() {
    let (world, log) = started();
    lock(&world, &[("idna", "3.8"), ("numpy", "2.0"), ("zstd", "1.0")]);
    turn(&world, &[]).is(1, "x idna==3.8  not pinned: version 3.7 was attested");
    // The same once more is no way around it.
    turn(&world, &["--accept-new"]).is(1, "x idna==3.8  not pinned: version 3.7 was attested");
    verify(&world).is(1, "version 3.7 was attested");

    let (world, wheel) = (World::new(), "wheels/numpy-2.0-py3-none-any.whl");
    let (one, two, vkey) = (format!("a={}", public(1)), format!("b={}", public(2)), FakeLog::vkey());
    let init = ["policy", "init", "--preset", "quorum", "--key", &one, "--key", &two, "--log", &vkey, &log.url];
    world.write(wheel, "one");
    world.attest(&[&init[..], &["--mode", "ratchet", "wheels", "-o", "p.toml"]].concat()).is(0, "1 file pinned");
    world.write(wheel, "other bytes under its name");
    let turn = || world.attest(&["policy", "ratchet", "wheels", "--to", "p.toml", "--accept-new"]);
    turn().is(1, "0 attested");
    turn().is(1, "1 file pinned (0 new)");
    world.attest(&["verify", "wheels", "--policy", "p.toml"]).is(1, "the file of this name had sha256");
}

#[test]
fn evidence_beside_a_lock_is_no_answer_of_a_log_that_is_down() {
    let (world, log) = started();
    world.attest(&["lock", "requirements.txt", "--policy", "p.toml"]).is(0, "");
    log.behave(Conduct::Overloaded);
    std::fs::remove_dir_all(world.path("data/evidence")).unwrap();
    // What the log holds against a pinned file may be what the clone's attest.lock leaves out.
    verify(&world).is(3, "undecided");
    // By the user's word it will do.
    for word in ["--offline", "--frozen"] {
        world.attest(&["verify", "requirements.txt", "--policy", "p.toml", word]).is(0, "2 pinned");
    }
    // An outage has nothing on a log that answers.
    log.behave(Conduct::Honest);
    verify(&world).is(0, "2 pinned");
}
