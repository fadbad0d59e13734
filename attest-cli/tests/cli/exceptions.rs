//! What a program changes in a policy: exceptions, keys, nothing else; and what `policy check` and `show` say of it.

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    world::{WHEEL, World, text},
};

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.path(name)).unwrap()
}

#[test]
fn an_exemption_is_for_the_very_bytes_and_is_counted_with_its_age_and_end() {
    let world = World::new();
    world.own("p.toml", 1, 1);
    let before = read(&world, "p.toml");
    let exempt = ["policy", "exempt", WHEEL, "--reason", "read \"it\" myself", "--expires", "30d", "--to", "p.toml"];
    let done = world.attest(&exempt);
    done.is(0, "p.toml: serial 2");
    done.is(0, "    2 - serial = 1");
    done.is(0, "    2 + serial = 2");
    done.is(0, "+ [[exempt]]");
    let after = read(&world, "p.toml");
    assert!(after.starts_with(&before.replace("serial = 1", "serial = 2")), "{after}");
    assert!(after.contains(&format!("# {WHEEL}\n[[exempt]]\nsha256 = \"{}\"\n", world.digest())), "{after}");
    let done = world.attest(&["verify", WHEEL, "--policy", "p.toml"]);
    done.is(0, "read \"it\" myself");
    done.is(0, "1 file checked: 1 exempt");
    done.is(0, "1 file exempt, the oldest for 0 days, until ");
    let document = world.attest(&["verify", WHEEL, "--policy", "p.toml", "--output-format", "json"]).json();
    assert_eq!(document["aged"]["exempt"]["files"], 1);
    assert_eq!(document["aged"]["exempt"]["oldestDays"], 0);
    world.write(WHEEL, "other bytes");
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(1, "refused");
}

#[test]
fn an_exemption_of_unknown_age_and_without_end_is_told_as_that() {
    let world = World::new();
    let digest = world.digest();
    let own = std::fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    let exempt = format!("[[exempt]]\nsha256 = \"{digest}\"\nreason = \"r\"\nexpires = 2099-01-01T00:00:00Z\n");
    world.write("p.toml", own + &exempt);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "1 file exempt, 1 of unknown age, until 2099");
}

#[test]
fn a_release_is_exempt_by_the_digests_that_the_lock_has_of_it() {
    let world = World::new();
    world.own("p.toml", 1, 1);
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let lock =
        format!("demo==1.0 --hash=sha256:{one} --hash=sha256:{two}\nother==1.0 --hash=sha256:{}\n", "ef".repeat(32));
    world.write("requirements.txt", lock);
    let exempt = |item: &str| {
        world.attest(&["policy", "exempt", item, "--reason", "r", "--to", "p.toml", "--lock", "requirements.txt"])
    };
    exempt("demo==1.0").is(0, &two);
    exempt("demo==2.0").is(2, "the lock has no file of demo==2.0");
    exempt(&format!("sha256:{}", "12".repeat(32))).is(0, "serial 3");
    exempt("sha256:12").is(2, "64 lower-case hex digits");
    exempt("nowhere.whl").is(2, "cannot read nowhere.whl");
    let policy = read(&world, "p.toml");
    assert_eq!(policy.matches("[[exempt]]").count(), 3, "{policy}");
    assert!(!policy.contains(&"ef".repeat(32)));
    world.attest(&["verify", "requirements.txt", "--policy", "p.toml"]).is(1, "3 files checked: 2 exempt, 1 refused");
}

#[test]
fn a_source_distribution_passes_by_an_exemption_of_its_bytes_and_by_nothing_else() {
    let world = World::new();
    world.keep_own(1);
    world.own("p.toml", 1, 1);
    world.write("dist/demo-1.0.tar.gz", "source");
    world.attest(&["verify", "dist", "--policy", "p.toml"]).is(1, "1 not attestable");
    world.attest(&["policy", "exempt", "dist/demo-1.0.tar.gz", "--reason", "r", "--to", "p.toml"]).is(0, "serial 2");
    world.attest(&["verify", "dist", "--policy", "p.toml"]).is(0, "1 exempt");
    world.write("dist/demo-1.0.tar.gz", "another source");
    world.attest(&["verify", "dist", "--policy", "p.toml"]).is(1, "1 not attestable");
}

