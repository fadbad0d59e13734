//! Policies are layered and never merged, and nothing but the user loosens one (docs/TRUST.md 1.1, 1.2).

use crate::{
    fake_log::{FakeLog, nobody},
    world::{WHEEL, World, public, run, statement, text},
};

#[test]
fn own_rebuilds_count_from_a_local_folder_without_any_log() {
    let world = World::new();
    let policy = world.own("p.toml", 1, 1);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(1, "nobody has reproduced it");
    world.keep_own(1);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(0, "1 of 1 (self)");
    world.attest(&["explain", WHEEL, "--policy", text(&policy)]).is(0, "unlogged");
    // Somebody else's statement in the folder is none of mine.
    world.keep_own(2);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(1, "refused");
}

#[test]
fn without_a_policy_nothing_passes_and_the_next_step_is_named() {
    let world = World::new();
    world.keep_own(1);
    let done = world.attest(&["verify", WHEEL]);
    done.is(2, "no policy");
    done.is(2, "attest policy init");
    done.is(2, "1 file: 1 can be asked about");
    let document = world.attest(&["verify", WHEEL, "--output-format", "json"]).json();
    assert_eq!(document["schema"], "attest.coverage/v1");
    assert_eq!(document["exit"], 2);
}

#[test]
fn a_hostile_project_policy_alone_is_no_policy() {
    let world = World::new();
    world.keep_own(6);
    world.own("attest-policy.toml", 6, 1);
    let done = world.attest(&["verify", WHEEL]);
    done.is(2, "no policy");
    done.is(2, "read it, then name it with --policy attest-policy.toml");
    // Beside the user's policy it can only add: its threshold of 1 for the attacker's key outvotes nobody.
    let mine = world.own("mine.toml", 1, 1);
    world.attest(&["verify", WHEEL, "--policy", text(&mine)]).is(1, "mine.toml");
    world.keep_own(1);
    world.attest(&["verify", WHEEL, "--policy", text(&mine)]).is(1, "attest-policy.toml");
    // Once the user names it, it is one.
    world.keep_own(6);
    world.attest(&["verify", WHEEL, "--policy", "attest-policy.toml"]).is(0, "ok");
}

#[test]
fn every_named_policy_has_to_accept() {
    let world = World::new();
    let (one, two) = (world.own("one.toml", 1, 1), world.own("two.toml", 2, 1));
    world.keep_own(1);
    let done = world.attest(&["verify", WHEEL, "--policy", text(&one), "--policy", text(&two)]);
    done.is(1, "two.toml");
    assert!(!done.out.contains("one.toml"), "{done:?}");
}

#[test]
fn a_hostile_environment_selects_drops_and_loosens_nothing() {
    let world = World::new();
    world.keep_own(6);
    // Where an attacker would like policies and memory to be looked for.
    world.own("home/.config/attest/policy.toml", 6, 1);
    world.own("xdg/attest/policy.toml", 6, 1);
    let attacker = world.own("attacker.toml", 6, 1);
    let hostile = |arguments: &[&str]| {
        run(world
            .command()
            .args(arguments)
            .env("HOME", world.path("home"))
            .env("XDG_CONFIG_HOME", world.path("xdg"))
            .env("XDG_CONFIG_DIRS", world.path("xdg"))
            .env("XDG_DATA_HOME", world.path("xdg"))
            .env("XDG_STATE_HOME", world.path("xdg"))
            .env("ATTEST_POLICY", &attacker)
            .env("ATTEST_CONFIG_FILE", &attacker)
            .env("ATTEST_NO_CONFIG", "1")
            .env("ATTEST_THRESHOLD", "0")
            .env("ATTEST_MODE", "warn")
            .env("ATTEST_DATA_DIR", world.path("xdg")))
    };
    hostile(&["verify", WHEEL]).is(2, "no policy");
    let mine = world.own("mine.toml", 1, 7);
    hostile(&["verify", WHEEL, "--policy", text(&mine)]).is(1, "refused");
    // What was seen of the policy is remembered whatever the environment says.
    world.own("mine.toml", 1, 6);
    hostile(&["verify", WHEEL, "--policy", text(&mine)]).is(4, "expected serial 7");
}

#[test]
fn a_symbolic_link_that_is_turned_to_an_older_policy_is_an_alarm() {
    let world = World::new();
    world.keep_own(1);
    let (new, old) = (world.own("new.toml", 1, 5), world.own("old.toml", 1, 4));
    let verify = |name: &str| {
        let path = world.path(name);
        world.attest(&["verify", WHEEL, "--policy", text(&path)])
    };
    let turn = |name: &str, target: &std::path::Path| {
        let _ = std::fs::remove_file(world.path(name));
        std::os::unix::fs::symlink(target, world.path(name)).unwrap();
    };
    turn("p.toml", &new);
    verify("p.toml").is(0, "ok");
    turn("p.toml", &old);
    verify("p.toml").is(4, "was rolled back");
    // Nor does a link that was never seen make a rolled back file a new one.
    world.own("new.toml", 1, 3);
    turn("other.toml", &new);
    verify("other.toml").is(4, "was rolled back");
}

