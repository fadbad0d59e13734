//! `attest verify --build-deps`: what was built with is asked about as what is installed.

use attest_core::artifact::ArtifactDigest;

use crate::{
    fake_log::FakeLog,
    world::{WHEEL, World, statement, statement_with, text},
};

const SETUPTOOLS: (&str, &str) = ("pkg:pypi/setuptools@80.9.0", "setuptools");
const WHEEL_LIBRARY: (&str, &str) = ("pkg:pypi/wheel@0.45.1", "wheel");

/// The wheel was built with setuptools and wheel; setuptools was built with itself, and nobody rebuilt wheel.
fn built_with() -> (World, FakeLog, String) {
    let world = World::new();
    let setuptools = ArtifactDigest::of(b"setuptools");
    let log = FakeLog::start(vec![
        statement_with(1, WHEEL, &world.digest(), &[SETUPTOOLS, WHEEL_LIBRARY]),
        statement_with(1, "setuptools-80.9.0-py3-none-any.whl", &setuptools, &[SETUPTOOLS]),
    ]);
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&log.url]);
    (world, log, text(&policy).to_owned())
}

#[test]
fn build_tools_are_asked_about_level_by_level_and_what_nobody_attested_comes_first() {
    let (world, log, policy) = built_with();
    let done = world.attest(&["verify", WHEEL, "--policy", &policy, "--build-deps"]);
    // setuptools of setuptools, wheel, python and zlib: one of four.
    done.is(0, "build tools: 25 % attested (1 of 4)");
    assert_eq!(log.lookups(), 2, "{done:?}");
    let at = |words: &str| done.out.find(words).unwrap_or_else(|| panic!("{words}: {done:?}"));
    assert!(at("python 3.11.7  outside the package index") < at("wheel 0.45.1"));
    assert!(at("wheel 0.45.1") < at("  setuptools 80.9.0"), "{done:?}");
    let tools = world.attest(&["verify", WHEEL, "--policy", &policy, "--build-deps", "--output-format", "json"]).json();
    let tools = &tools["buildTools"];
    assert_eq!((&tools["attested"], &tools["total"], &tools["percent"]), (&1.into(), &4.into(), &25.into()));
    let named = |name: &str| {
        let tools = tools["tools"].as_array().unwrap();
        tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name}: {tools:?}")).clone()
    };
    assert_eq!(named("setuptools 80.9.0")["standing"], "passed");
    assert_eq!(named("setuptools 80.9.0")["usedBy"], 2);
    assert_eq!(named("wheel 0.45.1")["standing"], "refused");
    assert_eq!(named("zlib 1.2.13")["standing"], "outside");
    assert_eq!(tools["files"][0]["uses"].as_array().unwrap().len(), 4);
}

#[test]
fn a_vote_for_another_version_does_not_attest_a_build_tool() {
    let world = World::new();
    let log = FakeLog::start(vec![
        statement_with(1, WHEEL, &world.digest(), &[SETUPTOOLS]),
        statement(1, "setuptools-80.9.1-py3-none-any.whl", &ArtifactDigest::of(b"setuptools")),
    ]);
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&log.url]);
    let done = world.attest(&["verify", WHEEL, "--policy", text(&policy), "--build-deps"]);
    done.is(0, "build tools: 0 % attested (0 of 3)");
}

#[test]
fn without_the_flag_nothing_more_is_asked() {
    let (world, log, policy) = built_with();
    let done = world.attest(&["verify", WHEEL, "--policy", &policy]);
    done.is(0, "1 ok");
    assert!(!done.out.contains("build tools"), "{done:?}");
    assert_eq!(log.lookups(), 1);
}