#[test]
fn nothing_is_written_that_has_no_reason_no_end_or_no_policy() {
    let world = World::new();
    world.own("p.toml", 1, 1);
    let before = read(&world, "p.toml");
    let exempt = |more: &[&str]| world.attest(&[&["policy", "exempt", WHEEL][..], more].concat());
    exempt(&["--to", "p.toml"]).is(2, "--reason");
    exempt(&["--to", "p.toml", "--reason", " "]).is(2, "expected a reason");
    exempt(&["--to", "p.toml", "--reason", "r", "--expires", "soon"]).is(2, "expected a number of days");
    exempt(&["--to", "p.toml", "--reason", "r", "--expires", "2020-01-01"]).is(2, "a time to come");
    exempt(&["--to", "p.toml", "--reason", "r", "--expires", "9999d"]).is(2, "at most");
    exempt(&["--to", "q.toml", "--reason", "r"]).is(2, "there is no policy q.toml");
    let broken = world.write("broken.toml", before.replace("threshold = 1", "threshold = 0"));
    exempt(&["--to", text(&broken), "--reason", "r"]).is(2, "broken.toml:4:13");
    assert_eq!(read(&world, "p.toml"), before);
}

#[test]
fn a_policy_that_was_rolled_back_is_not_made_a_newer_one_by_a_change() {
    let world = World::new();
    world.keep_own(1);
    world.own("p.toml", 1, 6);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "ok");
    world.own("p.toml", 1, 5);
    world.attest(&["policy", "exempt", WHEEL, "--reason", "r", "--to", "p.toml"]).is(4, "was rolled back");
}

#[test]
fn a_contradiction_is_dismissed_by_its_id_until_a_day() {
    let world = World::new();
    world.own("p.toml", 1, 1);
    let id = "47".repeat(32);
    let dismiss = |id: &str| {
        world.attest(&["policy", "dismiss", id, "--reason", "their disk", "--expires", "10d", "--to", "p.toml"])
    };
    dismiss(&id).is(0, "serial 2");
    dismiss("47").is(2, "");
    world.attest(&["policy", "check", "p.toml"]).is(0, &format!("dismisses {id} until "));
}

#[test]
fn a_key_is_retired_at_the_end_of_what_its_logs_hold_now() {
    let world = World::new();
    let digest = world.digest();
    let log =
        FakeLog::start(vec![crate::world::statement(1, WHEEL, &digest), crate::world::statement(2, WHEEL, &digest)]);
    let policy = world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&log.url]);
    let retire = |name: &str| world.attest(&["policy", "retire-key", name, "--to", text(&policy)]);
    retire("nobody").is(2, "expected one of r1, r2");
    log.behave(Conduct::OtherKey);
    retire("r1").is(3, "gave no checkpoint to take the bound from");
    log.behave(Conduct::Honest);
    retire("r1").is(0, "before = 2");
    world
        .attest(&["policy", "check", text(&policy)])
        .is(0, "rebuilder r1 (retired) votes for g1, in log.test/fake from 0 to 2");
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(0, "2 of 2");
    retire("r1").is(2, "no current key");
    // What it signs from now on is no vote.
    world.write(WHEEL, "a newer file");
    let newer = world.digest();
    log.append(crate::world::statement(1, WHEEL, &newer));
    log.append(crate::world::statement(2, WHEEL, &newer));
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(1, "expected 2 groups that reproduced it, found 1");
    let done = world.attest(&["policy", "retire-key", "r1", "--compromised", "--to", text(&policy)]);
    done.is(2, "only 1 group can meet it");
}