#[test]
fn a_clone_names_no_server_for_the_users_log() {
    let world = World::new();
    // The user's log is down. A copy of it as it was before somebody contradicted the file answers for it.
    let copy = FakeLog::start(vec![statement(1, WHEEL, &world.digest())]);
    let theirs = world.quorum(1, &[1], &FakeLog::vkey(), &[&copy.url]);
    std::fs::rename(theirs, world.path("attest-policy.toml")).unwrap();
    let mine = world.quorum(1, &[1], &FakeLog::vkey(), &[&nobody()]);
    world.attest(&["verify", WHEEL, "--policy", text(&mine)]).is(3, "undecided");
    assert_eq!(copy.lookups(), 0);
    // Who names it means it.
    world.attest(&["verify", WHEEL, "--policy", "attest-policy.toml"]).is(0, "1 ok");
}

#[test]
fn an_older_policy_than_was_seen_is_an_alarm() {
    let world = World::new();
    world.keep_own(1);
    let policy = world.own("p.toml", 1, 5);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(0, "ok");
    world.own("p.toml", 1, 4);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(4, "was rolled back");
    world.attest(&["policy", "check", "--policy", text(&policy)]).is(4, "was rolled back");
    world.own("p.toml", 1, 6);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(0, "ok");
}

#[test]
fn a_policy_that_cannot_be_met_or_read_is_named_by_line() {
    let good = |world: &World| std::fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    let twice = format!("[[rebuilder]]\nname = \"x\"\ngroup = \"x\"\nstatus = \"current\"\nkey = \"{}\"\n", public(1));
    for (change, place) in [
        ("threshold = 1|threshold = 0", "p.toml:4:"),
        ("threshold = 1|threshold = 2", "p.toml:4:"),
        ("threshold = 1|threshold = 1\nfrobnicate = 1", "p.toml:5:"),
        ("serial = 1|serial = -1", "p.toml:2:"),
        ("version = 1|", "p.toml:"),
        ("[[self]]|[[self", "p.toml:12:"),
    ] {
        let world = World::new();
        let (from, to) = change.split_once('|').unwrap();
        let policy = world.write("p.toml", good(&world).replacen(from, to, 1));
        world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(2, place);
        world.attest(&["policy", "check", text(&policy)]).is(2, place);
    }
    let world = World::new();
    let policy = world.write("p.toml", good(&world) + &twice);
    world.attest(&["policy", "check", text(&policy)]).is(2, "same public key");
    world.attest(&["verify", WHEEL, "--policy", "no such file"]).is(2, "cannot read no such file");
}

#[test]
fn an_expired_policy_decides_nothing() {
    let world = World::new();
    world.keep_own(1);
    let policy = world.own("p.toml", 1, 1);
    let text_of = std::fs::read_to_string(&policy).unwrap().replace("2099", "2020");
    world.write("p.toml", text_of);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(3, "expired");
    world.attest(&["policy", "check", text(&policy)]).is(3, "expired");
}

#[test]
fn presets_make_policies_that_judge_and_overwrite_nothing() {
    let world = World::new();
    let key = world.key_file(1);
    world.attest(&["policy", "init", "--preset", "self", "--key", text(&key), "-o", "p.toml"]).is(0, "p.toml");
    world.keep_own(1);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "1 of 1 (self)");
    world.attest(&["policy", "check", "p.toml"]).is(0, "self me");
    world.attest(&["policy", "init", "--preset", "self", "--key", text(&key), "-o", "p.toml"]).is(2, "exists already");
    world.attest(&["policy", "init", "--preset", "quorum", "--key", &public(1), "-o", "q.toml"]).is(2, "GROUP=KEY");
    let (a, b) = (format!("a={}", public(1)), format!("b={}", public(2)));
    let quorum = ["policy", "init", "--preset", "quorum", "--key", &a, "--key", &b, "-o", "q.toml"];
    world.attest(&quorum).is(2, "only in a log");
    let vkey = crate::fake_log::FakeLog::vkey();
    world.attest(&[&quorum[..], &["--log", &vkey, "http://127.0.0.1:1"]].concat()).is(0, "q.toml");
    world.attest(&["policy", "check", "q.toml"]).is(0, "2 independent groups must agree");
    let one_group = ["policy", "init", "--preset", "quorum", "--key", &a, "-o", "r.toml", "--log", &vkey, "http://x"];
    world.attest(&one_group).is(2, "threshold is 2");
    assert!(!world.path("r.toml").exists());
}
