//! An organisation's policy: named by its bytes, judging as a layer of its own, never merged.

use attest_core::artifact::ArtifactDigest;

use crate::world::{WHEEL, World, text};

/// The user's policy, and one of the organisation that it includes, each believing one key.
fn including(user: u8, organisation: u8) -> (World, String) {
    let world = World::new();
    let policy = std::fs::read_to_string(world.own("org.toml", organisation, 5)).unwrap();
    let digest = ArtifactDigest::of(policy.as_bytes());
    include(&world, user, &digest);
    (world, policy)
}

fn include(world: &World, user: u8, digest: &ArtifactDigest) {
    let own = std::fs::read_to_string(world.own("p.toml", user, 1)).unwrap();
    let place = world.path("org.toml");
    let table = format!("[[include]]\nurl = \"file://{}\"\nsha256 = \"{digest}\"\n", text(&place));
    world.write("p.toml", own + &table);
}

#[test]
fn the_organisations_policy_must_accept_too() {
    let (world, _) = including(1, 1);
    world.keep_own(1);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "1 of 1 (self); 1 of 1 (self)");
    let (world, _) = including(1, 2);
    world.keep_own(1);
    let done = world.attest(&["verify", WHEEL, "--policy", "p.toml"]);
    done.is(1, "refused");
    done.is(1, "data/policies/");
    // Nor is the user's own loosened by it.
    world.keep_own(2);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(1, "p.toml");
    world.attest(&["policy", "check", "--policy", "p.toml"]).is(0, "(organisation policy)");
}

#[test]
fn other_bytes_than_those_that_are_meant_are_an_alarm() {
    let (world, policy) = including(1, 1);
    world.keep_own(1);
    world.write("org.toml", policy.replace("serial = 5", "serial = 6"));
    let done = world.attest(&["verify", WHEEL, "--policy", "p.toml"]);
    done.is(4, "is not the policy that is meant");
    done.is(4, "p.toml:15");
    assert!(world.listing("data/policies").iter().all(|name| !name.contains(".toml")), "nothing of it is kept");
}

#[test]
fn it_is_fetched_once_and_then_kept_by_its_digest_and_believed_for_its_bytes_alone() {
    let (world, policy) = including(1, 1);
    world.keep_own(1);
    let verify = || world.attest(&["verify", WHEEL, "--policy", "p.toml"]);
    verify().is(0, "ok");
    std::fs::remove_file(world.path("org.toml")).unwrap();
    verify().is(0, "ok");
    // What was changed on this disk is not what was meant, and no alarm either: it is fetched again.
    let kept = format!("data/policies/{}.toml", ArtifactDigest::of(policy.as_bytes()));
    world.write(&kept, policy.replace("threshold = 1", "threshold = 1 "));
    verify().is(2, "cannot be had");
    world.write("org.toml", policy);
    verify().is(0, "ok");
}

#[test]
fn one_that_cannot_be_had_leaves_the_question_open() {
    let world = World::new();
    world.keep_own(1);
    let own = std::fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    let digest = "ab".repeat(32);
    world.write("p.toml", own + &format!("[[include]]\nurl = \"https://127.0.0.1:1/a\"\nsha256 = \"{digest}\"\n"));
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(3, "cannot be had");
    world.attest(&["verify", WHEEL, "--policy", "p.toml", "--offline"]).is(3, "nobody is asked");
}

#[test]
fn a_project_makes_nobody_fetch_a_policy_and_an_included_one_includes_no_other() {
    let (world, _) = including(1, 1);
    world.keep_own(1);
    std::fs::rename(world.path("p.toml"), world.path("attest-policy.toml")).unwrap();
    world.own("mine.toml", 1, 1);
    world.attest(&["verify", WHEEL, "--policy", "mine.toml"]).is(2, "a project's policy includes no others");
    // Named by the user, it is the user's.
    world.attest(&["verify", WHEEL, "--policy", "attest-policy.toml"]).is(0, "ok");

    let (world, _) = including(1, 1);
    std::fs::rename(world.path("p.toml"), world.path("org.toml")).unwrap();
    let digest = ArtifactDigest::of(&std::fs::read(world.path("org.toml")).unwrap());
    include(&world, 1, &digest);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(2, "includes no others");
}

#[test]
fn an_older_policy_of_the_same_place_is_an_alarm_although_the_user_names_its_digest() {
    let (world, policy) = including(1, 1);
    world.keep_own(1);
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "ok");
    let older = policy.replace("serial = 5", "serial = 4");
    world.write("org.toml", &older);
    include(&world, 1, &ArtifactDigest::of(older.as_bytes()));
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(4, "was rolled back");
}