#[test]
fn a_key_is_not_retired_at_a_bound_that_nobody_vouches_for() {
    let world = World::new();
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&nobody()]);
    let before = read(&world, "policy.toml");
    let retire = ["policy", "retire-key", "r1", "--to", text(&policy)];
    world.attest(&retire).is(3, "cannot be reached");
    world.attest(&[&retire[..], &["--offline"]].concat()).is(3, "nobody is asked");
    assert_eq!(read(&world, "policy.toml"), before);
}

#[test]
fn every_value_of_a_policy_is_shown_with_its_line() {
    let world = World::new();
    let example = include_str!("../../../docs/policy.md").split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let policy = world.write("p.toml", example);
    let done = world.attest(&["policy", "check", text(&policy)]);
    let document = world.attest(&["policy", "check", text(&policy), "--output-format", "json"]).json();
    let values = document["policies"][0]["values"].as_array().unwrap();
    assert!(values.len() > 20, "{done:?}");
    let line = |words: &str| {
        let found = values.iter().find(|value| value["says"].as_str().unwrap().contains(words));
        let line = found.unwrap_or_else(|| panic!("{words}: {done:?}"))["line"].as_u64().unwrap();
        example.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().to_owned()
    };
    for (words, start) in [
        ("serial 12", "serial = 12"),
        ("built from git or sdist", "accept-origin"),
        ("results that are exact or replayed", "accept-method"),
        ("rebuilder acme-2024 (retired) votes for acme, in log.example.org/2025 from 0 to 48211", "[[rebuilder]]"),
        ("finished with 51877 entries", "[[log]]"),
        ("cryptography: 3 independent groups must agree; ", "[[package]]"),
        ("reviewed as SEC-812", "[[exempt]]"),
        ("acme-* from https://pypi.acme.example/simple", "[[exempt]]"),
        ("pinned until", "expires = "),
        ("judges too", "[[include]]"),
        ("their disk was broken", "[[dismiss]]"),
    ] {
        assert!(line(words).starts_with(start), "{words}: {}", line(words));
        done.is(0, words);
    }
}

#[test]
fn what_applies_to_one_package_is_shown_for_every_policy() {
    let world = World::new();
    let own = std::fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    let rule = "[[package]]\nname = \"dem*\"\naccept-origin = [\"git\"]\nrequire-groups = [\"self\"]\n\
        index = \"https://pypi.acme.example/simple\"\n\
        repository = { url = \"https://github.com/acme/demo\" }\n";
    world.write("p.toml", own + rule);
    world.own("q.toml", 1, 1);
    let done = world.attest(&["policy", "show", "Demo==1.0", "--policy", "p.toml", "--policy", "q.toml"]);
    for words in [
        "   17  built from git\n",
        "   18  self must be among them\n",
        "   19  only from https://pypi.acme.example/simple\n",
        "   20  only built from https://github.com/acme/demo at refs/tags/v1.0 or refs/tags/1.0\n",
        "q.toml (named policy)",
        "    5  built from git or sdist\n",
        "every one of them must accept",
    ] {
        done.is(0, words);
    }
    let other = world.attest(&["policy", "show", "other", "--policy", "p.toml", "--output-format", "json"]).json();
    assert_eq!(other["policies"][0]["values"][1]["says"], "built from git or sdist");
    world.attest(&["policy", "show", "no name", "--policy", "p.toml"]).is(2, "expected a project name");
}

#[test]
fn an_error_is_pointed_at_in_the_users_own_file() {
    let world = World::new();
    let own = std::fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    world.write("p.toml", own.replace("threshold = 1\n", "threshold = 12 # all\n"));
    let done = world.attest(&["verify", WHEEL, "--policy", "p.toml"]);
    done.is(2, "p.toml:4:13: threshold is 12, but only 1 group can meet it");
    done.is(2, "\n   |\n 4 | threshold = 12 # all\n   |             ^^\n");
}
